//! On what a lab runs, as the environment says: the kernel's own network or RDMA, a real machine or an emulated one.
//!
//! The same scenarios run in both settings. What a machine is that is emulated ([`crate::guest`]) takes some ten times as long for
//! everything, so there the cluster is told to forgive more, waits are longer, and promises in milliseconds are told instead of kept.
//! Everything else, what is never lost or never seen above all, holds everywhere.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Result, ensure};
use twinrail_proto::domain::Rail;

/// The rails that are RDMA, by their letters: `A`, `B`, `AB`. Not set: none.
pub const VERBS_VARIABLE: &str = "TWINRAIL_LAB_VERBS";
/// Set to anything where the machine is emulated.
pub const EMULATED_VARIABLE: &str = "TWINRAIL_LAB_EMULATED";

/// Waits on an emulated machine are so much longer.
const SLOWER: u32 = 6;
/// What an emulated cluster forgives: its threads do not run for a tenth of a second now and then.
const FORGIVING: [(&str, i64); 5] = [
    ("hello_interval_ms", 50),
    ("missed_hellos", 10),
    ("director_lost_after_ms", 800),
    ("lease_ms", 8_000),
    ("release_timeout_ms", 5_000),
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Rails that are RDMA.
    pub verbs: Vec<Rail>,
    pub emulated: bool,
}

/// This process's setting.
pub fn setting() -> &'static Setting {
    static SETTING: OnceLock<Setting> = OnceLock::new();
    SETTING.get_or_init(|| {
        let verbs = std::env::var(VERBS_VARIABLE).unwrap_or_default();
        Setting::new(&verbs, std::env::var_os(EMULATED_VARIABLE).is_some())
    })
}

/// How long to wait here for what takes at most so long on a machine that is not emulated.
pub fn patience(usual: Duration) -> Duration {
    setting().patience(usual)
}

/// A promise in milliseconds: kept on a real machine, told on an emulated one.
pub fn promised(kept: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if !kept && setting().emulated {
        println!("not promised on an emulated machine: {}", otherwise());
        return Ok(());
    }
    ensure!(kept, "{}", otherwise());
    Ok(())
}

impl Setting {
    fn new(verbs: &str, emulated: bool) -> Self {
        let verbs = Rail::ALL.into_iter().filter(|rail| verbs.contains(&rail.to_string())).collect();
        Self { verbs, emulated }
    }

    fn patience(&self, usual: Duration) -> Duration {
        if self.emulated { usual * SLOWER } else { usual }
    }

    /// What every machine's configuration says of time; empty where the defaults are good.
    pub fn timing(&self) -> toml::Table {
        let keys = if self.emulated { FORGIVING.as_slice() } else { &[] };
        keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rails_are_named_by_their_letters() {
        let verbs = |text| Setting::new(text, false).verbs;
        assert_eq!((verbs(""), verbs("B"), verbs("AB")), (vec![], vec![Rail::B], vec![Rail::A, Rail::B]));
    }

    #[test]
    fn only_an_emulated_machine_has_more_time() {
        let (real, emulated) = (Setting::new("", false), Setting::new("", true));
        let second = Duration::from_secs(1);
        assert_eq!((real.patience(second), real.timing().len()), (second, 0));
        assert_eq!((emulated.patience(second), emulated.timing()["lease_ms"].as_integer()), (6 * second, Some(8_000)));
    }
}

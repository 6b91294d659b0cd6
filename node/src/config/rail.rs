use serde::Deserialize;
use twinrail_datapath::rail::RailKind;
use twinrail_datapath::rail::verbs::VerbsConfig;

use super::Problem;

/// What carries frames: `rail = "verbs"` for both rails, or `rail = { a = "verbs", b = "udp" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "WrittenRail")]
pub struct RailChoice {
    pub a: Carrier,
    pub b: Carrier,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// The kernel's sockets.
    #[default]
    Udp,
    /// RDMA: InfiniBand, RoCE.
    Verbs,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "\"udp\", \"verbs\", or { a = …, b = … } with one of these for each rail")]
enum WrittenRail {
    Both(Carrier),
    Each(EachRail),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EachRail {
    a: Carrier,
    b: Carrier,
}

impl From<WrittenRail> for RailChoice {
    fn from(written: WrittenRail) -> Self {
        match written {
            WrittenRail::Both(both) => Self { a: both, b: both },
            WrittenRail::Each(EachRail { a, b }) => Self { a, b },
        }
    }
}

impl Default for RailChoice {
    fn default() -> Self {
        Self { a: Carrier::Udp, b: Carrier::Udp }
    }
}

/// `[verbs.a]` and `[verbs.b]`: how the rails that are carried by verbs are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verbs {
    pub a: Option<VerbsRail>,
    pub b: Option<VerbsRail>,
}

/// One rail over verbs. What is not set is found by the rail's address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerbsRail {
    /// The RDMA device, as `rdma link` names it.
    pub device: Option<String>,
    pub port: Option<u8>,
    /// Which of the port's GIDs packets come from. On InfiniBand: not set, packets are addressed by LIDs alone.
    pub gid_index: Option<u8>,
    pub service_level: u8,
    /// What RoCE switches sort packets by (the DSCP is its upper six bits).
    pub traffic_class: u8,
    pub pkey_index: u16,
    /// Not set: what the port takes.
    pub mtu: Option<u32>,
    /// Buffers of 68 KiB for what comes in, of all peers together; locked memory.
    pub receives: u16,
}

impl Default for VerbsRail {
    fn default() -> Self {
        let VerbsConfig { device, port, gid_index, service_level, traffic_class, pkey_index, mtu, receives } =
            VerbsConfig::default();
        Self { device, port, gid_index, service_level, traffic_class, pkey_index, mtu, receives }
    }
}

impl VerbsRail {
    fn config(&self) -> VerbsConfig {
        let Self { device, port, gid_index, service_level, traffic_class, pkey_index, mtu, receives } = self.clone();
        VerbsConfig { device, port, gid_index, service_level, traffic_class, pkey_index, mtu, receives }
    }

    fn check(&self, rail: &str) -> Result<(), Problem> {
        let wrong = |field: &str, problem: String| Err(Problem::new(format!("verbs.{rail}.{field}"), problem));
        if self.port == Some(0) {
            return wrong("port", "ports are counted from 1".into());
        }
        if self.service_level > 15 {
            return wrong("service_level", "must be 0 to 15".into());
        }
        if self.mtu.is_some_and(|it| VerbsConfig::mtu_code(it).is_none()) {
            return wrong("mtu", format!("must be one of {:?}", VerbsConfig::MTUS));
        }
        if self.receives < VerbsConfig::FEWEST_RECEIVES {
            return wrong("receives", format!("must be {} to {}", VerbsConfig::FEWEST_RECEIVES, u16::MAX));
        }
        Ok(())
    }
}

/// What carries rail A and rail B.
pub fn rail_kinds(choice: RailChoice, verbs: &Verbs) -> [RailKind; 2] {
    [(choice.a, &verbs.a), (choice.b, &verbs.b)].map(|(carrier, table)| match carrier {
        Carrier::Udp => RailKind::Udp,
        Carrier::Verbs => RailKind::Verbs(table.clone().unwrap_or_default().config()),
    })
}

/// A table for a rail that is carried by UDP would change nothing: it is an error.
pub(super) fn check_rails(choice: RailChoice, verbs: &Verbs) -> Result<(), Problem> {
    for (rail, carrier, table) in [("a", choice.a, &verbs.a), ("b", choice.b, &verbs.b)] {
        match (carrier, table) {
            (_, None) => {}
            (Carrier::Verbs, Some(table)) => table.check(rail)?,
            (Carrier::Udp, Some(_)) => {
                let problem = format!("rail {rail} is not carried by verbs: set `rail`");
                return Err(Problem::new(format!("verbs.{rail}"), problem));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        #[serde(default)]
        rail: RailChoice,
        #[serde(default)]
        verbs: Verbs,
    }

    fn kinds(text: &str) -> Result<[RailKind; 2], String> {
        let Part { rail, verbs } = toml::from_str(text).map_err(|error| error.to_string())?;
        check_rails(rail, &verbs).map_err(|it| format!("{}: {}", it.field, it.problem))?;
        Ok(rail_kinds(rail, &verbs))
    }

    #[test]
    fn each_rail_is_carried_by_what_is_said() {
        let verbs = || RailKind::Verbs(VerbsConfig::default());
        let named =
            VerbsConfig { device: Some("mlx5_0".into()), mtu: Some(4096), service_level: 3, ..VerbsConfig::default() };
        let table = [
            ("", [RailKind::Udp, RailKind::Udp]),
            ("rail = 'udp'", [RailKind::Udp, RailKind::Udp]),
            ("rail = 'verbs'", [verbs(), verbs()]),
            ("rail = { a = 'verbs', b = 'udp' }", [verbs(), RailKind::Udp]),
            (
                "rail = { a = 'udp', b = 'verbs' }\n[verbs.b]\ndevice = 'mlx5_0'\nmtu = 4096\nservice_level = 3",
                [RailKind::Udp, RailKind::Verbs(named)],
            ),
        ];
        for (text, expected) in table {
            assert_eq!(kinds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_or_changes_nothing_is_refused_by_name() {
        let table = [
            ("rail = 'tcp'", "\"udp\", \"verbs\", or"),
            ("rail = { a = 'verbs' }", "\"udp\", \"verbs\", or"),
            ("[verbs.a]\nport = 1", "verbs.a: rail a is not carried by verbs"),
            ("rail = 'verbs'\n[verbs.c]", "unknown field `c`"),
            ("rail = 'verbs'\n[verbs.a]\ndevise = 'x'", "unknown field `devise`"),
            ("rail = 'verbs'\n[verbs.a]\nport = 0", "verbs.a.port"),
            ("rail = 'verbs'\n[verbs.b]\nservice_level = 16", "verbs.b.service_level"),
            ("rail = 'verbs'\n[verbs.b]\nmtu = 1500", "verbs.b.mtu"),
            ("rail = 'verbs'\n[verbs.b]\nreceives = 63", "verbs.b.receives"),
        ];
        for (text, problem) in table {
            let refused = kinds(text).expect_err(text);
            assert!(refused.contains(problem), "{text}: {refused}");
        }
    }
}

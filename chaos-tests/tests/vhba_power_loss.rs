//! The power of the whole cluster and of the server fails: what a vHBA's disk had acknowledged is there afterwards, and what was on
//! its way is there or not, but never half.

use std::time::Duration;

use anyhow::{Result, ensure};
use twinrail_chaos_tests::consistency::load::{Load, Shared};
use twinrail_chaos_tests::consistency::nbd::NbdDisk;
use twinrail_chaos_tests::consistency::running::BLOCKS;
use twinrail_chaos_tests::lab::array::Slowness;
use twinrail_chaos_tests::lab::storage::Storage;
use twinrail_chaos_tests::lab::{Layout, remnants};

const SEED: u64 = 5;
const CUTS: usize = 2;
const LOADED: Duration = Duration::from_secs(1);
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn acknowledged_writes_outlive_the_power_of_everything() -> Result<()> {
    let _turn = remnants::turn()?;
    let layout = Layout { servers: vec!["s1".to_owned()], ..Layout::default() };
    Storage::deployed(layout, Some(Slowness::usual(SEED)), &[(1, 16)])?.check(|storage| {
        let socket = storage.lab.export(&storage.cli()?, 1)?;
        let mut load = Load::new(NbdDisk::attach(&socket)?, BLOCKS, SEED, Shared::default());
        for _ in 0..CUTS {
            let end = std::time::Instant::now() + LOADED;
            while std::time::Instant::now() < end {
                load.turn()?;
            }
            lose_all_power(storage)?;
            let socket = storage.lab.export(&storage.cli()?, 1)?;
            load.go_on_with(NbdDisk::attach(&socket)?);
            load.read_all(SETTLES_WITHIN)?;
        }
        let tally = load.finish();
        println!("{} writes and {} reads around {CUTS} losses of all power", tally.writes, tally.reads);
        ensure!(tally.violations.is_empty(), "{:?}", tally.violations);
        ensure!(tally.errors == 0, "{} errors", tally.errors);
        Ok(())
    })
}

fn lose_all_power(storage: &mut Storage) -> Result<()> {
    let names = [storage.lab.layout.director_names(), storage.lab.layout.servers.clone()].concat();
    for name in &names {
        storage.lab.power_cut(name)?;
    }
    for name in &names {
        storage.lab.power_on(name)?;
    }
    Ok(())
}

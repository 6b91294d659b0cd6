//! The check of a vHBA's disk through takeovers of every kind, beside a slow array; and its control: where directors do not fence,
//! the same check finds stale reads.

use anyhow::{Result, bail, ensure};
use twinrail_chaos_tests::consistency::check::{CheckOptions, run};
use twinrail_chaos_tests::lab::array::Slowness;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::setting::setting;

/// Each kind once; in the guest more of them, since nothing else tries RDMA so hard.
const TAKEOVERS: usize = 6;
const TAKEOVERS_IN_THE_GUEST: usize = 20;
/// The control may take so many for each of its seeds.
const CONTROL_TAKEOVERS: usize = 12;
const CONTROL_SEEDS: std::ops::RangeInclusive<u64> = 1..=3;

#[test]
fn nothing_acknowledged_is_lost_or_overwritten_through_takeovers_of_every_kind() -> Result<()> {
    let _turn = remnants::turn()?;
    let slowness = Slowness::harsh(1);
    let takeovers = if setting().emulated { TAKEOVERS_IN_THE_GUEST } else { TAKEOVERS };
    let options = CheckOptions { seed: 1, takeovers, slowness, skip_fence: false, until_violation: false };
    let verdict = run(&options)?;
    println!("{verdict}");
    ensure!(verdict.is_clean(), "{verdict}");
    ensure!(verdict.gaps.len() == takeovers && verdict.writes > 1_000, "the check did too little: {verdict}");
    Ok(())
}

#[test]
fn without_a_fence_the_same_check_finds_late_writes() -> Result<()> {
    let _turn = remnants::turn()?;
    for seed in CONTROL_SEEDS {
        let slowness = Slowness::harsh(seed);
        let takeovers = CONTROL_TAKEOVERS;
        let options = CheckOptions { seed, takeovers, slowness, skip_fence: true, until_violation: true };
        let verdict = run(&options)?;
        println!("without a fence: {verdict}");
        ensure!(verdict.torn == 0, "no fence is missing that keeps blocks whole: {verdict}");
        // A late write of the former home shows as either, by whether the block was written again meanwhile.
        if verdict.stale + verdict.lost > 0 {
            return Ok(());
        }
    }
    bail!(
        "no stale read and no lost write in {CONTROL_TAKEOVERS} takeovers without a fence, on any seed: the check proves nothing"
    )
}

//! The lab's rails that are RDMA, before anything of ours runs on them: programs that are not ours speak verbs from one machine to
//! another, and a cable that is cut takes RDMA with it. Only where there is RDMA: `make test-guest`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::scenario::eventually;
use twinrail_chaos_tests::lab::{Lab, Layout, Segment, rdma, remnants, shell};
use twinrail_proto::domain::Rail;

const SEEN_WITHIN: Duration = Duration::from_secs(10);
const ENDS_WITHIN: Duration = Duration::from_secs(20);

#[test]
#[ignore = "needs RDMA: `make test-guest` runs it"]
fn machines_speak_verbs_over_each_rail_and_a_cut_cable_takes_them_down() -> Result<()> {
    let _turn = remnants::turn()?;
    let before = devices()?;
    Lab::with(Layout { verbs: Rail::ALL.to_vec(), ..Layout::default() }, |lab| {
        for rail in Rail::ALL {
            ping_pong(lab, rail)?;
            lab.cut_cable("d1", Segment::Rail(rail))?;
            wait_for_state(lab, rail, "DOWN")?;
            lab.restore_cable("d1", Segment::Rail(rail))?;
            wait_for_state(lab, rail, "ACTIVE")?;
            ping_pong(lab, rail)?;
        }
        Ok(())
    })?;
    let left = devices()?;
    ensure!(left == before, "the lab has gone and left RDMA devices: {left}; before it: {before}");
    Ok(())
}

fn devices() -> Result<String> {
    shell::run(Command::new("rdma").args(["link", "show"]))
}

/// Numbers of queue pairs go by TCP over the rail itself, in the machines' namespaces, where no RDMA device is.
fn ping_pong(lab: &Lab, rail: Rail) -> Result<()> {
    let address = lab.machine("d1")?.kind.rail_address(rail).context("d1 is on no rail")?.to_string();
    let mut server = rdma::ping_pong(lab, "d1", rail, None)?;
    rdma::wait_for_listener(lab, "d1")?;
    let mut client = rdma::ping_pong(lab, "s1", rail, Some(&address))?;
    for process in [&mut client, &mut server] {
        let status = process.wait(ENDS_WITHIN)?;
        ensure!(status.success(), "{} ended with {status}; see {}", process.label(), process.log().display());
    }
    Ok(())
}

fn wait_for_state(lab: &Lab, rail: Rail, state: &str) -> Result<()> {
    let path = Path::new(rdma::DEVICES).join(rdma::device(lab.id(), "d1", rail)).join("ports/1/state");
    eventually(SEEN_WITHIN, "the state of an RDMA port", || {
        let text = std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
        Ok(text.contains(state).then_some(()))
    })
}

//! A second opinion on what our rails speak: programs that are not ours run verbs between the same devices while our traffic goes
//! on. Only where there is RDMA: `make test-guest`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::scenario::Scenario;
use twinrail_chaos_tests::lab::{Layout, rdma, remnants};
use twinrail_proto::domain::Rail;

const ENDS_WITHIN: Duration = Duration::from_secs(20);

#[test]
#[ignore = "needs RDMA: `make test-guest` runs it"]
fn programs_that_are_not_ours_share_the_devices() -> Result<()> {
    let _turn = remnants::turn()?;
    let layout = Layout { verbs: Rail::ALL.to_vec(), ..Layout::default() };
    Scenario::watched(layout, &["s1"])?.check(|scenario| {
        let lab = &scenario.lab;
        let address = lab.machine("d1")?.kind.rail_address(Rail::A).context("d1 is not on rail A")?.to_string();
        let mut server = rdma::ping_pong(lab, "d1", Rail::A, None)?;
        rdma::wait_for_listener(lab, "d1")?;
        let mut client = rdma::ping_pong(lab, "s1", Rail::A, Some(&address))?;
        for process in [&mut client, &mut server] {
            let status = process.wait(ENDS_WITHIN)?;
            ensure!(status.success(), "{} ended with {status}; see {}", process.label(), process.log().display());
        }
        scenario.wait_for_answers()?;
        for seen in scenario.finish()? {
            ensure!(seen.transfer.lived, "{}'s TCP connection died: {:?}", seen.card.short_name(), seen.transfer);
        }
        Ok(())
    })
}

//! One vNIC under observation: what it was at the start, the prober and the TCP transfer that run over it, and what was seen.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use super::Lab;
use super::cluster::Vnic;
use super::layout::{ECHO_PORT, LAN_HOST};
use super::probes::{RunningProber, RunningTransfer, Window};
use crate::measure::clock::Nanos;
use crate::measure::report::{ProbeEvent, ProbeSummary, TcpReport};

/// Traffic flows again within this, or whoever waits for it fails.
const ANSWERS_WITHIN: Duration = Duration::from_secs(15);

/// A vNIC that is deployed and has its address.
#[derive(Clone, Debug)]
pub struct Card {
    pub vnic: Vnic,
    pub server: String,
    pub address: Ipv4Addr,
}

impl Card {
    /// `web-1/eth0`
    pub fn short_name(&self) -> String {
        format!("{}/{}", self.vnic.profile(), self.vnic.device())
    }
}

/// A vNIC with traffic on it.
pub struct Watched {
    pub card: Card,
    prober: RunningProber,
    transfer: RunningTransfer,
}

/// What was seen in the end.
pub struct Seen {
    pub card: Card,
    pub probes: ProbeSummary,
    pub transfer: TcpReport,
}

impl Watched {
    pub fn start(lab: &Lab, card: Card) -> Result<Self> {
        let target = SocketAddr::from((LAN_HOST, ECHO_PORT));
        let label = |what: &str| format!("{what}-{}", card.short_name().replace('/', "-"));
        let prober = lab.start_prober(&card.server, &label("prober"), card.address, target)?;
        let transfer = lab.start_transfer(&card.server, &label("transfer"), card.address, target)?;
        Ok(Self { card, prober, transfer })
    }

    /// All that the prober told so far.
    pub fn events(&mut self) -> Result<&[ProbeEvent]> {
        self.prober.events()
    }

    /// When the last answer came that was told.
    pub fn answered(&mut self) -> Option<Nanos> {
        self.prober.last_answer()
    }

    pub fn wait_for_answers(&mut self) -> Result<()> {
        self.prober.wait_for_answers(ANSWERS_WITHIN)
    }

    pub fn window(&mut self, from: Nanos, to: Nanos) -> Result<Window> {
        self.prober.window(from, to)
    }

    pub fn finish(self) -> Result<Seen> {
        let transfer = self.transfer.finish()?;
        Ok(Seen { card: self.card, probes: self.prober.finish()?, transfer })
    }
}

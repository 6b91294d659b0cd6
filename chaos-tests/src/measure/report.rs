//! What the measuring programs print: JSON, one object a line.

use serde::{Deserialize, Serialize};

use super::clock::Nanos;

/// What a prober prints while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ProbeEvent {
    /// The first answer came.
    First {
        at: Nanos,
    },
    /// No answer came between these two.
    Gap {
        from: Nanos,
        to: Nanos,
    },
    /// Probes to which no answer came in time.
    Lost {
        sent_at: Nanos,
    },
    /// The prober itself did not get to run: gaps across it say nothing of the network.
    OwnStall {
        from: Nanos,
        to: Nanos,
    },
    /// Where the prober is: what was said before is complete up to here.
    Tick {
        at: Nanos,
        last_answer: Option<Nanos>,
        settled: Nanos,
    },
    Summary(ProbeSummary),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeSummary {
    pub sent: u64,
    pub answered: u64,
    pub lost: u64,
    /// Answered, but after the probe had been given up.
    pub late: u64,
    pub duplicated: u64,
    pub reordered: u64,
    pub longest_gap: Nanos,
    pub longest_own_stall: Nanos,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TcpReport {
    /// The one connection was never lost, and every byte came back as it should.
    pub lived: bool,
    /// Why it did not.
    pub error: Option<String>,
    pub verified_bytes: u64,
    pub longest_stall: Nanos,
    pub longest_stall_at: Nanos,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoundTripReport {
    pub samples: u64,
    pub lost: u64,
    pub p50: Nanos,
    pub p99: Nanos,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FramesReport {
    pub sent: u64,
    pub seconds: f64,
}

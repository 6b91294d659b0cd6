use twinrail_proto::domain::Rail;

use super::{Fault, KINDS, Kind};
use crate::sim::network::Node;
use crate::sim::params::{Params, SAFETY, WARM_UP};
use crate::sim::queue::MILLI;
use crate::sim::rng::Rng;

/// A schedule from chance. `only`: of these kinds, if any are named.
pub fn draw(rng: &mut Rng, params: &Params, only: &[String]) -> Vec<Fault> {
    let kinds: Vec<&str> = KINDS.into_iter().filter(|it| only.is_empty() || only.iter().any(|one| one == it)).collect();
    let (first, last) = (WARM_UP / MILLI, (WARM_UP + SAFETY) / MILLI);
    let mut faults: Vec<Fault> = (0..rng.between(4, 14))
        .map(|_| {
            let at_ms = rng.between(first, last - 500);
            let name = *rng.pick(&kinds);
            let (kind, for_ms) = draw_kind(rng, name, params);
            Fault { at_ms, for_ms: for_ms.min(last - at_ms), kind }
        })
        .collect();
    brown_outs(&mut faults, params);
    faults.sort_by_key(|it| it.at_ms);
    faults
}

/// The fault and how long it lasts.
fn draw_kind(rng: &mut Rng, name: &str, params: &Params) -> (Kind, u64) {
    let director = Node::Director(rng.below(u64::from(params.directors)) as u8);
    let other = Node::Director(rng.below(u64::from(params.directors)) as u8);
    let server = Node::Server(rng.below(u64::from(params.servers)) as u8);
    let rail = *rng.pick(&Rail::ALL);
    // Servers fail more rarely than directors here: there is less to be learned from it.
    let anybody = if rng.permille(200) { server } else { director };
    let end = if other == director || rng.permille(500) { server } else { other };
    // Around the times at which something is decided: the detector's, the lease's.
    let long = *rng.pick(&[60, 130, 400, 1200, 1700, 3000]) + rng.below(200);
    match name {
        "kill" => (Kind::Kill(anybody), long),
        "power" => (Kind::Power(anybody), long),
        "power-all" => (Kind::PowerAll, rng.between(100, 800)),
        "pause" => (Kind::Pause(director), *rng.pick(&[30, 70, 200, 900, 2000]) + rng.below(100)),
        "cut" => (Kind::Cut(director, end, rail), long),
        "cut-one-way" if rng.permille(500) => (Kind::CutOneWay(director, end, rail), long),
        "cut-one-way" => (Kind::CutOneWay(end, director, rail), long),
        "isolate" => (Kind::Isolate(anybody), long),
        "part" => (Kind::Part(director), long),
        "split" => (Kind::Split(director, server), long),
        "rail-out" => (Kind::RailOut(rail), long),
        "storm" => {
            let (lost, doubled, delay_ms) = (rng.below(200), rng.below(100), rng.below(120));
            (Kind::Storm { lost, doubled, delay_ms }, long)
        }
        "stall-disk" => (Kind::StallDisk(director), rng.between(20, 600)),
        "fail-flush" => (Kind::FailFlush(director), rng.between(100, 700)),
        "jump" => (Kind::Jump(director, rng.between(0, 120_000) as i64 - 60_000), long),
        "slow-array" => (Kind::SlowArray(rng.between(100, 700)), long),
        "no-array" => (Kind::NoArray(director), long),
        other => unreachable!("{other} is no kind of fault"),
    }
}

const BROWN_OUT_MS: u64 = 40;

/// Before all power goes disks cannot flush any more: what was acknowledged too early is lost.
fn brown_outs(faults: &mut Vec<Fault>, params: &Params) {
    let outages: Vec<u64> = faults.iter().filter(|it| it.kind == Kind::PowerAll).map(|it| it.at_ms).collect();
    for at_ms in outages {
        faults.extend((0..params.directors).map(|it| Fault {
            at_ms: at_ms - BROWN_OUT_MS,
            for_ms: BROWN_OUT_MS + 20,
            kind: Kind::StallDisk(Node::Director(it)),
        }));
    }
}

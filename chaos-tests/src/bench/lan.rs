//! `make bench-lan`: what passes from a server to the LAN, beside kernel VXLAN + bridge and one veth pair.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use twinrail_proto::domain::DirectorRole;

use super::Sides;
use super::table::{median, ratio, table};
use crate::baseline::vxlan::{self, Way};
use crate::lab::layout::{ECHO_PORT, IPERF_PORT, LAN_HOST, LAN_HOST_NAME};
use crate::lab::scenario::Scenario;
use crate::lab::{Lab, Layout, shell};
use crate::measure::report::{FramesReport, RoundTripReport};

/// Every way is measured so often, in turn, and the median counts.
const ROUNDS: usize = 3;
const TCP_SECONDS: &str = "3";
const FRAME_SECONDS: &str = "2";
/// Datagrams that nobody reads go here: a socket is open, so that the kernel does not answer each with an error.
const DISCARD_PORT: u16 = 9;

/// What one round over one way gave.
#[derive(Clone, Copy, Debug)]
struct Figures {
    one_stream_gbit: f64,
    four_streams_gbit: f64,
    small_frames_kpps: f64,
    round_trip_us: f64,
}

pub fn run(sides: Sides) -> Result<()> {
    println!("From a server to the LAN: the median of {ROUNDS} rounds");
    // Two labs, because a director's port cannot be in a bridge too. One director: the others would run on machines of
    // their own, and here they would only take turns on the cores that carry the traffic.
    let kernel = Lab::build(one_director())?;
    let mut ways = Vec::new();
    if sides.others {
        ways.extend([(&kernel, vxlan::pair(&kernel)?), (&kernel, vxlan::tunnel(&kernel)?)]);
    }
    let twinrail = if sides.twinrail { Some(twinrail()?) } else { None };
    if let Some((scenario, way)) = &twinrail {
        ways.push((&scenario.lab, way.clone()));
    }
    let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for ((lab, way), figures) in ways.iter().zip(&mut rounds) {
            figures.push(measure(lab, way).with_context(|| format!("over {}", way.name))?);
        }
    }
    let names: Vec<&str> = ways.iter().map(|(_, way)| way.name).collect();
    print(&names, &rounds);
    Ok(())
}

fn one_director() -> Layout {
    Layout::of(&[("d1", DirectorRole::Active)], 1)
}

fn twinrail() -> Result<(Scenario, Way)> {
    let (scenario, cards) = Scenario::deployed(Layout { flight_recorder: false, ..one_director() }, &["s1"])?;
    let source = cards.first().context("no vNIC was deployed")?.address;
    Ok((scenario, Way { name: "twinrail", source, target: LAN_HOST, far_device: "lan0" }))
}

/// The figures, and each as a ratio to VXLAN's. Of the round trip, less is better.
fn print(names: &[&str], rounds: &[Vec<Figures>]) {
    let columns: [fn(&Figures) -> f64; 4] =
        [|it| it.one_stream_gbit, |it| it.four_streams_gbit, |it| it.small_frames_kpps, |it| it.round_trip_us];
    let medians = rounds.iter().map(|figures| columns.map(|column| median(figures.iter().map(column))));
    let medians: Vec<[f64; 4]> = medians.collect();
    let vxlan = names.iter().position(|name| *name == vxlan::NAME);
    let yardstick = vxlan.map_or([0.0; 4], |index| medians[index]);
    let header = ["", "TCP 1 stream Gbit/s", "4 streams Gbit/s", "64-byte frames kpps", "round trip p50 us"];
    let mut out = table(&header);
    for (name, figures) in names.iter().zip(&medians) {
        let cell = |index: usize| format!("{:.1} ({})", figures[index], ratio(figures[index], yardstick[index]));
        out.add_row([(*name).to_owned(), cell(0), cell(1), cell(2), cell(3)]);
    }
    println!("{out}\nIn brackets: as a ratio to kernel VXLAN + bridge.");
}

fn measure(lab: &Lab, way: &Way) -> Result<Figures> {
    Ok(Figures {
        one_stream_gbit: tcp(lab, way, "1")?,
        four_streams_gbit: tcp(lab, way, "4")?,
        small_frames_kpps: small_frames(lab, way)?,
        round_trip_us: round_trip(lab, way)?,
    })
}

fn tcp(lab: &Lab, way: &Way, streams: &str) -> Result<f64> {
    let (source, target, port) = (way.source.to_string(), way.target.to_string(), IPERF_PORT.to_string());
    let arguments = ["-c", &target, "-B", &source, "-p", &port, "-P", streams, "-t", TCP_SECONDS, "-O", "1", "--json"];
    let text = shell::run(&mut lab.namespace("s1")?.command(Path::new("iperf3"), &arguments))?;
    let report: Value = serde_json::from_str(&text).context("iperf3 printed something else than JSON")?;
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
    Ok(bits.context("iperf3 did not say how much arrived")? / 1e9)
}

fn small_frames(lab: &Lab, way: &Way) -> Result<f64> {
    let host = lab.namespace(LAN_HOST_NAME)?;
    let target = SocketAddr::from((way.target, DISCARD_PORT));
    let _sink = host.run(|| UdpSocket::bind(target).context("could not open the sink"))?;
    let received = || -> Result<u64> {
        let count = host.script(&format!("cat /sys/class/net/{}/statistics/rx_packets", way.far_device))?;
        count.trim().parse().context("the kernel's counter is no number")
    };
    let before = received()?;
    let report: FramesReport = program(lab, way, &["frames", "--seconds", FRAME_SECONDS], DISCARD_PORT)?;
    // What is still in queues belongs to it.
    std::thread::sleep(Duration::from_millis(50));
    Ok((received()? - before) as f64 / report.seconds / 1e3)
}

fn round_trip(lab: &Lab, way: &Way) -> Result<f64> {
    let report: RoundTripReport = program(lab, way, &["round-trip"], ECHO_PORT)?;
    Ok(report.p50 as f64 / 1e3)
}

fn program<T: DeserializeOwned>(lab: &Lab, way: &Way, what: &[&str], port: u16) -> Result<T> {
    let (source, target) = (way.source.to_string(), SocketAddr::from((way.target, port)).to_string());
    let arguments = [what, &["--source", &source, "--target", &target]].concat();
    let text = shell::run(&mut lab.namespace("s1")?.command(lab.programs.lab(), &arguments))?;
    serde_json::from_str(&text).with_context(|| format!("{what:?} printed something else than its report: {text}"))
}

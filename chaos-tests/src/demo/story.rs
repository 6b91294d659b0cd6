//! What happens, step by step.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_proto::domain::Rail;

use super::disk;
use super::narrator::{Narrator, Step};
use super::table;
use crate::lab::array::Array;
use crate::lab::card::Card;
use crate::lab::cluster::{APPEARS_WITHIN, Vnic};
use crate::lab::layout::LAN_HOST;
use crate::lab::probes::Window;
use crate::lab::scenario::{AFTERMATH, DEVICES, Scenario, deploy_lines, longest_gap_ms, network_lines};
use crate::lab::{Cli, Lab, shell};
use crate::measure::clock::{self, milliseconds};

/// Who runs which profile at first. s4 is the spare.
const DEPLOYED: [(&str, &str); 3] = [("web-1", "s1"), ("web-2", "s2"), ("web-3", "s3")];
/// What is promised of the longest gap, in ms.
const POWER_CUT_GAP: u64 = 500;
const RAIL_CUT_GAP: u64 = 50;
/// A rail stays cut for so long.
const RAIL_IS_CUT: Duration = Duration::from_secs(1);

pub struct Story {
    pub scenario: Scenario,
    cards: Vec<Card>,
    /// Runs as long as the story, and longer where the lab stays.
    array: Option<Array>,
}

impl Story {
    pub fn new(lab: Lab) -> Self {
        Self { scenario: Scenario::new(lab), cards: Vec::new(), array: None }
    }

    pub fn tell(&mut self, narrator: &mut Narrator) -> Result<()> {
        self.begin(narrator)?;
        self.use_cards(narrator)?;
        self.move_to_spare(narrator)?;
        self.start_traffic(narrator)?;
        let leader = self.lose_leader(narrator)?;
        self.return_director(narrator, &leader)?;
        let follower = self.lose_follower(narrator)?;
        self.cut_rails(narrator)?;
        self.return_director(narrator, &follower)?;
        self.array = Some(disk::tell(&mut self.scenario, narrator)?);
        self.end(narrator)
    }

    fn begin(&mut self, narrator: &mut Narrator) -> Result<()> {
        narrator.step(
            "Three directors and four servers start",
            "The directors agree on a leader (Raft); every server's agent finds all of them over both rails.",
            |_| self.scenario.lab.start_cluster().map(drop),
        )?;
        narrator.step(
            "One LAN, one pool of MACs, one template with two network cards",
            "A profile made from the template owns its two cards and their MACs, whichever server it runs on.",
            |step| self.create_template(step),
        )?;
        narrator.step(
            "A profile for each of three servers",
            "Two commands give a server two real network cards.",
            |step| self.deploy(step),
        )
    }

    fn create_template(&self, step: &Step) -> Result<()> {
        let cli = self.scenario.cli()?;
        network_lines().iter().try_for_each(|line| run(&cli, step, line))
    }

    fn deploy(&self, step: &Step) -> Result<()> {
        let cli = self.scenario.cli()?;
        for (profile, server) in DEPLOYED {
            deploy_lines(profile, server).iter().try_for_each(|line| run(&cli, step, line))?;
        }
        for (_, server) in DEPLOYED {
            DEVICES.iter().try_for_each(|device| self.scenario.lab.wait_for_device(server, device))?;
        }
        Ok(())
    }

    fn use_cards(&mut self, narrator: &mut Narrator) -> Result<()> {
        narrator.step(
            "The cards get addresses by DHCP",
            "From the DHCP server on the LAN: broadcasts and answers pass through the directors.",
            |step| {
                for (profile, server) in DEPLOYED {
                    let cards = self.scenario.lab.address_cards(profile, server)?;
                    cards.iter().for_each(|card| step.note(&describe(card)));
                    self.cards.extend(cards);
                }
                let macs: BTreeSet<_> = self.cards.iter().map(|card| &card.vnic.mac).collect();
                step.promise(macs.len() == self.cards.len(), "no two cards have the same MAC");
                Ok(())
            },
        )?;
        narrator.step(
            "ping and iperf3 through them",
            "Ordinary programs, unchanged: the cards are devices of the kernel.",
            |step| self.cards.iter().take(1).try_for_each(|card| self.ping_and_iperf(step, card)),
        )
    }

    fn ping_and_iperf(&self, step: &Step, card: &Card) -> Result<()> {
        let namespace = self.scenario.lab.namespace(&card.server)?;
        let (host, source) = (LAN_HOST.to_string(), card.address.to_string());
        let run = |program: &str, arguments: &[&str]| {
            step.command(&format!("{program} {}", arguments.join(" ")));
            shell::run(&mut namespace.command(Path::new(program), arguments))
        };
        let ping = run("ping", &["-c", "5", "-i", "0.2", "-q", "-I", &source, &host])?;
        step.note(ping.lines().rfind(|line| line.contains("rtt")).unwrap_or("no round trip was told"));
        let iperf = run("iperf3", &["-c", &host, "-B", &source, "-t", "2", "-J"])?;
        let iperf: serde_json::Value =
            serde_json::from_str(&iperf).context("iperf3 printed something else than JSON")?;
        let bits = iperf["end"]["sum_received"]["bits_per_second"].as_f64().context("iperf3 gave no result")?;
        step.note(&format!("{:.1} Gbit/s by one TCP stream", bits / 1e9));
        Ok(())
    }

    fn move_to_spare(&mut self, narrator: &mut Narrator) -> Result<()> {
        narrator.step(
            "Profile web-3 moves to the spare server s4",
            "Planned: s3 lets go, then s4 gets the same cards. The DHCP server on the LAN cannot tell the difference.",
            |step| {
                let before: Vec<Card> =
                    self.cards.iter().filter(|card| card.vnic.profile() == "web-3").cloned().collect();
                run(&self.scenario.cli()?, step, "profile move web-3 --server s4")?;
                let after = self.scenario.lab.address_cards("web-3", "s4")?;
                for (before, after) in before.iter().zip(&after) {
                    step.note(&describe(after));
                    let name = after.short_name();
                    step.promise(before.vnic.mac == after.vnic.mac, &format!("{name} kept its MAC"));
                    step.promise(before.address == after.address, &format!("{name} got the same address"));
                }
                self.cards.retain(|card| card.vnic.profile() != "web-3");
                self.cards.extend(after);
                Ok(())
            },
        )
    }

    fn start_traffic(&mut self, narrator: &mut Narrator) -> Result<()> {
        narrator.step(
            "A probe every millisecond and a long TCP transfer on every card",
            "From now on all six cards are watched: every gap, every lost probe, every byte.",
            |step| {
                self.scenario.watch(std::mem::take(&mut self.cards))?;
                let quiet = clock::now();
                std::thread::sleep(AFTERMATH);
                let windows = self.scenario.windows(quiet)?;
                step.note(&format!("undisturbed: {}", summary(windows.iter())));
                Ok(())
            },
        )
    }

    fn lose_leader(&mut self, narrator: &mut Narrator) -> Result<String> {
        let leader = self.scenario.cli()?.leader()?;
        let title = format!("Director {leader} loses its power: the leader, and home of cards");
        let meaning = "Links cut, then SIGKILL. The others elect a leader, which gives the lost one's cards new homes.";
        narrator.step(&title, meaning, |step| self.lose_director(step, &leader))?;
        Ok(leader)
    }

    fn lose_follower(&mut self, narrator: &mut Narrator) -> Result<String> {
        let cli = self.scenario.cli()?;
        let cluster = cli.cluster()?;
        let vnics = cli.vnics()?;
        let follower = vnics.iter().map(Vnic::home).find(|home| *home != cluster.leader());
        let follower = follower.context("no follower is a home")?.to_owned();
        let title = format!("Director {follower} loses its power: a follower, and home of cards");
        let meaning = "The leader notices that both its rails are silent, and gives its cards new homes.";
        narrator.step(&title, meaning, |step| self.lose_director(step, &follower))?;
        Ok(follower)
    }

    fn lose_director(&mut self, step: &mut Step, director: &str) -> Result<()> {
        let homes = self.scenario.homes()?;
        ensure!(homes.iter().any(|home| home == director), "{director} is nobody's home");
        let windows = self.scenario.lose_director(director)?;
        let of =
            |lost: bool| windows.iter().zip(&homes).filter(move |(_, home)| (*home == director) == lost).map(|it| it.0);
        step.note(&format!("its cards:  {}", summary(of(true))));
        step.note(&format!("the others: {}", summary(of(false))));
        step.promise(
            longest_gap_ms(of(true)) <= POWER_CUT_GAP,
            &format!("its cards were back within {POWER_CUT_GAP} ms"),
        );
        let vnics = self.scenario.cli()?.wait_for_homes(APPEARS_WITHIN)?;
        step.promise(vnics.iter().all(|vnic| vnic.home() != director), "every card has one living home");
        Ok(())
    }

    fn cut_rails(&mut self, narrator: &mut Narrator) -> Result<()> {
        for rail in Rail::ALL {
            let title = format!("Rail {rail} is cut, and restored a second later");
            let meaning = "Everything goes by the other rail at once; no card changes its home.";
            narrator.step(&title, meaning, |step| self.cut_rail(step, rail))?;
        }
        Ok(())
    }

    fn cut_rail(&mut self, step: &mut Step, rail: Rail) -> Result<()> {
        let before = self.scenario.homes()?;
        let at = self.scenario.lab.cut_rail(rail)?;
        std::thread::sleep(RAIL_IS_CUT);
        self.scenario.lab.restore_rail(rail)?;
        std::thread::sleep(AFTERMATH);
        let windows = self.scenario.windows(at)?;
        step.note(&summary(windows.iter()));
        step.promise(
            longest_gap_ms(windows.iter()) <= RAIL_CUT_GAP,
            &format!("no gap was longer than {RAIL_CUT_GAP} ms"),
        );
        step.promise(self.scenario.homes()? == before, "no card changed its home");
        Ok(())
    }

    fn return_director(&mut self, narrator: &mut Narrator, director: &str) -> Result<()> {
        let title = format!("Director {director} comes back");
        let meaning =
            "It catches up from the others and stands by: cards stay where they are until somebody asks to rebalance.";
        narrator.step(&title, meaning, |step| {
            let before = self.scenario.homes()?;
            let at = clock::now();
            self.scenario.return_director(director)?;
            std::thread::sleep(AFTERMATH);
            let windows = self.scenario.windows(at)?;
            step.note(&summary(windows.iter()));
            step.promise(self.scenario.homes()? == before, "no card changed its home");
            Ok(())
        })
    }

    fn end(&mut self, narrator: &mut Narrator) -> Result<()> {
        let meaning = "As it was before the faults, and what became of it.";
        let rows = narrator.step("What every card saw", meaning, |step| {
            let after = self.scenario.cli()?.vnics()?;
            let mut rows = Vec::new();
            for seen in self.scenario.finish()? {
                let vnic = after.iter().find(|vnic| vnic.name == seen.card.vnic.name).context("a card has gone")?;
                let name = seen.card.short_name();
                let device = self.scenario.lab.mac_of(&seen.card.server, seen.card.vnic.device())?;
                let same = device == seen.card.vnic.mac && vnic.mac == seen.card.vnic.mac;
                step.promise(same, &format!("{name} has the MAC that it had"));
                let why = seen.transfer.error.as_ref().map_or(String::new(), |error| format!(" ({error})"));
                step.promise(seen.transfer.lived, &format!("{name}'s TCP connection lived, every byte right{why}"));
                rows.push((seen, vnic.clone()));
            }
            Ok(rows)
        })?;
        table::print(&rows);
        Ok(())
    }
}

fn run(cli: &Cli, step: &Step, line: &str) -> Result<()> {
    step.command(&format!("twinrail {line}"));
    cli.run(line).map(drop)
}

fn describe(card: &Card) -> String {
    format!("{:<12} on {}  {}  {}", card.short_name(), card.server, card.vnic.mac, card.address)
}

fn summary<'a>(windows: impl Iterator<Item = &'a Window>) -> String {
    let windows: Vec<&Window> = windows.collect();
    if windows.is_empty() {
        return "none".to_owned();
    }
    let lost: u64 = windows.iter().map(|window| window.lost).sum();
    let stall = windows.iter().map(|window| window.own_stall).max().unwrap_or(0);
    let gap = match longest_gap_ms(windows.iter().copied()) {
        0 => "no gap of 3 ms or more".to_owned(),
        gap => format!("longest gap {gap} ms"),
    };
    let stalled =
        if stall > 0 { format!(" (a prober itself slept {} ms)", milliseconds(stall)) } else { String::new() };
    format!("{gap}, {lost} probes lost on {} cards{stalled}", windows.len())
}

//! keepalived as a baseline: a virtual address between two machines on the lab's LAN, probed by the same 1 ms prober.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::lab::layout::{ECHO_PORT, LAN_HOST, LAN_HOST_NAME};
use crate::lab::probes::RunningProber;
use crate::lab::{Lab, Process, Segment, shell};
use crate::measure::clock::{self, Nanos};

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(10, 70, 0, 10);
const MACHINES: [(&str, u8); 2] = [("d1", 11), ("d2", 12)];
/// keepalived's default lasts 3 advertisements of 1 s and a bit: it has to be back by then.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// A machine that came back has to have heard the master before that one may be cut.
const SETTLES: Duration = Duration::from_millis(1_500);

/// How often the master says that it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// 1 s, VRRP version 2.
    Default,
    /// 10 ms, VRRP version 3: one unit of its field.
    Smallest,
}

impl Interval {
    fn configuration(self) -> &'static str {
        match self {
            Self::Default => "advert_int 1",
            Self::Smallest => "version 3\n  advert_int 0.01",
        }
    }
}

/// Two machines with keepalived and an echo responder on the virtual address.
pub struct Pair<'a> {
    lab: &'a Lab,
    daemons: [Option<Process>; 2],
    _responders: [Process; 2],
    prober: RunningProber,
}

impl<'a> Pair<'a> {
    pub fn start(lab: &'a Lab, interval: Interval) -> Result<Self> {
        let [first, second] = MACHINES.map(|machine| prepare(lab, machine, interval));
        let daemons = MACHINES.map(|(name, _)| start_daemon(lab, name).map(Some));
        let [one, two] = daemons;
        let target = SocketAddr::from((VIRTUAL, ECHO_PORT));
        let mut prober = lab.start_prober(LAN_HOST_NAME, "keepalived-prober", LAN_HOST, target)?;
        prober.wait_for_answers(BACK_WITHIN)?;
        std::thread::sleep(SETTLES);
        Ok(Self { lab, daemons: [one?, two?], _responders: [first?, second?], prober })
    }

    /// Cuts the power of the machine that has the address, and gives the longest gap in the answers. The
    /// machine then comes back as the other's backup.
    pub fn kill_master(&mut self) -> Result<Nanos> {
        let master = self.master()?;
        let name = MACHINES[master].0;
        let at = self.lab.cut_cable(name, Segment::Lan)?;
        self.kill_daemon(master)?;
        self.prober.wait_for_answers(BACK_WITHIN)?;
        let window = self.prober.window(at, clock::now())?;
        self.revive(master)?;
        Ok(window.longest_gap)
    }

    fn master(&self) -> Result<usize> {
        for (index, (name, _)) in MACHINES.iter().enumerate() {
            let addresses = self.lab.namespace(name)?.script("ip -brief addr show dev lan0")?;
            if addresses.contains(&format!("{VIRTUAL}/")) {
                return Ok(index);
            }
        }
        bail!("neither machine has the virtual address")
    }

    /// SIGKILL to all its processes: keepalived is a parent and a child.
    fn kill_daemon(&mut self, index: usize) -> Result<()> {
        let name = MACHINES[index].0;
        let namespace = self.lab.namespace(name)?.name().to_owned();
        let mut daemon = self.daemons[index].take().with_context(|| format!("no keepalived runs on {name}"))?;
        shell::run(std::process::Command::new("sh").args([
            "-euc",
            "for pid in $(ip netns pids \"$0\"); do \
             if [ \"$(cat /proc/$pid/comm)\" = keepalived ]; then kill -KILL $pid; fi; done",
            &namespace,
        ]))?;
        daemon.wait(BACK_WITHIN).map(drop)
    }

    fn revive(&mut self, index: usize) -> Result<()> {
        let name = MACHINES[index].0;
        // A keepalived that dies leaves the address, or takes it along, as it comes.
        self.lab.namespace(name)?.ip(&format!("addr flush dev lan0 to {VIRTUAL}/32\n"))?;
        self.lab.restore_cable(name, Segment::Lan)?;
        self.daemons[index] = Some(start_daemon(self.lab, name)?);
        std::thread::sleep(SETTLES);
        Ok(())
    }
}

/// The machine's own address, the configuration, and a responder that is bound to the virtual address before it is there.
fn prepare(lab: &Lab, (name, host): (&str, u8), interval: Interval) -> Result<Process> {
    lab.namespace(name)?.script(&format!(
        "echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind\nip addr replace 10.70.0.{host}/24 dev lan0\n"
    ))?;
    let text = format!(
        "vrrp_instance lab {{\n  state BACKUP\n  nopreempt\n  interface lan0\n  virtual_router_id 51\n  \
         priority {host}\n  {}\n  virtual_ipaddress {{\n    {VIRTUAL}/24\n  }}\n}}\n",
        interval.configuration()
    );
    let path = lab.run_dir().join(format!("keepalived-{name}.conf"));
    std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    let listen = format!("{VIRTUAL}:{ECHO_PORT}");
    lab.spawn(name, &format!("responder-{name}"), lab.programs.lab(), &["responder", "--listen", &listen])
}

fn start_daemon(lab: &Lab, name: &str) -> Result<Process> {
    let file = |kind: &str| format!("{}/keepalived-{name}.{kind}", lab.run_dir().display());
    let (configuration, pid, vrrp_pid) = (file("conf"), file("pid"), file("vrrp.pid"));
    // What a killed one left would be taken for a running one when its number is in use again.
    for stale in [&pid, &vrrp_pid] {
        if std::fs::exists(stale).with_context(|| format!("could not look for {stale}"))? {
            std::fs::remove_file(stale).with_context(|| format!("could not remove {stale}"))?;
        }
    }
    let arguments = ["--dont-fork", "--log-console", "--vrrp", "-f", &configuration, "-p", &pid, "-r", &vrrp_pid];
    lab.spawn(name, &format!("keepalived-{name}"), Path::new("keepalived"), &arguments)
}

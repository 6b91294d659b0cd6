//! A small laboratory: one namespace as the fabric (bridges for two rails and a LAN), one for each machine. Everything in it
//! has a name of its own and goes when the value is dropped.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Tells labs of one process apart.
static NUMBER: AtomicU32 = AtomicU32::new(0);

pub struct Lab {
    prefix: String,
    namespaces: Vec<String>,
}

/// A running `static-machine`.
pub struct Machine {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Lab {
    /// Panics, saying what is missing, without root or `ip`.
    pub fn new() -> Self {
        let prefix = format!("twd{:x}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut lab = Self { prefix, namespaces: Vec::new() };
        lab.add_namespace("fabric");
        for bridge in ["rail-a", "rail-b", "lan"] {
            lab.run("fabric", &format!("ip link add {bridge} type bridge"));
            lab.run("fabric", &format!("ip link set {bridge} type bridge mcast_snooping 0"));
            lab.run("fabric", &format!("ip link set {bridge} up"));
        }
        lab
    }

    /// A machine with its two rail devices, `10.1.0.number` and `10.2.0.number`.
    pub fn add_machine(&mut self, name: &str, number: u8, rail_mtu: u32) {
        self.add_namespace(name);
        for (rail, bridge, network) in [("a", "rail-a", 1), ("b", "rail-b", 2)] {
            self.plug(name, &format!("rail{rail}"), &format!("{name}-{rail}"), bridge, rail_mtu);
            self.run(name, &format!("ip addr add 10.{network}.0.{number}/24 dev rail{rail}"));
        }
    }

    pub fn add_namespace(&mut self, name: &str) {
        let namespace = self.namespace(name);
        execute(&["ip", "netns", "add", &namespace]);
        self.namespaces.push(namespace);
        self.run(name, "ip link set lo up");
        self.run(name, "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    }

    /// A cable from a device of this machine to a bridge of the fabric; `port` is its other end.
    pub fn plug(&self, machine: &str, device: &str, port: &str, bridge: &str, mtu: u32) {
        let to = self.namespace(machine);
        self.run("fabric", &format!("ip link add {port} mtu {mtu} type veth peer name {device} mtu {mtu} netns {to}"));
        self.run("fabric", &format!("ip link set {port} master {bridge} up"));
        self.run(machine, &format!("ip link set {device} up"));
    }

    pub fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Runs a command line in a namespace; panics with what it said when it fails.
    pub fn run(&self, name: &str, line: &str) -> String {
        let output = self.try_run(name, line);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{name}: {line}: {said}");
        said
    }

    pub fn try_run(&self, name: &str, line: &str) -> Output {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(name)]).args(line.split_whitespace());
        command.output().unwrap_or_else(|error| panic!("cannot run ip: {error}"))
    }

    /// Starts a program in a namespace, to be ended by the caller.
    pub fn start(&self, name: &str, line: &str) -> Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(name)]).args(line.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
        command.spawn().unwrap_or_else(|error| panic!("cannot run ip: {error}"))
    }

    /// Starts the datapath of a machine. `more`: further arguments.
    pub fn machine(&self, role: &str, name: &str, number: u8, more: &[&str]) -> Machine {
        let mut command = Command::new("ip");
        let addresses = format!("10.1.0.{number},10.2.0.{number}");
        command.args(["netns", "exec", &self.namespace(name), env!("CARGO_BIN_EXE_static-machine"), role, name]);
        command.arg(addresses).args(more).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("static-machine can be started");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("its output is piped"));
        Machine { child, input, output: BufReader::new(output) }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "del", namespace]).output();
        }
    }
}

impl Machine {
    /// Gives a command and returns the answer.
    pub fn tell(&mut self, line: &str) -> String {
        let input = self.input.as_mut().expect("it runs");
        writeln!(input, "{line}").expect("it takes commands");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("it answers");
        answer.trim().into()
    }

    /// Gives commands that must all be obeyed.
    pub fn obey(&mut self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|it| !it.is_empty()) {
            assert_eq!(self.tell(line), "ok", "{line}");
        }
    }

    /// One number of its counters, 0 when it is not there.
    pub fn counter(&mut self, name: &str) -> u64 {
        let counters = self.tell("counters");
        let word = counters.split_whitespace().find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
        word.map_or(0, |it| it.parse().expect("a counter is a number"))
    }

    /// Kills it, as kill -9 does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours to kill");
        self.child.wait().expect("it ends");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.input.take());
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
    }
}

/// Asks again and again until it is so; panics after some seconds.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < until, "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn execute(words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {}: {error}", words[0]));
    assert!(output.status.success(), "{} (root is needed): {}", words.join(" "), text(&output.stderr));
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! Real processes in network namespaces: one director, two servers, a LAN host. Needs root and `ip`, `ping`, `iperf3`,
//! `tcpdump`.

mod lab;

use lab::{Lab, Machine, eventually, text};
use twinrail_datapath::{Recorded, read_flight_records};
use twinrail_proto::domain::{AdapterId, Epoch};

const MAC_1: &str = "02:54:57:00:00:01";
const MAC_2: &str = "02:54:57:00:00:02";

/// The machines stand first, so that they end while their network is still there.
struct Site {
    director: Machine,
    servers: [Machine; 2],
    lab: Lab,
}

impl Site {
    /// Both servers have an adapter on the native VLAN of one LAN, `10.9.0.11` and `.12`; the host is `10.9.0.1`.
    fn new(rail_mtu: u32) -> Self {
        Self::with_options(rail_mtu, [&[], &[]])
    }

    /// With more options of the director's and of the servers' programs.
    fn with_options(rail_mtu: u32, [director, server]: [&[&str]; 2]) -> Self {
        let mut lab = Lab::new();
        for (name, number) in [("d1", 1), ("s1", 11), ("s2", 12)] {
            lab.add_machine(name, number, rail_mtu);
        }
        lab.plug("d1", "lan0", "d1-lan", "lan", 1500);
        lab.add_namespace("host");
        lab.plug("host", "eth0", "host-lan", "lan", 1500);
        lab.run("host", "ip addr add 10.9.0.1/24 dev eth0");
        let director = lab.machine("director", "d1", 1, director);
        let servers = [lab.machine("server", "s1", 11, server), lab.machine("server", "s2", 12, server)];
        let mut site = Self { director, servers, lab };
        site.configure();
        site
    }

    fn configure(&mut self) {
        self.director.obey(&format!(
            "peer server s1 10.1.0.11,10.2.0.11
             peer server s2 10.1.0.12,10.2.0.12
             lan prod lan0
             adapter 1 1 {MAC_1} prod native s1 carry
             adapter 2 1 {MAC_2} prod native s2 carry
             publish"
        ));
        for (number, mac) in [(1, MAC_1), (2, MAC_2)] {
            self.servers[number - 1].obey(&format!(
                "peer director d1 10.1.0.1,10.2.0.1
                 adapter {number} 1 {mac} 1500 eth0 d1
                 publish"
            ));
            self.lab.run(&format!("s{number}"), &format!("ip addr add 10.9.0.1{number}/24 dev eth0"));
        }
        for server in &mut self.servers {
            eventually("both paths up", || server.tell("paths") == "d1/A=up d1/B=up");
        }
    }
}

#[test]
fn servers_and_hosts_reach_each_other_and_survive_a_rail_cut() {
    let mut site = Site::new(65_535);
    let device = site.lab.run("s1", "ip -d link show eth0");
    assert!(device.contains(MAC_1) && device.contains("mtu 1500") && device.contains("gso_max_size 60000"), "{device}");
    for (from, to) in [("s1", "10.9.0.1"), ("host", "10.9.0.12"), ("s1", "10.9.0.12")] {
        let said = site.lab.run(from, &format!("ping -c 20 -i 0.01 -W 1 {to}"));
        assert!(said.contains(" 0% packet loss"), "{from} to {to}: {said}");
    }
    let ping = site.lab.start("s1", "ping -c 200 -i 0.01 -W 1 10.9.0.1");
    std::thread::sleep(std::time::Duration::from_millis(700));
    site.lab.run("fabric", "ip link set s1-a down");
    let server = &mut site.servers[0];
    eventually("path A down", || server.tell("paths") == "d1/A=down d1/B=up");
    let said = text(&ping.wait_with_output().unwrap().stdout);
    let lost = 200 - received(&said);
    assert!(lost <= 5, "a rail cut may cost 50 ms: {said}");
    site.lab.run("fabric", "ip link set s1-a up");
    let server = &mut site.servers[0];
    eventually("path A up again", || server.tell("paths") == "d1/A=up d1/B=up");
}

#[test]
fn super_frames_travel_whole_on_large_rails_and_in_fragments_on_small_ones() {
    for rail_mtu in [65_535, 1500] {
        let mut site = Site::new(rail_mtu);
        let iperf = site.lab.start("host", "iperf3 -s -1");
        eventually("iperf3 listens", || site.lab.run("host", "ss -ltn").contains(":5201"));
        let said = site.lab.run("s1", "iperf3 -c 10.9.0.1 -t 1 --json");
        iperf.wait_with_output().unwrap();
        let bits = number_after(&said, "\"sum_received\"", "\"bits_per_second\":");
        assert!(bits > 2e8, "rail MTU {rail_mtu}: only {bits} bit/s");
        let octets_per_frame = bits / 8.0 / site.servers[0].counter("1:from") as f64;
        assert!(octets_per_frame > 5000.0, "no super-frames: {octets_per_frame} octets a frame");
        let fragmented = site.servers[0].counter("fragmented");
        assert_eq!(fragmented > 0, rail_mtu == 1500, "{fragmented} messages in fragments");
        for cause in ["bad_offload", "uplink_refused", "rail_refused", "too_large", "device_refused"] {
            assert_eq!((site.director.counter(cause), site.servers[0].counter(cause)), (0, 0), "{cause}");
        }
    }
}

#[test]
fn an_access_vlan_is_tagged_on_the_lan_and_untagged_at_the_server() {
    let mut site = Site::new(65_535);
    site.director.obey(&format!("adapter 1 2 {MAC_1} prod access-10 s1 carry\npublish"));
    site.servers[0].obey(&format!("adapter 1 2 {MAC_1} 1500 eth0 d1\npublish"));
    let dump = site.lab.start("host", "timeout 3 tcpdump -n -e -i eth0 -c 3 ether src 02:54:57:00:00:01");
    std::thread::sleep(std::time::Duration::from_millis(500));
    site.lab.try_run("s1", "ping -c 3 -i 0.1 -W 1 10.9.0.1");
    let said = text(&dump.wait_with_output().unwrap().stdout);
    assert!(said.contains("802.1Q") && said.contains("vlan 10") && said.contains("ARP"), "{said}");
    let before = site.servers[0].counter("1:to");
    site.lab.try_run("host", "ping -c 2 -i 0.1 -W 1 10.9.0.11");
    assert_eq!(site.servers[0].counter("1:to"), before, "untagged frames are not for VLAN 10");
}

#[test]
fn devices_come_and_go_with_their_adapters_and_stay_otherwise() {
    let mut site = Site::new(65_535);
    let index = |lab: &Lab| lab.run("s1", "cat /sys/class/net/eth0/ifindex");
    let first = index(&site.lab);
    site.servers[0].obey(&format!("adapter 1 7 {MAC_1} 9000 eth0 d1\npublish"));
    assert_eq!(index(&site.lab), first, "another epoch and MTU leave the device alone");
    assert!(site.lab.run("s1", "ip link show eth0").contains("mtu 9000"));
    site.servers[0].obey(&format!("remove 1\nadapter 3 1 {MAC_1} 1500 eth0 d1\npublish"));
    assert_ne!(index(&site.lab), first, "another adapter of the same name gets another device");
    site.lab.run("s1", "ip link add taken type veth peer name taken-b");
    let answers: Vec<String> = [
        format!("adapter 4 1 {MAC_2} 1500 taken d1"),
        "adapter 5 1 02:54:57:00:00:05 1500 name-of-sixteen- d1".into(),
        "adapter 6 1 02:54:57:00:00:06 1500 name-of-sixteenx d1".into(),
        "publish".into(),
    ]
    .iter()
    .map(|line| site.servers[0].tell(line))
    .collect();
    assert!(answers[1].contains("error"), "{answers:?}");
    assert!(answers[3].contains("adapter 4") && answers[3].contains("exists already"), "{answers:?}");
    assert!(answers[3].contains("adapter 6") && answers[3].contains("15"), "{answers:?}");
    site.servers[0].obey("remove 3\nremove 4\nremove 6\npublish");
    assert!(!site.lab.try_run("s1", "ip link show eth0").status.success());
    assert!(site.lab.try_run("s1", "ip link show taken").status.success(), "what is not ours stays");
}

#[test]
fn devices_and_ports_that_others_remove_are_reported_and_made_anew() {
    let mut site = Site::new(65_535);
    site.servers[0].tell("events");
    site.director.tell("events");
    site.lab.run("s1", "ip link del eth0");
    let server = &mut site.servers[0];
    let mut said = String::new();
    eventually("the server says so", || {
        said += &server.tell("events");
        said.contains("DeviceFailed")
    });
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!((said + &server.tell("events")).matches("DeviceFailed").count(), 1, "once");
    server.obey("publish");
    site.lab.run("s1", "ip addr add 10.9.0.11/24 dev eth0");
    site.lab.run("d1", "ip link del lan0");
    let director = &mut site.director;
    eventually("the director says so", || director.tell("events").contains("PortFailed"));
    assert!(director.tell("publish").contains("lan0"), "the port is not there");
    site.lab.plug("d1", "lan0", "d1-lan", "lan", 1500);
    site.director.obey("publish");
    eventually("frames pass again", || site.lab.try_run("s1", "ping -c 1 -W 1 10.9.0.1").status.success());
}

#[test]
fn a_stopped_process_emits_nothing_old_when_it_wakes() {
    let mut site = Site::new(65_535);
    site.lab.run("s1", "ping -c 1 -W 1 10.9.0.1");
    let pid = site.director.pid();
    let signal = |name: &str| assert!(lab_kill(name, pid), "kill -{name} {pid}");
    let ping = site.lab.start("s1", "ping -c 60 -i 0.01 -W 1 10.9.0.1");
    std::thread::sleep(std::time::Duration::from_millis(100));
    signal("STOP");
    std::thread::sleep(std::time::Duration::from_millis(200));
    signal("CONT");
    let said = text(&ping.wait_with_output().unwrap().stdout);
    let stalled = site.director.counter("stalled");
    assert!(stalled > 0, "what waited in the sockets was dropped; {said}");
    let lost = 60 - received(&said);
    assert!(lost >= 10, "frames of the 200 ms must not come late: {said}");
    site.lab.run("s1", "ping -c 3 -i 0.05 -W 1 10.9.0.1");
}

#[test]
fn without_a_lease_nothing_is_carried() {
    let mut site = Site::new(65_535);
    site.lab.run("s1", "ping -c 2 -i 0.05 -W 1 10.9.0.1");
    site.director.obey("lease off");
    eventually("the lease ends", || !site.lab.try_run("s1", "ping -c 1 -W 1 10.9.0.1").status.success());
    assert!(site.director.counter("lease_expired") > 0);
    site.director.obey("lease on");
    eventually("it carries again", || site.lab.try_run("s1", "ping -c 1 -W 1 10.9.0.1").status.success());
}

#[test]
fn a_killed_director_is_noticed_at_once_and_leaves_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flight");
    // The kernel takes a while to end a killed process: silence must not be first, whatever the load.
    let mut site = Site::with_options(65_535, [&["--recorder", path.to_str().unwrap()], &["--missed-hellos", "500"]]);
    site.lab.run("s1", "ping -c 5 -i 0.05 -W 1 10.9.0.1");
    site.servers[0].tell("events");
    site.director.kill();
    let server = &mut site.servers[0];
    eventually("both paths down", || server.tell("paths") == "d1/A=down d1/B=down");
    let events = site.servers[0].tell("events");
    assert_eq!(events.matches("cause: Refused").count(), 2, "{events}");
    let records = read_flight_records(&path).unwrap();
    let find = |adapter, what| records.iter().find(|it| it.adapter == AdapterId(adapter) && it.what == what);
    let sent = find(1, Recorded::ToLan).expect("frames of adapter 1 went out");
    assert!(sent.epoch == Epoch(1) && sent.frames >= 5 && sent.first_ns < sent.last_ns, "{sent:?}");
    assert!(find(2, Recorded::Announced).is_some_and(|it| it.frames >= 1), "{records:?}");
}

fn lab_kill(signal: &str, pid: u32) -> bool {
    // `ip netns exec` becomes the program that it starts: the pid is the machine's own.
    std::process::Command::new("kill")
        .args([format!("-{signal}"), pid.to_string()])
        .status()
        .is_ok_and(|it| it.success())
}

fn received(ping: &str) -> u64 {
    let word = ping.split(", ").find_map(|it| it.strip_suffix(" received"));
    word.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no summary: {ping}"))
}

/// The first number after `key`, which stands after `section`.
fn number_after(text: &str, section: &str, key: &str) -> f64 {
    let rest = text.split_once(section).and_then(|it| it.1.split_once(key)).map_or("", |it| it.1);
    let digits: String =
        rest.trim_start().chars().take_while(|it| it.is_ascii_digit() || ".e+".contains(*it)).collect();
    digits.parse().unwrap_or_else(|_| panic!("no {key} in {text}"))
}

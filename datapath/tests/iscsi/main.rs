//! The initiator against a real target: tgtd, in namespaces of its own. Needs root, `unshare`, `ip` and Debian's `tgt`.

mod client;
mod tgtd;

use std::net::TcpListener;
use std::time::Duration;

use client::{Client, identity};
use tgtd::{DISK, TARGET, Tgtd, with_tgtd};
use twinrail_datapath::san::SessionEnd;
use twinrail_datapath::san::iscsi::login::{Chap, DigestOffer, Offer, Secret, TargetProof};
use twinrail_datapath::san::iscsi::{IscsiSan, discover, initiator_name};
use twinrail_datapath::scsi::{Cdb, Command, Lun, SenseKey, TaskAnswer, TaskFunction, TaskManagement};

const WWPN: u64 = 0x5001_4380_0000_0001;
const STRANGER: u64 = 0x5001_4380_0000_0002;
const BLOCK: usize = 512;

fn san(tgtd: &Tgtd) -> IscsiSan {
    IscsiSan {
        portal: tgtd.portal(),
        target: TARGET.into(),
        chap: None,
        offer: Offer::default(),
        patience: Default::default(),
        login_fences: false,
    }
}

fn name(wwpn: u64) -> String {
    initiator_name(identity(wwpn).wwpn)
}

fn lun(number: u16) -> Lun {
    Lun::new(number).unwrap()
}

fn chap(secret: &str, target_secret: Option<&str>) -> Option<Chap> {
    let target = target_secret.map(|it| TargetProof { name: "array".into(), secret: Secret::new(it) });
    Some(Chap { name: "vhba".into(), secret: Secret::new(secret), target })
}

/// Past the unit attention with which a logical unit greets a new session.
fn ready(client: &mut Client, lun: Lun) {
    let answers = (0..5).map(|_| client.execute(Command::without_data(lun, Cdb::test_unit_ready())));
    let last = answers.take_while(|it| !it.is_good()).inspect(|it| {
        assert_eq!(it.sense.expect("CHECK CONDITION has sense").key, SenseKey::UnitAttention);
    });
    assert!(last.count() < 5, "the unit attentions come to an end");
}

fn write(at: Lun, lba: u64, data: Vec<u8>) -> Command {
    Command::sending(at, Cdb::write_16(lba, (data.len() / BLOCK) as u32, false), data)
}

fn read(at: Lun, lba: u64, octets: usize) -> Command {
    Command::reading(at, Cdb::read_16(lba, (octets / BLOCK) as u32), octets as u32)
}

/// Octets that no other place or time has.
fn pattern(seed: u64, octets: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(octets).collect()
}

/// Writes and reads of 512 octets to 1 MiB all over the disk, 32 in flight; every octet comes back.
fn exercise(client: &mut Client, at: Lun) {
    const IN_FLIGHT: usize = 32;
    ready(client, at);
    let sizes = [BLOCK, 4096, 65_536, 66_048, 262_144, 1 << 20];
    let places: Vec<(u64, usize)> =
        (0..60).map(|it| ((it * (1 << 20) / BLOCK) as u64, sizes[it % sizes.len()])).collect();
    for round in places.chunks(IN_FLIGHT) {
        let tags: Vec<_> =
            round.iter().map(|&(lba, octets)| client.submit(write(at, lba, pattern(lba, octets)))).collect();
        client.until("writes", |it| tags.iter().all(|tag| it.completed.contains_key(tag)) || it.end.is_some());
        assert_eq!(client.end, None);
        assert!(tags.iter().all(|tag| client.completed[tag].is_good()));
        let tags: Vec<_> = round.iter().map(|&(lba, octets)| client.submit(read(at, lba, octets))).collect();
        client.until("reads", |it| tags.iter().all(|tag| it.completed.contains_key(tag)) || it.end.is_some());
        assert_eq!(client.end, None);
        for (tag, &(lba, octets)) in tags.iter().zip(round) {
            let response = &client.completed[tag];
            assert!(response.is_good() && response.data_in == pattern(lba, octets), "LBA {lba}, {octets} octets");
        }
    }
}

#[test]
fn only_the_named_initiator_gets_in_and_sees_its_luns() {
    with_tgtd("only_the_named_initiator_gets_in_and_sees_its_luns", |tgtd| {
        tgtd.admit(&name(WWPN));
        let Err(SessionEnd::Denied(why)) = Client::try_log_in(&san(tgtd), identity(STRANGER)) else {
            panic!("a stranger gets in")
        };
        assert!(why.contains("status 02"), "{why}");
        let mut client = Client::log_in(&san(tgtd), identity(WWPN));
        let luns = client.execute(Command::reading(Lun::ZERO, Cdb::report_luns(4096), 4096));
        let shown: Vec<Lun> =
            luns.data_in[8..].chunks_exact(8).map(|it| Lun::from_octets(it.try_into().unwrap())).collect();
        assert_eq!(shown, [lun(0), lun(1), lun(2)]);
        ready(&mut client, lun(1));
        let capacity = client.execute(Command::reading(lun(1), Cdb::read_capacity_16(32), 32));
        let last = u64::from_be_bytes(capacity.data_in[..8].try_into().unwrap());
        assert_eq!((last + 1) * BLOCK as u64, DISK);
        let beyond = client.execute(read(lun(1), last + 1, BLOCK));
        assert_eq!(beyond.sense.unwrap().key, SenseKey::IllegalRequest);
        assert!(beyond.data_in.is_empty());
        client.log_out();
    });
}

#[test]
fn chap_in_both_directions() {
    with_tgtd("chap_in_both_directions", |tgtd| {
        tgtd.admit(&name(WWPN));
        tgtd.account("vhba", "a-secret-of-16-o", false);
        let with = |chap| IscsiSan { chap, ..san(tgtd) };
        let refused = |chap| match Client::try_log_in(&with(chap), identity(WWPN)) {
            Err(SessionEnd::Denied(why)) => why,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it gets in"),
        };
        assert!(refused(chap("another-secret-1", None)).contains("authentication failed"));
        assert!(refused(None).contains("authentication failed"));
        Client::log_in(&with(chap("a-secret-of-16-o", None)), identity(WWPN)).log_out();
        tgtd.account("array", "its-secret-of-17o", true);
        let mut client = Client::log_in(&with(chap("a-secret-of-16-o", Some("its-secret-of-17o"))), identity(WWPN));
        ready(&mut client, lun(1));
        client.log_out();
        let why = refused(chap("a-secret-of-16-o", Some("what-it-is-not---")));
        assert_eq!(why, "the target does not know its CHAP secret");
    });
}

#[test]
fn data_of_every_size_comes_back_with_32_in_flight() {
    with_tgtd("data_of_every_size_comes_back_with_32_in_flight", |tgtd| {
        tgtd.admit(&name(WWPN));
        let eager = Offer::default();
        let asked = Offer { initial_r2t: true, immediate_data: false, ..Offer::default() };
        let small = Offer { max_receive_segment: 4096, first_burst: 8192, max_burst: 16_384, ..Offer::default() };
        let require = DigestOffer::Require;
        let digests = Offer { header_digest: require, data_digest: require, ..Offer::default() };
        let refused = Client::try_log_in(&IscsiSan { offer: digests.clone(), ..san(tgtd) }, identity(WWPN)).err();
        let Some(SessionEnd::Protocol(why)) = refused else { panic!("digests are required, and tgtd has none yet") };
        assert!(why.contains("HeaderDigest"), "{why}");
        for key in ["HeaderDigest", "DataDigest"] {
            tgtd.admin(&format!("--op update --mode target --tid 1 --name {key} --value CRC32C,None"));
        }
        for (number, offer) in [eager, asked, small, digests].into_iter().enumerate() {
            let mut client = Client::log_in(&IscsiSan { offer, ..san(tgtd) }, identity(WWPN));
            exercise(&mut client, lun(1 + number as u16 % 2));
            client.log_out();
        }
    });
}

/// Submits 32 writes and, while they run, a LUN RESET, and waits for its answer. Returns how many writes got none.
fn reset_while_writing(client: &mut Client, octets: usize) -> usize {
    client.completed.clear();
    for it in 0..32 {
        client.submit(write(lun(1), it * (1 << 20) / BLOCK as u64, pattern(it, octets)));
    }
    client.poll();
    assert!(client.completed.len() < 32, "writes are in flight");
    let reset = client.manage(TaskManagement { lun: lun(1), function: TaskFunction::LunReset });
    client.until("the reset", |it| it.managed.contains_key(&reset) || it.end.is_some());
    if client.end.is_none() {
        assert_eq!(client.managed[&reset], TaskAnswer::Complete);
    }
    32 - client.completed.len()
}

#[test]
fn a_lun_reset_is_answered_while_commands_run_and_the_session_goes_on() {
    with_tgtd("a_lun_reset_is_answered_while_commands_run_and_the_session_goes_on", |tgtd| {
        tgtd.admit(&name(WWPN));
        let mut client = Client::log_in(&san(tgtd), identity(WWPN));
        ready(&mut client, lun(1));
        for _ in 0..20 {
            let ended = reset_while_writing(&mut client, 4096);
            assert_eq!(client.end, None);
            ready(&mut client, lun(1));
            assert_eq!(client.completed.len(), 32 - ended, "what the reset has ended is reported no more");
        }
        exercise(&mut client, lun(1));
        client.log_out();
    });
}

/// tgtd shows a controller as LUN 0. A home fences whatever is shown.
#[test]
fn a_controller_takes_a_lun_reset_as_well() {
    with_tgtd("a_controller_takes_a_lun_reset_as_well", |tgtd| {
        tgtd.admit(&name(WWPN));
        let mut client = Client::log_in(&san(tgtd), identity(WWPN));
        ready(&mut client, lun(0));
        let reset = client.manage(TaskManagement { lun: lun(0), function: TaskFunction::LunReset });
        client.until("the reset", |it| it.managed.contains_key(&reset));
        assert_eq!(client.managed[&reset], TaskAnswer::Complete);
        ready(&mut client, lun(0));
        client.log_out();
    });
}

/// tgtd answers a LUN RESET while it waits for the data of writes, and asks for that data afterwards. None is sent: the
/// session ends, so that the target forgets those writes, and the next one is served.
#[test]
fn writes_that_a_reset_has_ended_get_no_more_data() {
    with_tgtd("writes_that_a_reset_has_ended_get_no_more_data", |tgtd| {
        tgtd.admit(&name(WWPN));
        for _ in 0..5 {
            let mut client = Client::log_in(&san(tgtd), identity(WWPN));
            ready(&mut client, lun(1));
            let ended = reset_while_writing(&mut client, 1 << 20);
            client.until("an end, or the others", |it| it.end.is_some() || it.completed.len() == 32 - ended);
            if let Some(end) = client.end {
                let expected = "R2T for a command that a task management function has ended";
                assert_eq!(end, SessionEnd::Protocol(expected.into()));
            }
        }
        let mut client = Client::log_in(&san(tgtd), identity(WWPN));
        exercise(&mut client, lun(1));
    });
}

/// A second login of the same name and ISID: the first session ends, and the second is served.
#[test]
fn the_same_identity_again_ends_the_first_session() {
    with_tgtd("the_same_identity_again_ends_the_first_session", |tgtd| {
        tgtd.admit(&name(WWPN));
        let mut first = Client::log_in(&san(tgtd), identity(WWPN));
        ready(&mut first, lun(1));
        let mut second = Client::log_in(&san(tgtd), identity(WWPN));
        first.until("the end of the first", |it| it.end.is_some());
        assert!(matches!(first.end, Some(SessionEnd::Closed | SessionEnd::Connection { .. })), "{:?}", first.end);
        ready(&mut second, lun(1));
        second.log_out();
    });
}

#[test]
fn a_target_that_dies_in_mid_flight_ends_the_session_and_nothing_else() {
    with_tgtd("a_target_that_dies_in_mid_flight_ends_the_session_and_nothing_else", |tgtd| {
        tgtd.admit(&name(WWPN));
        let mut client = Client::log_in(&san(tgtd), identity(WWPN));
        ready(&mut client, lun(1));
        client.completed.clear();
        for it in 0..32 {
            client.submit(write(lun(1), it * 2048, pattern(it, 1 << 20)));
        }
        client.poll();
        tgtd.kill();
        client.until("the end", |it| it.end.is_some());
        assert!(matches!(client.end, Some(SessionEnd::Closed | SessionEnd::Connection { .. })), "{:?}", client.end);
        assert!(client.completed.len() < 32, "commands were in flight");
        (0..3).for_each(|_| client.poll());
        let Err(SessionEnd::Connection { operation, .. }) = Client::try_log_in(&san(tgtd), identity(WWPN)) else {
            panic!("nobody is there")
        };
        assert_eq!(operation, "connect to the portal");
    });
}

#[test]
fn discovery_shows_the_targets_of_a_portal() {
    with_tgtd("discovery_shows_the_targets_of_a_portal", |tgtd| {
        tgtd.admit(&name(WWPN));
        let within = Duration::from_secs(10);
        let targets = discover(tgtd.portal(), &name(WWPN), None, within).unwrap();
        assert_eq!(targets.len(), 1);
        assert_eq!((targets[0].name.as_str(), targets[0].addresses[0].port), (TARGET, 3260));
        assert_eq!(discover(tgtd.portal(), &name(STRANGER), None, within).unwrap(), []);
        let wrong = IscsiSan { target: "iqn.2026-11.example.twinrail:none".into(), ..san(tgtd) };
        let Err(SessionEnd::Denied(why)) = Client::try_log_in(&wrong, identity(WWPN)) else {
            panic!("it is not there")
        };
        assert!(why.contains("there is no such target"), "{why}");
    });
}

/// A portal that takes the connection and says nothing: the login ends in its time.
#[test]
fn a_silent_portal_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let patience =
        twinrail_datapath::san::iscsi::engine::Patience { login: Duration::from_millis(200), ..Default::default() };
    let san = IscsiSan {
        portal: listener.local_addr().unwrap(),
        target: TARGET.into(),
        chap: None,
        offer: Offer::default(),
        patience,
        login_fences: false,
    };
    let end = Client::try_log_in(&san, identity(WWPN)).err();
    assert_eq!(end, Some(SessionEnd::Silent(Duration::from_millis(200))));
}

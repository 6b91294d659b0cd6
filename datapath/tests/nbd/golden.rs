//! Conversations octet by octet, as the protocol document lays them out.

use twinrail_datapath::nbd::{End, Export, MemoryDevice, Request, Zeroing};

use crate::support::{engine, execute, export, hex, option, take_output, to_hex, transmitting, wish};

const GREETING: &str = "4e42444d41474943 49484156454f5054 0003";

/// Says `client`, and expects exactly `server`.
#[track_caller]
fn says(engine: &mut twinrail_datapath::nbd::Engine, client: &str, server: &str) {
    engine.receive(&hex(client));
    assert_eq!(to_hex(&take_output(engine)), to_hex(&hex(server)));
}

#[test]
fn go_with_structured_replies() {
    let mut engine = engine(vec![export()]);
    says(&mut engine, "", GREETING);
    says(&mut engine, "00000003", "");
    // STRUCTURED_REPLY: ACK.
    says(&mut engine, "49484156454f5054 00000008 00000000", "0003e889045565a9 00000008 00000001 00000000");
    // GO "disk", asking for NAME, DESCRIPTION and BLOCK_SIZE; EXPORT comes unasked, with all flags but ROTATIONAL and READ_ONLY.
    says(
        &mut engine,
        "49484156454f5054 00000007 00000010 00000004 6469736b 0003 0001 0002 0003",
        "0003e889045565a9 00000007 00000003 00000006 0001 6469736b
         0003e889045565a9 00000007 00000003 00000008 0002 61206469736b
         0003e889045565a9 00000007 00000003 0000000e 0003 00000200 00001000 02000000
         0003e889045565a9 00000007 00000003 0000000c 0000 0000000000010000 0ded
         0003e889045565a9 00000007 00000001 00000000",
    );
    assert_eq!(engine.export(), Some(0));
}

#[test]
fn export_name_has_zeros_unless_both_sides_know_better() {
    let plain = Export::plain("disk", 512, 512);
    for (flags, zeros) in [("00000001", 124), ("00000003", 0)] {
        let mut engine = engine(vec![plain.clone()]);
        says(&mut engine, flags, GREETING);
        let answer = format!("0000000000000200 000d {}", "00".repeat(zeros));
        says(&mut engine, "49484156454f5054 00000001 00000004 6469736b", &answer);
        assert_eq!(engine.export(), Some(0));
    }
}

#[test]
fn list_names_every_export() {
    let mut engine = engine(vec![export(), Export::plain("b", 512, 512)]);
    says(&mut engine, "00000003", GREETING);
    says(
        &mut engine,
        "49484156454f5054 00000003 00000000",
        "0003e889045565a9 00000003 00000002 0000000e 00000004 6469736b 61206469736b
         0003e889045565a9 00000003 00000002 00000005 00000001 62
         0003e889045565a9 00000003 00000001 00000000",
    );
}

#[test]
fn refused_options_leave_the_next_one_readable() {
    let mut engine = engine(vec![export(), Export::plain("b", 512, 512)]);
    says(&mut engine, "00000003", GREETING);
    let sends = |engine: &mut _, number: u32, data: &[u8], code: &str| {
        twinrail_datapath::nbd::Engine::receive(engine, &option(number, data));
        let answer = take_output(engine);
        assert_eq!(to_hex(&answer[..8]), "0003e889045565a9");
        assert_eq!(to_hex(&answer[8..16]), format!("{number:08x}{code}"), "option {number}");
        let length = u32::from_be_bytes(answer[16..20].try_into().expect("four octets")) as usize;
        assert_eq!(answer.len(), 20 + length);
        assert!(std::str::from_utf8(&answer[20..]).is_ok());
    };
    sends(&mut engine, 5, &[], "80000002");
    sends(&mut engine, 9, &[0; 8], "80000001");
    sends(&mut engine, 10, &[0; 8], "80000001");
    sends(&mut engine, 11, &[], "80000001");
    sends(&mut engine, 99, &[7; 100], "80000001");
    sends(&mut engine, 3, &[0], "80000003");
    sends(&mut engine, 8, &[0], "80000003");
    sends(&mut engine, 3, &[0; 17 << 10], "80000009");
    sends(&mut engine, 7, &wish("nobody", &[]), "80000006");
    // With two exports, there is no default one.
    sends(&mut engine, 6, &wish("", &[]), "80000006");
    // A name length that reaches beyond the data; a count of requests that is not there; no data at all.
    sends(&mut engine, 7, &hex("ffffffff 6469736b 0000"), "80000003");
    sends(&mut engine, 7, &hex("00000004 6469736b 0009 0003"), "80000003");
    sends(&mut engine, 6, &[], "80000003");
    assert_eq!(engine.end(), None);
    // ABORT, with data that is to be ignored.
    says(&mut engine, "49484156454f5054 00000002 00000001 00", "0003e889045565a9 00000002 00000001 00000000");
    assert_eq!(engine.end(), Some(&End::Left));
}

#[test]
fn each_request_and_its_simple_reply() {
    let device = MemoryDevice::new(64 << 10);
    let mut engine = transmitting(export(), false);
    let data = "ab".repeat(512);
    let good = |cookie: u8| format!("67446698 00000000 00000000000000{cookie:02x}");
    let mut exchange = |client: &str, seen: &[Request], server: &str| {
        engine.receive(&hex(client));
        assert_eq!(execute(&mut engine, &device), seen);
        assert_eq!(to_hex(&take_output(&mut engine)), to_hex(&hex(server)));
    };
    let write = Request::Write { offset: 1024, data: vec![0xab; 512].into(), fua: true };
    exchange(&format!("25609513 0001 0001 0000000000000001 0000000000000400 00000200 {data}"), &[write], &good(1));
    let read = Request::Read { offset: 1024, length: 512 };
    let answer = format!("{} {data}", good(2));
    exchange("25609513 0000 0000 0000000000000002 0000000000000400 00000200", &[read], &answer);
    exchange("25609513 0000 0003 0000000000000003 0000000000000000 00000000", &[Request::Flush], &good(3));
    let trim = Request::Trim { offset: 0, length: 512, fua: false };
    exchange("25609513 0000 0004 0000000000000004 0000000000000000 00000200", &[trim], &good(4));
    let cache = Request::Cache { offset: 0, length: 512 };
    exchange("25609513 0000 0005 0000000000000005 0000000000000000 00000200", &[cache], &good(5));
    // FUA, NO_HOLE and FAST_ZERO; then none of them.
    let how = Zeroing { fua: true, may_unmap: false, only_if_fast: true };
    let zeroes = Request::WriteZeroes { offset: 0x8000, length: 0x8000, how };
    exchange("25609513 0013 0006 0000000000000006 0000000000008000 00008000", &[zeroes], &good(6));
    let how = Zeroing { fua: false, may_unmap: true, only_if_fast: false };
    let zeroes = Request::WriteZeroes { offset: 0, length: 512, how };
    exchange("25609513 0000 0006 0000000000000007 0000000000000000 00000200", &[zeroes], &good(7));
}

#[test]
fn structured_replies() {
    let device = MemoryDevice::new(64 << 10);
    let mut engine = transmitting(export(), true);
    // READ with DF: one chunk of data, the last one. FLUSH: a chunk of nothing.
    engine.receive(&hex("25609513 0004 0000 0000000000000001 0000000000000200 00000200"));
    engine.receive(&hex("25609513 0000 0003 0000000000000002 0000000000000000 00000000"));
    execute(&mut engine, &device);
    let zeros = "00".repeat(512);
    let chunks = format!(
        "668e33ef 0001 0001 0000000000000001 00000208 0000000000000200 {zeros}
         668e33ef 0001 0000 0000000000000002 00000000"
    );
    assert_eq!(to_hex(&take_output(&mut engine)), to_hex(&hex(&chunks)));
    // An error has words: EINVAL "invalid argument".
    engine.receive(&hex("25609513 0000 0000 0000000000000003 0000000000000001 00000200"));
    let words = to_hex(b"invalid argument");
    let chunk = format!("668e33ef 0001 8001 0000000000000003 00000016 00000016 0010 {words}");
    assert_eq!(to_hex(&take_output(&mut engine)), to_hex(&hex(&chunk)));
}

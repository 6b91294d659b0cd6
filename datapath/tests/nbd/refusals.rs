//! What breaks a rule of the export or of the protocol.

use bytes::Bytes;
use twinrail_datapath::nbd::{End, Engine, Errno, Export, limits};

use crate::support::{engine, error_of, export, hex, option, request, take_output, transmitting, wish};

const READ: u16 = 0;
const WRITE: u16 = 1;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const CACHE: u16 = 5;
const ZEROES: u16 = 6;

/// The error for one request, which the device must not see.
#[track_caller]
fn refused(engine: &mut Engine, head: &[u8]) -> u32 {
    engine.receive(head);
    assert_eq!(engine.next_request(), None);
    error_of(&take_output(engine))
}

#[test]
fn a_request_that_the_export_forbids_is_refused_by_its_errno() {
    const EPERM: u32 = 1;
    const EINVAL: u32 = 22;
    const ENOSPC: u32 = 28;
    const EOVERFLOW: u32 = 75;
    let big = Export { size: 1 << 40, ..export() };
    let read_only = Export { read_only: true, ..export() };
    let plain = Export::plain("plain", 64 << 10, 4096);
    for (case, export, structured, head, errno) in [
        ("read beyond the end", export(), false, request(0, READ, 1, 64 << 10, 512), EINVAL),
        ("read over the end of numbers", export(), false, request(0, READ, 1, u64::MAX - 511, 512), EINVAL),
        ("trim beyond the end", export(), false, request(0, TRIM, 1, 0, 65 << 10), EINVAL),
        ("zeroes beyond the end", export(), false, request(0, ZEROES, 1, 512, 64 << 10), ENOSPC),
        ("unaligned offset", export(), true, request(0, READ, 1, 1, 512), EINVAL),
        ("unaligned length", export(), true, request(0, READ, 1, 0, 511), EINVAL),
        ("512 octets of blocks of 4096", plain.clone(), true, request(0, READ, 1, 512, 512), EINVAL),
        ("trim of a read-only export", read_only.clone(), true, request(0, TRIM, 1, 0, 512), EPERM),
        ("zeroes on a read-only export", read_only, false, request(0, ZEROES, 1, 0, 512), EPERM),
        ("no trim offered", plain.clone(), false, request(0, TRIM, 1, 0, 4096), EINVAL),
        ("no zeroes offered", plain.clone(), false, request(0, ZEROES, 1, 0, 4096), EINVAL),
        ("no cache offered", plain, false, request(0, CACHE, 1, 0, 4096), EINVAL),
        ("DF without structured replies", export(), false, request(4, READ, 1, 0, 512), EINVAL),
        ("NO_HOLE with a read", export(), false, request(2, READ, 1, 0, 512), EINVAL),
        ("an unknown flag", export(), false, request(0x20, ZEROES, 1, 0, 512), EINVAL),
        ("a flush of a range", export(), false, request(0, FLUSH, 1, 0, 512), EINVAL),
        ("BLOCK_STATUS", export(), true, request(0, 7, 1, 0, 512), EINVAL),
        ("an unknown command", export(), true, request(0, 77, 1, 0, 512), EINVAL),
        ("too large a read", big.clone(), true, request(0, READ, 1, 0, (32 << 20) + 512), EOVERFLOW),
        ("too large a read, simple", big, false, request(0, READ, 1, 0, (32 << 20) + 512), EINVAL),
    ] {
        let mut engine = transmitting(export, structured);
        assert_eq!(refused(&mut engine, &head), errno, "{case}");
        assert_eq!(engine.end(), None, "{case}");
    }
}

#[test]
fn the_data_of_a_refused_write_is_thrown_away_and_the_next_request_is_read() {
    let length = 64 << 10;
    let mut engine = transmitting(Export { read_only: true, ..export() }, false);
    engine.receive(&request(0, WRITE, 7, 0, length));
    engine.receive(&vec![0x25; length as usize - 1]);
    assert!(engine.output().is_empty(), "not before its data has come");
    engine.receive(&[0x25]);
    assert_eq!(error_of(&take_output(&mut engine)), Errno::Permission.to_u32());
    engine.receive(&request(0, FLUSH, 8, 0, 0));
    assert!(engine.next_request().is_some());
}

#[test]
fn a_write_that_claims_four_gigabytes_allocates_nothing_and_holds_nothing() {
    let mut engine = transmitting(Export { size: 1 << 40, ..export() }, false);
    engine.receive(&request(0, WRITE, 7, 0, u32::MAX - 511));
    let piece = vec![0; 1 << 20];
    for _ in 0..4095 {
        engine.receive(&piece);
    }
    engine.receive(&piece[..(1 << 20) - 512]);
    assert_eq!(error_of(&take_output(&mut engine)), Errno::Invalid.to_u32());
    engine.receive(&request(0, FLUSH, 8, 0, 0));
    assert!(engine.next_request().is_some());
}

#[test]
fn requests_of_no_length_succeed_without_the_device() {
    for structured in [false, true] {
        for command in [READ, WRITE, TRIM, CACHE, ZEROES] {
            let mut engine = transmitting(export(), structured);
            assert_eq!(refused(&mut engine, &request(0, command, 1, 512, 0)), 0, "{command}");
        }
    }
}

#[test]
fn a_device_that_reads_too_little_has_not_read() {
    let mut engine = transmitting(export(), true);
    engine.receive(&request(0, READ, 1, 0, 512));
    let (tag, _) = engine.next_request().expect("a request");
    engine.complete(tag, Ok(Bytes::from_static(&[0; 511])));
    assert_eq!(error_of(&take_output(&mut engine)), Errno::Io.to_u32());
}

#[test]
fn violations_end_the_connection() {
    let mut flags = engine(vec![export()]);
    flags.receive(&hex("00000007"));
    assert_eq!(flags.end(), Some(&End::Flags(7)));

    let mut magic = engine(vec![export()]);
    magic.receive(&hex("00000003 49484156454f5055 00000003 00000000"));
    assert_eq!(magic.end(), Some(&End::OptionMagic(0x4948_4156_454f_5055)));

    let mut name = engine(vec![export()]);
    name.receive(&[hex("00000003"), option(1, b"nobody")].concat());
    assert_eq!(name.end(), Some(&End::NoExport("nobody".into())));

    let mut many = engine(vec![export()]);
    many.receive(&hex("00000003"));
    for _ in 0..limits::OPTIONS {
        many.receive(&option(3, &[]));
        assert_eq!(many.end(), None);
    }
    many.receive(&option(7, &wish("", &[])));
    assert_eq!(many.end(), Some(&End::Options));

    let mut request = transmitting(export(), false);
    request.receive(&[0x26; 28]);
    assert_eq!(request.end(), Some(&End::RequestMagic(0x2626_2626)));
    assert!(!request.wants_input());
}

#[test]
fn more_than_a_client_may_have_in_flight_waits_in_its_socket() {
    let mut engine = transmitting(export(), false);
    let all: Vec<u8> = (0..300).flat_map(|cookie| request(0, READ, cookie, 0, 512)).collect();
    engine.receive(&all);
    assert!(!engine.wants_input());
    let first: Vec<_> = std::iter::from_fn(|| engine.next_request()).collect();
    assert_eq!(first.len(), limits::REQUESTS);
    engine.complete(first[0].0, Ok(vec![0; 512].into()));
    assert!(engine.next_request().is_some() && engine.next_request().is_none());
    // All answered, but nothing taken: the rest comes, since it is little.
    first[1..].iter().for_each(|(tag, _)| engine.complete(*tag, Ok(vec![0; 512].into())));
    assert_eq!(std::iter::from_fn(|| engine.next_request()).count(), 300 - limits::REQUESTS - 1);
    assert!(engine.wants_input());
}

#[test]
fn a_client_that_takes_no_replies_gets_no_more_than_the_limit() {
    let mut engine = transmitting(Export { size: 1 << 40, ..export() }, false);
    let length = limits::PAYLOAD;
    let data = Bytes::from(vec![0; length as usize]);
    let mut taken = 0;
    for cookie in 0..8 {
        engine.receive(&request(0, READ, cookie, 0, length));
        while let Some((tag, _)) = engine.next_request() {
            engine.complete(tag, Ok(data.clone()));
            taken += 1;
        }
    }
    assert_eq!(taken, 2);
    assert!(!engine.wants_input());
    take_output(&mut engine);
    assert!(engine.next_request().is_some());
}

#[test]
fn disc_waits_for_what_is_in_flight() {
    let mut engine = transmitting(export(), false);
    engine.receive(&[request(0, FLUSH, 1, 0, 0), request(0, 2, 0, 0, 0), request(0, FLUSH, 2, 0, 0)].concat());
    assert!(!engine.wants_input());
    assert_eq!((engine.end(), engine.export()), (None, Some(0)));
    let (tag, _) = engine.next_request().expect("the flush before DISC");
    engine.complete(tag, Ok(Bytes::new()));
    assert_eq!(engine.end(), Some(&End::Left));
    assert_eq!(engine.next_request(), None);
    assert_eq!(take_output(&mut engine).len(), 16);
}

#[test]
fn a_shutdown_answers_everything_once() {
    let mut engine = transmitting(export(), false);
    engine.receive(&request(0, FLUSH, 1, 0, 0));
    let (tag, _) = engine.next_request().expect("a flush");
    engine.shut_down();
    assert_eq!(error_of(&take_output(&mut engine)), Errno::Shutdown.to_u32());
    engine.complete(tag, Ok(Bytes::new()));
    assert!(engine.output().is_empty());
    assert_eq!(engine.end(), Some(&End::Shutdown));
}

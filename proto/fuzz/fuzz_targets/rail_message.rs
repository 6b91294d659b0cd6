//! Any bytes as a rail message, and as the body of one: refused or parsed, and every record lies within the message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twinrail_proto::rail::{
    ClusterTag, Header, Incarnation, Kind, Message, OffloadHeader, RECORD_HEADER_LENGTH, next_record, parse,
};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // By chance hardly any bytes begin as our messages do: behind a header that is right, each kind of body is reached.
    for kind in [Kind::Hello, Kind::Frames, Kind::Fragment, Kind::Connection] {
        let header = Header { kind, cluster: ClusterTag::of("fuzz"), incarnation: Incarnation::from_random(1) };
        check(&[&header.encode()[..], bytes].concat());
    }
});

fn check(bytes: &[u8]) {
    let Ok((header, message)) = parse(bytes) else { return };
    assert_eq!(header.encode()[..], bytes[..16]);
    match message {
        Message::Hello(hello) => assert!(bytes.len() >= 16 + hello.encode().len()),
        Message::Fragment(fragment) => {
            assert!(fragment.index < fragment.count);
            assert!(fragment.data.len() <= usize::from(fragment.piece));
        }
        Message::Frames(records) => check_records(records),
        Message::Connection(connection) => {
            let encoded = connection.encode();
            assert_eq!(parse(&[&bytes[..16], &encoded].concat()), Ok((header, message)));
        }
    }
}

fn check_records(records: &[u8]) {
    let mut at = 0;
    while let Some(Ok(record)) = next_record(records, at) {
        assert!(record.body.start >= at + RECORD_HEADER_LENGTH && record.body.end <= records.len());
        let body = &records[record.body.clone()];
        assert_eq!(record.header.ready, body.is_empty());
        if let Ok(offload) = OffloadHeader::parse(body, body.len()) {
            assert_eq!(OffloadHeader::parse(&offload.encode(), body.len()), Ok(offload));
        }
        at = record.body.end;
    }
}

//! Any bytes as a rail message: refused or parsed, and every record lies within the message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twinrail_proto::rail::{Message, OffloadHeader, next_record, parse};

fuzz_target!(|bytes: &[u8]| {
    let Ok((header, message)) = parse(bytes) else { return };
    assert_eq!(header.encode()[..], bytes[..16]);
    let Message::Frames(records) = message else { return };
    let mut at = 0;
    while let Some(Ok(record)) = next_record(records, at) {
        assert!(record.body.start > at && record.body.end <= records.len());
        let body = &records[record.body.clone()];
        assert_eq!(record.header.ready, body.is_empty());
        let _ = OffloadHeader::parse(body, body.len());
        at = record.body.end;
    }
});

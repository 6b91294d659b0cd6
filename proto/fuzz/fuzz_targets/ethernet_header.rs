//! Any bytes as an Ethernet frame: refused, or its header lies within the frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twinrail_proto::rail::EthernetHeader;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = EthernetHeader::parse(bytes) {
        assert!(header.length() <= bytes.len());
        assert_eq!(header.destination[..], bytes[..6]);
    }
});

//! Golden bytes, round trips, and bytes of any kind.

use proptest::prelude::*;

use super::*;
use crate::domain::{AdapterId, Epoch};

fn header(kind: Kind) -> Header {
    Header { kind, cluster: ClusterTag::of("lab"), incarnation: Incarnation::from_random(0x0102_0304_0506_0708) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn sample_hello() -> Hello {
    Hello {
        sequence: 7,
        interval_us: 10_000,
        hears: Some(Incarnation::from_random(9)),
        going: true,
        sent: 0x1111,
        echo: 0x2222,
        held_us: 3,
        receives: 65_507,
    }
}

fn sample_frame() -> Vec<u8> {
    [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &[0x81, 0, 0x60, 10], &[0x08, 0x06], b"payload"].concat()
}

fn sample_message() -> Vec<u8> {
    let frame = sample_frame();
    let record = RecordHeader { adapter: AdapterId(5), epoch: Epoch(9), ready: false };
    let body = [&OffloadHeader::PLAIN.encode()[..], &frame].concat();
    [&header(Kind::Frames).encode()[..], &record.encode(body.len()), &body].concat()
}

#[test]
fn golden_hello() {
    let bytes = [&header(Kind::Hello).encode()[..], &sample_hello().encode()].concat();
    insta::assert_snapshot!(hex(&bytes));
    assert_eq!(parse(&bytes), Ok((header(Kind::Hello), Message::Hello(sample_hello()))));
}

#[test]
fn golden_frames() {
    let bytes = sample_message();
    insta::assert_snapshot!(hex(&bytes));
    let Ok((_, Message::Frames(records))) = parse(&bytes) else { panic!("no frames") };
    let record = next_record(records, 0).unwrap().unwrap();
    assert_eq!((record.header.adapter, record.header.epoch), (AdapterId(5), Epoch(9)));
    assert_eq!(records[record.body.clone()][OFFLOAD_LENGTH..], sample_frame());
    assert!(next_record(records, record.body.end).is_none());
}

#[test]
fn golden_fragment() {
    let fragment = Fragment { message: 3, index: 1, count: 2, piece: 8, data: b"last" };
    let bytes = [&header(Kind::Fragment).encode()[..], &fragment.encode_header(), fragment.data].concat();
    insta::assert_snapshot!(hex(&bytes));
    assert_eq!(parse(&bytes), Ok((header(Kind::Fragment), Message::Fragment(fragment))));
}

fn sample_offer() -> Offer {
    Offer {
        number: 0x0102_0304_0506_0708,
        gid: std::array::from_fn(|at| at as u8),
        lid: 0x1122,
        mtu: 5,
        window: 64,
        queue_pairs: [
            QueuePairOffer { number: 0x11, first_packet: 0xff_ffff },
            QueuePairOffer { number: 0x22, first_packet: 0 },
        ],
    }
}

fn connection_message(connection: Connection) -> Vec<u8> {
    [&header(Kind::Connection).encode()[..], &connection.encode()].concat()
}

#[test]
fn golden_connections() {
    let all =
        [Connection::Connect(sample_offer()), Connection::Accept(sample_offer()), Connection::Call, Connection::Probe];
    let lines: Vec<String> = all.iter().map(|it| hex(&connection_message(*it))).collect();
    insta::assert_snapshot!(lines.join("\n"));
    for connection in all {
        let bytes = connection_message(connection);
        assert_eq!(parse(&bytes), Ok((header(Kind::Connection), Message::Connection(connection))));
        for length in HEADER_LENGTH..bytes.len() {
            assert!(matches!(parse(&bytes[..length]), Err(ParseError::CutShort { .. })), "{length} octets");
        }
    }
}

#[test]
fn an_offer_that_cannot_be_true_is_refused() {
    let spoilt: [fn(&mut Offer); 6] = [
        |it| it.mtu = 0,
        |it| it.mtu = 6,
        |it| it.window = 0,
        |it| it.window = MAX_WINDOW + 1,
        |it| it.queue_pairs[1].number = 0x100_0000,
        |it| it.queue_pairs[0].first_packet = u32::MAX,
    ];
    for (at, spoil) in spoilt.into_iter().enumerate() {
        let mut offer = sample_offer();
        spoil(&mut offer);
        let parsed = parse(&connection_message(Connection::Connect(offer))).map(|_| ());
        assert!(matches!(parsed, Err(ParseError::Connection(_))), "case {at}: {parsed:?}");
    }
    let mut unknown = connection_message(Connection::Call);
    unknown[HEADER_LENGTH] = 9;
    assert!(matches!(parse(&unknown), Err(ParseError::Connection(_))));
}

#[test]
fn each_lie_has_its_name() {
    let cut = |bytes: &[u8]| match parse(bytes) {
        Ok((_, Message::Frames(records))) => next_record(records, 0).map(|it| it.map(|_| ())),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    };
    let good = sample_message();
    let mut foreign = good.clone();
    foreign[0] = 0;
    assert_eq!(cut(&foreign), Some(Err(ParseError::Magic(0x0057))));
    let mut future = good.clone();
    future[2] = 2;
    assert_eq!(cut(&future), Some(Err(ParseError::Version(2))));
    let mut unknown = good.clone();
    unknown[3] = 5;
    assert_eq!(cut(&unknown), Some(Err(ParseError::Kind(5))));
    assert_eq!(cut(&good[..10]), Some(Err(ParseError::CutShort { what: "a rail message", needs: 16, has: 10 })));
    assert_eq!(cut(&good[..20]), Some(Err(ParseError::CutShort { what: "a record", needs: 16, has: 4 })));
    let short = &good[..good.len() - 1];
    assert_eq!(cut(short), Some(Err(ParseError::LyingLength { what: "a record", says: 35, has: 34 })));
    assert_eq!(cut(&vec![0; MAX_MESSAGE + 1]), Some(Err(ParseError::TooLarge(MAX_MESSAGE + 1))));
}

#[test]
fn fragments_that_make_no_message_are_refused() {
    let parse = |message, index, count, piece, data: &[u8]| {
        let head = Fragment { message, index, count, piece, data }.encode_header();
        Fragment::parse(&[&head[..], data].concat()).map(|_| ())
    };
    assert_eq!(parse(1, 0, 2, 4, b"four"), Ok(()));
    for (index, count, piece) in [(2, 2, 4), (0, 1, 4), (0, 65, 4), (0, 2, 0)] {
        assert_eq!(parse(1, index, count, piece, b"four"), Err(ParseError::Fragment { index, count, piece }));
    }
    assert!(matches!(parse(1, 0, 2, 5, b"four"), Err(ParseError::LyingLength { .. })));
    assert!(matches!(parse(1, 1, 2, 4, b""), Err(ParseError::LyingLength { .. })));
    assert!(matches!(parse(1, 63, 64, u16::MAX, b"four"), Err(ParseError::Fragment { .. })));
}

#[test]
fn a_tag_moves_what_counts_from_the_start() {
    let plain = OffloadHeader {
        needs_checksum: true,
        segmentation: Segmentation::TcpV4,
        header_length: 66,
        segment_size: 1448,
        checksum_start: 34,
        checksum_offset: 16,
        ..OffloadHeader::PLAIN
    };
    let tagged = plain.with_tag();
    assert_eq!((tagged.header_length, tagged.checksum_start, tagged.segment_size), (70, 38, 1448));
    assert_eq!(tagged.without_tag(), plain);
    assert_eq!(OffloadHeader::PLAIN.with_tag(), OffloadHeader::PLAIN);
}

#[test]
fn offload_headers_that_cannot_be_true_are_refused() {
    let parse = |flags, kind, header_length: u16, size: u16, start: u16| {
        let mut bytes = [flags, kind, 0, 0, 0, 0, 0, 0, 16, 0];
        bytes[2..4].copy_from_slice(&header_length.to_le_bytes());
        bytes[4..6].copy_from_slice(&size.to_le_bytes());
        bytes[6..8].copy_from_slice(&start.to_le_bytes());
        OffloadHeader::parse(&bytes, 100).is_ok()
    };
    assert!(parse(1, 1, 66, 1448, 34) && parse(0, 0, 0, 0, 0) && parse(1, 0x81, 66, 1448, 82));
    assert!(!parse(1, 0, 0, 0, 83), "checksum outside");
    assert!(!parse(1, 0, 0, 0, 13), "checksum in the Ethernet header");
    assert!(!parse(0, 1, 66, 0, 0), "no segment size");
    assert!(!parse(0, 1, 101, 1448, 0), "headers longer than the frame");
    assert!(!parse(0, 3, 0, 1, 0), "unknown segmentation");
}

#[test]
fn ethernet_headers_are_read_with_and_without_a_tag() {
    let tagged = EthernetHeader::parse(&sample_frame()).unwrap();
    assert_eq!((tagged.tag.map(VlanTag::vlan), tagged.ether_type, tagged.length()), (Some(10), 0x0806, 18));
    assert!(is_group(&tagged.destination) && !is_group(&tagged.source));
    assert!(EthernetHeader::parse(&sample_frame()[..17]).is_err());
    let mut pause = sample_frame();
    pause[..6].copy_from_slice(&[0x01, 0x80, 0xc2, 0, 0, 1]);
    assert!(EthernetHeader::parse(&pause).unwrap().is_bridge_local());
    pause[12..14].copy_from_slice(&[0x88, 0xa8]);
    assert!(EthernetHeader::parse(&pause).unwrap().has_service_tag());
}

/// What both fuzz targets and the property below do with any bytes.
fn walk(bytes: &[u8]) {
    let _ = EthernetHeader::parse(bytes);
    let _ = OffloadHeader::parse(bytes, bytes.len());
    let Ok((_, message)) = parse(bytes) else { return };
    let Message::Frames(records) = message else { return };
    let mut at = 0;
    while let Some(Ok(record)) = next_record(records, at) {
        assert!(record.body.start > at && record.body.end <= records.len());
        at = record.body.end;
    }
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        walk(&bytes);
    }

    #[test]
    fn good_messages_with_damage_are_parsed_or_refused(at in 0usize..70, octet: u8, cut in 0usize..70) {
        let mut bytes = sample_message();
        let length = bytes.len();
        bytes[at % length] = octet;
        walk(&bytes[..length - cut % length]);
    }

    #[test]
    fn hellos_come_back(sequence: u64, interval_us: u32, hears: u64, going: bool, sent: u64, echo: u64, held_us: u32, receives: u32) {
        let hears = Incarnation::from_wire(hears);
        let hello = Hello { sequence, interval_us, hears, going, sent, echo, held_us, receives };
        prop_assert_eq!(Hello::parse(&hello.encode()), Ok(hello));
    }

    #[test]
    fn records_come_back(frames in prop::collection::vec((any::<u32>(), any::<u64>(), any::<u8>(), 24usize..300), 0..20)) {
        let mut bytes = Vec::new();
        for &(adapter, epoch, fill, length) in &frames {
            let header = RecordHeader { adapter: AdapterId(adapter), epoch: Epoch(epoch), ready: fill == 0 };
            let length = if header.ready { 0 } else { length };
            bytes.extend_from_slice(&header.encode(length));
            bytes.extend(std::iter::repeat_n(fill, length));
        }
        let mut at = 0;
        for (adapter, epoch, fill, length) in frames {
            let record = next_record(&bytes, at).unwrap().unwrap();
            let expected = RecordHeader { adapter: AdapterId(adapter), epoch: Epoch(epoch), ready: fill == 0 };
            prop_assert_eq!(record.header, expected);
            prop_assert_eq!(record.body.len(), if fill == 0 { 0 } else { length });
            prop_assert!(bytes[record.body.clone()].iter().all(|&octet| octet == fill));
            at = record.body.end;
        }
        prop_assert!(next_record(&bytes, at).is_none());
    }

    #[test]
    fn offload_headers_come_back(flags in 0u8..4, kind in prop::sample::select(vec![0u8, 1, 4, 5, 0x81]), words: [u16; 4]) {
        let mut bytes = [0; OFFLOAD_LENGTH];
        bytes[0] = flags;
        bytes[1] = kind;
        for (at, word) in words.iter().enumerate() {
            bytes[2 + 2 * at..4 + 2 * at].copy_from_slice(&word.to_le_bytes());
        }
        if let Ok(header) = OffloadHeader::parse(&bytes, 70_000) {
            prop_assert_eq!(header.encode(), bytes);
        }
    }
}

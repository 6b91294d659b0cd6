//! What holds for every stream of octets.

use proptest::collection::vec;
use proptest::prelude::*;
use twinrail_datapath::nbd::{MemoryDevice, Request};

use crate::support::{engine, execute, export, hex, option, request, take_output, transmitting, wish};

/// Something that a client may say, sensible or not.
fn option_or_noise() -> impl Strategy<Value = Vec<u8>> {
    let sensible = (prop::sample::select(vec![2, 3, 5, 6, 8, 9, 40]), vec(any::<u8>(), 0..12));
    prop_oneof![
        4 => sensible.prop_map(|(number, data)| option(number, if data.len() > 6 { &data } else { &[] })),
        2 => vec(0u16..5, 0..4).prop_map(|asked| option(6, &wish("disk", &asked))),
        1 => (16u32 << 10..20 << 10).prop_map(|length| option(3, &vec![0; length as usize])),
    ]
}

fn transmission() -> impl Strategy<Value = Vec<u8>> {
    let head = (0u16..0x20, 0u16..9, any::<u64>(), 0u64..140, 0u32..20, any::<u8>());
    head.prop_map(|(flags, command, cookie, block, blocks, octet)| {
        let (offset, length) = (block * 512 + u64::from(octet == 0), blocks * 512);
        let data = if command == 1 { length as usize } else { 0 };
        [request(if octet < 128 { 0 } else { flags }, command, cookie, offset, length), vec![octet; data]].concat()
    })
}

/// A handshake that asks for structured replies, which can be told apart, and requests.
fn conversation() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (vec(option_or_noise(), 0..6), vec(transmission(), 0..20)).prop_map(|(options, requests)| {
        let go = option(7, &wish("disk", &[3]));
        ([hex("00000003"), option(8, &[]), options.concat(), go].concat(), requests.concat())
    })
}

/// Everything that the client gets when it sends these pieces, and the disk afterwards.
fn talk<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<u8>) {
    let device = MemoryDevice::new(64 << 10);
    let mut engine = engine(vec![export()]);
    let mut answers = Vec::new();
    for piece in pieces {
        engine.receive(piece);
        execute(&mut engine, &device);
        answers.extend(take_output(&mut engine));
    }
    let all = Request::Read { offset: 0, length: 64 << 10 };
    (answers, device.execute(&all).expect("the disk").to_vec())
}

/// Each reply by itself. Their order is that in which requests are completed, and those that are refused need no device:
/// it may change with the pieces.
fn replies(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut replies = Vec::new();
    while !octets.is_empty() {
        let length = u32::from_be_bytes(octets[16..20].try_into().expect("four octets")) as usize;
        let (reply, rest) = octets.split_at(20 + length);
        replies.push(reply);
        octets = rest;
    }
    replies.sort_unstable();
    replies
}

proptest! {
    #[test]
    fn any_split_of_the_stream_gives_the_same(
        (handshake, requests) in conversation(),
        cuts in vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let stream = [&handshake[..], &requests].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|it| it.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let (greeting, _) = talk(std::iter::once(&handshake[..]));
        let (whole, disk) = talk(std::iter::once(&stream[..]));
        prop_assert!(whole.starts_with(&greeting));
        let pieces = talk(cuts.windows(2).map(|it| &stream[it[0]..it[1]]));
        for (answers, content) in [pieces, talk(stream.chunks(1))] {
            prop_assert!(answers.starts_with(&greeting));
            prop_assert!(replies(&answers[greeting.len()..]) == replies(&whole[greeting.len()..]));
            prop_assert!(content == disk);
        }
    }

    #[test]
    fn random_octets_never_panic(noise in vec(vec(any::<u8>(), 0..200), 0..20), structured: bool, at: u8) {
        let device = MemoryDevice::new(64 << 10);
        let mut engine = match at % 3 {
            0 => engine(vec![export()]),
            _ => transmitting(export(), structured),
        };
        for mut piece in noise {
            if at % 3 == 2 && piece.len() >= 28 {
                // A believable head, and lies behind it.
                piece[..4].copy_from_slice(&hex("25609513"));
                piece[6] = 0;
                piece[7] %= 8;
            }
            engine.receive(&piece);
            execute(&mut engine, &device);
            take_output(&mut engine);
        }
    }
}

use proptest::prelude::*;

use super::peer::{BLOCK, Peer, converse, give_to, take_from};
use super::*;

/// A write or a read of so many blocks somewhere on the disk.
fn commands() -> impl Strategy<Value = Vec<(bool, u64, usize)>> {
    proptest::collection::vec((any::<bool>(), 0u64..1000, 1usize..200), 1..20)
}

proptest! {
    /// However the streams are cut, the same comes of them: what a plain model of a disk says.
    #[test]
    fn any_split_gives_the_same(
        commands in commands(), step in 1usize..5000, keys in 0usize..3, segment_length in 1usize..6000, burst in 1usize..8192,
    ) {
        let (mut engine, mut peer) = open([PLAIN, EAGER, CRC][keys]);
        (peer.segment_length, peer.burst) = (segment_length, burst);
        let mut model = peer.disk.clone();
        let mut expected = Vec::new();
        for (index, &(writes, lba, blocks)) in commands.iter().enumerate() {
            let range = lba as usize * BLOCK..(lba as usize + blocks) * BLOCK;
            let command = if writes {
                let data: Vec<u8> = (0..blocks * BLOCK).map(|it| (it * 31 + index * 7) as u8).collect();
                model[range.clone()].copy_from_slice(&data);
                write(lba, data)
            } else {
                Command::reading(Lun::ZERO, Cdb::read_16(lba, blocks as u32), (blocks * BLOCK) as u32)
            };
            // One at a time: a target may execute several in any order.
            prop_assert!(engine.submit(Tag(index as u64), command).is_ok());
            converse(&mut engine, &mut peer, step);
            let data_in = if writes { Bytes::new() } else { Bytes::copy_from_slice(&model[range]) };
            expected.push(Event::Completed { tag: Tag(index as u64), response: Response { data_in, ..Response::good() } });
        }
        prop_assert!(events(&mut engine) == expected);
        prop_assert!(peer.disk == model);
    }

    /// Many in flight, in any split: each is completed once, and reads bring what is there.
    #[test]
    fn many_in_flight_are_kept_apart(commands in commands(), step in 1usize..5000) {
        let (mut engine, mut peer) = open(PLAIN);
        peer.disk = (0..1usize << 20).map(|it| (it / 97) as u8).collect();
        for (tag, &(_, lba, blocks)) in commands.iter().enumerate() {
            let command = Command::reading(Lun::ZERO, Cdb::read_16(lba, blocks as u32), (blocks * BLOCK) as u32);
            engine.submit(Tag(tag as u64), command).unwrap();
        }
        converse(&mut engine, &mut peer, step);
        let said = events(&mut engine);
        prop_assert_eq!(said.len(), commands.len());
        for event in said {
            let Event::Completed { tag, response } = event else { panic!("{event:?}") };
            let (_, lba, blocks) = commands[tag.0 as usize];
            prop_assert!(response.data_in == peer.disk[lba as usize * BLOCK..(lba as usize + blocks) * BLOCK]);
        }
    }

    /// Octets that are wrong anywhere, in any phase: no panic, and an end is an end.
    #[test]
    fn wrong_octets_never_panic(
        wrong in proptest::collection::vec((0usize..400, any::<u8>()), 1..6), step in 1usize..100, early in any::<bool>(),
    ) {
        let (mut engine, mut peer) = if early { (engine(), Peer::new(PLAIN)) } else { open(PLAIN) };
        engine.submit(Tag(1), read(1)).ok();
        engine.submit(Tag(2), write(0, vec![1; 8192])).ok();
        engine.ask(b"SendTargets=All\0".to_vec());
        peer.hear(&take_from(&mut engine));
        let mut octets = peer.take_octets();
        for (at, octet) in wrong {
            let at = at % octets.len();
            octets[at] = octet;
        }
        give_to(&mut engine, &octets, step);
        let said = events(&mut engine);
        let ends = said.iter().filter(|it| matches!(it, Event::Ended(_) | Event::Redirected(_))).count();
        prop_assert_eq!(ends, usize::from(engine.has_ended()));
    }

    /// Nor do PDUs of random fields.
    #[test]
    fn wrong_pdus_never_panic(headers in proptest::collection::vec((any::<[u8; 32]>(), 0usize..10, 0u8..64), 1..8)) {
        const OPCODES: [u8; 10] = [0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x31, 0x32, 0x3f];
        let (mut engine, mut peer, task_tag) = with_one(write(0, vec![1; 8192]));
        for (random, opcode, length) in headers {
            let mut header = [0; 48];
            header[..32].copy_from_slice(&random);
            header[0] = OPCODES[opcode];
            header[4..8].copy_from_slice(&[0, 0, 0, length]);
            header[16..20].copy_from_slice(&task_tag.to_be_bytes());
            let numbers = peer.numbers(true);
            header[24..28].copy_from_slice(&numbers.stat_sn.0.to_be_bytes());
            give_to(&mut engine, &header, 4096);
            give_to(&mut engine, &vec![1; usize::from(length).next_multiple_of(4)], 4096);
        }
        prop_assert!(events(&mut engine).iter().filter(|it| matches!(it, Event::Ended(_))).count() <= 1);
    }
}

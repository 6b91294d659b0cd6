//! The content of a logical unit against a plain array of octets, and random commands.

use proptest::prelude::*;
use twinrail_datapath::scsi::{Cdb, SenseCode};

use crate::support::{BLOCK, BLOCKS, Unit};

#[derive(Clone, Debug)]
enum Step {
    Read {
        lba: usize,
        blocks: usize,
    },
    Write {
        lba: usize,
        octets: Vec<u8>,
        durable: bool,
    },
    /// With the right expectation, or with one that is wrong in one octet.
    CompareAndWrite {
        lba: usize,
        octets: Vec<u8>,
        wrong_at: Option<usize>,
    },
    Same {
        lba: usize,
        blocks: usize,
        octet: u8,
        unmap: bool,
    },
    Unmap {
        lba: usize,
        blocks: usize,
    },
    Reopen,
}

/// Ranges that may reach a little beyond the end.
fn step() -> impl Strategy<Value = Step> {
    let range = (0..BLOCKS + 4, 0..9usize);
    let data = prop::collection::vec(any::<u8>(), 0..5usize);
    prop_oneof![
        3 => range.clone().prop_map(|(lba, blocks)| Step::Read { lba, blocks }),
        4 => (0..BLOCKS + 2, data.clone(), any::<bool>())
            .prop_map(|(lba, octets, durable)| Step::Write { lba, octets, durable }),
        3 => (0..BLOCKS + 2, data, prop::option::of(0..4 * BLOCK))
            .prop_map(|(lba, octets, wrong_at)| Step::CompareAndWrite { lba, octets, wrong_at }),
        2 => (range.clone(), 0..3u8, any::<bool>())
            .prop_map(|((lba, blocks), octet, unmap)| Step::Same { lba, blocks, octet, unmap }),
        2 => range.prop_map(|(lba, blocks)| Step::Unmap { lba, blocks }),
        1 => Just(Step::Reopen),
    ]
}

/// Each block full of its octet.
fn filled(octets: &[u8]) -> Vec<u8> {
    octets.iter().flat_map(|&octet| [octet; BLOCK]).collect()
}

struct Pair {
    unit: Unit,
    model: Vec<u8>,
}

impl Pair {
    fn range(&self, lba: usize, blocks: usize) -> Option<std::ops::Range<usize>> {
        (lba + blocks <= BLOCKS).then_some(lba * BLOCK..(lba + blocks) * BLOCK)
    }

    /// The model first says whether the command is to succeed; the unit must agree.
    fn step(mut self, step: Step) -> Self {
        match step {
            Step::Read { lba, blocks } => {
                let response = self.unit.execute(1, Cdb::read_16(lba as u64, blocks as u32), vec![]).response;
                match self.range(lba, blocks) {
                    Some(range) => assert!(response.is_good() && response.data_in == self.model[range]),
                    None => assert_eq!(response.sense_code(), Some(SenseCode::LBA_OUT_OF_RANGE)),
                }
            }
            Step::Write { lba, octets, durable } => {
                let cdb = Cdb::write_16(lba as u64, octets.len() as u32, durable);
                let good = self.unit.execute(1, cdb, filled(&octets)).response.is_good();
                self.expect(good, lba, &filled(&octets));
            }
            Step::CompareAndWrite { lba, octets, wrong_at } => self.compare_and_write(lba, &octets, wrong_at),
            Step::Same { lba, blocks, octet, unmap } => {
                let cdb = Cdb::write_same_16(lba as u64, blocks as u32, unmap);
                let good = self.unit.execute(1, cdb, vec![octet; BLOCK]).response.is_good();
                assert!(blocks > 0 || !good, "of no blocks is refused");
                self.expect(good || blocks == 0, lba, &vec![octet; blocks * BLOCK]);
            }
            Step::Unmap { lba, blocks } => {
                let mut list = vec![0, 22, 0, 16, 0, 0, 0, 0];
                list.extend((lba as u64).to_be_bytes());
                list.extend((blocks as u32).to_be_bytes());
                list.extend([0; 4]);
                let good = self.unit.execute(1, Cdb::unmap(24), list).response.is_good();
                self.expect(good, lba, &vec![0; blocks * BLOCK]);
            }
            Step::Reopen => {
                self.unit = self.unit.reopen();
                self.unit.log_in(&[1]);
            }
        }
        self
    }

    fn expect(&mut self, good: bool, lba: usize, data: &[u8]) {
        match self.range(lba, data.len() / BLOCK) {
            Some(range) => {
                assert!(good);
                self.model[range].copy_from_slice(data);
            }
            None => assert!(!good || data.is_empty()),
        }
    }

    fn compare_and_write(&mut self, lba: usize, octets: &[u8], wrong_at: Option<usize>) {
        let range = self.range(lba, octets.len());
        let mut expected = range.clone().map_or(filled(octets), |it| self.model[it].to_vec());
        let wrong_at = wrong_at.filter(|it| *it < expected.len());
        if let Some(index) = wrong_at {
            expected[index] ^= 0x80;
        }
        let cdb = Cdb::compare_and_write(lba as u64, octets.len() as u8);
        let response = self.unit.execute(1, cdb, [expected, filled(octets)].concat()).response;
        match (range, wrong_at) {
            (Some(range), None) => {
                assert!(response.is_good());
                self.model[range].copy_from_slice(&filled(octets));
            }
            (Some(_), Some(index)) => {
                let sense = response.sense.expect("sense");
                assert_eq!((sense.code, sense.information), (SenseCode::MISCOMPARE, Some(index as u64)));
            }
            (None, _) => assert_eq!(response.sense_code(), Some(SenseCode::LBA_OUT_OF_RANGE)),
        }
    }
}

/// Opcodes that the unit has; random ones are mostly unknown.
const OPCODES: [u8; 34] = [
    0x00, 0x03, 0x08, 0x0a, 0x12, 0x16, 0x17, 0x1a, 0x1b, 0x25, 0x28, 0x2a, 0x2e, 0x2f, 0x35, 0x41, 0x42, 0x5a, 0x5e,
    0x5f, 0x88, 0x89, 0x8a, 0x8e, 0x8f, 0x91, 0x93, 0x9e, 0xa0, 0xa3, 0xa8, 0xaa, 0xae, 0xaf,
];

/// Most octets are 0 or small, so that a good part of the CDBs is accepted.
fn random_cdb() -> impl Strategy<Value = Cdb> {
    let octet = prop_oneof![6 => Just(0u8), 3 => 0..4u8, 1 => any::<u8>()];
    let opcode = prop_oneof![9 => prop::sample::select(&OPCODES[..]), 1 => any::<u8>()];
    (opcode, prop::array::uniform15(octet)).prop_filter_map("a CDB that is carried", |(opcode, rest)| {
        let mut field = [opcode; 16];
        field[1..].copy_from_slice(&rest);
        Cdb::from_padded(&field).ok()
    })
}

/// May change blocks when it succeeds.
fn writes(cdb: &Cdb) -> bool {
    matches!(cdb.opcode().0, 0x0a | 0x2a | 0xaa | 0x8a | 0x2e | 0xae | 0x8e | 0x41 | 0x93 | 0x42 | 0x89)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_content_is_the_models(steps in prop::collection::vec(step(), 1..60)) {
        let mut pair = Pair { unit: Unit::new(&[1]), model: vec![0; BLOCK * BLOCKS] };
        for step in steps {
            pair = pair.step(step);
        }
        prop_assert!(pair.unit.content() == pair.model);
    }

    #[test]
    fn random_commands_change_nothing_unless_they_succeed(
        commands in prop::collection::vec((random_cdb(), prop::collection::vec(any::<u8>(), 0..3 * BLOCK)), 1..80)
    ) {
        let mut unit = Unit::new(&[1]);
        let mut before = unit.content();
        for (cdb, data) in commands {
            let good = unit.execute(1, cdb, data).response.is_good();
            let after = unit.content();
            prop_assert!(after == before || good && writes(&cdb), "{} changed the disk", cdb);
            prop_assert_eq!(after.len(), BLOCK * BLOCKS);
            before = after;
        }
    }
}

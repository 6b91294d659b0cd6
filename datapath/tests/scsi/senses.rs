use proptest::option;
use proptest::prelude::*;
use twinrail_datapath::scsi::{Sense, SenseCode, SenseError, SenseKey};

#[test]
fn fixed_form_as_spc_4_table_53_lays_it_out() {
    let sense = Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 2, Some(7));
    let octets = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xcf, 0, 2];
    assert_eq!(sense.to_fixed(), octets);
    assert_eq!(Sense::parse(&octets), Ok(sense));

    let error = Sense::new(SenseKey::MediumError, SenseCode::UNRECOVERED_READ_ERROR).with_information(0x0102_0304);
    let octets = [0xf0, 0, 3, 1, 2, 3, 4, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0];
    assert_eq!(error.to_fixed(), octets);
    assert_eq!(Sense::parse(&octets), Ok(error));
}

#[test]
fn descriptor_form_as_spc_4_tables_28_to_33_lay_it_out() {
    let sense = Sense::new(SenseKey::Miscompare, SenseCode::MISCOMPARE).with_information(0x200);
    let octets = [0x72, 0x0e, 0x1d, 0, 0, 0, 0, 12, 0, 10, 0x80, 0, 0, 0, 0, 0, 0, 0, 2, 0];
    assert_eq!(sense.to_descriptors(), octets);
    assert_eq!(Sense::parse(&octets), Ok(sense));

    let sense = Sense::invalid_field(SenseCode::INVALID_FIELD_IN_PARAMETERS, 20, None);
    let octets = [0x72, 5, 0x26, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0, 20, 0];
    assert_eq!(sense.to_descriptors(), octets);
    assert_eq!(Sense::parse(&octets), Ok(sense));
}

#[test]
fn what_other_devices_send_is_read() {
    // As tgtd sends a unit attention; vendor specific descriptors between those that are known; a buffer of 8 octets.
    let attention = Sense::parse(&[0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0]);
    assert_eq!(attention.map(|it| it.to_string()).as_deref(), {
        Ok("UNIT ATTENTION 29/00 (power on, reset, or bus device reset occurred)")
    });
    let mixed = [0x73, 3, 0x11, 0, 0, 0, 0, 18, 0x80, 4, 1, 2, 3, 4, 0, 10, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    let parsed = Sense::parse(&mixed).expect("sense");
    assert!(parsed.deferred);
    assert_eq!((parsed.key, parsed.information), (SenseKey::MediumError, Some(9)));
    let short = Sense::parse(&[0x70, 0, 2, 0, 0, 0, 0, 10]).expect("sense");
    assert_eq!((short.key, short.code), (SenseKey::NotReady, SenseCode::NONE));
    assert_eq!(Sense::parse(&[0x70, 0]), Err(SenseError::CutShort(2)));
    assert_eq!(Sense::parse(&[0x7f, 0, 0, 0]), Err(SenseError::ResponseCode(0x7f)));
    // A descriptor that claims more than there is, and one with a length that is not its type's.
    let lying = Sense::parse(&[0x72, 5, 0x24, 0, 0, 0, 0, 4, 0, 10, 0x80, 0]).expect("sense");
    assert_eq!(lying.information, None);
    let odd = Sense::parse(&[0x72, 5, 0x24, 0, 0, 0, 0, 4, 0, 2, 0x80, 0]).expect("sense");
    assert_eq!(odd.information, None);
}

fn any_sense() -> impl Strategy<Value = Sense> {
    let parts = (any::<bool>(), any::<u8>(), any::<[u8; 2]>());
    let specific = option::of(any::<[u8; 3]>().prop_map(|it| [it[0] | 0x80, it[1], it[2]]));
    (parts, option::of(any::<u64>()), option::of(1..=u64::MAX), specific).prop_map(
        |((deferred, key, [asc, ascq]), information, command_specific, key_specific)| Sense {
            deferred,
            key: SenseKey::from_bits(key),
            code: SenseCode { asc, ascq },
            information,
            command_specific,
            key_specific,
        },
    )
}

proptest! {
    #[test]
    fn both_forms_come_back(sense in any_sense()) {
        prop_assert_eq!(Sense::parse(&sense.to_descriptors()), Ok(sense));
        let fits = |it: &u64| *it <= u64::from(u32::MAX);
        let fixed = Sense {
            information: sense.information.filter(fits),
            command_specific: sense.command_specific.filter(fits),
            ..sense
        };
        prop_assert_eq!(Sense::parse(&sense.to_fixed()), Ok(fixed));
    }

    #[test]
    fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..300), form in 0x70u8..0x74) {
        let _ = Sense::parse(&octets);
        let mut octets = octets;
        if let Some(first) = octets.first_mut() {
            *first = form | *first & 0x80;
        }
        if let Ok(sense) = Sense::parse(&octets) {
            prop_assert_eq!(Sense::parse(&sense.to_descriptors()), Ok(sense));
        }
    }
}

use proptest::prelude::*;

use super::*;

/// Octets written by hand from the pictures of RFC 7143, section 11: what each header is on the wire.
fn golden(text: &str) -> Header {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let octets: Vec<u8> =
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
    Header(octets.try_into().unwrap())
}

const LUN: [u8; 8] = [0, 3, 0, 0, 0, 0, 0, 0];
const FROM: InitiatorNumbers = InitiatorNumbers { cmd_sn: Serial(0x0102_0304), exp_stat_sn: Serial(0x0506_0708) };
const TO: TargetNumbers =
    TargetNumbers { stat_sn: Serial(0x0102_0304), exp_cmd_sn: Serial(0x0506_0708), max_cmd_sn: Serial(0x090a_0b0c) };

#[test]
fn what_an_initiator_sends() {
    let mut cdb = [0; 16];
    cdb[..10].copy_from_slice(&[0x2a, 0, 0, 0, 0, 5, 0, 0, 8, 0]);
    let table = [
        (
            FromInitiator::ScsiCommand(ScsiCommand {
                immediate: false,
                last: true,
                read: false,
                write: true,
                attribute: 1,
                lun: LUN,
                task_tag: 0x1122_3344,
                expected_length: 4096,
                numbers: FROM,
                cdb,
            }),
            "01a10000 00001000 00030000 00000000 11223344 00001000 01020304 05060708 2a000000 00050000 08000000 00000000",
        ),
        (
            FromInitiator::NopOut(NopOut {
                immediate: true,
                lun: [0; 8],
                task_tag: 7,
                transfer_tag: NO_TAG,
                numbers: FROM,
            }),
            "40800000 00001000 00000000 00000000 00000007 ffffffff 01020304 05060708 00000000 00000000 00000000 00000000",
        ),
        (
            FromInitiator::TaskManagement(TaskManagementRequest {
                immediate: true,
                function: 5,
                lun: LUN,
                task_tag: 7,
                referenced_tag: NO_TAG,
                numbers: FROM,
                referenced_cmd_sn: Serial(9),
            }),
            "42850000 00001000 00030000 00000000 00000007 ffffffff 01020304 05060708 00000009 00000000 00000000 00000000",
        ),
        (
            FromInitiator::Login(LoginRequest {
                transit: true,
                continues: false,
                stage: Stage::Operational,
                next_stage: Stage::FullFeature,
                isid: [0x80, 1, 2, 3, 4, 5],
                session: 0,
                task_tag: 7,
                connection: 1,
                numbers: FROM,
            }),
            "43870000 00001000 80010203 04050000 00000007 00010000 01020304 05060708 00000000 00000000 00000000 00000000",
        ),
        (
            FromInitiator::Text(TextRequest {
                immediate: false,
                last: true,
                continues: false,
                lun: [0; 8],
                task_tag: 7,
                transfer_tag: NO_TAG,
                numbers: FROM,
            }),
            "04800000 00001000 00000000 00000000 00000007 ffffffff 01020304 05060708 00000000 00000000 00000000 00000000",
        ),
        (
            FromInitiator::DataOut(DataOut {
                last: true,
                lun: LUN,
                task_tag: 7,
                transfer_tag: 8,
                exp_stat_sn: Serial(0x0506_0708),
                data_sn: Serial(2),
                offset: 0x2000,
            }),
            "05800000 00001000 00030000 00000000 00000007 00000008 00000000 05060708 00000000 00000002 00002000 00000000",
        ),
        (
            FromInitiator::Logout(LogoutRequest {
                immediate: true,
                reason: 0,
                task_tag: 7,
                connection: 1,
                numbers: FROM,
            }),
            "46800000 00001000 00000000 00000000 00000007 00010000 01020304 05060708 00000000 00000000 00000000 00000000",
        ),
    ];
    for (pdu, octets) in table {
        assert_eq!(pdu.header().with_data_length(4096), golden(octets), "{pdu:?}");
        assert_eq!(FromInitiator::parse(&golden(octets)), Ok(pdu));
    }
}

#[test]
fn what_a_target_sends() {
    let table = [
        (
            FromTarget::NopIn(NopIn { lun: LUN, task_tag: NO_TAG, transfer_tag: 8, numbers: TO }),
            "20800000 00000000 00030000 00000000 ffffffff 00000008 01020304 05060708 090a0b0c 00000000 00000000 00000000",
        ),
        (
            FromTarget::ScsiResponse(ScsiResponse {
                response: 0,
                status: 2,
                task_tag: 7,
                numbers: TO,
                exp_data_sn: Serial(3),
                residual: Residual::Under(512),
            }),
            "21820002 00000000 00000000 00000000 00000007 00000000 01020304 05060708 090a0b0c 00000003 00000000 00000200",
        ),
        (
            FromTarget::TaskManagement(TaskManagementResponse { response: 255, task_tag: 7, numbers: TO }),
            "2280ff00 00000000 00000000 00000000 00000007 00000000 01020304 05060708 090a0b0c 00000000 00000000 00000000",
        ),
        (
            FromTarget::Login(LoginResponse {
                transit: true,
                continues: false,
                stage: Stage::Security,
                next_stage: Stage::Operational,
                versions: [0, 0],
                isid: [0x80, 1, 2, 3, 4, 5],
                session: 9,
                task_tag: 7,
                numbers: TO,
                status: [2, 1],
            }),
            "23810000 00000000 80010203 04050009 00000007 00000000 01020304 05060708 090a0b0c 02010000 00000000 00000000",
        ),
        (
            FromTarget::Text(TextResponse {
                last: true,
                continues: false,
                lun: [0; 8],
                task_tag: 7,
                transfer_tag: NO_TAG,
                numbers: TO,
            }),
            "24800000 00000000 00000000 00000000 00000007 ffffffff 01020304 05060708 090a0b0c 00000000 00000000 00000000",
        ),
        (
            FromTarget::DataIn(DataIn {
                last: true,
                status: Some(0),
                lun: [0; 8],
                task_tag: 7,
                transfer_tag: NO_TAG,
                numbers: TO,
                data_sn: Serial(1),
                offset: 0x2000,
                residual: Residual::Over(4),
            }),
            "25850000 00000000 00000000 00000000 00000007 ffffffff 01020304 05060708 090a0b0c 00000001 00002000 00000004",
        ),
        (
            FromTarget::Logout(LogoutResponse {
                response: 0,
                task_tag: 7,
                numbers: TO,
                time_to_wait: 2,
                time_to_retain: 20,
            }),
            "26800000 00000000 00000000 00000000 00000007 00000000 01020304 05060708 090a0b0c 00000000 00020014 00000000",
        ),
        (
            FromTarget::ReadyToTransfer(ReadyToTransfer {
                lun: LUN,
                task_tag: 7,
                transfer_tag: 8,
                numbers: TO,
                r2t_sn: Serial(2),
                offset: 0x4000,
                length: 0x2000,
            }),
            "31800000 00000000 00030000 00000000 00000007 00000008 01020304 05060708 090a0b0c 00000002 00004000 00002000",
        ),
        (
            FromTarget::Async(AsyncMessage { lun: LUN, numbers: TO, event: 1, vendor_code: 0, parameters: [0, 0, 3] }),
            "32800000 00000000 00030000 00000000 ffffffff 00000000 01020304 05060708 090a0b0c 01000000 00000003 00000000",
        ),
        (
            FromTarget::Reject(Reject { reason: 4, numbers: TO, data_sn: Serial(2) }),
            "3f800400 00000000 00000000 00000000 ffffffff 00000000 01020304 05060708 090a0b0c 00000002 00000000 00000000",
        ),
    ];
    for (pdu, octets) in table {
        assert_eq!(pdu.header(), golden(octets), "{pdu:?}");
        assert_eq!(FromTarget::parse(&golden(octets)), Ok(pdu));
        assert_eq!(pdu.numbers(), TO);
    }
}

#[test]
fn what_no_side_may_send_is_refused_by_name() {
    let parse = |octets: &[(usize, u8)]| {
        let mut header = Header([0; HEADER_LENGTH]);
        octets.iter().for_each(|&(at, octet)| header.0[at] = octet);
        FromTarget::parse(&header).unwrap_err()
    };
    assert_eq!(parse(&[(0, 0x01)]), PduError::Opcode(0x01));
    let both = "SCSI Response: flags is 0x86; overflow and underflow exclude each other";
    assert_eq!(parse(&[(0, 0x21), (1, 0x86)]).to_string(), both);
    assert_eq!(parse(&[(0, 0x23), (1, 0x08)]).to_string(), "Login Response: CSG is 0x2; stages are 0, 1 and 3");
    assert_eq!(FromInitiator::parse(&Header([0x25; HEADER_LENGTH])), Err(PduError::Opcode(0x25)));
}

#[test]
fn lengths_have_their_places() {
    let header = golden(
        "01a10000 02123456 00030000 00000000 11223344 00001000 01020304 05060708 2a000000 00050000 08000000 00000000",
    );
    assert_eq!((header.additional_length(), header.data_length()), (8, 0x12_3456));
    assert_eq!((0..6).map(padding).collect::<Vec<_>>(), [0, 3, 2, 1, 0, 3]);
}

proptest! {
    /// What was read from any octets is the same after it was written and read again.
    #[test]
    fn reading_what_was_written_gives_the_same(octets in proptest::collection::vec(any::<u8>(), HEADER_LENGTH), at in 0usize..17) {
        const OPCODES: [u8; 17] =
            [0, 1, 2, 3, 4, 5, 6, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x31, 0x32, 0x3f];
        let mut header = Header(octets.try_into().unwrap());
        header.0[0] = header.0[0] & 0x40 | OPCODES[at];
        if let Ok(FromInitiator::Login(login)) = FromInitiator::parse(&header) {
            prop_assume!(login.transit || login.next_stage == Stage::Security);
        }
        if let Ok(FromTarget::Login(login)) = FromTarget::parse(&header) {
            prop_assume!(login.transit || login.next_stage == Stage::Security);
        }
        if let Ok(pdu) = FromInitiator::parse(&header) {
            prop_assert_eq!(FromInitiator::parse(&pdu.header()), Ok(pdu));
        }
        if let Ok(pdu) = FromTarget::parse(&header) {
            prop_assert_eq!(FromTarget::parse(&pdu.header()), Ok(pdu));
        }
    }
}

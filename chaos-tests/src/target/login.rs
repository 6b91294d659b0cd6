//! The login phase (RFC 7143, 6): no proof is asked for, the initiator's wishes are met where they can be.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use twinrail_datapath::san::iscsi::login::Text;
use twinrail_datapath::san::iscsi::pdu::{FromInitiator, FromTarget, LoginRequest, LoginResponse, Stage};
use twinrail_datapath::san::{Identity, Report, Session, SessionEnd, SessionId};
use twinrail_proto::domain::Wwn;

use super::Target;
use super::connection::{LONGEST_SEGMENT, Wire};
use crate::measure::clock;

/// What the target takes unasked (FirstBurstLength) and in one sequence (MaxBurstLength), in octets.
const FIRST_BURST: u32 = 64 << 10;
const MAX_BURST: u32 = 256 << 10;
/// Of the initiator that says nothing of it (RFC 7143, 13.12).
const DEFAULT_SEGMENT: u32 = 8192;
/// The SAN answers a login within this, or the initiator is sent away.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Status-Class and Status-Detail (RFC 7143, 11.13.5).
const SUCCESS: [u8; 2] = [0, 0];
const FORBIDDEN: [u8; 2] = [2, 2];
const NOT_FOUND: [u8; 2] = [2, 3];
const INITIATOR_ERROR: [u8; 2] = [2, 0];
const NO_SUCH_SESSION: [u8; 2] = [2, 10];
const UNAVAILABLE: [u8; 2] = [3, 1];

/// Who was let in.
pub enum Admitted {
    Discovery,
    Normal { session: Box<dyn Session>, agreement: Agreement },
}

/// What of the negotiation matters afterwards, in octets.
#[derive(Clone, Copy, Debug)]
pub struct Agreement {
    pub initiator_segment: usize,
    pub first_burst: usize,
    pub max_burst: usize,
}

/// None: refused, and the initiator knows why.
pub fn admit(target: &Target, wire: &mut Wire) -> Result<Option<Admitted>> {
    let mut asked = Text::default();
    let mut text = Vec::new();
    let mut begun = false;
    loop {
        let pdu = wire.read()?;
        let FromInitiator::Login(request) = pdu.what else { bail!("the first PDU is no Login Request") };
        if !std::mem::replace(&mut begun, true) {
            wire.begin(request.numbers.cmd_sn);
        }
        text.extend_from_slice(&pdu.data);
        if request.continues {
            respond(wire, &request, false, 0, SUCCESS, b"")?;
            continue;
        }
        let wishes = Text::parse(&std::mem::take(&mut text))?;
        wishes.pairs().for_each(|(key, value)| asked.add(key, value));
        let mut answer = answers(&wishes);
        if asked.pairs().count() == wishes.pairs().count() {
            answer.add("TargetPortalGroupTag", "1");
        }
        if !(request.transit && request.next_stage == Stage::FullFeature) {
            respond(wire, &request, request.transit, request.session, SUCCESS, &answer.to_octets())?;
            continue;
        }
        return match let_in(target, &request, &asked) {
            Ok(admitted) => {
                respond(wire, &request, true, target.next_session(), SUCCESS, &answer.to_octets())?;
                Ok(Some(admitted))
            }
            Err(status) => respond(wire, &request, false, 0, status, b"").map(|()| None),
        };
    }
}

fn let_in(target: &Target, request: &LoginRequest, asked: &Text) -> Result<Admitted, [u8; 2]> {
    if request.session != 0 {
        return Err(NO_SUCH_SESSION);
    }
    if asked.get("SessionType") == Some("Discovery") {
        return Ok(Admitted::Discovery);
    }
    if asked.get("TargetName") != Some(&target.name) {
        return Err(NOT_FOUND);
    }
    let identity = identity(asked, request.isid).map_err(|_| INITIATOR_ERROR)?;
    let session = log_in(target, identity).map_err(|end| match end {
        SessionEnd::Denied(_) => FORBIDDEN,
        _ => UNAVAILABLE,
    })?;
    let number = |key, default: u32| asked.number(key).map(|it| it.unwrap_or(default)).map_err(|_| INITIATOR_ERROR);
    let agreement = Agreement {
        initiator_segment: number("MaxRecvDataSegmentLength", DEFAULT_SEGMENT)?.max(512) as usize,
        first_burst: number("FirstBurstLength", FIRST_BURST)?.min(FIRST_BURST) as usize,
        max_burst: number("MaxBurstLength", MAX_BURST)?.clamp(512, MAX_BURST) as usize,
    };
    Ok(Admitted::Normal { session, agreement })
}

fn identity(asked: &Text, isid: [u8; 6]) -> Result<Identity> {
    let name = asked.get("InitiatorName").context("InitiatorName is missing")?;
    let digits = name.strip_prefix("naa.").context("an initiator here is `naa.` and a WWPN")?;
    let wwpn = Wwn::new(u64::from_str_radix(digits, 16)?)?;
    Ok(Identity { wwpn, session: SessionId(isid) })
}

fn log_in(target: &Target, identity: Identity) -> Result<Box<dyn Session>, SessionEnd> {
    let mut session = target.san.log_in(identity, clock::now())?;
    let until = std::time::Instant::now() + ANSWERS_WITHIN;
    let mut reports = Vec::new();
    while std::time::Instant::now() < until {
        session.poll(clock::now(), &mut reports);
        for report in reports.drain(..) {
            match report {
                Report::LoggedIn => return Ok(session),
                Report::Ended(end) => return Err(end),
                _ => {}
            }
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Err(SessionEnd::Silent(ANSWERS_WITHIN))
}

/// To each key of the initiator what the target says (RFC 7143, 13).
fn answers(wishes: &Text) -> Text {
    let mut answers = Text::default();
    for (key, value) in wishes.pairs() {
        let least = |ours: u32| value.parse().map_or(ours, |theirs: u32| theirs.min(ours)).to_string();
        let answer = match key {
            "InitiatorName" | "InitiatorAlias" | "TargetName" | "SessionType" => continue,
            "MaxRecvDataSegmentLength" => LONGEST_SEGMENT.to_string(),
            "AuthMethod" | "HeaderDigest" | "DataDigest" => "None".to_owned(),
            "MaxConnections" | "MaxOutstandingR2T" => least(1),
            "InitialR2T" | "ImmediateData" => value.to_owned(),
            "FirstBurstLength" => least(FIRST_BURST),
            "MaxBurstLength" => least(MAX_BURST),
            "DefaultTime2Wait" | "DefaultTime2Retain" | "ErrorRecoveryLevel" => "0".to_owned(),
            "DataPDUInOrder" | "DataSequenceInOrder" => "Yes".to_owned(),
            "IFMarker" | "OFMarker" => "No".to_owned(),
            _ => "NotUnderstood".to_owned(),
        };
        answers.add(key, answer);
    }
    answers
}

fn respond(
    wire: &mut Wire,
    request: &LoginRequest,
    transit: bool,
    session: u16,
    status: [u8; 2],
    text: &[u8],
) -> Result<()> {
    let response = LoginResponse {
        transit,
        continues: false,
        stage: request.stage,
        next_stage: request.next_stage,
        versions: [0, 0],
        isid: request.isid,
        session,
        task_tag: request.task_tag,
        numbers: wire.counted(),
        status,
    };
    wire.send(FromTarget::Login(response), text)
}

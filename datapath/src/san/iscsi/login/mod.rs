//! The login, decided without I/O (RFC 7143, section 6): each response goes in, the next request comes out.
//!
//! It always starts in the security stage, with no session handle (TSIH 0): that is what makes a target end an older session of
//! the same initiator name and ISID (RFC 7143, 6.3.5). A login that starts in the operational stage may skip this.
//!
//! ```text
//!             AuthMethod=None
//!   ┌──────────────────────────────────────────────┐
//!   │                                              ▼
//! Method ──AuthMethod=CHAP──▶ Challenge ──▶ Proof ──transit──▶ Operational ──transit──▶ Done
//!                           CHAP_A, _I, _C    CHAP_N, _R                      offer and answers
//!                                             of a mutual target
//! ```
//!
//! | state | response | next state | request |
//! |---|---|---|---|
//! | Method | AuthMethod=CHAP, stays | Challenge | CHAP_A=5 |
//! | Method | AuthMethod=None, stays | Method | nothing, asks for transit |
//! | Method | None or nothing, transit | Operational | the offer |
//! | Challenge | CHAP_A=5, CHAP_I, CHAP_C, stays | Proof | CHAP_N, CHAP_R, asks for transit |
//! | Proof | the target's proof if it owes one, transit | Operational | the offer |
//! | Proof | the same, stays | Proof | nothing, asks for transit |
//! | Operational | stays | Operational | answers, asks for transit |
//! | Operational | transit | Done | |
//! | each but Done | goes on (C bit) | the same | nothing |
//! | each but Done | status 01xx | Done | the login moves to another address |
//!
//! Everything else is a [`LoginError`], and ends the login.

mod address;
mod chap;
mod negotiate;
mod status;
mod text;

pub use address::{ISCSI_PORT, TargetAddress};
pub use chap::{Challenge, Chap, Secret, TargetProof};
pub use negotiate::{Agreement, DEFAULT_SEGMENT, DigestOffer, Offer};
pub use status::{LoginRefusal, LoginStatus};
pub use text::{Text, TextError};

use super::pdu::{LoginResponse, Stage};
use negotiate::Negotiation;

/// A login needs three to seven responses; a target that never comes to an end is left.
const MOST_RESPONSES: u8 = 32;

/// The text of one answer, over all its PDUs. Eight segments: no known answer has more than one.
const LONGEST_TEXT: usize = 8 * DEFAULT_SEGMENT as usize;

/// Who logs in, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSettings {
    /// The iSCSI name of this initiator: `naa.` and sixteen hex digits for a vHBA.
    pub initiator: String,
    /// The iSCSI name of the target; None: a discovery session.
    pub target: Option<String>,
    /// Without it only targets that want no proof are reached.
    pub chap: Option<Chap>,
    pub offer: Offer,
}

/// What a login request says, besides its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub stage: Stage,
    /// Asks for the next stage.
    pub transit: bool,
    pub text: Vec<u8>,
}

/// What follows from a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Send(Request),
    LoggedIn(Agreement),
    /// Log in there instead.
    Redirected(TargetAddress),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error("the target refused the login: {0}")]
    Refused(LoginStatus),
    #[error("the target's login text: {0}")]
    Text(#[from] TextError),
    #[error("the target answered in stage {said:?}, not in {expected:?}")]
    Stage { said: Stage, expected: Stage },
    #[error("the target went on to a stage without being asked to")]
    Transit,
    #[error("the target chose the AuthMethod {0:?}, which was not offered")]
    Method(String),
    #[error("the target chose no AuthMethod, and this initiator has a target's proof to check")]
    NoMethod,
    #[error("the target chose the CHAP algorithm {0:?}; this initiator knows 5 (MD5)")]
    Algorithm(String),
    #[error("the target's login text lacks {0}")]
    Missing(&'static str),
    #[error("the target sent this initiator's challenge back to it")]
    Reflected,
    #[error("the target called itself {0:?}, which is not the name of its CHAP settings")]
    TargetName(String),
    #[error("the target does not know its CHAP secret")]
    TargetSecret,
    #[error("the target speaks version {0} of iSCSI; this initiator speaks 0")]
    Version(u8),
    #[error("the target named no session")]
    NoSession,
    #[error("the target did not end the login within {MOST_RESPONSES} responses")]
    TooLong,
    #[error("one answer of the target has more than {LONGEST_TEXT} octets of text")]
    TooMuchText,
    #[error("the login is over already")]
    Over,
}

impl LoginError {
    /// Whether the two sides do not agree on who the other is: no later try helps until somebody changes a setting.
    pub fn is_about_trust(&self) -> bool {
        matches!(
            self,
            Self::Method(_)
                | Self::NoMethod
                | Self::Algorithm(_)
                | Self::Reflected
                | Self::TargetName(_)
                | Self::TargetSecret
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Method,
    Challenge,
    Proof,
    Operational,
    Done,
}

/// A login under way.
#[derive(Clone, Debug)]
pub struct Login {
    settings: LoginSettings,
    challenge: Challenge,
    state: State,
    /// The last request asked for the next stage.
    asked: bool,
    /// The target owes a proof that has not come.
    owes_proof: bool,
    negotiation: Negotiation,
    /// Of an answer that goes on.
    text: Vec<u8>,
    responses: u8,
}

impl Login {
    /// The first request is in the security stage.
    pub fn start(settings: LoginSettings, challenge: Challenge) -> (Self, Request) {
        let mut text = Text::default();
        text.add("InitiatorName", &settings.initiator);
        match &settings.target {
            Some(target) => {
                text.add("SessionType", "Normal");
                text.add("TargetName", target);
            }
            None => text.add("SessionType", "Discovery"),
        }
        text.add("AuthMethod", methods(&settings));
        let negotiation = Negotiation::new(settings.offer.clone(), settings.target.is_none());
        let owes_proof = settings.chap.as_ref().is_some_and(|it| it.target.is_some());
        let mut login = Self {
            settings,
            challenge,
            state: State::Method,
            asked: false,
            owes_proof,
            negotiation,
            text: Vec::new(),
            responses: 0,
        };
        let transit = !owes_proof;
        let request = login.request(text, transit);
        (login, request)
    }

    /// Takes a response and its whole data segment.
    pub fn on_response(&mut self, response: &LoginResponse, data: &[u8]) -> Result<Step, LoginError> {
        let state = self.state;
        let step = self.step(response, data);
        if !matches!(step, Ok(Step::Send(_))) && state != State::Done {
            self.state = State::Done;
        }
        step
    }

    fn step(&mut self, response: &LoginResponse, data: &[u8]) -> Result<Step, LoginError> {
        if self.state == State::Done {
            return Err(LoginError::Over);
        }
        self.responses += 1;
        if self.responses > MOST_RESPONSES {
            return Err(LoginError::TooLong);
        }
        self.check(response)?;
        self.text.extend_from_slice(data);
        if self.text.len() > LONGEST_TEXT {
            return Err(LoginError::TooMuchText);
        }
        if response.continues {
            return Ok(Step::Send(self.request(Text::default(), false)));
        }
        let text = Text::parse(&std::mem::take(&mut self.text))?;
        if response.status[0] == 1 {
            let value = text.get("TargetAddress").ok_or(LoginError::Missing("TargetAddress"))?;
            return Ok(Step::Redirected(TargetAddress::parse("TargetAddress", value)?));
        }
        match self.state {
            State::Method => self.on_method(&text, response.transit),
            State::Challenge => self.on_challenge(&text, response.transit),
            State::Proof => self.on_proof(&text, response.transit),
            State::Operational => self.on_operational(&text, response),
            State::Done => unreachable!("refused above"),
        }
    }

    /// What every response must be.
    fn check(&self, response: &LoginResponse) -> Result<(), LoginError> {
        let [class, detail] = response.status;
        if class > 1 {
            return Err(LoginError::Refused(LoginStatus { class, detail }));
        }
        if class == 1 {
            return Ok(());
        }
        if response.versions[1] != 0 {
            return Err(LoginError::Version(response.versions[1]));
        }
        let expected = self.stage();
        if response.stage != expected {
            return Err(LoginError::Stage { said: response.stage, expected });
        }
        if response.transit {
            if !self.asked || response.continues {
                return Err(LoginError::Transit);
            }
            let expected = next(expected);
            if response.next_stage != expected {
                return Err(LoginError::Stage { said: response.next_stage, expected });
            }
        }
        Ok(())
    }

    fn on_method(&mut self, text: &Text, transit: bool) -> Result<Step, LoginError> {
        match text.get("AuthMethod") {
            Some("CHAP") if self.settings.chap.is_some() && !transit => {
                self.state = State::Challenge;
                let mut text = Text::default();
                text.add("CHAP_A", "5");
                Ok(Step::Send(self.request(text, false)))
            }
            Some("None") | None if self.owes_proof => Err(LoginError::NoMethod),
            Some("None") | None if transit => Ok(self.begin_operational()),
            Some("None") => Ok(Step::Send(self.request(Text::default(), true))),
            None => Err(LoginError::Missing("AuthMethod")),
            Some(other) => Err(LoginError::Method(other.into())),
        }
    }

    fn on_challenge(&mut self, text: &Text, transit: bool) -> Result<Step, LoginError> {
        let Some(chap) = &self.settings.chap else { unreachable!("CHAP was offered with settings only") };
        if transit {
            return Err(LoginError::Transit);
        }
        match text.get("CHAP_A").ok_or(LoginError::Missing("CHAP_A"))? {
            "5" => {}
            other => return Err(LoginError::Algorithm(other.into())),
        }
        let identifier = text.number("CHAP_I")?.ok_or(LoginError::Missing("CHAP_I"))?;
        let identifier = u8::try_from(identifier).map_err(|_| text::bad("CHAP_I", &identifier.to_string(), "octet"))?;
        let challenge = text.get("CHAP_C").ok_or(LoginError::Missing("CHAP_C"))?;
        let challenge = chap::parse_binary("CHAP_C", challenge)?;
        let mut answer = Text::default();
        answer.add("CHAP_N", &chap.name);
        answer.add("CHAP_R", chap::to_hex(&chap.secret.response(identifier, &challenge)));
        if chap.target.is_some() {
            if challenge == self.challenge.octets {
                return Err(LoginError::Reflected);
            }
            answer.add("CHAP_I", self.challenge.identifier.to_string());
            answer.add("CHAP_C", chap::to_hex(&self.challenge.octets));
        }
        self.state = State::Proof;
        Ok(Step::Send(self.request(answer, true)))
    }

    fn on_proof(&mut self, text: &Text, transit: bool) -> Result<Step, LoginError> {
        if self.owes_proof {
            self.check_target(text)?;
            self.owes_proof = false;
        }
        if transit { Ok(self.begin_operational()) } else { Ok(Step::Send(self.request(Text::default(), true))) }
    }

    fn check_target(&self, text: &Text) -> Result<(), LoginError> {
        let expected = self.settings.chap.as_ref().and_then(|it| it.target.as_ref());
        let Some(expected) = expected else { unreachable!("a proof is owed to settings only") };
        let name = text.get("CHAP_N").ok_or(LoginError::Missing("CHAP_N"))?;
        let response = text.get("CHAP_R").ok_or(LoginError::Missing("CHAP_R"))?;
        if name != expected.name {
            return Err(LoginError::TargetName(name.into()));
        }
        let response = chap::parse_binary("CHAP_R", response)?;
        if response != expected.secret.response(self.challenge.identifier, &self.challenge.octets) {
            return Err(LoginError::TargetSecret);
        }
        Ok(())
    }

    fn begin_operational(&mut self) -> Step {
        self.state = State::Operational;
        let keys = self.negotiation.keys();
        Step::Send(self.request(keys, true))
    }

    fn on_operational(&mut self, text: &Text, response: &LoginResponse) -> Result<Step, LoginError> {
        let answers = self.negotiation.take(text)?;
        if !response.transit {
            return Ok(Step::Send(self.request(answers, true)));
        }
        if response.session == 0 {
            return Err(LoginError::NoSession);
        }
        Ok(Step::LoggedIn(self.negotiation.finish()?))
    }

    fn stage(&self) -> Stage {
        match self.state {
            State::Method | State::Challenge | State::Proof => Stage::Security,
            State::Operational | State::Done => Stage::Operational,
        }
    }

    fn request(&mut self, text: Text, transit: bool) -> Request {
        self.asked = transit;
        Request { stage: self.stage(), transit, text: text.to_octets() }
    }
}

/// The stage that follows when both sides want to go on.
pub fn next(stage: Stage) -> Stage {
    match stage {
        Stage::Security => Stage::Operational,
        Stage::Operational | Stage::FullFeature => Stage::FullFeature,
    }
}

/// What is offered: a target that must prove itself may not choose None.
fn methods(settings: &LoginSettings) -> &'static str {
    match &settings.chap {
        None => "None",
        Some(chap) if chap.target.is_some() => "CHAP",
        Some(_) => "CHAP,None",
    }
}

#[cfg(test)]
mod tests;

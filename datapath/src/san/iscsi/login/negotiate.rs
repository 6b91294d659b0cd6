//! The operational keys (RFC 7143, section 13): what this initiator offers, and what comes of the target's answers.

use std::collections::BTreeSet;

use super::text::{Text, TextError, bad};

/// Whether PDUs carry a CRC32C.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestOffer {
    #[default]
    Never,
    /// If the target can.
    Prefer,
    /// Else there is no session.
    Require,
}

/// What this initiator offers. Lengths in octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub header_digest: DigestOffer,
    pub data_digest: DigestOffer,
    /// Data may travel with its command.
    pub immediate_data: bool,
    /// The target must ask for all data but the immediate.
    pub initial_r2t: bool,
    /// The longest data segment that this initiator takes.
    pub max_receive_segment: u32,
    pub first_burst: u32,
    pub max_burst: u32,
    pub max_outstanding_r2t: u16,
}

/// What was agreed. Lengths in octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    pub header_digest: bool,
    pub data_digest: bool,
    pub immediate_data: bool,
    pub initial_r2t: bool,
    /// The longest data segment that this side may be sent.
    pub max_receive_segment: u32,
    /// The longest data segment that the target takes.
    pub max_send_segment: u32,
    pub first_burst: u32,
    pub max_burst: u32,
    pub max_outstanding_r2t: u16,
}

/// What holds for a key that nobody speaks of (RFC 7143, 13), and during login.
pub const DEFAULT_SEGMENT: u32 = 8192;
const DEFAULT_FIRST_BURST: u32 = 65_536;
const DEFAULT_MAX_BURST: u32 = 262_144;

/// What lengths may be (RFC 7143, 13.12 to 13.14).
const LENGTHS: std::ops::RangeInclusive<u32> = 512..=(1 << 24) - 1;

/// Keys of the target that tell something and want no answer.
const TOLD: [&str; 3] = ["TargetAlias", "TargetAddress", "TargetPortalGroupTag"];

/// Keys that this initiator offers in a discovery session; the others mean nothing there.
const IN_DISCOVERY: [&str; 3] = ["HeaderDigest", "DataDigest", "MaxRecvDataSegmentLength"];

/// The negotiation under way.
#[derive(Clone, Debug)]
pub(super) struct Negotiation {
    offer: Offer,
    discovery: bool,
    agreed: Agreement,
    answered: BTreeSet<String>,
}

impl Default for Offer {
    /// Few round trips: data goes with its command, as much as one burst; segments of a quarter MiB.
    fn default() -> Self {
        Self {
            header_digest: DigestOffer::Never,
            data_digest: DigestOffer::Never,
            immediate_data: true,
            initial_r2t: false,
            max_receive_segment: 262_144,
            first_burst: 262_144,
            max_burst: 1 << 20,
            max_outstanding_r2t: 4,
        }
    }
}

impl DigestOffer {
    fn value(self) -> &'static str {
        match self {
            Self::Never => "None",
            Self::Prefer => "CRC32C,None",
            Self::Require => "CRC32C",
        }
    }

    fn judge(self, key: &str, value: &str) -> Result<bool, TextError> {
        match value {
            "CRC32C" if self != Self::Never => Ok(true),
            "None" if self != Self::Require => Ok(false),
            _ => Err(bad(key, value, "digest that was offered")),
        }
    }
}

impl Agreement {
    /// What holds before anything was agreed: the defaults of the standard.
    pub fn before(offer: &Offer) -> Self {
        Self {
            header_digest: false,
            data_digest: false,
            immediate_data: true,
            initial_r2t: true,
            max_receive_segment: offer.max_receive_segment,
            max_send_segment: DEFAULT_SEGMENT,
            first_burst: DEFAULT_FIRST_BURST,
            max_burst: DEFAULT_MAX_BURST,
            max_outstanding_r2t: 1,
        }
    }
}

impl Negotiation {
    pub fn new(offer: Offer, discovery: bool) -> Self {
        Self { agreed: Agreement::before(&offer), offer, discovery, answered: BTreeSet::new() }
    }

    /// The keys of the offer.
    pub fn keys(&self) -> Text {
        let offer = &self.offer;
        let yes = |it| if it { "Yes" } else { "No" };
        let keys: [(&str, String); 14] = [
            ("HeaderDigest", offer.header_digest.value().into()),
            ("DataDigest", offer.data_digest.value().into()),
            ("MaxRecvDataSegmentLength", offer.max_receive_segment.to_string()),
            ("InitialR2T", yes(offer.initial_r2t).into()),
            ("ImmediateData", yes(offer.immediate_data).into()),
            ("MaxBurstLength", offer.max_burst.to_string()),
            ("FirstBurstLength", offer.first_burst.to_string()),
            ("MaxOutstandingR2T", offer.max_outstanding_r2t.to_string()),
            ("MaxConnections", "1".into()),
            ("DataPDUInOrder", "Yes".into()),
            ("DataSequenceInOrder", "Yes".into()),
            ("ErrorRecoveryLevel", "0".into()),
            // Nothing is recovered: the session ends with its connection.
            ("DefaultTime2Wait", "0".into()),
            ("DefaultTime2Retain", "0".into()),
        ];
        let mut text = Text::default();
        for (key, value) in keys {
            if !self.discovery || IN_DISCOVERY.contains(&key) {
                text.add(key, value);
            }
        }
        text
    }

    /// Takes what the target says, and returns what it must be answered.
    pub fn take(&mut self, text: &Text) -> Result<Text, TextError> {
        let mut answers = Text::default();
        for (key, value) in text.pairs().filter(|(key, _)| !TOLD.contains(key)) {
            if !self.answered.insert(key.into()) {
                return Err(TextError::Twice(key.into()));
            }
            match value {
                "Reject" => return Err(bad(key, value, "answer that lets a session be")),
                "NotUnderstood" | "Irrelevant" => {}
                _ if self.judge(text, key, value)? => {}
                _ => answers.add(key, "NotUnderstood"),
            }
        }
        Ok(answers)
    }

    /// Whether the key is one of ours; then its value is taken over.
    fn judge(&mut self, text: &Text, key: &str, value: &str) -> Result<bool, TextError> {
        let (offer, agreed) = (&self.offer, &mut self.agreed);
        match key {
            "HeaderDigest" => agreed.header_digest = offer.header_digest.judge(key, value)?,
            "DataDigest" => agreed.data_digest = offer.data_digest.judge(key, value)?,
            "MaxRecvDataSegmentLength" => {
                agreed.max_send_segment = within(text, key, *LENGTHS.start(), *LENGTHS.end())?
            }
            "InitialR2T" => agreed.initial_r2t = either(text, key, offer.initial_r2t, true)?,
            "ImmediateData" => agreed.immediate_data = either(text, key, offer.immediate_data, false)?,
            "MaxBurstLength" => agreed.max_burst = within(text, key, *LENGTHS.start(), offer.max_burst)?,
            "FirstBurstLength" => agreed.first_burst = within(text, key, *LENGTHS.start(), offer.first_burst)?,
            "MaxOutstandingR2T" => {
                agreed.max_outstanding_r2t = within(text, key, 1, offer.max_outstanding_r2t.into())? as u16;
            }
            "MaxConnections" => drop(within(text, key, 1, 1)?),
            "ErrorRecoveryLevel" | "DefaultTime2Retain" => drop(within(text, key, 0, 0)?),
            "DefaultTime2Wait" => drop(within(text, key, 0, 3600)?),
            "DataPDUInOrder" | "DataSequenceInOrder" => drop(either(text, key, true, true)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub fn finish(&self) -> Result<Agreement, TextError> {
        let agreed = &self.agreed;
        let required = [
            ("HeaderDigest", self.offer.header_digest, agreed.header_digest),
            ("DataDigest", self.offer.data_digest, agreed.data_digest),
        ];
        let mut required = required.into_iter();
        if let Some((key, ..)) = required.find(|(_, offer, got)| *offer == DigestOffer::Require && !got) {
            return Err(bad(key, "None", "digest that was offered"));
        }
        if !self.discovery && agreed.first_burst > agreed.max_burst {
            return Err(bad("FirstBurstLength", &agreed.first_burst.to_string(), "length within MaxBurstLength"));
        }
        Ok(agreed.clone())
    }
}

fn within(text: &Text, key: &str, least: u32, most: u32) -> Result<u32, TextError> {
    let number = text.number(key)?.filter(|it| (least..=most).contains(it));
    number.ok_or_else(|| bad(key, text.get(key).unwrap_or_default(), "number within what was offered"))
}

/// A key for which one side's `decisive` decides; else the answer stands.
fn either(text: &Text, key: &str, offered: bool, decisive: bool) -> Result<bool, TextError> {
    let answer = text.yes(key)?.unwrap_or(decisive);
    if offered == decisive && answer != decisive {
        return Err(bad(key, text.get(key).unwrap_or_default(), "answer to what was offered"));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Text {
        Text::parse(text.replace(' ', "\0").as_bytes()).unwrap()
    }

    fn agree(offer: Offer, answer: &str) -> Result<Agreement, TextError> {
        let mut negotiation = Negotiation::new(offer, false);
        negotiation.take(&told(answer))?;
        negotiation.finish()
    }

    #[test]
    fn silence_means_the_defaults_of_the_standard() {
        let agreed = agree(Offer::default(), "").unwrap();
        assert_eq!((agreed.max_send_segment, agreed.first_burst, agreed.max_burst), (8192, 65_536, 262_144));
        assert_eq!((agreed.max_outstanding_r2t, agreed.initial_r2t, agreed.immediate_data), (1, true, true));
        assert!(!agreed.header_digest && !agreed.data_digest);
    }

    #[test]
    fn answers_are_taken_over() {
        let offer = Offer { header_digest: DigestOffer::Prefer, data_digest: DigestOffer::Require, ..Offer::default() };
        let answer = "HeaderDigest=None DataDigest=CRC32C InitialR2T=No ImmediateData=No FirstBurstLength=4096 \
                      MaxBurstLength=0x2000 MaxOutstandingR2T=2 MaxRecvDataSegmentLength=65536 MaxConnections=1 \
                      DataPDUInOrder=Yes DefaultTime2Wait=2 DefaultTime2Retain=0 ErrorRecoveryLevel=0";
        let agreed = agree(offer, answer).unwrap();
        let expected = Agreement {
            header_digest: false,
            data_digest: true,
            immediate_data: false,
            initial_r2t: false,
            max_receive_segment: 262_144,
            max_send_segment: 65_536,
            first_burst: 4096,
            max_burst: 8192,
            max_outstanding_r2t: 2,
        };
        assert_eq!(agreed, expected);
    }

    #[test]
    fn answers_beyond_the_offer_end_the_login() {
        let strict =
            Offer { header_digest: DigestOffer::Require, initial_r2t: true, immediate_data: false, ..Offer::default() };
        for wrong in ["HeaderDigest=None", "DataDigest=CRC32C", "InitialR2T=No", "ImmediateData=Yes", ""] {
            assert!(agree(strict.clone(), wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "MaxBurstLength=2097152",
            "MaxBurstLength=4",
            "MaxOutstandingR2T=0",
            "MaxConnections=2",
            "ErrorRecoveryLevel=1",
            "DataPDUInOrder=No",
            "MaxRecvDataSegmentLength=16777216",
            "FirstBurstLength=262144 MaxBurstLength=4096",
            "InitialR2T=Reject",
            "InitialR2T=Maybe",
        ] {
            assert!(agree(Offer::default(), wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn strange_keys_are_not_understood_and_no_key_counts_twice() {
        let mut negotiation = Negotiation::new(Offer::default(), false);
        let answers = negotiation.take(&told("X-com.example.speed=9 TargetAlias=a IFMarker=No")).unwrap();
        assert_eq!(answers, told("X-com.example.speed=NotUnderstood IFMarker=NotUnderstood"));
        assert!(negotiation.take(&told("MaxBurstLength=4096")).is_ok());
        assert_eq!(negotiation.take(&told("MaxBurstLength=8192")), Err(TextError::Twice("MaxBurstLength".into())));
    }

    #[test]
    fn a_discovery_session_speaks_of_few_keys() {
        let keys = Negotiation::new(Offer::default(), true).keys();
        assert_eq!(keys.pairs().map(|it| it.0).collect::<Vec<_>>(), IN_DISCOVERY);
    }
}

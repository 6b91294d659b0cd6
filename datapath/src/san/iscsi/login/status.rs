//! What a login response's status means (RFC 7143, 11.13.5).

use std::fmt;

/// Status-Class and Status-Detail of a login that was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginStatus {
    pub class: u8,
    pub detail: u8,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Name or secret are wrong.
    Authentication,
    /// The target knows this initiator, and does not let it in.
    NotAuthorized,
    NoSuchTarget,
    /// The target is gone for good.
    TargetRemoved,
    /// The request was wrong in another way: settings, or a defect.
    BadRequest,
    /// The target cannot now; later it may.
    Busy,
}

impl LoginStatus {
    pub fn refusal(self) -> LoginRefusal {
        match (self.class, self.detail) {
            (2, 1) => LoginRefusal::Authentication,
            (2, 2) => LoginRefusal::NotAuthorized,
            (2, 3) => LoginRefusal::NoSuchTarget,
            (2, 4) => LoginRefusal::TargetRemoved,
            (3, _) => LoginRefusal::Busy,
            _ => LoginRefusal::BadRequest,
        }
    }

    fn text(self) -> &'static str {
        match (self.class, self.detail) {
            (1, 1) => "the target has moved for a while",
            (1, 2) => "the target has moved for good",
            (2, 0) => "the request is wrong",
            (2, 1) => "authentication failed: the name or the secret is wrong, or the target wants one",
            (2, 2) => "the initiator may not use this target",
            (2, 3) => "there is no such target",
            (2, 4) => "the target was removed",
            (2, 5) => "the target does not speak this version of iSCSI",
            (2, 6) => "the session has too many connections",
            (2, 7) => "a parameter is missing",
            (2, 8) => "the target cannot include the connection in the session",
            (2, 9) => "the target does not know this type of session",
            (2, 10) => "the session does not exist",
            (2, 11) => "the request is wrong in this stage of the login",
            (3, 0) => "the target has failed",
            (3, 1) => "the target or its service does not run",
            (3, 2) => "the target is out of resources",
            (1, _) => "the target has moved",
            (2, _) => "the initiator made an error",
            (3, _) => "the target made an error",
            _ => "the status is in no standard",
        }
    }
}

impl fmt::Display for LoginStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {:02x}{:02x})", self.text(), self.class, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_says_what_it_means() {
        let status = |class, detail| LoginStatus { class, detail };
        assert_eq!(status(2, 1).refusal(), LoginRefusal::Authentication);
        assert_eq!(status(2, 3).refusal(), LoginRefusal::NoSuchTarget);
        assert_eq!(status(3, 7).refusal(), LoginRefusal::Busy);
        assert_eq!(status(9, 9).refusal(), LoginRefusal::BadRequest);
        assert_eq!(status(2, 3).to_string(), "there is no such target (status 0203)");
        let texts: std::collections::BTreeSet<_> = (0..=11).map(|detail| status(2, detail).text()).collect();
        assert_eq!(texts.len(), 12);
    }
}

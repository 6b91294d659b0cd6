use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use twinrail_proto::domain::Wwn;

use super::connection::{Connection, Endpoint};
use super::engine::{Event, Patience};
use super::login::{Chap, LoginSettings, Offer};
use crate::rail::Nanos;
use crate::san::{Character, Identity, NotTaken, Refused, Report, San, Session, SessionEnd, Tag};
use crate::scsi::{Command, TaskManagement};

/// A target of an iSCSI array, as vHBAs log in there.
#[derive(Clone, Debug)]
pub struct IscsiSan {
    pub portal: SocketAddr,
    /// The target's iSCSI name.
    pub target: String,
    pub chap: Option<Chap>,
    pub offer: Offer,
    pub patience: Patience,
    /// What is known of the array: it answers a login only when every command of the session that it replaces is dead or
    /// finished. The standard lets an array do otherwise, and tgt does.
    pub login_fences: bool,
}

/// One vHBA at one target.
struct IscsiSession {
    connection: Connection,
    /// Kept for its room.
    events: Vec<Event>,
}

/// The iSCSI name of a vHBA (RFC 7143, 4.2.7.5; RFC 3980): `naa.` and the sixteen hex digits of its WWPN.
pub fn initiator_name(wwpn: Wwn) -> String {
    format!("naa.{:016x}", wwpn.to_u64())
}

impl San for IscsiSan {
    fn character(&self) -> Character {
        Character {
            shared_between_machines: true,
            login_fences: self.login_fences,
            description: format!("iSCSI target {} at {}", self.target, self.portal),
        }
    }

    fn log_in(&self, identity: Identity, now: Nanos) -> Result<Box<dyn Session>, SessionEnd> {
        let login = LoginSettings {
            initiator: initiator_name(identity.wwpn),
            target: Some(self.target.clone()),
            chap: self.chap.clone(),
            offer: self.offer.clone(),
        };
        let endpoint = Endpoint { portal: self.portal, login, isid: identity.session.0, patience: self.patience };
        let connection = Connection::open(endpoint, now)
            .map_err(|error| SessionEnd::Connection { operation: "wait for the target", reason: error.to_string() })?;
        Ok(Box::new(IscsiSession { connection, events: Vec::new() }))
    }
}

impl Session for IscsiSession {
    fn submit(&mut self, tag: Tag, command: Command, _now: Nanos) -> Result<(), Refused> {
        self.connection.engine().submit(tag, command)
    }

    fn manage(&mut self, tag: Tag, request: TaskManagement, _now: Nanos) -> Result<(), NotTaken> {
        self.connection.engine().manage(tag, request)
    }

    fn poll(&mut self, now: Nanos, into: &mut Vec<Report>) {
        self.connection.poll(now, &mut self.events);
        self.events.drain(..).for_each(|event| report(event, into));
    }

    fn log_out(&mut self, now: Nanos) {
        self.connection.engine().log_out(now);
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.connection.fd())
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.connection.next_deadline()
    }
}

fn report(event: Event, into: &mut Vec<Report>) {
    match event {
        Event::LoggedIn => into.push(Report::LoggedIn),
        Event::Completed { tag, response } => Report::completed(tag, response, into),
        Event::Managed { tag, answer } => into.push(Report::Managed { tag, answer }),
        Event::LunsChanged => into.push(Report::LunsChanged),
        Event::Ended(failure) => into.push(Report::Ended(failure.into())),
        Event::Text(_) | Event::Redirected(_) => {
            unreachable!("nobody asked for text, and the connection follows redirects itself")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vhba_is_named_by_its_wwpn() {
        let wwpn = "50:01:43:80:00:00:00:0a".parse().unwrap();
        assert_eq!(initiator_name(wwpn), "naa.500143800000000a");
    }
}

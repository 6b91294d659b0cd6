//! One vHBA, as a thread that polls would drive it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use twinrail_datapath::monotonic_ns;
use twinrail_datapath::san::iscsi::IscsiSan;
use twinrail_datapath::san::{Identity, Report, San, Session, SessionEnd, SessionId, Tag};
use twinrail_datapath::scsi::{Command, Response, TaskAnswer, TaskManagement};
use twinrail_datapath_sys::{Epoll, Events};

/// Nothing in here takes longer, on a machine that is very busy.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    session: Box<dyn Session>,
    epoll: Epoll,
    next_tag: u64,
    pub completed: BTreeMap<Tag, Response>,
    pub managed: BTreeMap<Tag, TaskAnswer>,
    pub end: Option<SessionEnd>,
    logged_in: bool,
}

pub fn identity(wwpn: u64) -> Identity {
    let wwpn = twinrail_proto::domain::Wwn::new(wwpn).expect("a world-wide name");
    Identity { wwpn, session: SessionId([0x80, 0, 0, 0x54, 0x57, 1]) }
}

impl Client {
    /// Begins a login and waits until it is answered.
    pub fn try_log_in(san: &IscsiSan, identity: Identity) -> Result<Self, SessionEnd> {
        let session = san.log_in(identity, monotonic_ns())?;
        let epoll = Epoll::new().expect("an epoll");
        epoll.add(&session.fd().expect("a session of iSCSI has a descriptor"), 0).expect("it can be waited for");
        let (completed, managed) = (BTreeMap::new(), BTreeMap::new());
        let mut client = Self { session, epoll, next_tag: 0, completed, managed, end: None, logged_in: false };
        client.until("an answer to the login", |it| it.logged_in || it.end.is_some());
        match client.end.take() {
            Some(end) => Err(end),
            None => Ok(client),
        }
    }

    pub fn log_in(san: &IscsiSan, identity: Identity) -> Self {
        Self::try_log_in(san, identity).unwrap_or_else(|end| panic!("{end}"))
    }

    pub fn submit(&mut self, command: Command) -> Tag {
        self.next_tag += 1;
        let tag = Tag(self.next_tag);
        self.session.submit(tag, command, monotonic_ns()).expect("the session takes a command");
        tag
    }

    pub fn manage(&mut self, request: TaskManagement) -> Tag {
        self.next_tag += 1;
        let tag = Tag(self.next_tag);
        self.session.manage(tag, request, monotonic_ns()).expect("the session takes a function");
        tag
    }

    /// Submits one and waits for its response.
    pub fn execute(&mut self, command: Command) -> Response {
        let tag = self.submit(command);
        self.until("a response", |it| it.completed.contains_key(&tag) || it.end.is_some());
        let end = &self.end;
        self.completed.remove(&tag).unwrap_or_else(|| panic!("{end:?}"))
    }

    pub fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut events = Events::with_room_for(1);
        while !is_so(self) {
            assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}");
            self.poll();
            if is_so(self) {
                return;
            }
            let now = monotonic_ns();
            let time = self.session.next_deadline().map(|it| Duration::from_nanos(it.saturating_sub(now)));
            let time = time.map_or(PATIENCE, |it| it.min(PATIENCE));
            let time = if time.is_zero() { time } else { time + Duration::from_millis(1) };
            self.epoll.wait(&mut events, Some(time)).expect("waiting works");
        }
    }

    pub fn poll(&mut self) {
        let mut reports = Vec::new();
        self.session.poll(monotonic_ns(), &mut reports);
        for report in reports {
            assert!(self.end.is_none(), "nothing comes after the end: {report:?}");
            match report {
                Report::LoggedIn => self.logged_in = true,
                Report::Completed { tag, response } => {
                    assert!(self.completed.insert(tag, response).is_none(), "{tag:?} is completed once");
                }
                Report::Managed { tag, answer } => assert!(self.managed.insert(tag, answer).is_none()),
                Report::LunsChanged => {}
                Report::Ended(end) => self.end = Some(end),
            }
        }
    }

    pub fn log_out(&mut self) {
        self.session.log_out(monotonic_ns());
        self.until("the end", |it| it.end.is_some());
        assert_eq!(self.end, Some(SessionEnd::LoggedOut));
    }
}

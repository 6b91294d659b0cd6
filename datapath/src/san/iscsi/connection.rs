use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use rand::Rng;
use twinrail_datapath_sys::{Epoll, begin_connection};

use super::engine::{Engine, Event, Failure, Patience};
use super::login::{Challenge, LoginSettings, TargetAddress};
use crate::rail::Nanos;

/// Reads in one poll: what comes faster waits for the next, so that a thread serves all its sessions.
const MOST_READS: usize = 32;

/// Pieces in one write.
const MOST_PIECES: usize = 64;

/// The one socket in its epoll.
const TOKEN: u64 = 0;

/// Where and as whom a session logs in.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub portal: SocketAddr,
    pub login: LoginSettings,
    /// RFC 7143, 10.9.1: with the initiator's name it identifies the session at the target.
    pub isid: [u8; 6],
    pub patience: Patience,
}

/// An [`Engine`] with its socket. No call waits; a redirect of the login is followed once.
///
/// It is polled when [`Connection::fd`] is readable or at [`Connection::next_deadline`]. What was handed to the engine is
/// written in the next poll, all of it at once.
pub struct Connection {
    endpoint: Endpoint,
    engine: Engine,
    /// None: the session has ended.
    socket: Option<TcpStream>,
    /// Has one descriptor for the session's whole life, whatever its sockets are.
    epoll: Epoll,
    connected: bool,
    redirected: bool,
    /// The socket takes no more octets now, and the epoll waits until it does.
    blocked: bool,
}

impl Connection {
    /// Begins to connect and to log in. What fails is an event of the first poll.
    ///
    /// # Errors
    ///
    /// When the kernel has no more epoll descriptors.
    pub fn open(endpoint: Endpoint, now: Nanos) -> io::Result<Self> {
        let mut connection = Self {
            engine: start(&endpoint, now),
            endpoint,
            socket: None,
            epoll: Epoll::new()?,
            connected: false,
            redirected: false,
            blocked: false,
        };
        connection.connect();
        Ok(connection)
    }

    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    fn connect(&mut self) {
        (self.connected, self.blocked) = (false, false);
        let socket = begin_connection(None, self.endpoint.portal).and_then(|socket| {
            socket.set_nodelay(true)?;
            self.epoll.add(&socket, TOKEN)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => self.socket = Some(socket),
            Err(error) => self.lost(&error),
        }
    }

    fn disconnect(&mut self) {
        if let Some(socket) = self.socket.take() {
            // It leaves the epoll when it is closed in any case.
            let _ = self.epoll.remove(&socket);
        }
    }

    /// Writes, reads, lets time pass, and adds what happened.
    pub fn poll(&mut self, now: Nanos, into: &mut Vec<Event>) {
        self.exchange(now);
        self.engine.on_time(now);
        self.flush();
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::Redirected(to) => self.follow(to, now),
                event => into.push(event),
            }
        }
        if self.engine.has_ended() {
            self.disconnect();
        }
    }

    fn follow(&mut self, to: TargetAddress, now: Nanos) {
        let why = match (self.redirected, to.socket_address()) {
            (true, _) => "a second redirect is not followed",
            (_, None) => "host names are not looked up",
            (false, Some(portal)) => {
                self.disconnect();
                self.endpoint.portal = portal;
                self.redirected = true;
                self.engine = start(&self.endpoint, now);
                return self.connect();
            }
        };
        // The engine that was redirected is over: the end is told by one that has not begun.
        self.engine = start(&self.endpoint, now);
        self.engine.end(Failure::Moved { to, why });
    }

    fn exchange(&mut self, now: Nanos) {
        for _ in 0..MOST_READS {
            self.flush();
            if !self.read(now) {
                return;
            }
        }
    }

    /// Whether there may be more to read.
    fn read(&mut self, now: Nanos) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        let mut room = self.engine.room();
        let octets: usize = room.iter().map(|it| it.len()).sum();
        match socket.read_vectored(&mut room) {
            Ok(0) => self.engine.closed(),
            Ok(count) => {
                self.connected = true;
                self.engine.received(count, now);
                return count == octets && !self.engine.has_ended();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) => self.lost(&error),
        }
        false
    }

    fn flush(&mut self) {
        let mut blocked = false;
        while self.engine.wants_write() && !blocked {
            let Some(socket) = &mut self.socket else { return };
            let mut slices = [IoSlice::new(&[]); MOST_PIECES];
            let count = self.engine.fill(&mut slices);
            match socket.write_vectored(&slices[..count]) {
                Ok(count) => {
                    self.connected = true;
                    self.engine.wrote(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => blocked = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.lost(&error),
            }
        }
        self.set_blocked(blocked);
    }

    fn set_blocked(&mut self, blocked: bool) {
        let Some(socket) = &self.socket else { return };
        if self.blocked != blocked {
            match self.epoll.watch_writable(socket, TOKEN, blocked) {
                Ok(()) => self.blocked = blocked,
                Err(error) => self.lost(&error),
            }
        }
    }

    fn lost(&mut self, error: &io::Error) {
        let operation = if self.connected { "reach the target any more" } else { "connect to the portal" };
        self.engine.end(Failure::Connection { operation, reason: error.to_string() });
    }

    /// Readable when a poll would do something.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// When a poll would do something though nothing becomes readable; 0: at once.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let at_once = self.engine.has_events() || self.engine.wants_write() && !self.blocked;
        if at_once { Some(0) } else { self.engine.next_deadline() }
    }
}

fn start(endpoint: &Endpoint, now: Nanos) -> Engine {
    let mut random = rand::rng();
    let challenge = Challenge { identifier: random.random(), octets: random.random() };
    Engine::new(endpoint.login.clone(), endpoint.isid, challenge, endpoint.patience, now)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use twinrail_datapath_sys::monotonic_ns;

    use super::*;
    use crate::san::iscsi::login::Offer;
    use crate::san::iscsi::pdu::{FromTarget, LoginResponse, Stage, TargetNumbers};

    /// Takes a connection, reads the first request, and sends the initiator elsewhere.
    fn redirect(listener: &TcpListener, to: &str) -> TcpStream {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 48]).unwrap();
        let response = LoginResponse {
            transit: false,
            continues: false,
            stage: Stage::Security,
            next_stage: Stage::Security,
            versions: [0, 0],
            isid: [0; 6],
            session: 0,
            task_tag: 0,
            numbers: TargetNumbers::default(),
            status: [1, 1],
        };
        let mut text = format!("TargetAddress={to}\0").into_bytes();
        let header = FromTarget::Login(response).header().with_data_length(text.len() as u32);
        text.resize(text.len().next_multiple_of(4), 0);
        stream.write_all(&[&header.0[..], &text].concat()).unwrap();
        stream
    }

    /// Polls until there are events, or the time is over.
    fn events(connection: &mut Connection, within: Duration) -> Vec<Event> {
        let (until, mut events) = (Instant::now() + within, Vec::new());
        while events.is_empty() && Instant::now() < until {
            connection.poll(monotonic_ns(), &mut events);
            std::thread::sleep(Duration::from_millis(1));
        }
        events
    }

    fn open(portal: SocketAddr) -> Connection {
        let (initiator, target) = ("naa.5001438000000001".into(), Some("iqn.a".into()));
        let login = LoginSettings { initiator, target, chap: None, offer: Offer::default() };
        let endpoint = Endpoint { portal, login, isid: [0x80, 0, 0, 0, 0, 1], patience: Patience::default() };
        Connection::open(endpoint, monotonic_ns()).unwrap()
    }

    #[test]
    fn a_redirect_is_followed_once() {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners.each_ref().map(|it| it.local_addr().unwrap());
        let mut connection = open(addresses[0]);
        assert_eq!(events(&mut connection, Duration::from_millis(20)), [], "it waits for an answer");
        let first = redirect(&listeners[0], &format!("{},1", addresses[1]));
        assert_eq!(events(&mut connection, Duration::from_millis(200)), [], "it goes on at the other portal");
        let second = redirect(&listeners[1], &addresses[0].to_string());
        let [Event::Ended(failure)] = &events(&mut connection, Duration::from_secs(10))[..] else { panic!("no end") };
        let expected = format!("the target is at {} now: a second redirect is not followed", addresses[0]);
        assert_eq!(failure.to_string(), expected);
        drop((first, second));
    }

    #[test]
    fn a_redirect_to_a_name_is_not_followed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = open(listener.local_addr().unwrap());
        assert_eq!(events(&mut connection, Duration::from_millis(20)), []);
        let stream = redirect(&listener, "array.example:3260");
        let [Event::Ended(failure)] = &events(&mut connection, Duration::from_secs(10))[..] else { panic!("no end") };
        assert!(failure.to_string().ends_with("host names are not looked up"), "{failure}");
        drop(stream);
    }
}

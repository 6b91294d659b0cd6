use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use twinrail_datapath_sys::{EventFd, Interest, wait_ready};

use crate::nbd::{BlockDevice, End, Engine, Errno, Exports, Tag, Ticket};

/// Octets taken from the socket at once.
const READ: usize = 256 << 10;

/// Pieces that the kernel is given at once.
const PIECES: usize = 64;

/// How long a client may take to accept the last replies when the server stops.
const FAREWELL: Duration = Duration::from_millis(500);

/// One client: its socket, its engine, and what wakes its thread.
///
/// Whoever completes a request sends its reply as far as the socket takes it, which saves a wake-up; the thread sends the
/// rest.
pub struct Connection {
    stream: UnixStream,
    wake: EventFd,
    state: Mutex<State>,
}

struct State {
    engine: Engine,
    /// The thread is handing requests over, and will send what they bring itself.
    corked: bool,
    stop: bool,
}

/// What the thread waits for next.
enum Next {
    Wait(Interest),
    End(End),
}

impl Connection {
    pub fn start(
        stream: UnixStream,
        exports: Arc<Exports>,
        devices: Vec<Arc<dyn BlockDevice>>,
    ) -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        stream.set_nonblocking(true)?;
        let state = State { engine: Engine::new(exports), corked: false, stop: false };
        let connection = Arc::new(Self { stream, wake: EventFd::new()?, state: Mutex::new(state) });
        let for_thread = Arc::clone(&connection);
        let run = move || for_thread.run(&devices);
        let thread = std::thread::Builder::new().name("nbd-client".into()).spawn(run)?;
        Ok((connection, thread))
    }

    /// Tells the thread to end.
    pub fn stop(&self) {
        self.lock().stop = true;
        self.wake.wake();
    }

    /// By whom a request was completed.
    pub fn complete(&self, tag: Tag, result: Result<Bytes, Errno>) {
        let mut state = self.lock();
        let wanted = state.engine.wants_input();
        state.engine.complete(tag, result);
        if state.corked {
            return;
        }
        let broken = state.send(&self.stream).is_err();
        let more = state.engine.has_requests() || state.engine.wants_input() != wanted;
        let left = !state.engine.output().is_empty() || state.engine.end().is_some();
        drop(state);
        if broken || more || left {
            self.wake.wake();
        }
    }

    fn run(self: Arc<Self>, devices: &[Arc<dyn BlockDevice>]) {
        let mut room = vec![0; READ];
        match self.serve(devices, &mut room) {
            Ok(end) => tracing::debug!(%end, "nbd: a client is gone"),
            Err(error) => tracing::debug!(%error, "nbd: a client is gone"),
        }
        // Tickets may keep the socket open for long: the client is not to wait for them.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        self.lock().engine.shut_down();
    }

    fn serve(self: &Arc<Self>, devices: &[Arc<dyn BlockDevice>], room: &mut [u8]) -> io::Result<End> {
        loop {
            let interest = match self.next()? {
                Next::Wait(interest) => interest,
                Next::End(End::Shutdown) => return self.farewell(),
                Next::End(end) => return Ok(end),
            };
            let [client, woken] = wait_ready([(&self.stream, interest), (&self.wake, Interest::READ)], None)?;
            if woken.any() {
                self.wake.clear();
            }
            if client.readable {
                match (&self.stream).read(room) {
                    Ok(0) => return Ok(End::Left),
                    Ok(length) => self.lock().engine.receive(&room[..length]),
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return Err(error),
                }
            } else if client.closed {
                return Ok(End::Left);
            }
            self.hand_over(devices);
        }
    }

    /// Sends what can be sent, and says what else there is to do.
    fn next(&self) -> io::Result<Next> {
        let mut state = self.lock();
        if state.stop {
            state.engine.shut_down();
        }
        state.send(&self.stream)?;
        let write = !state.engine.output().is_empty();
        Ok(match state.engine.end() {
            Some(End::Shutdown) => Next::End(End::Shutdown),
            Some(end) if !write => Next::End(end.clone()),
            _ => Next::Wait(Interest { read: state.engine.wants_input(), write }),
        })
    }

    /// Gives all requests to the device, until none is left. What it completes at once goes out together.
    fn hand_over(self: &Arc<Self>, devices: &[Arc<dyn BlockDevice>]) {
        let mut state = self.lock();
        while let Some(export) = state.engine.export() {
            let Some((tag, request)) = state.engine.next_request() else { break };
            state.corked = true;
            drop(state);
            devices[export].submit(request, Ticket::new(Arc::clone(self), tag));
            state = self.lock();
        }
        state.corked = false;
    }

    /// The last replies.
    fn farewell(&self) -> io::Result<End> {
        let deadline = std::time::Instant::now() + FAREWELL;
        loop {
            let mut state = self.lock();
            state.send(&self.stream)?;
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if state.engine.output().is_empty() || left.is_zero() {
                return Ok(End::Shutdown);
            }
            drop(state);
            wait_ready([(&self.stream, Interest { read: false, write: true })], Some(left))?;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// As much as the socket takes now.
    fn send(&mut self, mut stream: &UnixStream) -> io::Result<()> {
        while !self.engine.output().is_empty() {
            let mut room = [IoSlice::new(&[]); PIECES];
            let pieces = self.engine.output().slices(&mut room);
            match stream.write_vectored(&room[..pieces]) {
                Ok(sent) => self.engine.sent(sent),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

//! The server: its socket's file, its threads, and devices that take their time.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use twinrail_datapath::nbd::{
    BlockDevice, Export, MemoryDevice, Offer, Owner, Request, Server, ServerConfig, ServerError, SocketError, Ticket,
};

use crate::support::{error_of, export, hex, octets, option, request, wish};

pub fn config(path: &Path) -> ServerConfig {
    ServerConfig { path: path.into(), mode: 0o600, owner: None, clients: 8 }
}

fn memory() -> Vec<Offer> {
    vec![Offer { export: export(), device: Arc::new(MemoryDevice::new(64 << 10)) }]
}

/// Gives every request to the test, which holds it as long as it likes.
struct Holding(Mutex<Sender<(Request, Ticket)>>);

impl BlockDevice for Holding {
    fn submit(&self, request: Request, ticket: Ticket) {
        // Without a test that listens, the ticket is dropped.
        let _ = self.0.lock().expect("no panic").send((request, ticket));
    }
}

fn holding(path: &Path) -> (Server, Receiver<(Request, Ticket)>) {
    let (sender, receiver) = channel();
    let offer = Offer { export: export(), device: Arc::new(Holding(Mutex::new(sender))) };
    (Server::start(&config(path), vec![offer]).expect("a server"), receiver)
}

/// A client after the handshake, with simple replies.
fn attach(path: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(path).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    stream.write_all(&[hex("00000003"), option(7, &wish("disk", &[]))].concat()).expect("sent");
    // The greeting, BLOCK_SIZE, EXPORT, ACK.
    stream.read_exact(&mut [0; 18 + 34 + 32 + 20]).expect("the handshake");
    stream
}

fn reply(stream: &mut UnixStream) -> ([u8; 16], u64) {
    let mut reply = [0; 16];
    stream.read_exact(&mut reply).expect("a reply");
    (reply, u64::from_be_bytes(reply[8..].try_into().expect("eight octets")))
}

fn next(receiver: &Receiver<(Request, Ticket)>) -> (Request, Ticket) {
    receiver.recv_timeout(Duration::from_secs(20)).expect("a request")
}

#[test]
fn a_device_answers_when_it_likes_and_in_its_own_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, receiver) = holding(&folder.path().join("s"));
    let (mut first, mut second) = (attach(server.path()), attach(server.path()));
    for cookie in [1, 2, 3] {
        first.write_all(&request(0, 3, cookie, 0, 0)).expect("sent");
    }
    let mut held: Vec<_> = (0..3).map(|_| next(&receiver).1).collect();
    // The other client is not delayed, and this one hears nothing.
    second.write_all(&request(0, 3, 9, 0, 0)).expect("sent");
    next(&receiver).1.complete(Ok(Default::default()));
    assert_eq!(reply(&mut second).1, 9);
    first.set_nonblocking(true).expect("set");
    assert_eq!(first.read(&mut [0; 1]).map_err(|it| it.kind()), Err(std::io::ErrorKind::WouldBlock));
    first.set_nonblocking(false).expect("set");
    held.pop().expect("the third").complete(Ok(Default::default()));
    assert_eq!(reply(&mut first).1, 3);
    // A ticket that is dropped is an error.
    drop(held.pop());
    let (octets, cookie) = reply(&mut first);
    assert_eq!((error_of(&octets), cookie), (5, 2));
    // A client that is gone takes nothing with it.
    drop(first);
    held.pop().expect("the first").complete(Ok(Default::default()));
    second.write_all(&request(0, 3, 10, 0, 0)).expect("sent");
    next(&receiver).1.complete(Ok(Default::default()));
    assert_eq!(reply(&mut second).1, 10);
    drop(server);
}

#[test]
fn large_data_goes_both_ways_though_the_client_is_slow_to_take_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let length = 20 << 20;
    let export = Export { name: "disk".into(), size: length, ..export() };
    let offer = Offer { export, device: Arc::new(MemoryDevice::new(length as usize)) };
    let server = Server::start(&config(&folder.path().join("s")), vec![offer]).expect("a server");
    let mut client = attach(server.path());
    let data = octets(length as usize, 3);
    client.write_all(&[&request(0, 1, 1, 0, length as u32), &data[..]].concat()).expect("sent");
    assert_eq!(reply(&mut client).1, 1);
    for cookie in 2..5 {
        client.write_all(&request(0, 0, cookie, 0, length as u32)).expect("sent");
    }
    std::thread::sleep(Duration::from_millis(50));
    for cookie in 2..5 {
        assert_eq!(reply(&mut client).1, cookie);
        let mut back = vec![0; length as usize];
        client.read_exact(&mut back).expect("data");
        assert!(back == data);
    }
}

#[test]
fn a_server_that_stops_says_so_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let (server, receiver) = holding(&path);
    let mut client = attach(&path);
    client.write_all(&request(0, 3, 1, 0, 0)).expect("sent");
    let (_, ticket) = next(&receiver);
    drop(server);
    assert_eq!(error_of(&reply(&mut client).0), 108);
    assert_eq!(client.read(&mut [0; 1]).expect("the end"), 0);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    // The device may answer long after.
    ticket.complete(Ok(Default::default()));
}

#[test]
fn one_client_too_many_is_hung_up_on_and_may_come_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let server = Server::start(&ServerConfig { clients: 1, ..config(&path) }, memory()).expect("a server");
    let first = attach(&path);
    let mut second = UnixStream::connect(&path).expect("a connection");
    assert_eq!(second.read(&mut [0; 1]).expect("the end"), 0);
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.clients() > 0 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    attach(&path);
}

#[test]
fn the_sockets_file_has_its_mode_and_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let ours = std::fs::metadata(folder.path()).expect("a folder");
    // Only root may give a file away.
    let group = if ours.uid() == 0 { 4711 } else { ours.gid() };
    let owner = Some(Owner { user: Some(ours.uid()), group: Some(group) });
    let _server = Server::start(&ServerConfig { mode: 0o660, owner, ..config(&path) }, memory()).expect("a server");
    let metadata = std::fs::symlink_metadata(&path).expect("a socket");
    assert_eq!((metadata.permissions().mode() & 0o7777, metadata.gid()), (0o660, group));
}

#[test]
fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    // Dropped by the standard library without being removed, as a killed process leaves it.
    drop(UnixListener::bind(&path).expect("bound"));
    let first = Server::start(&config(&path), memory()).expect("the dead one is replaced");
    let second = Server::start(&config(&path), memory()).map(|_| ());
    assert!(matches!(second, Err(ServerError::Socket(SocketError::Served(it))) if it == path));
    attach(&path);
    // One that was put in its place is not removed with it.
    std::fs::remove_file(&path).expect("removed");
    let other = UnixListener::bind(&path).expect("bound");
    drop(first);
    assert!(UnixStream::connect(&path).is_ok());
    drop(other);
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    std::fs::write(&path, "precious").expect("written");
    let refused = |path: &Path| Server::start(&config(path), memory()).map(|_| ()).expect_err("refused");
    assert!(matches!(refused(&path), ServerError::Socket(SocketError::NoSocket(_))));
    assert_eq!(std::fs::read_to_string(&path).expect("there"), "precious");
    assert!(matches!(refused(Path::new("/")), ServerError::Socket(SocketError::Path(_))));
    assert!(matches!(refused(&folder.path().join("no/s")), ServerError::Socket(SocketError::Io { .. })));
    assert!(matches!(refused(&folder.path().join("x".repeat(120))), ServerError::Socket(SocketError::Io { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

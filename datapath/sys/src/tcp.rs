use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use libc::c_int;

use crate::{check, socket};

/// A peer that acknowledges nothing for so many ms is gone.
const USER_TIMEOUT_MS: c_int = 3000;

/// Begins a TCP connection, from this address of the machine if it matters, and does not wait for it: the stream is
/// non-blocking, and when it becomes writable the first read or write says whether the connection came about.
pub fn begin_connection(from: Option<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let domain = if to.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    let fd = socket::open(domain, libc::SOCK_STREAM, 0)?;
    if let Some(from) = from {
        let (name, length) = socket::to_kernel(SocketAddr::new(from, 0));
        // SAFETY: `name` holds an address of `length` octets and outlives the call.
        check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const name).cast(), length) })?;
    }
    let (name, length) = socket::to_kernel(to);
    // SAFETY: as above.
    match check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const name).cast(), length) }) {
        Ok(_) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(fd.into())
}

/// Small messages go at once, and a peer that is gone is noticed within seconds, whether it owes an answer or not.
pub fn tune_tcp(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    let fd: OwnedFd = stream.as_fd().try_clone_to_owned()?;
    socket::set_option(&fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1 as c_int)?;
    for (option, value) in [
        (libc::TCP_KEEPIDLE, 1),
        (libc::TCP_KEEPINTVL, 1),
        (libc::TCP_KEEPCNT, 3),
        (libc::TCP_USER_TIMEOUT, USER_TIMEOUT_MS),
    ] {
        socket::set_option(&fd, libc::IPPROTO_TCP, option, value as c_int)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::net::TcpListener;

    use super::*;
    use crate::{Epoll, Events};

    fn first_read(to: SocketAddr) -> io::Error {
        let mut stream = begin_connection(None, to).unwrap();
        let epoll = Epoll::new().unwrap();
        epoll.add(&stream, 0).unwrap();
        epoll.watch_writable(&stream, 0, true).unwrap();
        let mut events = Events::with_room_for(1);
        epoll.wait(&mut events, Some(std::time::Duration::from_secs(5))).unwrap();
        assert_eq!(events.iter().count(), 1);
        stream.read(&mut [0]).unwrap_err()
    }

    #[test]
    fn the_first_read_says_whether_the_connection_came_about() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(first_read(address).kind(), ErrorKind::WouldBlock);
        drop(listener);
        assert_eq!(first_read(address).kind(), ErrorKind::ConnectionRefused);
    }
}

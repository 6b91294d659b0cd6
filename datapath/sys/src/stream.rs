use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

use crate::check;
use crate::socket::{open, to_kernel};

/// Begins a TCP connection and does not wait for it: the stream is non-blocking, and sends what it is given at once
/// (TCP_NODELAY). When it becomes writable, the first write or read says whether the connection came about.
pub fn begin_connection(to: SocketAddr) -> io::Result<TcpStream> {
    let domain = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let fd = open(domain, libc::SOCK_STREAM, libc::IPPROTO_TCP)?;
    let (address, length) = to_kernel(to);
    // SAFETY: `address` is an address of `length` octets and outlives the call.
    let result = check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), length) });
    match result {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        _ => {}
    }
    let stream = TcpStream::from(fd);
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::net::TcpListener;

    use super::*;
    use crate::{Epoll, Events};

    fn first_read(to: SocketAddr) -> io::Error {
        let mut stream = begin_connection(to).unwrap();
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

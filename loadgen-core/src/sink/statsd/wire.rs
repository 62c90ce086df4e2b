//! Lines packed into datagrams, and the socket that takes them or does not.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;

use super::tags::Tags;

/// A name with its tags.
pub(super) type Series = (Arc<str>, Tags);

/// The most bytes in a datagram: what an Ethernet frame holds, tunnels allowed for.
pub(super) const CAPACITY: usize = 1_432;

/// A socket that never blocks.
#[derive(Debug)]
pub(super) struct Wire {
    socket: UdpSocket,
    /// All that the name stands for, and which of them the socket is connected to. Whether somebody
    /// listens there shows only in sending.
    addresses: Vec<SocketAddr>,
    current: usize,
}

impl Wire {
    /// Connected, so that the system tells when nobody listens.
    pub(super) fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let addresses: Vec<_> = address.to_socket_addrs()?.collect();
        let mut last = None;
        for (current, address) in addresses.iter().enumerate() {
            match connect(*address) {
                Ok(socket) => {
                    return Ok(Self {
                        socket,
                        addresses,
                        current,
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("the name has no address")))
    }

    /// How many addresses there are to be tried.
    pub(super) fn addresses(&self) -> usize {
        self.addresses.len()
    }

    /// Turns to the next address, where there is another one that can be sent to.
    pub(super) fn turn(&mut self) {
        for step in 1..self.addresses.len() {
            let next = (self.current + step) % self.addresses.len();
            if let Ok(socket) = connect(self.addresses[next]) {
                self.socket = socket;
                self.current = next;
                return;
            }
        }
    }

    /// Whether it goes to this machine, which answers at once.
    pub(super) fn is_local(&self) -> bool {
        self.addresses[self.current].ip().is_loopback()
    }

    /// Whether the system has heard of a refusal since it was last asked.
    pub(super) fn refused(&self) -> bool {
        !matches!(self.socket.take_error(), Ok(None))
    }

    /// Hands a datagram to the system.
    pub(super) fn send(&self, datagram: &str) -> Sent {
        match self.socket.send(datagram.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Sent::Refused,
            Err(_) => Sent::NotTaken,
            // On this machine the answer is there at once.
            Ok(_) if self.refused() => Sent::Refused,
            Ok(_) => Sent::Taken,
        }
    }
}

/// What became of a datagram, as far as the system knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It went out.
    Taken,
    /// There was no room or no way for it.
    NotTaken,
    /// Nobody listens, it or one shortly before it was answered.
    Refused,
}

fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// One datagram, and the counts that are sent with it.
#[derive(Debug, Default)]
pub(super) struct Datagram {
    pub(super) text: String,
    pub(super) deltas: Vec<(Series, u64)>,
}

/// Lines on their way into datagrams.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) datagrams: Vec<Datagram>,
}

impl Lines {
    /// Adds a line; `delta` is the counter it belongs to and by how much it goes on.
    pub(super) fn push(&mut self, line: &str, delta: Option<(Series, u64)>) {
        let fits = |it: &&mut Datagram| it.text.len() + 1 + line.len() <= CAPACITY;
        let datagram = match self.datagrams.last_mut().filter(fits) {
            Some(last) => {
                last.text.push('\n');
                last
            }
            None => {
                self.datagrams.push(Datagram::default());
                self.datagrams.last_mut().expect("just pushed")
            }
        };
        datagram.text.push_str(line);
        datagram.deltas.extend(delta);
    }
}

//! The kernel's stamps of what a socket received.

use std::io::{self, ErrorKind, IoSliceMut, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;

use super::super::clock::{self, Nanos};

/// Has the kernel say when it received what is read from a socket.
pub(super) fn ask_for(socket: &TcpStream) -> io::Result<()> {
    Ok(setsockopt(socket, ReceiveTimestampns, &true)?)
}

/// Reads without waiting: how many bytes, and when the last of them was received, where the kernel
/// says so.
pub(super) fn receive(socket: &TcpStream, into: &mut [u8]) -> io::Result<(usize, Option<Nanos>)> {
    let mut space = cmsg_space!(TimeSpec);
    let mut into = [IoSliceMut::new(into)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut into, Some(&mut space), flags)?;
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(at) => Some(clock::of(at.tv_sec(), at.tv_nsec())),
        _ => None,
    });
    Ok((message.bytes, stamp))
}

/// A pair of sockets that keeps the kernel stamping: it begins a moment after somebody first asks,
/// and ends when nobody does any more.
#[derive(Debug)]
pub(super) struct KeepStamping {
    _ends: [TcpStream; 2],
}

impl KeepStamping {
    /// Waits until what is received is stamped.
    ///
    /// # Errors
    /// When nothing is, after a second.
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread of a benchmark that does nothing but wait"
    )]
    pub(super) fn begin() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut sender = TcpStream::connect(listener.local_addr()?)?;
        let (receiver, _) = listener.accept()?;
        ask_for(&receiver)?;
        for _ in 0..1000 {
            sender.write_all(b"?")?;
            std::thread::sleep(Duration::from_millis(1));
            match receive(&receiver, &mut [0; 64]) {
                Ok((_, Some(_))) => {
                    return Ok(Self {
                        _ends: [sender, receiver],
                    });
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(
            "the kernel does not stamp what TCP sockets receive (SO_TIMESTAMPNS), and without \
             that there is no witness",
        ))
    }
}

//! Reads that come with the kernel's stamp of when their last byte was received.
//!
//! Owns the system call. Where the system has no stamps, says so.

pub(super) use self::system::{ask_for, poll_read};

#[cfg(target_os = "linux")]
mod system {
    use std::cell::RefCell;
    use std::io::{self, IoSliceMut};
    use std::os::fd::AsRawFd;
    use std::task::{Context, Poll, ready};

    use nix::sys::socket::{
        ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
    };
    use nix::sys::time::TimeSpec;
    use tokio::io::{Interest, ReadBuf};
    use tokio::net::TcpStream;

    use crate::clock::Nanos;

    /// The most that one read brings into room that is not initialised.
    const MOST_BYTES: usize = 16 << 10;

    thread_local! {
        /// What such reads go through: clearing all of the caller's buffer for a few bytes would cost more than
        /// copying those.
        static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; MOST_BYTES].into());
        /// Where the system puts stamps.
        static CONTROL: RefCell<Vec<u8>> = RefCell::new(nix::cmsg_space!(TimeSpec));
    }

    /// Asks the system for stamps. Whether there will be any.
    pub(in crate::driver::transport) fn ask_for(tcp: &TcpStream) -> bool {
        setsockopt(tcp, ReceiveTimestampns, &true).is_ok()
    }

    /// Reads, and says when the last byte of it was received, by the real-time clock, and whether that
    /// was all there was.
    #[inline]
    pub(in crate::driver::transport) fn poll_read(
        tcp: &TcpStream,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<(Option<Nanos>, bool)>> {
        loop {
            ready!(tcp.poll_read_ready(cx))?;
            let mut got = None;
            let tried = tcp.try_io(Interest::READABLE, || {
                let (read, stamp, is_all) = receive(tcp, buf)?;
                got = Some((stamp, is_all));
                // What brings less than was asked for has emptied the socket. Saying so saves the
                // call that would find out, as the runtime's own reads do.
                if is_all && read > 0 {
                    Err(io::ErrorKind::WouldBlock.into())
                } else {
                    Ok(())
                }
            });
            match (got, tried) {
                (Some(got), _) => return Poll::Ready(Ok(got)),
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                (None, tried) => return Poll::Ready(tried.map(|()| (None, true))),
            }
        }
    }

    /// One read: how many bytes, the stamp, and whether that was all there was.
    #[inline]
    fn receive(tcp: &TcpStream, buf: &mut ReadBuf<'_>) -> io::Result<(usize, Option<Nanos>, bool)> {
        let is_ready = buf.initialized().len() == buf.capacity();
        if is_ready {
            let room = buf.initialize_unfilled();
            let most = room.len();
            let (read, stamp) = receive_into(tcp, room)?;
            buf.advance(read);
            return Ok((read, stamp, read < most));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let most = buf.remaining().min(MOST_BYTES);
            let (read, stamp) = receive_into(tcp, &mut scratch[..most])?;
            buf.put_slice(&scratch[..read]);
            Ok((read, stamp, read < most))
        })
    }

    #[inline]
    fn receive_into(tcp: &TcpStream, room: &mut [u8]) -> io::Result<(usize, Option<Nanos>)> {
        CONTROL.with_borrow_mut(|control| {
            let mut slices = [IoSliceMut::new(room)];
            let message = recvmsg::<()>(
                tcp.as_raw_fd(),
                &mut slices,
                Some(control),
                MsgFlags::MSG_DONTWAIT,
            )?;
            // What was read is not given up for a stamp that cannot be.
            let stamp = message.cmsgs().ok().and_then(|mut controls| {
                controls.find_map(|control| match control {
                    ControlMessageOwned::ScmTimestampns(at) => Some(nanos(at)),
                    _ => None,
                })
            });
            Ok((message.bytes, stamp))
        })
    }

    fn nanos(at: TimeSpec) -> Nanos {
        at.tv_sec().unsigned_abs() * 1_000_000_000 + at.tv_nsec().unsigned_abs()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;
    use tokio::net::TcpStream;

    use crate::clock::Nanos;

    pub(in crate::driver::transport) fn ask_for(_: &TcpStream) -> bool {
        false
    }

    pub(in crate::driver::transport) fn poll_read(
        _: &TcpStream,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<(Option<Nanos>, bool)>> {
        unreachable!("nothing is stamped")
    }
}

//! A connection: bytes in with the kernel's stamps, replies out with the times they were written.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;

use super::super::clock::{self, Nanos};
use super::log::Log;
use super::protocol::{Parsed, Piece, Protocol};
use super::stamp;

/// A piece that has come.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) piece: Piece,
    /// When the kernel received its last byte, where it said so.
    pub(super) stamp: Option<Nanos>,
    /// Whether that may be the stamp of a byte behind it.
    pub(super) is_inexact: bool,
}

/// One client.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    protocol: Box<dyn Protocol>,
    unread: Vec<u8>,
    /// Of the last read.
    stamp: Option<Nanos>,
    /// Bytes of the piece before, where it was a part of a request and did not complete one.
    begun_bytes: usize,
    /// Bytes of the shortest request. So much is read at a time where the protocol asks for less:
    /// one call to the kernel for each request, and none reads into the next one, whose stamp
    /// would be taken for this one's.
    shortest_request: usize,
    /// What the socket had no room for, and where in it which entry of the log is complete.
    unwritten: Vec<u8>,
    marks: VecDeque<(usize, usize)>,
    /// When the last reply of a lane is due: replies keep their order.
    pub(super) lanes: HashMap<u32, Nanos>,
    /// Whether nothing more is read.
    pub(super) is_over: bool,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, protocol: Box<dyn Protocol>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        stamp::ask_for(&socket)?;
        Ok(Self {
            socket,
            protocol,
            unread: Vec::new(),
            stamp: None,
            begun_bytes: 0,
            shortest_request: usize::MAX,
            unwritten: Vec::new(),
            marks: VecDeque::new(),
            lanes: HashMap::new(),
            is_over: false,
        })
    }

    /// The next piece; `None` when there is no whole one yet.
    ///
    /// # Errors
    /// The socket's, what the client did wrong among them; [`ErrorKind::UnexpectedEof`] when the
    /// client has closed it.
    pub(super) fn next(&mut self) -> io::Result<Option<Arrived>> {
        loop {
            let parsed = self.protocol.parse(&self.unread);
            match parsed.map_err(io::Error::other)? {
                Parsed::Piece(piece) => return Ok(Some(self.take(piece))),
                Parsed::Needs(bytes) => {
                    if !self.receive(bytes - self.unread.len())? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn take(&mut self, piece: Piece) -> Arrived {
        self.unread.drain(..piece.bytes);
        if piece.serve.is_empty() {
            self.begun_bytes = if piece.of_request { piece.bytes } else { 0 };
        } else {
            let whole = std::mem::take(&mut self.begun_bytes) + piece.bytes;
            self.shortest_request = self.shortest_request.min(whole);
        }
        Arrived {
            is_inexact: !self.unread.is_empty(),
            stamp: self.stamp,
            piece,
        }
    }

    /// Reads at least what the protocol asks for, if so much is there. Whether there was anything.
    fn receive(&mut self, asked: usize) -> io::Result<bool> {
        let have = self.unread.len();
        let most = if self.shortest_request == usize::MAX {
            asked
        } else {
            let expected = self
                .shortest_request
                .saturating_sub(self.begun_bytes + have);
            asked.max(expected)
        };
        self.unread.resize(have + most, 0);
        let received = stamp::receive(&self.socket, &mut self.unread[have..]);
        let (bytes, stamp) = match received {
            Ok(received) => received,
            Err(error) => {
                self.unread.truncate(have);
                return match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(false),
                    _ => Err(error),
                };
            }
        };
        self.unread.truncate(have + bytes);
        if bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.stamp = stamp;
        Ok(true)
    }

    /// Writes, and enters into the log when the last byte was handed over. What does not fit is
    /// kept for [`flush`](Self::flush).
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        entry: Option<usize>,
        log: &mut Log,
    ) -> io::Result<()> {
        let mut done = 0;
        while self.unwritten.is_empty() && done < bytes.len() {
            let at = clock::now();
            match self.socket.write(&bytes[done..]) {
                Ok(written) => done += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if done == bytes.len()
                && let Some(entry) = entry
            {
                log.entries[entry].written = at;
            }
        }
        if done < bytes.len() {
            self.unwritten.extend_from_slice(&bytes[done..]);
            self.marks
                .extend(entry.map(|entry| (self.unwritten.len(), entry)));
        }
        Ok(())
    }

    /// Writes what is left, as far as there is room.
    pub(super) fn flush(&mut self, log: &mut Log) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            let at = clock::now();
            let written = match self.socket.write(&self.unwritten) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.unwritten.drain(..written);
            self.marks.retain_mut(|(end, entry)| {
                if *end <= written {
                    log.entries[*entry].written = at;
                    return false;
                }
                *end -= written;
                true
            });
        }
        Ok(())
    }

    /// Whether it waits for room in the socket.
    pub(super) fn is_full(&self) -> bool {
        !self.unwritten.is_empty()
    }
}

//! The server's thread: it waits for sockets and for the times when replies fall due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::super::clock::{self, Nanos, SECOND};
use super::super::service::Service;
use super::Speech;
use super::connection::{Arrived, Connection};
use super::log::{Entry, Log};

/// A reply that is due at a time; of those of one time, the one that was asked for first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reply {
    due: Nanos,
    entry: usize,
    connection: usize,
    bytes: Vec<u8>,
}

/// All that the thread has.
pub(super) struct Turn {
    listener: TcpListener,
    speech: Speech,
    service: Service,
    epoll: OwnedFd,
    timer: OwnedFd,
    /// When the timer goes off.
    timer_at: Option<Nanos>,
    /// By their number, which is not given twice.
    connections: Vec<Option<Connection>>,
    replies: BinaryHeap<Reverse<Reply>>,
    first_request: Option<Nanos>,
    random: fastrand::Rng,
    log: Log,
}

const LISTENER: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
/// Pieces that a connection may hand in before others have their turn.
const BURST: usize = 256;

impl Turn {
    pub(super) fn new(listener: TcpListener, speech: Speech, service: Service) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(
            TimerfdClockId::Realtime,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        Ok(Self {
            listener,
            speech,
            service,
            epoll,
            timer,
            timer_at: None,
            connections: Vec::new(),
            replies: BinaryHeap::new(),
            first_request: None,
            random: fastrand::Rng::with_seed(1),
            log: Log::default(),
        })
    }

    /// Serves until it is told to stop.
    pub(super) fn serve(mut self, stop: &AtomicBool) -> io::Result<Log> {
        /// How often it looks whether it is to stop, where nothing happens.
        const LOOK: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        let mut events = Vec::with_capacity(256);
        while !stop.load(Ordering::Relaxed) {
            self.set_timer()?;
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&LOOK)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            self.reply_to_what_is_due();
            for &Event { flags, data } in &events {
                match data.u64() {
                    LISTENER => self.accept()?,
                    TIMER => {
                        // Read so that it is quiet until it is set anew.
                        let _ = rustix::io::read(&self.timer, &mut [0_u8; 8]);
                        self.timer_at = None;
                    }
                    number => self.attend(number as usize, flags),
                }
                self.reply_to_what_is_due();
            }
        }
        Ok(self.log)
    }

    fn set_timer(&mut self) -> io::Result<()> {
        let next = self.replies.peek().map(|Reverse(reply)| reply.due);
        if next.is_none() || next == self.timer_at {
            return Ok(());
        }
        let at = next.unwrap_or_default();
        let at = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: (at / SECOND).cast_signed(),
                tv_nsec: (at % SECOND).cast_signed(),
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &at)?;
        self.timer_at = next;
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let connection = Connection::new(socket, self.speech.protocol())?;
            let number = EventData::new_u64(self.connections.len() as u64);
            epoll::add(&self.epoll, &connection.socket, number, EventFlags::IN)?;
            self.connections.push(Some(connection));
        }
    }

    /// Something happened on a connection.
    fn attend(&mut self, number: usize, flags: EventFlags) {
        let Some(mut connection) = self.connections[number].take() else {
            return;
        };
        let was_full = connection.is_full();
        let attended = self.read_and_write(number, &mut connection, flags);
        let attended = attended.and_then(|()| self.watch(number, &connection, was_full));
        match attended {
            Ok(()) if connection.is_over && !connection.is_full() => {}
            Ok(()) => self.connections[number] = Some(connection),
            Err(error) => self.lost(&error),
        }
    }

    /// A connection ended that was not over. A client may leave whenever it likes.
    fn lost(&mut self, error: &io::Error) {
        let has_left = [
            ErrorKind::UnexpectedEof,
            ErrorKind::ConnectionReset,
            ErrorKind::BrokenPipe,
        ];
        if !has_left.contains(&error.kind()) {
            self.log.complaints.push(error.to_string());
        }
    }

    fn read_and_write(
        &mut self,
        number: usize,
        connection: &mut Connection,
        flags: EventFlags,
    ) -> io::Result<()> {
        if flags.contains(EventFlags::OUT) {
            connection.flush(&mut self.log)?;
        }
        if connection.is_over {
            return Ok(());
        }
        let mut taken = 0;
        while let Some(arrived) = connection.next()? {
            let may_pause = !arrived.is_inexact;
            self.take(number, connection, arrived)?;
            taken += 1;
            // What is left in the socket wakes us again; what is left in our hands would not.
            if connection.is_over || (taken >= BURST && may_pause) {
                break;
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        number: usize,
        connection: &mut Connection,
        arrived: Arrived,
    ) -> io::Result<()> {
        let piece = arrived.piece;
        if !piece.say.is_empty() {
            connection.write(&piece.say, None, &mut self.log)?;
        }
        connection.is_over |= piece.closes;
        for request in piece.serve {
            self.log.inexact += u64::from(arrived.is_inexact);
            self.log.unstamped += u64::from(arrived.stamp.is_none());
            let received = arrived.stamp.unwrap_or_else(clock::now);
            let first = *self.first_request.get_or_insert(received);
            let mut due = self.service.due(received, first, &mut self.random);
            let before = connection.lanes.get(&request.lane).copied();
            due = due.max(before.unwrap_or(0));
            for (nth, bytes) in request.replies.into_iter().enumerate() {
                if nth > 0 {
                    due = self.service.thawed(due + self.speech.interval(), first);
                }
                let entry = self.log.entries.len();
                self.log.entries.push(Entry {
                    lane: (number as u64) << 32 | u64::from(request.lane),
                    is_end: request.is_end,
                    received,
                    written: 0,
                });
                if due <= received {
                    connection.write(&bytes, Some(entry), &mut self.log)?;
                } else {
                    self.replies.push(Reverse(Reply {
                        due,
                        entry,
                        connection: number,
                        bytes,
                    }));
                }
            }
            if request.ends {
                connection.lanes.remove(&request.lane);
            } else {
                connection.lanes.insert(request.lane, due);
            }
        }
        Ok(())
    }

    fn reply_to_what_is_due(&mut self) {
        while let Some(Reverse(next)) = self.replies.peek()
            && next.due <= clock::now()
        {
            let Some(Reverse(reply)) = self.replies.pop() else {
                return;
            };
            let number = reply.connection;
            // A client that has left is owed nothing.
            let Some(mut connection) = self.connections[number].take() else {
                continue;
            };
            let was_full = connection.is_full();
            let written = connection.write(&reply.bytes, Some(reply.entry), &mut self.log);
            match written.and_then(|()| self.watch(number, &connection, was_full)) {
                Ok(()) => self.connections[number] = Some(connection),
                Err(error) => self.lost(&error),
            }
        }
    }

    /// Watches for room in a socket that has none, and only in such.
    fn watch(&self, number: usize, connection: &Connection, was_full: bool) -> io::Result<()> {
        let is_full = connection.is_full();
        if is_full == was_full {
            return Ok(());
        }
        let mut flags = EventFlags::IN;
        flags.set(EventFlags::OUT, is_full);
        let data = EventData::new_u64(number as u64);
        epoll::modify(&self.epoll, &connection.socket, data, flags)?;
        Ok(())
    }
}

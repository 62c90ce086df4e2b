//! One connection through the proxy, from its acceptance to its end.

use std::future::pending;
use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time;

use super::counts::{Counts, End};
use super::faults::{Side, Way};
use super::relay::{Holding, pass};
use crate::serve::connection::reset_on_close;
use crate::serve::faults::Dice;

/// A server that takes no connection within this time is not reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What is done to a connection from outside.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stroke {
    Reset,
    HalfOpen(Side),
}

/// What a connection has at hand.
pub(super) struct Passage<'a> {
    /// Where the server is.
    pub(super) to: &'a str,
    pub(super) holding: Holding,
    pub(super) stroke: oneshot::Receiver<Stroke>,
    /// What its dice are seeded with.
    pub(super) seed: String,
    pub(super) counts: &'a Counts,
}

impl Passage<'_> {
    /// Carries it to its end. Whoever is left of one that was made half-open is waited for after it is counted, with
    /// `count`.
    pub(super) async fn carry(mut self, mut client: TcpStream, count: impl FnOnce(End)) {
        // Bytes go on as they come. One that cannot be told so is about to fail anyway.
        let _ = client.set_nodelay(true);
        // Unless it ends well it is reset, whatever ends it: neither side is to take a broken connection for one
        // that is complete.
        reset_on_close(&client);
        let reached = tokio::select! {
            biased;
            stroke = hit(&mut self.stroke) => Err(stroke),
            reached = reach(self.to, self.holding.clone()) => Ok(reached),
        };
        let (server, ended) = match reached {
            Err(stroke) => (None, Err(stroke)),
            Ok(Err(_)) => return count(End::Unreachable),
            Ok(Ok(mut server)) => {
                reset_on_close(&server);
                let ended = self.through(&mut client, &mut server).await;
                (Some(server), ended)
            }
        };
        match ended {
            Ok(end) => {
                if end == End::Completed {
                    [Some(client), server].into_iter().flatten().for_each(close);
                }
                count(end);
            }
            Err(Stroke::Reset) => count(End::Reset),
            Err(Stroke::HalfOpen(side)) => {
                let left = match side {
                    Side::Client => {
                        close(client);
                        server
                    }
                    Side::Server => {
                        server.into_iter().for_each(close);
                        Some(client)
                    }
                };
                count(End::HalfOpen);
                if let Some(left) = left {
                    until_it_ends(&left).await;
                    close(left);
                }
            }
        }
    }

    /// Both directions, until both have ended or the connection has to.
    async fn through(
        &mut self,
        client: &mut TcpStream,
        server: &mut TcpStream,
    ) -> Result<End, Stroke> {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let dice = |way| Dice::new(&format!("{} {way}", self.seed));
        let up = pass(
            &mut from_client,
            &mut to_server,
            Way::Up,
            self.holding.clone(),
            dice("up"),
            &self.counts.up,
        );
        let down = pass(
            &mut from_server,
            &mut to_client,
            Way::Down,
            self.holding.clone(),
            dice("down"),
            &self.counts.down,
        );
        tokio::select! {
            biased;
            stroke = hit(&mut self.stroke) => Err(stroke),
            ended = async { tokio::try_join!(up, down) } => Ok(match ended {
                Ok(_) => End::Completed,
                Err(end) => end,
            }),
        }
    }
}

/// What is done to the connection, once.
async fn hit(stroke: &mut oneshot::Receiver<Stroke>) -> Stroke {
    match stroke.await {
        Ok(stroke) => stroke,
        Err(_) => pending().await,
    }
}

/// A connection to the server, once the way to it is open.
async fn reach(to: &str, mut holding: Holding) -> io::Result<TcpStream> {
    let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
    holding
        .wait_for(|it| !it.blackhole.up)
        .await
        .map_err(gone)?;
    let server = time::timeout(CONNECT_TIMEOUT, TcpStream::connect(to)).await;
    let server = server.map_err(|_| io::ErrorKind::TimedOut)?;
    if let Err(reason) = &server {
        tracing::warn!(to, %reason, "the server cannot be reached");
    }
    let server = server?;
    let _ = server.set_nodelay(true);
    Ok(server)
}

/// Closes a side in good order, which what is left to read would make a reset.
fn close(stream: TcpStream) {
    let _ = SockRef::from(&stream).set_linger(None);
    let mut unread = [0; 4096];
    while let Ok(1..) = stream.try_read(&mut unread) {}
    drop(stream);
}

/// Waits until a peer ends or breaks off, without taking anything from it.
async fn until_it_ends(stream: &TcpStream) {
    while let Ok(ready) = stream.ready(Interest::READABLE).await {
        if ready.is_read_closed() || ready.is_error() {
            return;
        }
        // That there is something to read is known now: to be woken by what comes after it.
        let nothing: io::Result<()> =
            stream.try_io(Interest::READABLE, || Err(io::ErrorKind::WouldBlock.into()));
        if nothing.is_ok() {
            return;
        }
    }
}

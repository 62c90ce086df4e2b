//! One direction of a connection: what is read waits in its line, and is written when its time has come.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::Instant;

use super::counts::End;
use super::faults::{ProxyFaults, Way};
use super::line::Line;

use crate::serve::faults::Dice;
use crate::serve::timer::Timer;

/// The most that is read at once.
const READ_BYTES: usize = 64 << 10;

/// What holds at the moment.
pub(super) type Holding = watch::Receiver<Arc<ProxyFaults>>;

/// Passes on what comes until its end has been passed on.
///
/// # Errors
/// Why the connection has to end: [`End::Broken`] or [`End::Cut`].
pub(super) async fn pass(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    way: Way,
    mut holding: Holding,
    dice: Dice,
    count: &AtomicU64,
) -> Result<(), End> {
    let broken = |_: io::Error| End::Broken;
    let mut faults = holding.borrow_and_update().one_way(way);
    let mut line = Line::new(Instant::now(), dice);
    let mut timer = Timer::default();
    let mut buffer = BytesMut::new();
    let mut passed = 0;
    loop {
        let left = faults
            .cut_after
            .map(|most| most.get().saturating_sub(passed));
        if left == Some(0) {
            return Err(End::Cut);
        }
        let most = left.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX)
        });
        let next = line.next_at(faults);
        let is_due = next.is_some_and(|at| at <= Instant::now());
        if is_due && line.ends() && !faults.blackhole {
            // A peer that has gone altogether needs no end.
            let ended = to.shutdown().await;
            return match ended {
                Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(End::Broken),
                _ => Ok(()),
            };
        }
        buffer.reserve(READ_BYTES);
        tokio::select! {
            biased;
            changed = holding.changed() => {
                // Without whoever changes it, all is over.
                changed.map_err(|_| End::Stopped)?;
                faults = holding.borrow_and_update().one_way(way);
            }
            written = to.write(line.front(faults, most)), if is_due && !faults.blackhole => {
                let written = written.map_err(broken)?;
                passed += written as u64;
                count.fetch_add(written as u64, Ordering::Relaxed);
                line.gone(written, Instant::now(), faults);
            }
            () = timer.until(next.unwrap_or_else(Instant::now)),
                if next.is_some() && !is_due && !faults.blackhole => {}
            read = from.read_buf(&mut buffer), if line.has_room() && !faults.blackhole => {
                read.map_err(broken)?;
                line.push(buffer.split().freeze(), Instant::now(), faults);
            }
        }
    }
}

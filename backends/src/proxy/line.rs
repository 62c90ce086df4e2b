//! What is under way in one direction: pieces in their order, each with the moment from which it may go on, and
//! how many bytes may go at once.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::time::Instant;

use super::faults::OneWay;
use crate::serve::faults::Dice;

/// The most bytes under way: with more nothing is read. A way of 50 ms carries 160 MB/s with it.
const MOST_BYTES: usize = 8 << 20;
/// What goes at once where there is a rate: the bytes of this time. Less would be a timer for each packet.
const AT_ONCE: Duration = Duration::from_millis(5);
/// The most that is made up for after a wait, so that a timer which is late by a little costs no bytes.
const MADE_UP_FOR: Duration = Duration::from_millis(10);

/// The pieces.
#[derive(Debug)]
pub(super) struct Line {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Whether all that there will be is here.
    is_whole: bool,
    /// When the piece that came last is due: none overtakes it.
    last_due: Instant,
    /// From when on the rate allows for more.
    free_at: Instant,
    dice: Dice,
}

#[derive(Debug)]
struct Piece {
    due: Instant,
    /// Empty for the end of it all.
    bytes: Bytes,
}

impl Line {
    pub(super) fn new(now: Instant, dice: Dice) -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            is_whole: false,
            last_due: now,
            free_at: now,
            dice,
        }
    }

    /// Whether more may be read.
    pub(super) fn has_room(&self) -> bool {
        !self.is_whole && self.bytes < MOST_BYTES
    }

    /// Takes what was read; nothing is the end.
    pub(super) fn push(&mut self, bytes: Bytes, now: Instant, faults: OneWay) {
        let mut wait = faults.latency;
        if !faults.jitter.is_zero() {
            wait =
                wait.saturating_sub(faults.jitter) + 2 * faults.jitter.mul_f64(self.dice.share());
        }
        self.last_due = self.last_due.max(now + wait);
        self.bytes += bytes.len();
        self.is_whole |= bytes.is_empty();
        self.pieces.push_back(Piece {
            due: self.last_due,
            bytes,
        });
    }

    /// When the next bytes, or the end, may go on.
    pub(super) fn next_at(&self, faults: OneWay) -> Option<Instant> {
        let piece = self.pieces.front()?;
        Some(match faults.rate {
            Some(_) => piece.due.max(self.free_at),
            None => piece.due,
        })
    }

    /// The bytes that may go at once, `most` of them; none at the end.
    pub(super) fn front(&self, faults: OneWay, most: usize) -> &[u8] {
        let Some(piece) = self.pieces.front() else {
            return &[];
        };
        let at_once = faults.rate.map_or(usize::MAX, |rate| {
            (rate.get() as f64 * AT_ONCE.as_secs_f64()).max(1.0) as usize
        });
        &piece.bytes[..piece.bytes.len().min(at_once).min(most)]
    }

    /// Whether what goes next is the end.
    pub(super) fn ends(&self) -> bool {
        self.pieces.front().is_some_and(|it| it.bytes.is_empty())
    }

    /// So many bytes have gone.
    pub(super) fn gone(&mut self, bytes: usize, now: Instant, faults: OneWay) {
        self.bytes -= bytes;
        if let Some(piece) = self.pieces.front_mut() {
            piece.bytes.advance(bytes);
            if piece.bytes.is_empty() {
                self.pieces.pop_front();
            }
        }
        if let Some(rate) = faults.rate {
            let begun = self
                .free_at
                .max(now.checked_sub(MADE_UP_FOR).unwrap_or(now));
            self.free_at = begun + Duration::from_secs_f64(bytes as f64 / rate.get() as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    const NONE: OneWay = OneWay {
        latency: Duration::ZERO,
        jitter: Duration::ZERO,
        rate: None,
        blackhole: false,
        cut_after: None,
    };

    fn line() -> (Line, Instant) {
        let now = Instant::now();
        (Line::new(now, Dice::new("1")), now)
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_is_within_its_bounds_and_keeps_the_order() {
        let (mut line, now) = line();
        let latency = Duration::from_millis(50);
        let jitter = Duration::from_millis(10);
        let faults = OneWay {
            latency,
            jitter,
            ..NONE
        };
        let mut waits = Vec::new();
        for at in 0..1_000 {
            // So far apart that none waits for the one before.
            let now = now + Duration::from_millis(100 * at);
            line.push(Bytes::from_static(b"x"), now, faults);
            waits.push(line.next_at(faults).unwrap() - now);
            line.gone(1, now, faults);
        }
        let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(
            (latency - jitter..latency - jitter * 9 / 10).contains(least),
            "{least:?}"
        );
        assert!(
            (latency + jitter * 9 / 10..latency + jitter).contains(most),
            "{most:?}"
        );
        let mean = waits.iter().sum::<Duration>() / 1_000;
        assert!(
            mean.abs_diff(latency) < Duration::from_millis(1),
            "{mean:?}"
        );
        // Together they keep their order.
        let now = now + Duration::from_secs(200);
        let mut last = now;
        for _ in 0..100 {
            line.push(Bytes::from_static(b"x"), now, faults);
        }
        for _ in 0..100 {
            let due = line.next_at(faults).unwrap();
            assert!(due >= last);
            last = due;
            line.gone(1, now, faults);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_has_the_same_jitter() {
        let faults = OneWay {
            latency: Duration::from_millis(50),
            jitter: Duration::from_millis(50),
            ..NONE
        };
        let waits = |seed: &str| {
            let now = Instant::now();
            let mut line = Line::new(now, Dice::new(seed));
            let waits: Vec<_> = (0..20)
                .map(|at| {
                    let now = now + Duration::from_secs(at);
                    line.push(Bytes::from_static(b"x"), now, faults);
                    let wait = line.next_at(faults).unwrap() - now;
                    line.gone(1, now, faults);
                    wait
                })
                .collect();
            waits
        };
        assert_eq!(waits("7"), waits("7"));
        assert_ne!(waits("7"), waits("8"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_to_over_any_wait_of_a_timer() {
        let (mut line, start) = line();
        let faults = OneWay {
            rate: NonZeroU64::new(1_000_000),
            ..NONE
        };
        line.push(Bytes::from(vec![0; 1_000_000]), start, faults);
        let mut now = start;
        while let Some(at) = line.next_at(faults) {
            // A timer that is late by up to 3 ms.
            now = now.max(at + Duration::from_millis(line.bytes as u64 % 4));
            let bytes = line.front(faults, usize::MAX).len();
            assert!(bytes <= 5_000, "{bytes}");
            line.gone(bytes, now, faults);
        }
        let took = (now - start).as_secs_f64();
        assert!((0.98..1.02).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_read_beyond_its_room_nor_after_the_end() {
        let (mut line, now) = line();
        assert!(line.has_room());
        line.push(Bytes::from(vec![0; MOST_BYTES]), now, NONE);
        assert!(!line.has_room());
        line.gone(1, now, NONE);
        assert!(line.has_room());
        line.push(Bytes::new(), now, NONE);
        assert!(!line.has_room() && !line.ends());
        line.gone(MOST_BYTES - 1, now, NONE);
        assert!(line.ends() && line.front(NONE, 9).is_empty());
    }
}

//! Secrets that are made while the load goes on, by users' expressions.
//!
//! There may be one for each user and each iteration, so the latest are kept: those of this age and of the one
//! before. Owns how many, and how those are found that a text may begin with.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// As many, or so many bytes, and an age is over.
pub(super) const MOST: usize = 16_384;
const MOST_BYTES: usize = 4 << 20;
/// Longer ones are not kept: they are whole messages.
pub(super) const LONGEST: usize = 64 << 10;
/// So much of a text has to be like a secret for it to be looked at.
const ALIKE: usize = super::SHORTEST_WORD;

/// Secrets that were derived.
#[derive(Default)]
pub(super) struct Derived {
    age: AtomicU64,
    ages: Mutex<Ages>,
}

/// Those of this age and of the one before.
#[derive(Default)]
pub(super) struct Ages {
    now: BTreeSet<Box<str>>,
    bytes: usize,
    before: BTreeSet<Box<str>>,
}

impl Derived {
    /// Which age it is.
    pub(super) fn age(&self) -> u64 {
        self.age.load(Ordering::Relaxed)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Ages> {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps all the forms of a secret.
    pub(super) fn keep(&self, forms: impl Iterator<Item = String>) {
        let mut ages = self.lock();
        for form in forms {
            let len = form.len();
            if ages.now.insert(form.into()) {
                ages.bytes += len;
            }
        }
        if ages.now.len() >= MOST || ages.bytes >= MOST_BYTES {
            ages.before = std::mem::take(&mut ages.now);
            ages.bytes = 0;
            self.age.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Ages {
    /// The secrets that begin as this text does.
    pub(super) fn like<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let mut end = ALIKE.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let start = &text[..end];
        let of = move |age: &'a BTreeSet<Box<str>>| {
            let from = age.range::<str, _>((Bound::Included(start), Bound::Unbounded));
            let from = from.map(AsRef::as_ref);
            from.take_while(move |secret: &&str| secret.starts_with(start))
        };
        let is_long = text.len() >= ALIKE;
        let both = [&self.now, &self.before]
            .into_iter()
            .filter(move |_| is_long);
        both.flat_map(of)
    }
}

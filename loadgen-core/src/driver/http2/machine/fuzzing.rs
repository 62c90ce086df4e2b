//! Servers that a fuzzer makes up. Built with `--cfg fuzzing` only.

use super::oracle::{self, Script};
use super::whole;

/// Takes these bytes for what a server says: the first three say when calls are made, in which pieces the rest
/// comes, and which call is given up.
///
/// # Panics
/// When taking them does, when the pieces make a difference, or when the library takes them for something else
/// without a reason.
pub(crate) fn read(data: &[u8]) {
    let [first, one, other, bytes @ ..] = data else {
        return;
    };
    let (begin, rest) = bytes.split_at(usize::from(*first).min(bytes.len()));
    let pieces = [usize::from(*one), usize::from(*other)];
    let at_once = whole::read(begin, rest, 6, &[]);
    assert_eq!(whole::read(begin, rest, 6, &pieces), at_once);
    // What the server is owed is not much more than it has sent: at the most a reset for a head without a field.
    assert!(at_once.2.len() < 1200 + 2 * bytes.len());
    oracle::agree(&Script {
        window: u16::from(*one) << 8 | u16::from(*other),
        calls: 6,
        says: bytes,
        gives_up: Some((usize::from(*one) % 6, usize::from(*other))),
    });
}

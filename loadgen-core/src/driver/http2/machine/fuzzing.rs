//! Servers that a fuzzer makes up. Built with `--cfg fuzzing` only.

use super::whole;

/// Takes these bytes for what a server says: the first three say when calls are made and in which pieces the rest
/// comes.
///
/// # Panics
/// When taking them does, or when the pieces make a difference.
pub(crate) fn read(data: &[u8]) {
    let [first, one, other, bytes @ ..] = data else {
        return;
    };
    let (begin, rest) = bytes.split_at(usize::from(*first).min(bytes.len()));
    let pieces = [usize::from(*one), usize::from(*other)];
    let at_once = whole::read(begin, rest, 6, &[]);
    assert_eq!(whole::read(begin, rest, 6, &pieces), at_once);
    // What nobody reads is not owed more than the server has sent.
    assert!(at_once.2.len() < 2000 + 20 * bytes.len());
}

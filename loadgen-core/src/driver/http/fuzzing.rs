//! Answers that a fuzzer makes up. Built with `--cfg fuzzing` only.

use super::http1::Asked;
use super::http1::whole;

/// Reads an answer from these bytes: the first says to what kind of request and for whom, the next two in
/// which pieces it comes.
///
/// # Panics
/// When reading it does, or when the pieces make a difference, or when there is more in it than came.
pub fn read(data: &[u8]) {
    let [kind, one, other, bytes @ ..] = data else {
        return;
    };
    let asked = Asked {
        is_for_head: kind & 1 != 0,
        wants_fields: kind & 2 != 0,
        identity: Some("x-loadgen-backend"),
    };
    let at_once = whole::read(bytes, &[], asked);
    assert!(at_once.body.len() + at_once.left.len() <= bytes.len());
    assert!(!at_once.is_complete || at_once.head.is_some());
    let pieces = [usize::from(*one), usize::from(*other)];
    assert_eq!(whole::read(bytes, &pieces, asked), at_once);
    // Who looks at the fields makes no difference to the rest.
    let others = Asked {
        wants_fields: !asked.wants_fields,
        ..asked
    };
    let seen = whole::read(bytes, &pieces, others);
    assert_eq!((seen.body, seen.wrong), (at_once.body, at_once.wrong));
}

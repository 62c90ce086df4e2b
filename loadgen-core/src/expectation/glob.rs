//! Patterns of names: `v1*`, `b?`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A pattern of names, in which `*` stands for any number of characters and `?` for one.
///
/// ```
/// use loadgen_core::expectation::Glob;
///
/// let glob: Glob = "v1.*".parse()?;
/// assert!(glob.matches("v1.2") && !glob.matches("v2.1"));
/// assert!(glob.overlaps(&"*.1".parse()?));
/// # Ok::<(), loadgen_core::expectation::GlobError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glob(String);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a pattern of 1 to {MOST} characters such as `v1*`")]
#[non_exhaustive]
pub struct GlobError;

/// The longest pattern.
const MOST: usize = 200;

impl Glob {
    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is such a name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // A name is a pattern without anything that may vary, if its own `*` and `?` are taken as they are.
        let name: Vec<Piece> = name.chars().map(Piece::Is).collect();
        meet(&self.pieces(), &name)
    }

    /// Whether there is a name that both match.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        meet(&self.pieces(), &other.pieces())
    }

    fn pieces(&self) -> Vec<Piece> {
        let piece = |c| match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            c => Piece::Is(c),
        };
        self.0.chars().map(piece).collect()
    }
}

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Is(char),
    One,
    Any,
}

/// Whether both can be the same name: what is left of one from any place, against what is left of the other.
fn meet(one: &[Piece], other: &[Piece]) -> bool {
    let width = other.len() + 1;
    // Whether the rests from here on meet; the last of each is nothing.
    let mut meets = vec![false; (one.len() + 1) * width];
    for i in (0..=one.len()).rev() {
        for j in (0..=other.len()).rev() {
            let rest = |i: usize, j: usize| meets[i * width + j];
            let answer = match (one.get(i), other.get(j)) {
                (None, None) => true,
                // Nothing, or one more of the other's.
                (Some(Piece::Any), Some(_)) if rest(i + 1, j) || rest(i, j + 1) => true,
                (Some(_), Some(Piece::Any)) => rest(i, j + 1) || rest(i + 1, j),
                (Some(Piece::Any), Some(_)) => false,
                (Some(Piece::Any), None) => rest(i + 1, j),
                (None, Some(Piece::Any)) => rest(i, j + 1),
                (Some(Piece::Is(a)), Some(Piece::Is(b))) => a == b && rest(i + 1, j + 1),
                (Some(_), Some(_)) => rest(i + 1, j + 1),
                (None, Some(_)) | (Some(_), None) => false,
            };
            meets[i * width + j] = answer;
        }
    }
    meets[0]
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        match text.chars().count() {
            1..=MOST => Ok(Self(text.to_owned())),
            _ => Err(GlobError),
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn glob(text: &str) -> Glob {
        text.parse().unwrap()
    }

    #[test_case("v1.*", "v1.2", true)]
    #[test_case("v1.*", "v1.", true; "nothing is any number")]
    #[test_case("v1.*", "v1", false)]
    #[test_case("*", "", true; "all")]
    #[test_case("b?", "b1", true)]
    #[test_case("b?", "b12", false)]
    #[test_case("*a*b*", "xxaxxb", true)]
    #[test_case("*a*b*", "xxbxxa", false)]
    #[test_case("v1", "v*", false; "a name's own star")]
    fn matches(pattern: &str, name: &str, does: bool) {
        assert_eq!(glob(pattern).matches(name), does);
    }

    #[test_case("v1.*", "v2.*", false)]
    #[test_case("v1*", "v*1", true; "both of v11")]
    #[test_case("v1", "v2", false; "names")]
    #[test_case("v1", "v1", true; "the same")]
    #[test_case("a*", "*b", true; "ab")]
    #[test_case("a?", "?bc", false; "lengths")]
    #[test_case("*", "?", true; "anything")]
    fn overlaps(one: &str, other: &str, do_they: bool) {
        assert_eq!(glob(one).overlaps(&glob(other)), do_they);
        assert_eq!(glob(other).overlaps(&glob(one)), do_they);
    }

    proptest! {
        #[test]
        fn what_two_match_they_share(one in "[ab*?]{1,6}", other in "[ab*?]{1,6}", name in "[ab]{0,6}") {
            let (one, other) = (glob(&one), glob(&other));
            if one.matches(&name) && other.matches(&name) {
                prop_assert!(one.overlaps(&other));
            }
            prop_assert!(one.overlaps(&one));
        }
    }
}

//! Whether users' streams stay with one server, and when they do not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The most moves that are kept one by one.
pub(in crate::record) const MOST_MOVES: usize = 1_000;

/// Which servers users' streams were with: of those streams that named theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stickiness {
    /// Users with such streams.
    pub users: u64,
    /// Of these, those whose streams were with more than one server.
    pub moved: u64,
    /// How often a stream was with another server than the same user's stream before.
    pub move_count: u64,
    /// Each of these, in order; the first 1,000.
    pub moves: Vec<Move>,
}

/// A user's stream opened at another server than the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Move {
    /// When the stream opened, since the scenario began.
    pub at: Duration,
    /// Whose it was.
    pub user: u32,
    /// The server of the stream before.
    pub from: String,
    /// The server of this one.
    pub to: String,
}

impl Stickiness {
    /// What another worker, or another part of the run, saw of users of its own.
    pub(in crate::record) fn merge(&mut self, other: Self) {
        self.users = self.users.saturating_add(other.users);
        self.moved = self.moved.saturating_add(other.moved);
        self.move_count = self.move_count.saturating_add(other.move_count);
        self.moves.extend(other.moves);
        self.moves.sort_by_key(|it| it.at);
        self.moves.truncate(MOST_MOVES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_moves_are_kept() {
        let seen = |from: u64| Stickiness {
            users: 2,
            moved: 1,
            move_count: 800,
            moves: (from..from + 800)
                .map(|ms| Move {
                    at: Duration::from_millis(ms),
                    user: 1,
                    from: "a".to_owned(),
                    to: "b".to_owned(),
                })
                .collect(),
        };
        let mut all = seen(1_000);
        all.merge(seen(0));
        assert_eq!((all.users, all.moved, all.move_count), (4, 2, 1_600));
        assert_eq!(all.moves.len(), MOST_MOVES);
        assert_eq!(all.moves[0].at, Duration::ZERO);
        assert_eq!(all.moves[999].at, Duration::from_millis(1_199));
    }
}

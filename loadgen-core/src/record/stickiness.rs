//! Whether what belongs together stays with one server, and when it does not.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The most keys that are followed, on one worker and in one run: some 10 MiB.
pub(in crate::record) const MOST_KEYS: usize = 65_536;
/// The most moves that are kept one by one: some 8 MiB.
pub(in crate::record) const MOST_MOVES: usize = 65_536;

/// What is to stay with one server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StickyBy {
    /// All that a user does. Its key is the user's number.
    #[default]
    User,
    /// All that comes from one address of ours.
    Source,
    /// All that has the same key, which the scenario says.
    Key,
}

/// Which servers were with what: of answers that named theirs, and of streams when they open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stickiness {
    /// What was to stay with one server.
    pub by: StickyBy,
    /// By the key; the first 65,536.
    pub keys: BTreeMap<String, KeyRecord>,
    /// Answers with keys beyond those.
    pub unfollowed: u64,
    /// How often a key was with another server than before. Where several of the generator's workers, or
    /// several parts of a run, have a key: as often as one of them saw it between the same two servers, and what they
    /// saw apart.
    pub move_count: u64,
    /// Each of these, in order; the first 65,536.
    pub moves: Vec<Move>,
    /// How many others this was put together with, whose users are others too.
    merged: u32,
}

/// Who was with one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeyRecord {
    /// When the first answer came, since the scenario began.
    pub since: Duration,
    /// Answers of each server, in the order in which they came to it.
    pub answers: Vec<(String, u64)>,
    /// How often it was with another server than before.
    pub moves: u64,
}

/// A key was with another server than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Move {
    /// When the answer came, or the stream opened, since the scenario began.
    pub at: Duration,
    /// Whose it was.
    pub key: String,
    /// The server before.
    pub from: String,
    /// The server of this one.
    pub to: String,
    /// The time since the last that was ok of the server before; `None` where none was measured.
    pub after: Option<Duration>,
}

impl KeyRecord {
    /// Counts answers of a server. Whether they are its first.
    pub(crate) fn answered(&mut self, backend: &str, count: u64) -> bool {
        match self.answers.iter_mut().find(|(name, _)| name == backend) {
            Some((_, sum)) => {
                *sum = sum.saturating_add(count);
                false
            }
            None => {
                self.answers.push((backend.to_owned(), count));
                true
            }
        }
    }

    /// All answers, and those of the server that gave most.
    #[must_use]
    pub fn all_and_main(&self) -> (u64, u64) {
        let counts = self.answers.iter().map(|(_, count)| *count);
        (counts.clone().sum(), counts.max().unwrap_or_default())
    }
}

impl Stickiness {
    /// Nothing yet, of this.
    pub(crate) fn of(by: StickyBy) -> Self {
        Self {
            by,
            ..Self::default()
        }
    }

    /// How many keys were with several servers.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.keys.values().filter(|it| it.moves > 0).count() as u64
    }

    /// The record of a key; `None` where there are too many.
    pub(crate) fn key(&mut self, key: &str, at: Duration) -> Option<&mut KeyRecord> {
        if !self.keys.contains_key(key) {
            if self.keys.len() >= MOST_KEYS {
                return None;
            }
            let record = KeyRecord {
                since: at,
                ..KeyRecord::default()
            };
            self.keys.insert(key.to_owned(), record);
        }
        self.keys.get_mut(key)
    }

    /// Notes a move of a key that is followed.
    pub(crate) fn moved_on(&mut self, it: Move) {
        if let Some(record) = self.keys.get_mut(&it.key) {
            record.moves += 1;
            self.move_count += 1;
            let place = self.moves.partition_point(|known| known.at <= it.at);
            self.moves.insert(place, it);
            self.moves.truncate(MOST_MOVES);
        }
    }

    /// Notes further moves of a key, which are not kept one by one.
    pub(crate) fn moved_more(&mut self, key: &str, count: u64) {
        if let Some(record) = self.keys.get_mut(key) {
            record.moves += count;
            self.move_count += count;
        }
    }

    /// What another part of the run saw, or another scenario: their users are others, and their sources and
    /// keys are not.
    pub(crate) fn merge(&mut self, other: Self) {
        if self.keys.is_empty() && self.unfollowed == 0 {
            *self = other;
            return;
        }
        let number = self.merged + 2;
        let named = |key: String| match other.by {
            StickyBy::User => format!("{key} ({number})"),
            StickyBy::Source | StickyBy::Key => key,
        };
        let mut told_of = std::collections::BTreeSet::new();
        let mut untold = BTreeMap::new();
        for (key, record) in other.keys {
            let name = named(key);
            let is_full = self.keys.len() >= MOST_KEYS;
            match self.keys.entry(name.clone()) {
                Entry::Vacant(vacant) => {
                    if is_full {
                        self.unfollowed += record.all_and_main().0;
                        continue;
                    }
                    told_of.insert(vacant.key().clone());
                    self.move_count += record.moves;
                    vacant.insert(record);
                }
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.since = known.since.min(record.since);
                    let mut new = 0;
                    for (backend, count) in record.answers {
                        new += u64::from(known.answered(&backend, count));
                    }
                    untold.insert(name, record.moves.max(new));
                }
            }
        }
        // Of a key that both saw, a move that each did is one; why the other part's further ones were is not known,
        // as it may have been elsewhere here.
        let mut here: BTreeMap<(String, String, String), u64> = BTreeMap::new();
        let between = |it: &Move| (it.key.clone(), it.from.clone(), it.to.clone());
        for it in self.moves.iter().filter(|it| untold.contains_key(&it.key)) {
            *here.entry(between(it)).or_default() += 1;
        }
        for it in other.moves {
            let it = Move {
                key: named(it.key),
                ..it
            };
            if told_of.contains(&it.key) {
                self.moves.push(it);
            } else if let Some(known) = here.get_mut(&between(&it))
                && *known > 0
                && let Some(untold) = untold.get_mut(&it.key)
            {
                *known -= 1;
                *untold = untold.saturating_sub(1);
            }
        }
        for (key, count) in untold {
            self.moved_more(&key, count);
        }
        self.moves.sort_by_key(|it| it.at);
        self.moves.truncate(MOST_MOVES);
        self.unfollowed = self.unfollowed.saturating_add(other.unfollowed);
        self.merged += other.merged + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(key: &str, ms: u64) -> Move {
        Move {
            at: Duration::from_millis(ms),
            key: key.to_owned(),
            from: "a".to_owned(),
            to: "b".to_owned(),
            after: None,
        }
    }

    fn seen(by: StickyBy, key: &str, ms: u64) -> Stickiness {
        let mut seen = Stickiness::of(by);
        let record = seen.key(key, Duration::ZERO).expect("the first");
        assert!(record.answered("a", 3));
        assert!(record.answered("b", 1));
        seen.moved_on(moved(key, ms));
        seen
    }

    /// User 7 of one part of a run is another one than user 7 of the next; an address is the same.
    #[test]
    fn users_of_parts_are_told_apart_and_keys_are_not() {
        let mut users = seen(StickyBy::User, "7", 20);
        users.merge(seen(StickyBy::User, "7", 10));
        users.merge(seen(StickyBy::User, "7", 30));
        let keys: Vec<&str> = users.keys.keys().map(String::as_str).collect();
        assert_eq!(keys, ["7", "7 (2)", "7 (3)"]);
        assert_eq!((users.moved(), users.move_count), (3, 3));
        let moved: Vec<&str> = users.moves.iter().map(|it| &*it.key).collect();
        assert_eq!(moved, ["7 (2)", "7", "7 (3)"]);
        let mut sources = seen(StickyBy::Source, "127.0.0.1", 20);
        sources.merge(seen(StickyBy::Source, "127.0.0.1", 10));
        assert_eq!(sources.keys["127.0.0.1"].all_and_main(), (8, 6));
        assert_eq!((sources.moved(), sources.move_count), (1, 1));
        assert_eq!(sources.moves.len(), 1);
    }

    /// What the other part saw and this one did not may have broken something.
    #[test]
    fn what_one_part_sees_alone_is_not_forgotten() {
        let with = |server: &str, count| {
            let mut seen = Stickiness::of(StickyBy::Source);
            let record = seen.key("127.0.0.1", Duration::ZERO).expect("the first");
            record.answered(server, count);
            seen
        };
        // One server for each.
        let mut sources = with("a", 5);
        sources.merge(with("b", 5));
        assert_eq!((sources.moved(), sources.move_count), (1, 1));
        assert_eq!(sources.moves.len(), 0);
        // The same again, and back, and again.
        let mut sources = seen(StickyBy::Source, "127.0.0.1", 20);
        let mut more = seen(StickyBy::Source, "127.0.0.1", 20);
        for (ms, from, to) in [(30, "b", "a"), (40, "a", "b")] {
            more.moved_on(Move {
                from: from.to_owned(),
                to: to.to_owned(),
                ..moved("127.0.0.1", ms)
            });
        }
        sources.merge(more);
        assert_eq!((sources.move_count, sources.moves.len()), (3, 1));
        // Each left for somewhere else.
        let mut sources = seen(StickyBy::Source, "127.0.0.1", 20);
        let mut other = with("a", 1);
        let record = other.key("127.0.0.1", Duration::ZERO).expect("known");
        record.answered("c", 1);
        other.moved_on(Move {
            to: "c".to_owned(),
            ..moved("127.0.0.1", 20)
        });
        sources.merge(other);
        assert_eq!((sources.move_count, sources.moves.len()), (2, 1));
    }

    #[test]
    fn keys_beyond_the_bound_are_not_followed() {
        let mut all = Stickiness::default();
        for key in 0..MOST_KEYS {
            assert!(all.key(&key.to_string(), Duration::ZERO).is_some());
        }
        assert!(all.key("more", Duration::ZERO).is_none());
        assert!(all.key("0", Duration::ZERO).is_some());
        let mut other = seen(StickyBy::Key, "more", 10);
        other.by = StickyBy::Key;
        all.by = StickyBy::Key;
        all.merge(other);
        assert_eq!((all.unfollowed, all.move_count, all.moves.len()), (4, 0, 0));
    }

    #[test]
    fn the_earliest_moves_are_kept() {
        let mut all = Stickiness::default();
        all.key("a", Duration::ZERO);
        for ms in (0..MOST_MOVES as u64 + 10).rev() {
            all.moved_on(moved("a", ms));
        }
        assert_eq!(all.move_count, MOST_MOVES as u64 + 10);
        assert_eq!(all.moves.len(), MOST_MOVES);
        assert_eq!(all.moves[0].at, Duration::ZERO);
    }
}

//! Which server each key was with last: each user, each address of ours, or whatever a scenario says.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::clock::Nanos;
use crate::record::StickyBy;
use crate::record::stickiness::{MOST_KEYS, MOST_MOVES};
use crate::workload::{BackendIndex, KeyIndex, UserId};

/// Where one worker's keys are at home.
#[derive(Debug, Default)]
pub(super) struct Homes {
    by: StickyBy,
    /// By which number each is known, from 0.
    numbers: HashMap<Name, usize>,
    homes: Vec<Home>,
}

/// What a key is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    User(UserId),
    Source(IpAddr),
    Key(KeyIndex),
}

#[derive(Debug)]
struct Home {
    backend: BackendIndex,
    /// When it was last ok there, where that is measured.
    last_ok: Option<Nanos>,
    /// When it moved there; 0 where it was there from the first.
    since: Nanos,
}

/// Who was served, as far as that is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    pub(super) user: UserId,
    pub(super) source: Option<IpAddr>,
    pub(super) key: Option<KeyIndex>,
    pub(super) backend: BackendIndex,
    /// When the service got what it served, from where seconds count.
    pub(super) began: Nanos,
    pub(super) is_ok: bool,
}

/// What happened between two swaps.
#[derive(Debug, Default)]
pub(in crate::record) struct HomesTick {
    /// Keys that were not seen before, in the order of their numbers.
    pub(in crate::record) new_keys: Vec<String>,
    /// By a key's number and who answered: how often, and when first.
    pub(in crate::record) answers: HashMap<(usize, BackendIndex), (u64, Nanos)>,
    /// Answers with more keys than are followed.
    pub(in crate::record) unfollowed: u64,
    /// In order; no more than are kept.
    pub(in crate::record) moves: Vec<HomesMove>,
    /// How many more there were, by the key's number.
    pub(in crate::record) more_moves: HashMap<usize, u64>,
    /// Where each of these keys is at home at the end, by its number.
    pub(in crate::record) at_home: HashMap<usize, AtHome>,
}

/// Where a key is at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::record) struct AtHome {
    pub(in crate::record) backend: BackendIndex,
    /// When it moved there; 0 where it was there from the first.
    pub(in crate::record) since: Nanos,
    /// When the service got the last that it answered there.
    pub(in crate::record) last_began: Nanos,
}

/// A key was with another server than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::record) struct HomesMove {
    pub(in crate::record) at: Nanos,
    /// The key's number.
    pub(in crate::record) number: usize,
    pub(in crate::record) from: BackendIndex,
    pub(in crate::record) to: BackendIndex,
    /// Since the last that was ok there.
    pub(in crate::record) after: Option<Nanos>,
}

impl HomesTick {
    pub(super) fn clear(&mut self) {
        self.new_keys.clear();
        self.answers.clear();
        self.unfollowed = 0;
        self.moves.clear();
        self.more_moves.clear();
        self.at_home.clear();
    }

    pub(in crate::record) fn is_empty(&self) -> bool {
        self.new_keys.is_empty() && self.answers.is_empty() && self.unfollowed == 0
    }
}

impl Homes {
    pub(super) fn of(by: StickyBy) -> Self {
        Self {
            by,
            ..Self::default()
        }
    }

    /// A key was answered by this server. `at` is when, where that is measured; `key` is what it is called.
    pub(super) fn serves(
        &mut self,
        served: Served,
        at: Option<Nanos>,
        key: impl FnOnce(KeyIndex) -> String,
        tick: &mut HomesTick,
    ) {
        let Some(name) = self.name(served) else {
            return;
        };
        let backend = served.backend;
        let last_ok = at.filter(|_| served.is_ok);
        let Some(number) = self.numbers.get(&name).copied() else {
            let is_beyond = matches!(name, Name::Key(index) if index.place() >= MOST_KEYS);
            if is_beyond || self.homes.len() >= MOST_KEYS {
                tick.unfollowed += u64::from(at.is_some());
                return;
            }
            let number = self.homes.len();
            self.numbers.insert(name, number);
            self.homes.push(Home {
                backend,
                last_ok,
                since: 0,
            });
            tick.new_keys.push(match name {
                Name::User(user) => user.0.to_string(),
                Name::Source(source) => source.to_string(),
                Name::Key(index) => key(index),
            });
            if let Some(at) = at {
                tick.answers.insert((number, backend), (1, at));
                tick.at_home
                    .insert(number, self.homes[number].was_asked(served.began));
            }
            return;
        };
        let home = &mut self.homes[number];
        let Some(at) = at else {
            home.backend = backend;
            return;
        };
        let answered = tick.answers.entry((number, backend)).or_insert((0, at));
        answered.0 += 1;
        let from = home.backend;
        if from != backend && served.began < home.since {
            // It was on its way before the key moved, and says nothing of where that is now.
            return;
        }
        if from != backend {
            (home.backend, home.since) = (backend, at);
            let it = HomesMove {
                at,
                number,
                from,
                to: backend,
                after: home.last_ok.map(|last| at.saturating_sub(last)),
            };
            match tick.moves.len() < MOST_MOVES {
                true => tick.moves.push(it),
                false => *tick.more_moves.entry(number).or_default() += 1,
            }
            home.last_ok = None;
        }
        home.last_ok = last_ok.or(home.last_ok);
        let at_home = home.was_asked(served.began);
        let known = tick.at_home.entry(number).or_insert(at_home);
        let last_began = known.last_began.max(at_home.last_began);
        *known = AtHome {
            last_began,
            ..at_home
        };
    }

    /// The last that came on a stream, where its key is still with the same server.
    pub(super) fn heard(&mut self, served: Served, at: Nanos) {
        if let Some(number) = self.name(served).and_then(|it| self.numbers.get(&it)) {
            let home = &mut self.homes[*number];
            if home.backend == served.backend {
                home.last_ok = home.last_ok.max(Some(at));
            }
        }
    }

    fn name(&self, served: Served) -> Option<Name> {
        match self.by {
            StickyBy::User => Some(Name::User(served.user)),
            StickyBy::Source => served.source.map(Name::Source),
            StickyBy::Key => served.key.map(Name::Key),
        }
    }
}

impl Home {
    /// Who was asked last of it, and got that then.
    fn was_asked(&self, last_began: Nanos) -> AtHome {
        AtHome {
            backend: self.backend,
            since: self.since,
            last_began,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(user: u32, backend: BackendIndex) -> Served {
        Served {
            user: UserId(user),
            source: None,
            key: None,
            backend,
            began: 0,
            is_ok: true,
        }
    }

    #[test]
    fn a_user_moves_when_its_stream_is_with_another_server() {
        let (mut homes, mut tick) = (Homes::default(), HomesTick::default());
        let mut serve = |user, backend, at: Option<Nanos>| {
            let served = Served {
                began: at.unwrap_or_default(),
                ..served(user, backend)
            };
            homes.serves(served, at, |_| unreachable!(), &mut tick);
        };
        let opened = [(1, 0), (2, 0), (1, 0), (1, 3), (1, 3), (1, 0)];
        for (at, (user, backend)) in opened.into_iter().enumerate() {
            serve(user, backend, Some(at as Nanos));
        }
        // What is not measured is no move, and where the user is from then on.
        serve(2, 1, None);
        serve(2, 1, Some(9));
        assert_eq!(tick.new_keys, ["1", "2"]);
        let moved = |at, from, to, after| HomesMove {
            at,
            number: 0,
            from,
            to,
            after: Some(after),
        };
        assert_eq!(tick.moves, [moved(3, 0, 3, 1), moved(5, 3, 0, 1)]);
        assert_eq!(tick.answers[&(0, 0)], (3, 0));
        assert_eq!(tick.answers[&(0, 3)], (2, 3));
        assert_eq!(tick.answers[&(1, 1)], (1, 9));
    }

    #[test]
    fn keys_are_what_the_scenario_says_or_where_a_connection_came_from() {
        let mut tick = HomesTick::default();
        let mut homes = Homes::of(StickyBy::Key);
        let index = KeyIndex::new(4);
        let of_key = Served {
            key: Some(index),
            ..served(1, 0)
        };
        homes.serves(
            of_key,
            Some(1),
            |it| format!("key {}", it.place()),
            &mut tick,
        );
        homes.serves(served(1, 1), Some(2), |_| unreachable!(), &mut tick);
        let mut homes = Homes::of(StickyBy::Source);
        let of_source = Served {
            source: Some([127, 0, 0, 1].into()),
            ..served(1, 0)
        };
        homes.serves(of_source, Some(1), |_| unreachable!(), &mut tick);
        assert_eq!(tick.new_keys, ["key 4", "127.0.0.1"]);
    }

    #[test]
    fn a_switch_takes_as_long_as_nothing_was_ok() {
        let (mut homes, mut tick) = (Homes::default(), HomesTick::default());
        homes.serves(served(1, 0), Some(10), |_| unreachable!(), &mut tick);
        homes.heard(served(1, 0), 50);
        // What is heard of another server, or of an earlier stream, is no later.
        homes.heard(served(1, 2), 70);
        homes.heard(served(1, 0), 30);
        let failed = Served {
            is_ok: false,
            ..served(1, 0)
        };
        homes.serves(failed, Some(60), |_| unreachable!(), &mut tick);
        let elsewhere = Served {
            began: 80,
            ..served(1, 2)
        };
        homes.serves(elsewhere, Some(90), |_| unreachable!(), &mut tick);
        assert_eq!(tick.moves[0].after, Some(40));
    }

    #[test]
    fn what_came_last_on_a_stream_counts_for_its_key() {
        let (mut homes, mut tick) = (Homes::of(StickyBy::Key), HomesTick::default());
        let of_key = |backend, began| Served {
            key: Some(KeyIndex::new(0)),
            began,
            ..served(1, backend)
        };
        homes.serves(of_key(0, 10), Some(10), |_| "k".to_owned(), &mut tick);
        homes.heard(of_key(0, 10), 50);
        homes.serves(of_key(2, 70), Some(70), |_| unreachable!(), &mut tick);
        assert_eq!(tick.moves[0].after, Some(20));
    }

    /// A slow request to a server that drains ends after the first of the same key elsewhere.
    #[test]
    fn an_answer_that_was_overtaken_is_no_move() {
        let (mut homes, mut tick) = (Homes::default(), HomesTick::default());
        let mut serve = |backend, began, ended| {
            let served = Served {
                began,
                ..served(1, backend)
            };
            homes.serves(served, Some(ended), |_| unreachable!(), &mut tick);
        };
        serve(0, 10, 20);
        serve(1, 40, 50);
        serve(0, 30, 90);
        serve(1, 91, 95);
        // One that begins after the move is one.
        serve(0, 96, 99);
        let moves: Vec<_> = tick.moves.iter().map(|it| (it.at, it.to)).collect();
        assert_eq!(moves, [(50, 1), (99, 0)]);
        assert_eq!(tick.answers[&(0, 0)], (3, 20));
        let at_home = AtHome {
            backend: 0,
            since: 99,
            last_began: 96,
        };
        assert_eq!(tick.at_home[&0], at_home);
    }

    #[test]
    fn keys_beyond_the_bound_are_counted_and_not_followed() {
        let (mut homes, mut tick) = (Homes::default(), HomesTick::default());
        let most = u32::try_from(MOST_KEYS).expect("small");
        for user in 0..most + 3 {
            homes.serves(served(user, 0), Some(1), |_| unreachable!(), &mut tick);
        }
        assert_eq!((homes.homes.len(), tick.unfollowed), (MOST_KEYS, 3));
    }
}

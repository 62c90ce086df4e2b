//! Keys from all workers, put together.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Nanos;
use crate::record::local::{AtHome, HomesTick};
use crate::record::{Move, Stickiness};

/// What each worker saw of the keys that several have. Of moves between the same two servers all that one of them
/// saw are told of, and no more where another saw as many; of a server that nobody has seen with the key before,
/// whoever sees it tells.
#[derive(Debug, Default)]
pub(super) struct Stays {
    keys: HashMap<String, Seen>,
}

/// What was seen of one key.
#[derive(Debug, Default)]
struct Seen {
    /// From where to where: how often it was told of.
    told: Vec<(String, String, u64)>,
    /// How many moves were told of that are not kept one by one.
    told_more: u64,
    workers: Vec<SeenBy>,
}

/// What one worker saw of one key.
#[derive(Debug)]
struct SeenBy {
    worker: usize,
    /// From where to where: how often it was seen.
    moves: Vec<(String, String, u64)>,
    more: u64,
    home: Option<Home>,
}

/// Where one worker has a key at home.
#[derive(Debug)]
struct Home {
    backend: String,
    since: Nanos,
    last_began: Nanos,
}

/// Counts one more of these moves; says how many they are by now.
fn one_more(moves: &mut Vec<(String, String, u64)>, from: &str, to: &str) -> u64 {
    let place = moves.iter().position(|it| it.0 == from && it.1 == to);
    let place = place.unwrap_or_else(|| {
        moves.push((from.to_owned(), to.to_owned(), 0));
        moves.len() - 1
    });
    moves[place].2 += 1;
    moves[place].2
}

impl Seen {
    fn by(&mut self, worker: usize) -> &mut SeenBy {
        let place = self.workers.iter().position(|it| it.worker == worker);
        let place = place.unwrap_or_else(|| {
            self.workers.push(SeenBy {
                worker,
                moves: Vec::new(),
                more: 0,
                home: None,
            });
            self.workers.len() - 1
        });
        &mut self.workers[place]
    }

    /// A worker saw it move. Whether that is to be told.
    fn moves(&mut self, worker: usize, from: &str, to: &str) -> bool {
        let seen = one_more(&mut self.by(worker).moves, from, to);
        let known = self.told.iter().find(|it| it.0 == from && it.1 == to);
        let is_new = known.is_none_or(|it| it.2 < seen);
        if is_new {
            one_more(&mut self.told, from, to);
        }
        is_new
    }

    /// A worker saw so many moves that are not kept. How many of them are to be told.
    fn moves_more(&mut self, worker: usize, count: u64) -> u64 {
        let by = self.by(worker);
        by.more += count;
        let untold = by.more.saturating_sub(self.told_more);
        self.told_more += untold;
        untold
    }

    /// Moves between workers, which none of them sees: one asks where the key was for it all the time, after it
    /// had moved elsewhere for another.
    fn moves_between(&mut self) -> u64 {
        let mut count = 0;
        if self.workers.len() < 2 {
            return count;
        }
        for one in 0..self.workers.len() {
            for other in 0..self.workers.len() {
                let Some(there) = &self.workers[other].home else {
                    continue;
                };
                let (backend, moved) = (there.backend.clone(), there.since);
                if let Some(home) = &mut self.workers[one].home
                    && home.backend != backend
                    && home.since < moved
                    && moved < home.last_began
                {
                    home.since = home.last_began;
                    count += 1;
                }
            }
        }
        count
    }
}

impl Stays {
    /// Adds what one worker saw; `keys` and `backends` are called so by its own numbers.
    pub(super) fn add(
        &mut self,
        total: &mut Stickiness,
        tick: &HomesTick,
        (worker, keys, backends): (usize, &[String], &[&str]),
    ) {
        total.unfollowed = total.unfollowed.saturating_add(tick.unfollowed);
        let mut answers: Vec<_> = tick.answers.iter().collect();
        answers.sort_unstable_by_key(|(_, (_, first))| *first);
        let mut seen_first = Vec::new();
        for ((number, backend), (count, first)) in answers {
            let (key, backend) = (&keys[*number], backends[usize::from(*backend)]);
            let at = Duration::from_nanos(*first);
            let Some(record) = total.key(key, at) else {
                total.unfollowed = total.unfollowed.saturating_add(*count);
                continue;
            };
            let before = record.answers.last().map(|(name, _)| name.clone());
            if record.answered(backend, *count)
                && let Some(from) = before
            {
                seen_first.push((*number, backend, from, at));
            }
        }
        for it in &tick.moves {
            let [from, to] = [it.from, it.to].map(|it| backends[usize::from(it)]);
            let key = &keys[it.number];
            seen_first.retain(|(number, backend, ..)| *number != it.number || *backend != to);
            if self.of(key).moves(worker, from, to) {
                total.moved_on(Move {
                    at: Duration::from_nanos(it.at),
                    key: key.clone(),
                    from: from.to_owned(),
                    to: to.to_owned(),
                    after: it.after.map(Duration::from_nanos),
                });
            }
        }
        // What this worker took for where the key is at home was elsewhere for another.
        for (number, to, from, at) in seen_first {
            one_more(&mut self.of(&keys[number]).told, &from, to);
            total.moved_on(Move {
                at,
                key: keys[number].clone(),
                from,
                to: to.to_owned(),
                after: None,
            });
        }
        for (number, count) in &tick.more_moves {
            let key = &keys[*number];
            total.moved_more(key, self.of(key).moves_more(worker, *count));
        }
        for (number, it) in &tick.at_home {
            let key = &keys[*number];
            let seen = self.of(key);
            seen.by(worker).is_at(backends[usize::from(it.backend)], it);
            total.moved_more(key, seen.moves_between());
        }
    }

    fn of(&mut self, key: &str) -> &mut Seen {
        if !self.keys.contains_key(key) {
            self.keys.insert(key.to_owned(), Seen::default());
        }
        self.keys.get_mut(key).expect("just put there")
    }
}

impl SeenBy {
    fn is_at(&mut self, backend: &str, it: &AtHome) {
        match &mut self.home {
            Some(home) if home.backend == backend => {
                home.since = home.since.max(it.since);
                home.last_began = home.last_began.max(it.last_began);
            }
            home => {
                *home = Some(Home {
                    backend: backend.to_owned(),
                    since: it.since,
                    last_began: it.last_began,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::local::HomesMove;

    const BACKENDS: [&str; 2] = ["a", "b"];

    fn moved(at: u64, from: u16, to: u16) -> HomesMove {
        HomesMove {
            at,
            number: 0,
            from,
            to,
            after: Some(1),
        }
    }

    fn tick(answers: &[(u16, u64, u64)], moves: &[HomesMove]) -> HomesTick {
        let answers = answers.iter();
        HomesTick {
            answers: answers
                .map(|(who, count, at)| ((0, *who), (*count, *at)))
                .collect(),
            moves: moves.to_vec(),
            ..HomesTick::default()
        }
    }

    /// A key that two workers have and that moves once has moved once.
    #[test]
    fn what_several_workers_see_counts_once() {
        let (mut stays, mut total) = (Stays::default(), Stickiness::default());
        let keys = ["k".to_owned()];
        for worker in [0, 1] {
            let seen = tick(&[(0, 5, 10), (1, 2, 50)], &[moved(50, 0, 1)]);
            stays.add(&mut total, &seen, (worker, &keys, &BACKENDS));
        }
        assert_eq!((total.move_count, total.moves.len()), (1, 1));
        assert_eq!(total.keys["k"].all_and_main(), (14, 10));
        // So with the way back.
        for worker in [0, 1] {
            let seen = tick(&[(0, 1, 60)], &[moved(60, 1, 0)]);
            stays.add(&mut total, &seen, (worker, &keys, &BACKENDS));
        }
        assert_eq!((total.move_count, total.moves.len()), (2, 2));
    }

    /// Each worker saw one server only, and the key had two.
    #[test]
    fn what_no_worker_sees_alone_is_seen() {
        let (mut stays, mut total) = (Stays::default(), Stickiness::default());
        let keys = ["k".to_owned()];
        stays.add(&mut total, &tick(&[(0, 5, 10)], &[]), (0, &keys, &BACKENDS));
        stays.add(&mut total, &tick(&[(1, 5, 20)], &[]), (1, &keys, &BACKENDS));
        let [it] = total.moves.as_slice() else {
            panic!("{total:?}");
        };
        assert_eq!(
            (&*it.from, &*it.to, it.at),
            ("a", "b", Duration::from_nanos(20))
        );
        assert_eq!((total.moved(), it.after), (1, None));
    }

    /// Both see the first two moves; the second goes on to see more of the same.
    #[test]
    fn what_one_worker_sees_beyond_the_other_counts() {
        let (mut stays, mut total) = (Stays::default(), Stickiness::default());
        let keys = ["k".to_owned()];
        let both = tick(
            &[(0, 5, 10), (1, 2, 50)],
            &[moved(50, 0, 1), moved(60, 1, 0)],
        );
        for worker in [0, 1] {
            stays.add(&mut total, &both, (worker, &keys, &BACKENDS));
        }
        assert_eq!(total.move_count, 2);
        let more = tick(
            &[(0, 1, 80), (1, 1, 70)],
            &[moved(70, 0, 1), moved(80, 1, 0)],
        );
        stays.add(&mut total, &more, (1, &keys, &BACKENDS));
        let told: Vec<_> = total.moves.iter().map(|it| it.at.as_nanos()).collect();
        assert_eq!(told, [50, 60, 70, 80]);
    }

    /// The key leaves one server and is with another for each worker from then on.
    #[test]
    fn homes_that_differ_between_workers_are_moves_between_them() {
        let backends = ["a", "b", "c"];
        let (mut stays, mut total) = (Stays::default(), Stickiness::default());
        let keys = ["k".to_owned()];
        let mut add = |worker, to: u16, moved_at: Option<u64>, (since, last_began)| {
            let mut seen = tick(&[(0, 1, 10), (to, 1, since)], &[]);
            seen.moves.extend(moved_at.map(|at| moved(at, 0, to)));
            let at_home = AtHome {
                backend: to,
                since,
                last_began,
            };
            seen.at_home.insert(0, at_home);
            stays.add(&mut total, &seen, (worker, &keys, &backends));
            (total.move_count, total.moves.len())
        };
        assert_eq!(add(0, 1, Some(50), (50, 60)), (1, 1));
        assert_eq!(add(1, 2, Some(70), (70, 75)), (2, 2));
        // The first asks its own again, which the key had left for the second.
        assert_eq!(add(0, 1, None, (50, 90)), (3, 2));
        assert_eq!(add(0, 1, None, (50, 95)), (3, 2), "once");
        assert_eq!(add(1, 2, None, (70, 99)), (4, 2));
    }

    /// A worker that has not asked since the other's move may find the key there, too.
    #[test]
    fn who_has_not_asked_since_is_not_elsewhere() {
        let (mut stays, mut total) = (Stays::default(), Stickiness::default());
        let keys = ["k".to_owned()];
        let mut add = |worker, at_home: AtHome, moves: &[HomesMove]| {
            let mut seen = tick(&[(0, 1, 10), (1, 1, 50)], moves);
            seen.at_home.insert(0, at_home);
            stays.add(&mut total, &seen, (worker, &keys, &BACKENDS));
            total.move_count
        };
        let home = |backend, since, last_began| AtHome {
            backend,
            since,
            last_began,
        };
        assert_eq!(add(0, home(1, 50, 55), &[moved(50, 0, 1)]), 1);
        // One that was on its way when the other's moved.
        assert_eq!(add(1, home(0, 0, 45), &[]), 1);
        assert_eq!(add(1, home(1, 80, 70), &[moved(80, 0, 1)]), 1);
        assert_eq!(add(0, home(1, 50, 90), &[]), 1);
    }
}

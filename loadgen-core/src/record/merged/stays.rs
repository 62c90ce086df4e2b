//! Keys from all workers, put together.

use std::collections::HashMap;
use std::time::Duration;

use crate::record::local::HomesTick;
use crate::record::{Move, Stickiness};

/// Whose moves of a key are told of, where several workers have it: those of the worker that saw one first. Of
/// a server that nobody has seen with the key before, whoever sees it tells.
#[derive(Debug, Default)]
pub(super) struct Stays {
    tellers: HashMap<String, usize>,
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
            let is_of = |(number, backend, ..): &(usize, &str, String, Duration)| {
                *number == it.number && *backend == to
            };
            let first = seen_first.iter().position(is_of);
            let is_new = first.map(|place| seen_first.swap_remove(place)).is_some();
            let tells = self.tells(key, worker);
            if is_new || tells {
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
            total.moved_on(Move {
                at,
                key: keys[number].clone(),
                from,
                to: to.to_owned(),
                after: None,
            });
        }
        for (number, count) in &tick.more_moves {
            if self.tells(&keys[*number], worker) {
                total.moved_more(&keys[*number], *count);
            }
        }
    }

    fn tells(&mut self, key: &str, worker: usize) -> bool {
        match self.tellers.get(key) {
            Some(teller) => *teller == worker,
            None => {
                self.tellers.insert(key.to_owned(), worker);
                true
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
        // The same worker goes on to tell, and only that.
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
}

//! Whether what belongs together stayed with one server, as a document says it.

use std::collections::HashMap;

use super::super::document::{Cause, History, Move, Stay, Stickiness, StickyBy, round6};
use super::seconds;
use crate::judge::balance::{self, causes, held};
use crate::record::{self, KeyRecord, ScenarioRecord};

/// The most moves, and the most histories, that a document has.
const MOST: usize = 1_000;
/// The most stays of a history.
const MOST_STAYS: usize = 20;

/// What there is to say; nothing where nobody looked, or nothing had a name.
pub(super) fn of(record: &ScenarioRecord) -> Option<Stickiness> {
    let known = &record.stickiness;
    if known.keys.is_empty() {
        return None;
    }
    let held = held(record);
    let moves = causes(record).into_iter().take(MOST);
    let moves = moves.map(|(it, cause)| Move {
        t_s: seconds(it.at),
        key: it.key.clone(),
        from: it.from.clone(),
        to: it.to.clone(),
        after_s: it.after.map(seconds),
        cause: match cause {
            balance::Cause::None => None,
            balance::Cause::Failover(_) => Some(Cause::Failover),
            balance::Cause::Return => Some(Cause::Return),
        },
    });
    Some(Stickiness {
        by: match known.by {
            record::StickyBy::User => StickyBy::User,
            record::StickyBy::Source => StickyBy::Source,
            record::StickyBy::Key => StickyBy::Key,
        },
        keys: known.keys.len() as u64,
        one_backend: held.stayed,
        move_count: known.move_count,
        moves: moves.collect(),
        answers: held.answers,
        to_main: held.to_main,
        breaks: held.breaks,
        by_failover: held.by_failover,
        unfollowed: known.unfollowed,
        disruption: held.disruption.map(|it| round6(it.moved)),
        optimum: held.disruption.map(|it| round6(it.optimum)),
        histories: histories(known),
    })
}

fn histories(known: &record::Stickiness) -> Vec<History> {
    let mut keys: Vec<(&String, &KeyRecord)> = known.keys.iter().collect();
    // Users in the order of their numbers.
    keys.sort_by_key(|(key, _)| (key.parse::<u64>().unwrap_or(u64::MAX), *key));
    keys.truncate(MOST);
    let mut moves: HashMap<&str, Vec<&record::Move>> = HashMap::new();
    for it in &known.moves {
        moves.entry(&it.key).or_default().push(it);
    }
    let history = |(key, record): (&String, &KeyRecord)| {
        let moves = moves.get(&**key).into_iter().flatten();
        let first = moves.clone().next().map(|it| &it.from);
        let first = first.or_else(|| record.answers.first().map(|(name, _)| name));
        let first = first.map(|backend| Stay {
            t_s: seconds(record.since),
            backend: backend.clone(),
        });
        let later = moves.map(|it| Stay {
            t_s: seconds(it.at),
            backend: it.to.clone(),
        });
        History {
            key: key.clone(),
            answers: record.answers.iter().cloned().collect(),
            stays: first.into_iter().chain(later).take(MOST_STAYS).collect(),
        }
    };
    keys.into_iter().map(history).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_agent_has_its_history() {
        let mut record = ScenarioRecord::empty("agents", "grpc", false, &[]);
        let known = &mut record.stickiness;
        for user in ["10", "2"] {
            let key = known.key(user, Duration::from_millis(5)).expect("few");
            key.answered("b1", 3);
        }
        known
            .key("2", Duration::ZERO)
            .expect("known")
            .answered("b2", 1);
        known.moved_on(record::Move {
            at: Duration::from_secs(2),
            key: "2".to_owned(),
            from: "b1".to_owned(),
            to: "b2".to_owned(),
            after: Some(Duration::from_millis(120)),
        });
        let told = of(&record).expect("something is known");
        assert_eq!((told.keys, told.one_backend, told.breaks), (2, 1, 1));
        assert_eq!((told.answers, told.to_main), (7, 6));
        let stay = |t_s, backend: &str| Stay {
            t_s,
            backend: backend.to_owned(),
        };
        let histories: Vec<_> = told
            .histories
            .iter()
            .map(|it| (&*it.key, &it.stays))
            .collect();
        assert_eq!(
            histories,
            [
                ("2", &vec![stay(0.005, "b1"), stay(2.0, "b2")]),
                ("10", &vec![stay(0.005, "b1")]),
            ]
        );
        assert_eq!(told.histories[0].answers["b1"], 3);
        assert_eq!(told.moves[0].after_s, Some(0.12));
    }
}

//! Who answered whom: the cells of the matrix of scenarios and servers that should be empty.

use crate::expectation::Glob;
use crate::record::ScenarioRecord;

/// What came of one row of the matrix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Requests that were answered, or given to a server that is known.
    pub(super) requests: u64,
    /// Servers that should have had nothing of it, and what they had, the most first.
    pub(super) leaks: Vec<(String, u64)>,
    /// Answers without a name: who gave them is not known.
    pub(super) nameless: u64,
}

/// What came of a scenario that only these servers should answer.
pub(super) fn row(record: &ScenarioRecord, servers: &Glob) -> Row {
    let mut row = Row {
        nameless: record.unknown.completed(),
        ..Row::default()
    };
    for backend in &record.backends {
        // A stream is there from when it opens, a request when it ended or was cut off.
        let ended = backend.requests + backend.interrupted;
        let had = ended.max(backend.streams.opened);
        row.requests += had;
        if had > 0 && !servers.matches(&backend.id) {
            row.leaks.push((backend.id.clone(), had));
        }
    }
    row.leaks.sort_by_key(|(_, had)| std::cmp::Reverse(*had));
    row
}

/// What may be, at 95 %, where none of so many was seen: three in as many ("If nothing goes wrong, is
/// everything all right?", J. A. Hanley and A. Lippman-Hand, 1983).
pub(super) fn at_most(of: u64) -> f64 {
    (3.0 / of.max(1) as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::BackendRecord;

    fn record() -> ScenarioRecord {
        let mut record = ScenarioRecord::empty("v2", "grpc", true, &[]);
        for (id, requests) in [
            ("v2a", 500),
            ("v1a", 3),
            ("v1b", 12),
            ("v2b", 485),
            ("idle", 0),
        ] {
            record.backends.push(BackendRecord {
                requests,
                ..BackendRecord::empty(id)
            });
        }
        record
    }

    #[test]
    fn a_leak_is_named() {
        let mut record = record();
        record.unknown.requests = 7;
        record.unknown.failed = 5;
        let of = |servers: &str| row(&record, &servers.parse().unwrap());
        let leaks = of("v2*");
        assert_eq!((leaks.requests, leaks.nameless), (1_000, 2));
        assert_eq!(leaks.leaks, [("v1b".to_owned(), 12), ("v1a".to_owned(), 3)]);
        assert_eq!(of("v*").leaks, []);
    }

    /// Open streams have not ended, and have gone somewhere all the same.
    #[test]
    fn a_stream_that_is_open_leaks() {
        let mut record = record();
        record.backends[4].streams.opened = 1;
        let leaks = row(&record, &"v*".parse().unwrap()).leaks;
        assert_eq!(leaks, [("idle".to_owned(), 1)]);
    }

    #[test]
    fn none_of_many_is_not_none_at_all() {
        assert_eq!(at_most(5_000), 0.0006);
        assert_eq!(at_most(1), 1.0);
        assert_eq!(at_most(0), 1.0);
    }
}

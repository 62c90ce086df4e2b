//! Why documents are not merged.

use crate::journal::NotPacked;
use crate::record;

/// Why documents are not merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There is none.
    #[error(
        "there is no result of a shard to merge: expected results as `loadgen run --shard I/N --out json=FILE` wrote \
         them, their journals, or folders of these"
    )]
    Nothing,
    /// It is of a whole run.
    #[error(
        "{of} is of a whole run and of no shard; `loadgen run --shard I/N` makes the results that are merged"
    )]
    NoShard {
        /// What it is called.
        of: String,
    },
    /// It is what merging makes.
    #[error(
        "{of} was merged already, of {count} shards; give the results of the shards themselves"
    )]
    Merged {
        /// What it is called.
        of: String,
        /// How many shards are in it.
        count: usize,
    },
    /// It has only figures, which cannot be added.
    #[error(
        "{of} is of a shard and has no `run.shard.record`, without which it cannot be merged; a page has none: give \
         the result as `loadgen run --shard I/N --out json=FILE` wrote it"
    )]
    WithoutRecord {
        /// What it is called.
        of: String,
    },
    /// The record in it is not what was written.
    #[error("{of}: its `run.shard.record` is spoilt: {why}; give the result as it was written")]
    Spoilt {
        /// What it is called.
        of: String,
        /// What is wrong.
        why: String,
    },
    /// The record in it has a form that only another version reads.
    #[error(
        "{of} was written by loadgen {by}, and this is {}, which cannot read its `run.shard.record` ({why}); \
         merge with the version that made all shards",
        env!("CARGO_PKG_VERSION")
    )]
    OtherVersion {
        /// What it is called.
        of: String,
        /// Which version.
        by: String,
        /// What did not fit.
        why: String,
    },
    /// Two results of one shard.
    #[error(
        "{first} and {second} are both of shard {index} of {count}; give one of them: a shard that was started again \
         has made its load twice"
    )]
    Twice {
        /// What the one is called.
        first: String,
        /// What the other is called.
        second: String,
        /// Which shard.
        index: u64,
        /// Of how many.
        count: u64,
    },
    /// Results of other runs.
    #[error("{first} and {second} are not of one run:{}", listed(differences))]
    Unlike {
        /// What the one is called.
        first: String,
        /// What the other is called.
        second: String,
        /// In what they differ.
        differences: Vec<String>,
    },
    /// Records that do not fit together, whatever their plans say.
    #[error("{first} and {second} are not of one run: {why}")]
    Records {
        /// What the one is called.
        first: String,
        /// What the other is called.
        second: String,
        /// In what they differ.
        #[source]
        why: record::MergeError,
    },
}

/// So many differences are named.
const NAMED: usize = 5;

fn listed(differences: &[String]) -> String {
    let named = differences.iter().take(NAMED);
    let named: String = named.map(|it| format!("\n  {it}")).collect();
    match differences.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}\n  and {more} more differences"),
    }
}

impl MergeError {
    pub(super) fn not_packed(source: &str, why: NotPacked) -> Self {
        let of = source.to_owned();
        match why {
            NotPacked::Spoilt(why) => Self::Spoilt { of, why },
            NotPacked::OtherVersion { by, why } => Self::OtherVersion { of, by, why },
        }
    }
}

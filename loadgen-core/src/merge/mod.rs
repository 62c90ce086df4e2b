//! From the result documents of shards to the one of their run.
//!
//! A shard's document has the record of what it measured in it. [`Merge`] adds the records, exactly, and makes the
//! document of the whole as the run of one process would have: figures, conditions, expectations and the verdict are
//! the same code's. Owns which documents belong together, and what share of a run is missing. Reads no files.

mod error;
mod missing;
#[cfg(test)]
mod tests;

use serde_json::Value;

use self::missing::Done;
use crate::journal::unpack;
use crate::record::RunRecord;
use crate::report::{
    self, Context, DataDigest, Document, Host, MergedShard, ShardPart, Shards, compare, new_run_id,
    were_stopped,
};
use crate::schedule::Shard;

pub use self::error::MergeError;

/// Documents of shards, being made into that of their run.
///
/// ```
/// use loadgen_core::merge::Merge;
/// use loadgen_core::report::Document;
///
/// fn whole(shards: &[(&str, Document)]) -> Result<Document, Box<dyn std::error::Error>> {
///     let mut merge = Merge::default();
///     for (source, document) in shards {
///         merge.add(source, document)?;
///     }
///     Ok(merge.finish()?)
/// }
/// ```
#[derive(Debug, Default)]
pub struct Merge {
    first: Option<First>,
    entered: Vec<Entered>,
}

/// What all others are held against, and added to.
#[derive(Debug)]
struct First {
    source: String,
    document: Document,
    context: Context,
    record: RunRecord,
}

/// A shard whose record was added.
#[derive(Debug)]
struct Entered {
    source: String,
    shard: MergedShard,
    done: Done,
}

impl Merge {
    /// Adds a shard's document; `source` is what it is called in messages, such as its file. Of what differs between
    /// processes and can be one only, such as an example of a failure, the first one's counts.
    ///
    /// # Errors
    /// [`MergeError`] where it is no shard's, or not of the same run, or of one that was added already; nothing is
    /// added then.
    pub fn add(&mut self, source: &str, document: &Document) -> Result<(), MergeError> {
        let (part, text) = part_of(source, document)?;
        if let Some(first) = &self.first {
            let differences = differences(first, source, document, part);
            if !differences.is_empty() {
                return Err(MergeError::Unlike {
                    first: first.source.clone(),
                    second: source.to_owned(),
                    differences,
                });
            }
        }
        let mut same = self.entered.iter();
        if let Some(same) = same.find(|it| it.shard.index == part.index) {
            return Err(MergeError::Twice {
                first: same.source.clone(),
                second: source.to_owned(),
                index: part.index,
                count: part.count,
            });
        }
        let (mut record, context) =
            unpack(text).map_err(|why| MergeError::not_packed(source, why))?;
        let spoilt = |why: &str| MergeError::Spoilt {
            of: source.to_owned(),
            why: why.to_owned(),
        };
        let number = |it: u64| u32::try_from(it).unwrap_or(u32::MAX);
        Shard::new(number(part.index), number(part.count)).map_err(|it| spoilt(&it.to_string()))?;
        let of = |it: &ShardPart| (it.index, it.count, it.seed);
        if context.run_id != document.run.id || context.shard.as_ref().map(of) != Some(of(part)) {
            return Err(spoilt("it is of another result"));
        }
        if let Some(clock) = part.clock {
            record.started_at = clock.corrected(record.started_at);
        }
        let index = u32::try_from(part.index).ok();
        let workers = record.generator.workers.iter_mut();
        workers.for_each(|it| it.shard = index);
        let done = Done::of(&record);
        let run = &document.run;
        let shard = MergedShard {
            index: part.index,
            id: run.id.clone(),
            started_at: run.started_at.clone(),
            clock: part.clock,
            duration_s: run.duration_s,
            stopped: run.stopped,
            cut_off: run.cut_off,
            host: run.host.clone(),
            slices: part.slices.clone(),
            generator: run.generator.clone(),
        };
        match &mut self.first {
            Some(first) => first
                .record
                .merge(&record)
                .map_err(|why| MergeError::Records {
                    first: first.source.clone(),
                    second: source.to_owned(),
                    why,
                })?,
            None => {
                self.first = Some(First {
                    source: source.to_owned(),
                    document: without_figures(document),
                    context,
                    record,
                });
            }
        }
        self.entered.push(Entered {
            source: source.to_owned(),
            shard,
            done,
        });
        Ok(())
    }

    /// The document of the run. Where shards are missing or were cut off its verdict says so: the figures are of what
    /// there is.
    ///
    /// # Errors
    /// [`MergeError::Nothing`] where no document was added.
    pub fn finish(self) -> Result<Document, MergeError> {
        let Some(First {
            mut record,
            mut context,
            ..
        }) = self.first
        else {
            return Err(MergeError::Nothing);
        };
        let part = context.shard.take();
        let (count, seed, run_id) = part.map_or((1, 0, None), |it| (it.count, it.seed, it.run_id));
        let mut entered = self.entered;
        entered.sort_by_key(|it| it.shard.index);
        let is_here = |index: &u64| entered.iter().any(|it| it.shard.index == *index);
        let missing: Vec<u64> = (0..count).filter(|it| !is_here(it)).collect();
        let missing_share = missing::share(entered.iter().map(|it| (&it.shard, &it.done)), count);
        record.generator.workers.sort_by_key(|it| it.shard);
        // What befell some of them is told of these.
        // A condition of one that ended all is no stop.
        let shards = entered.iter().map(|it| &it.shard);
        record.stopped = record.early_end.is_none() && were_stopped(shards);
        record.cut_off = entered.iter().all(|it| it.shard.cut_off);
        context.run_id = new_run_id(record.started_at);
        context.host = Host::common(entered.iter().map(|it| &it.shard.host));
        context.shards = Some(Shards {
            count,
            seed,
            run_id,
            missing,
            missing_share,
            merged: entered.into_iter().map(|it| it.shard).collect(),
        });
        Ok(report::build(&record, context))
    }
}

/// All places where the plan of a shard that is still to come differs from that of another, in words: what would keep
/// their results from being merged. Each is a plan as a result document has it, and what it is called.
#[must_use]
pub fn plan_differences(first: (&str, &Value), second: (&str, &Value)) -> Vec<String> {
    compare::differences_to_come(first, second)
}

/// The files of test data of which two shards have different ones, in words. Each is what the shard's document says of
/// them, and what it is called.
#[must_use]
pub fn data_differences(
    first: (&str, &[DataDigest]),
    second: (&str, &[DataDigest]),
) -> Vec<String> {
    let is_another = |one: &&DataDigest| {
        let of_one = |it: &&DataDigest| (&it.scenario, &it.source) == (&one.scenario, &one.source);
        let other = second.1.iter().find(of_one);
        other.is_some_and(|it| it.sha256 != one.sha256)
    };
    let differing = first.1.iter().filter(is_another);
    differing
        .map(|it| {
            format!(
                "the file of `scenarios.{}.data.{}` holds other rows in {} than in {}: give all shards the same one",
                it.scenario, it.source, first.0, second.0
            )
        })
        .collect()
}

/// What a document says of the part that it is of, and the record in it.
fn part_of<'a>(
    source: &str,
    document: &'a Document,
) -> Result<(&'a ShardPart, &'a str), MergeError> {
    let run = &document.run;
    let of = || source.to_owned();
    match (&run.shard, &run.shards) {
        (Some(part), _) => match &part.record {
            Some(record) => Ok((part, record)),
            None => Err(MergeError::WithoutRecord { of: of() }),
        },
        (None, Some(shards)) => Err(MergeError::Merged {
            of: of(),
            count: shards.merged.len(),
        }),
        (None, None) => Err(MergeError::NoShard { of: of() }),
    }
}

/// In what two documents are not of one run, each with the values of both.
fn differences(first: &First, source: &str, document: &Document, part: &ShardPart) -> Vec<String> {
    let of_first = first.document.run.shard.as_ref();
    let values = |it: Option<&ShardPart>, version: &str| {
        let number = |of: fn(&ShardPart) -> u64| it.map(of).map(|it| it.to_string());
        [
            ("run.version", Some(version.to_owned())),
            ("run.shard.count", number(|it| it.count)),
            ("run.shard.seed", number(|it| it.seed)),
            ("run.shard.run_id", it.and_then(|it| it.run_id.clone())),
        ]
    };
    let those = values(of_first, &first.document.run.version);
    let these = values(Some(part), &document.run.version);
    let differing = those.into_iter().zip(these).filter(|(a, b)| a.1 != b.1);
    let mut found: Vec<String> = differing
        .map(|((field, a), (_, b))| {
            let [a, b] = [a, b].map(|it| it.unwrap_or_else(|| "not there".to_owned()));
            format!("`{field}` is {a} in {} and {b} in {source}", first.source)
        })
        .collect();
    if let Some(first_part) = of_first {
        found.extend(data_differences(
            (&first.source, &first_part.data),
            (source, &part.data),
        ));
    }
    found.extend(compare::plan_differences(
        (&first.source, &first.document),
        (source, document),
    ));
    found
}

/// As much of a document as others are held against.
fn without_figures(document: &Document) -> Document {
    let mut document = document.clone();
    if let Some(part) = &mut document.run.shard {
        part.record = None;
    }
    for scenario in &mut document.scenarios {
        scenario.series = Vec::new();
        scenario.steps = Vec::new();
    }
    document
}

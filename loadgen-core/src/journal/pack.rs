//! The record of a shard inside its result document: a journal that has nothing but the whole record, as text.
//!
//! A document is figures made of a record, and figures cannot be added. So the document of a shard takes the record
//! along, and whoever has those of all shards makes the document of the run as the run itself would.

use std::io::{self, Read, Write};

use data_encoding::BASE64;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use super::context::StoredContext;
use super::entry::masked;
use super::frame::{self, Kind, MAGIC};
use super::read::{self, Refused};
use crate::record::{RunRecord, ScenarioRecord, StepRecord};
use crate::report::{self, Context, Document};
use crate::secrets::Secrets;

/// No record is longer, deflated no more: what is read may come from anybody.
const LONGEST: u64 = 256 << 20;

/// The document of what was measured; that of a shard has the record in it, from which it can be merged with others.
#[must_use]
pub fn document(record: &RunRecord, context: Context) -> Document {
    let packed = context.shard.is_some().then(|| pack(record, &context));
    let mut document = report::build(record, context);
    if let (Some(shard), Some(packed)) = (&mut document.run.shard, packed) {
        // Only a record that is longer than can be said has no form, which bounds of memory keep it from.
        shard.record = packed.ok();
    }
    document
}

/// The record and its context as text, without secrets.
fn pack(record: &RunRecord, context: &Context) -> io::Result<String> {
    let (stored, secrets) = StoredContext::of(context);
    let context = frame::of(Kind::Context, &serde_json::to_vec(&stored)?)?;
    let mut content = Vec::new();
    frame::make(&mut content, Kind::Record, |it| {
        let record = without(record, &secrets);
        rmp_serde::encode::write_named(it, &record).map_err(io::Error::other)
    })?;
    let mut deflating = DeflateEncoder::new(Vec::new(), Compression::default());
    for part in [MAGIC, &context, &content] {
        deflating.write_all(part)?;
    }
    Ok(BASE64.encode(&deflating.finish()?))
}

/// The record with what others said as the document has it.
fn without(record: &RunRecord, secrets: &Secrets) -> RunRecord {
    let mut record = record.clone();
    for scenario in &mut record.scenarios {
        let events = scenario.events.iter().map(|it| masked(it, secrets));
        scenario.events = events.collect();
        for example in examples(scenario) {
            *example = secrets.masked(example);
        }
    }
    record
}

fn examples(scenario: &mut ScenarioRecord) -> impl Iterator<Item = &mut String> {
    let steps = scenario.steps.iter_mut().flat_map(of_step);
    scenario.examples.iter_mut().map(|(_, it)| it).chain(steps)
}

fn of_step(step: &mut StepRecord) -> impl Iterator<Item = &mut String> {
    let checks = step.checks.iter_mut().filter_map(|it| it.example.as_mut());
    step.examples.iter_mut().map(|(_, it)| it).chain(checks)
}

/// Why there is no record in a text.
#[derive(Debug)]
pub(crate) enum NotPacked {
    /// It is not what was written.
    Spoilt(String),
    /// Another version wrote it, and this one does not read it.
    OtherVersion {
        /// Which.
        by: String,
        /// What did not fit.
        why: String,
    },
}

/// The record and its context, from the text in a document.
///
/// # Errors
/// [`NotPacked`] where there is none in it.
pub(crate) fn unpack(text: &str) -> Result<(RunRecord, Context), NotPacked> {
    let spoilt = |why: &str| NotPacked::Spoilt(why.to_owned());
    let deflated = BASE64.decode(text.as_bytes());
    let deflated = deflated.map_err(|_| spoilt("it is no base64"))?;
    let mut bytes = Vec::new();
    let read = DeflateDecoder::new(&*deflated)
        .take(LONGEST)
        .read_to_end(&mut bytes);
    read.map_err(|_| spoilt("it cannot be inflated"))?;
    read::record(&bytes).map_err(|refused| match refused {
        Refused::NoJournal => {
            spoilt("its end or its beginning is missing, or its checksum is another")
        }
        Refused::OtherVersion { by, why } if by == env!("CARGO_PKG_VERSION") => {
            NotPacked::Spoilt(why)
        }
        Refused::OtherVersion { by, why } => NotPacked::OtherVersion { by, why },
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::json;

    use super::*;
    use crate::outcome::Failure;
    use crate::record::GeneratorRecord;
    use crate::report::ShardPart;
    use crate::schedule::Shard;

    fn record() -> RunRecord {
        let mut scenario = ScenarioRecord::empty("greet", "grpc", true, &["hello".into()]);
        scenario.response_time.saturating_record_n(3_000_000, 40);
        scenario.examples = vec![(Failure::Timeout, "token s3cr3t-1 was late".to_owned())];
        scenario.steps[0].examples = scenario.examples.clone();
        let elapsed = Duration::from_secs(1);
        let generator = GeneratorRecord::default();
        RunRecord::new(SystemTime::UNIX_EPOCH, elapsed, vec![scenario], generator)
    }

    fn context() -> Context {
        let mut context = Context::new();
        context.plan =
            json!({"scenarios": [{"name": "greet", "metadata": {"authorization": "s3cr3t-1"}}]});
        context.thresholds = vec![vec!["response_time.p99 < 5ms".parse().unwrap()]];
        let shard = Shard::new(1, 4).unwrap();
        context.shard = Some(ShardPart::new(shard, 7, Vec::new()));
        context
    }

    #[test]
    fn a_shards_document_has_its_record() {
        let (record, context) = (record(), context());
        let document = document(&record, context.clone());
        assert!(
            document.scenarios[0].thresholds.is_empty(),
            "that is for the whole"
        );
        let text = document.run.shard.unwrap().record.unwrap();
        let (read, of) = unpack(&text).unwrap();
        assert_eq!(
            read.scenarios[0].response_time,
            record.scenarios[0].response_time
        );
        assert_eq!(read.scenarios[0].examples[0].1, "token *** was late");
        assert_eq!(
            read.scenarios[0].steps[0].examples[0].1,
            "token *** was late"
        );
        assert_eq!(of.thresholds, context.thresholds);
        assert_eq!(of.shard, context.shard);
    }

    #[test]
    fn a_whole_run_takes_nothing_along() {
        let mut context = context();
        context.shard = None;
        assert_eq!(document(&record(), context).run.shard, None);
    }

    #[test]
    fn what_is_no_record_is_told() {
        let whole = pack(&record(), &context()).unwrap();
        let refused = |text: &str| match unpack(text) {
            Err(NotPacked::Spoilt(why)) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused("*"), "it is no base64");
        assert_eq!(refused("AAAA"), "it cannot be inflated");
        assert_eq!(
            refused(&whole[..whole.len() / 8 * 4]),
            "it cannot be inflated"
        );
    }
}

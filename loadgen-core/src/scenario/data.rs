//! Test data: which files a scenario uses, and how their rows are given out.

use std::path::PathBuf;

use super::protocol::layers::Layers;
use super::reader::{Entries, Entry, choice, object};
use super::value::{FilePath, is_variable_name};
use crate::data::Order;

/// A file of test data, and who gets which of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataSource {
    /// What its rows are called in expressions: `row.NAME`, where there are several sources.
    pub name: String,
    /// CSV with a header line, a JSON array of objects, or JSON lines: its extension says which.
    pub file: PathBuf,
    /// In which order rows are used.
    pub order: Order,
    /// Who gets a row of its own.
    pub per: RowPer,
    /// What happens when each row was used; of [`Order::Once`] only.
    pub when_out: WhenOut,
}

impl DataSource {
    /// A file whose rows are used one after the other, one for each iteration.
    #[must_use]
    pub fn new(name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            order: Order::default(),
            per: RowPer::default(),
            when_out: WhenOut::default(),
        }
    }
}

/// Who gets a row of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowPer {
    /// Each iteration.
    #[default]
    Iteration,
    /// Each user, for all its iterations.
    User,
}

/// What happens when each row was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenOut {
    /// The scenario ends, and all is well.
    #[default]
    End,
    /// Iterations that find no row fail with the outcome `expression`.
    Fail,
}

object! {
    /// A file of test data.
    RawData is "test data, such as {\"file\": \"users.csv\"}" {
        /// CSV with a header line, a JSON array of objects, or JSON lines, relative to this file; the
        /// name's end says which: .csv, .json, .jsonl, .ndjson.
        "file" [required] file: FilePath,
        /// In which order rows are used. `sequential` unless given.
        "order" order: RawOrder,
        /// Who gets a row of its own. `iteration` unless given.
        "per" per: RawPer,
        /// What happens when each row was used (`once`). `end` unless given.
        "when_out" when_out: RawWhenOut,
    }
    hints {
        "path" => "the file is `file`",
        "name" => "the name is the field's own: `\"data\": { \"people\": { \"file\": ... } }`",
    }
}

choice! {
    /// In which order rows are used.
    RawOrder {
        /// As they stand in the file; from the beginning again after the last one.
        Sequential = "sequential",
        /// Any row at any time.
        Random = "random",
        /// Each once in an order of chance, then each once in another one.
        Shuffle = "shuffle",
        /// As they stand in the file, each once.
        Once = "once",
    }
}

choice! {
    /// Who gets a row of its own.
    RawPer {
        /// Each iteration.
        Iteration = "iteration",
        /// Each user, for all its iterations.
        User = "user",
    }
}

choice! {
    /// What happens when each row was used.
    RawWhenOut {
        /// The scenario ends, and all is well.
        End = "end",
        /// Iterations that find no row fail with the outcome `expression`.
        Fail = "fail",
    }
}

impl Layers<'_> {
    /// The scenario's sources of data.
    pub(in crate::scenario) fn data(&self) -> Option<Vec<DataSource>> {
        let picked = self.pick("data", |raw| &raw.data);
        picked.entry.or(Some(Vec::new()), |entries| {
            let sources: Vec<Option<DataSource>> = entries
                .0
                .iter()
                .map(|(name, entry)| {
                    let path = format!("{}.{name}", picked.path);
                    self.data_source(name, entry.given(), &picked.path, &path)
                })
                .collect();
            sources.into_iter().collect()
        })?
    }

    fn data_source(
        &self,
        name: &str,
        raw: Option<&RawData>,
        above: &str,
        path: &str,
    ) -> Option<DataSource> {
        if !is_variable_name(name) {
            let shown: String = name.chars().take(60).collect();
            self.problems.add(
                above,
                format!("the name {shown:?}"),
                "a name of 1 to 100 letters, digits and `_` that does not begin with a digit",
                Some("expressions use it: `row.NAME`".to_owned()),
            );
            return None;
        }
        let raw = raw?;
        let order = raw.order.or(Order::Sequential, |order| match order {
            RawOrder::Sequential => Order::Sequential,
            RawOrder::Random => Order::Random,
            RawOrder::Shuffle => Order::Shuffle,
            RawOrder::Once => Order::Once,
        })?;
        let when_out = raw.when_out.or(WhenOut::End, |when_out| match when_out {
            RawWhenOut::End => WhenOut::End,
            RawWhenOut::Fail => WhenOut::Fail,
        })?;
        if order != Order::Once && !raw.when_out.is_absent() {
            self.problems.add(
                format!("{path}.when_out"),
                "it without `\"order\": \"once\"`",
                "nothing",
                Some("in any other order rows do not run out".to_owned()),
            );
            return None;
        }
        Some(DataSource {
            name: name.to_owned(),
            file: self.resolve(raw.file.given()?),
            order,
            per: raw.per.or(RowPer::Iteration, |per| match per {
                RawPer::Iteration => RowPer::Iteration,
                RawPer::User => RowPer::User,
            })?,
            when_out,
        })
    }
}

/// Sources as they are written.
pub(in crate::scenario) fn print(sources: &[DataSource]) -> Entry<Entries<RawData>> {
    if sources.is_empty() {
        return Entry::Absent;
    }
    let entries = sources.iter().map(|source| {
        let raw = RawData {
            file: Entry::Given(FilePath::of(&source.file)),
            order: Entry::Given(match source.order {
                Order::Sequential => RawOrder::Sequential,
                Order::Random => RawOrder::Random,
                Order::Shuffle => RawOrder::Shuffle,
                Order::Once => RawOrder::Once,
            }),
            per: Entry::Given(match source.per {
                RowPer::Iteration => RawPer::Iteration,
                RowPer::User => RawPer::User,
            }),
            when_out: match (source.order, source.when_out) {
                (Order::Once, WhenOut::End) => Entry::Given(RawWhenOut::End),
                (_, WhenOut::Fail) => Entry::Given(RawWhenOut::Fail),
                _ => Entry::Absent,
            },
        };
        (source.name.clone(), Entry::Given(raw))
    });
    Entry::Given(Entries(entries.collect()))
}

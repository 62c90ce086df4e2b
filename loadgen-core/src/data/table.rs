//! Rows of a file.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde_json::value::RawValue;

use crate::expression::{SecretFields, value_of};
use crate::nearest::did_you_mean;
use crate::secrets::names_a_secret;
use crate::units::human::counted;

/// The extensions of files that are taken.
const EXTENSIONS: [&str; 4] = ["csv", "json", "jsonl", "ndjson"];

/// What is wrong with a file of data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct DataError {
    problem: String,
}

impl DataError {
    fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
        }
    }
}

/// What is wrong with rows, the first few of them.
#[derive(Default)]
struct Wrong {
    told: Vec<String>,
    more: usize,
}

impl Wrong {
    /// More are counted.
    const MOST: usize = 5;

    fn add(&mut self, problem: String) {
        match self.told.len() < Self::MOST {
            true => self.told.push(problem),
            false => self.more += 1,
        }
    }

    /// All is well, or what is not.
    fn end(mut self) -> Result<(), DataError> {
        if self.more > 0 {
            self.told.push(format!("and {} more like these", self.more));
        }
        match self.told.is_empty() {
            true => Ok(()),
            false => Err(DataError::new(self.told.join("; "))),
        }
    }
}

/// Rows with named columns. Cheap to clone; a row is decoded when it is asked for.
#[derive(Clone)]
pub(crate) struct Table {
    inner: Arc<Inner>,
}

struct Inner {
    bytes: Vec<u8>,
    /// Where each row begins. The last entry is the end.
    rows: Vec<u64>,
    columns: Columns,
    form: Form,
    /// The names in rows of JSON, at whatever depth, that are a secret's.
    secret_names: Arc<HashSet<Box<str>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    /// Each row a JSON object.
    Json,
}

/// The columns' names, and where each stands.
#[derive(Debug, Default)]
struct Columns {
    names: Vec<Arc<str>>,
    places: HashMap<Arc<str>, usize>,
    /// Which of them have a secret's name.
    are_secret: Vec<bool>,
}

impl Columns {
    fn new(names: Vec<Arc<str>>) -> Self {
        let places = names.iter().cloned().zip(0..).collect();
        let are_secret = names.iter().map(|name| names_a_secret(name)).collect();
        Self {
            names,
            places,
            are_secret,
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("rows", &self.len())
            .field("columns", &self.inner.columns.names)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// The rows in the contents of a file. Its extension says what they are.
    ///
    /// # Errors
    /// What is wrong with them, and in which line or row.
    pub(crate) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, DataError> {
        let extension = path
            .extension()
            .map(|it| it.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let inner = match extension.as_str() {
            "csv" => csv(bytes),
            "json" => json(bytes),
            "jsonl" | "ndjson" => json_lines(bytes),
            other => {
                let near = did_you_mean(other, EXTENSIONS);
                let near = near.map(|near| format!("; {near}")).unwrap_or_default();
                Err(DataError::new(format!(
                    "its name does not end in .csv, .json, .jsonl or .ndjson, which says what it holds{near}"
                )))
            }
        }?;
        if inner.rows.len() < 2 {
            return Err(DataError::new("it has no rows"));
        }
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// How many rows there are; never 0.
    pub(crate) fn len(&self) -> u64 {
        self.inner.rows.len() as u64 - 1
    }

    /// The names of the columns.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.inner.columns.names.iter().map(|name| &**name)
    }

    /// Whether all values are texts, numbers too.
    pub(crate) fn is_of_texts(&self) -> bool {
        self.inner.form == Form::Csv
    }

    /// A row, as an object with a field for each column. Undefined where there is none of this number.
    pub(crate) fn row(&self, number: u64) -> Value {
        let Some(range) = self.inner.range(number) else {
            return Value::UNDEFINED;
        };
        let bytes = &self.inner.bytes[range];
        match self.inner.form {
            Form::Csv => Value::from_object(CsvRow {
                table: Arc::clone(&self.inner),
                fields: csv_fields(bytes),
            }),
            // What follows it, such as a comma, is none of its own.
            Form::Json => serde_json::Deserializer::from_slice(bytes)
                .into_iter::<serde_json::Value>()
                .next()
                .and_then(Result::ok)
                .map_or(Value::UNDEFINED, |json| {
                    SecretFields::of(&self.inner.secret_names, value_of(&json))
                }),
        }
    }
}

impl Inner {
    fn range(&self, number: u64) -> Option<Range<usize>> {
        let number = usize::try_from(number).ok()?;
        let (begin, end) = (self.rows.get(number)?, self.rows.get(number + 1)?);
        Some(usize::try_from(*begin).ok()?..usize::try_from(*end).ok()?)
    }
}

/// One row of a CSV file. Its values are texts: `007` is no number.
struct CsvRow {
    table: Arc<Inner>,
    fields: Vec<Value>,
}

impl fmt::Debug for CsvRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.table.columns.names.iter().zip(&self.fields);
        f.debug_map().entries(named).finish()
    }
}

impl Object for CsvRow {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let columns = &self.table.columns;
        let name = key.as_str()?;
        let place = *columns.places.get(name)?;
        let value = self.fields.get(place)?;
        if columns.are_secret[place] {
            SecretFields::read(value);
        }
        Some(value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = &self.table.columns.names;
        Enumerator::Values(
            names
                .iter()
                .map(|name| Value::from(Arc::clone(name)))
                .collect(),
        )
    }
}

fn without_mark(bytes: &[u8]) -> usize {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if bytes.starts_with(MARK) {
        MARK.len()
    } else {
        0
    }
}

fn csv_reader(bytes: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes)
}

/// The fields of one row that was read before.
fn csv_fields(row: &[u8]) -> Vec<Value> {
    let text = |field: &[u8]| Value::from(String::from_utf8_lossy(field));
    if row.contains(&b'"') {
        let mut record = csv::ByteRecord::new();
        // It was read from here once, so there is nothing to go wrong.
        let _ = csv_reader(row).read_byte_record(&mut record);
        return record.iter().map(text).collect();
    }
    let line = without_breaks(row);
    line.split(|&byte| byte == b',').map(text).collect()
}

/// A row without the line breaks around it; blanks are its own.
fn without_breaks(row: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b'\r' | b'\n');
    let begin = row.iter().position(is_text).unwrap_or(row.len());
    let end = row.iter().rposition(is_text).map_or(begin, |last| last + 1);
    &row[begin..end]
}

fn csv(bytes: Vec<u8>) -> Result<Inner, DataError> {
    let skipped = without_mark(&bytes);
    let mut reader = csv_reader(&bytes[skipped..]);
    let mut record = csv::ByteRecord::new();
    let mut next = |reader: &mut csv::Reader<&[u8]>| {
        let begin = reader.position().byte();
        let more = reader
            .read_byte_record(&mut record)
            .map_err(|error| DataError::new(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        if let Err(error) = csv::StringRecord::from_byte_record(record.clone()) {
            let field = error.utf8_error().field() + 1;
            return Err(DataError::new(format!(
                "line {line}: field {field} is not UTF-8"
            )));
        }
        let begin = record.position().map_or(begin, csv::Position::byte);
        Ok(more.then(|| (begin, line, record.clone())))
    };
    let Some((.., header)) = next(&mut reader)? else {
        return Err(DataError::new(
            "it is empty; expected a line with the columns' names",
        ));
    };
    let names: Vec<Arc<str>> = header
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim().into())
        .collect();
    let mut seen = BTreeSet::new();
    for (name, number) in names.iter().zip(1..) {
        if name.is_empty() {
            return Err(DataError::new(format!(
                "line 1: column {number} has no name"
            )));
        }
        if !seen.insert(name) {
            return Err(DataError::new(format!(
                "line 1: two columns are named `{name}`"
            )));
        }
    }
    let (mut rows, mut wrong) = (Vec::new(), Wrong::default());
    let mut last = (0, 1);
    while let Some((begin, line, record)) = next(&mut reader)? {
        last = (begin, line);
        if record.len() != names.len() {
            let (has, named) = (counted(record.len() as u64, "field"), names.len());
            wrong.add(format!(
                "line {line}: it has {has}, and the first line names {named}"
            ));
        }
        rows.push(begin + skipped as u64);
    }
    let (begin, line) = last;
    let last = &bytes[skipped + usize::try_from(begin).unwrap_or(0)..];
    if let Some(line) = open_quote(last, line) {
        return Err(DataError::new(format!(
            "line {line}: a quote is opened that nothing closes; what follows, to the end of the file, \
             would be one field"
        )));
    }
    wrong.end()?;
    rows.push(bytes.len() as u64);
    Ok(Inner {
        bytes,
        rows,
        columns: Columns::new(names),
        form: Form::Csv,
        secret_names: Arc::default(),
    })
}

/// The line in which a field begins with a quote that nothing closes. The last row alone can have one, as it
/// takes all that follows; it begins in this line.
fn open_quote(row: &[u8], mut line: u64) -> Option<u64> {
    let mut bytes = row.iter().peekable();
    let (mut begins, mut opened) = (true, None);
    while let Some(byte) = bytes.next() {
        match (byte, opened) {
            (b'"', None) if begins => opened = Some(line),
            (b'"', Some(_)) if bytes.next_if_eq(&&b'"').is_none() => opened = None,
            _ => {}
        }
        begins = opened.is_none() && matches!(byte, b',' | b'\n' | b'\r');
        line += u64::from(*byte == b'\n');
    }
    opened
}

/// The names of all fields that some row has, in the order in which they are first met.
#[derive(Default)]
struct Union {
    names: Vec<Arc<str>>,
    seen: BTreeSet<Arc<str>>,
    secrets: SecretNames,
    wrong: Wrong,
}

/// The names, at whatever depth, that are a secret's. Each is looked at once.
#[derive(Default)]
struct SecretNames {
    seen: HashSet<Box<str>>,
    found: HashSet<Box<str>>,
}

impl SecretNames {
    fn take(&mut self, name: &str) {
        if !self.seen.contains(name) {
            self.seen.insert(name.into());
            if names_a_secret(name) {
                self.found.insert(name.into());
            }
        }
    }

    fn take_in(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    self.take(name);
                    self.take_in(value);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|it| self.take_in(it)),
            _ => {}
        }
    }
}

impl Union {
    /// Takes a row, whose place in the file is said where it is none.
    fn take(&mut self, row: &str, place: impl Fn() -> String) {
        let fields: serde_json::Map<String, serde_json::Value> = match serde_json::from_str(row) {
            Ok(fields) => fields,
            Err(_) => {
                let short: String = row.chars().take(40).collect();
                let problem = format!("{}: found {short}, expected a JSON object", place());
                return self.wrong.add(problem);
            }
        };
        for (name, value) in &fields {
            self.secrets.take_in(value);
            if !self.seen.contains(name.as_str()) {
                self.secrets.take(name);
                let name: Arc<str> = name.as_str().into();
                self.names.push(Arc::clone(&name));
                self.seen.insert(name);
            }
        }
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, DataError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()]
            .iter()
            .filter(|&&it| it == b'\n')
            .count();
        DataError::new(format!("line {line}: it is not UTF-8"))
    })
}

fn json(bytes: Vec<u8>) -> Result<Inner, DataError> {
    let text = text_of(&bytes)?;
    let text = &text[without_mark(&bytes)..];
    let all: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        if error.is_data() {
            DataError::new("it is no JSON array; expected an array of objects, one for each row")
        } else {
            DataError::new(format!(
                "line {line}, column {column}: it is not JSON: {error}"
            ))
        }
    })?;
    let mut union = Union::default();
    let mut rows = Vec::with_capacity(all.len() + 1);
    let begin = bytes.as_ptr() as usize;
    let mut end = 0;
    for (row, number) in all.iter().zip(1..) {
        union.take(row.get(), || format!("row {number}"));
        let at = row.get().as_ptr() as usize - begin;
        rows.push(at as u64);
        end = at + row.get().len();
    }
    rows.push(end as u64);
    union.wrong.end()?;
    Ok(Inner {
        rows,
        columns: Columns::new(union.names),
        form: Form::Json,
        secret_names: Arc::new(union.secrets.found),
        bytes,
    })
}

fn json_lines(bytes: Vec<u8>) -> Result<Inner, DataError> {
    let mut union = Union::default();
    let mut rows = Vec::new();
    let text = text_of(&bytes)?;
    let mut at = without_mark(&bytes);
    let mut end = at;
    for (line, number) in text[at..].split_inclusive('\n').zip(1..) {
        // No more than JSON takes for blank: a row is read from its bytes again.
        let row = line.trim_matches([' ', '\t', '\r', '\n']);
        if !row.is_empty() {
            union.take(row, || format!("line {number}"));
            rows.push(at as u64);
            end = at + line.len();
        }
        at += line.len();
    }
    rows.push(end as u64);
    union.wrong.end()?;
    Ok(Inner {
        rows,
        columns: Columns::new(union.names),
        form: Form::Json,
        secret_names: Arc::new(union.secrets.found),
        bytes,
    })
}

#[cfg(test)]
mod tests;

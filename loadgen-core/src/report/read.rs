//! From the text of a file to the document in it, or to what is wrong with it.
//!
//! Owns which texts are taken for a result. Does not read files.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::error::Category;

use super::document::{Document, SchemaVersion};
#[cfg(feature = "page")]
use super::page;

/// Why a text is not the result of a run that this library reads: fragments that fit behind "failed to
/// read FILE: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is nothing in it.
    #[error("it is empty; expected {EXPECTED}")]
    Empty,
    /// It is no JSON.
    #[error("it is no JSON: line {line}, column {column}: {problem}; expected {EXPECTED}")]
    Syntax {
        /// Where it stops to be.
        line: usize,
        /// The same.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// It begins as JSON, and its end is missing.
    #[error(
        "it is cut off: it ends at line {line}, column {column}, in the middle of the document; whatever wrote or \
         copied it did not get to the end"
    )]
    CutOff {
        /// Where it ends.
        line: usize,
        /// The same.
        column: usize,
    },
    /// It is JSON, and says of itself that it is something else, or nothing.
    #[error("it is no result of a run: {found}; expected {EXPECTED}")]
    NotAResult {
        /// What it is instead.
        found: String,
    },
    /// It is a result in a form that has another meaning.
    #[error(
        "it is of another version: its `schema` is `{found}`, expected `{}`; the loadgen that wrote it reads it",
        SchemaVersion::V1.as_str()
    )]
    OtherVersion {
        /// Which.
        found: String,
    },
    /// It says that it is a result of this version, and has not what one has.
    #[error(
        "it is no whole result: line {line}, column {column}: {problem}; `loadgen schema result` prints what is \
         expected"
    )]
    Content {
        /// Where that was noticed.
        line: usize,
        /// The same.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
}

/// What is read, in words.
const EXPECTED: &str = "a result document, as `loadgen run --out json=FILE` writes it";
/// What the versions of the document have in common.
const FAMILY: &str = "loadgen.result/";

/// What is looked at before anything else.
#[derive(Deserialize)]
struct Head {
    schema: Option<Value>,
}

/// The result document that is the text of a file, or is carried by a page (behind the feature `page`).
///
/// Fields that this version does not know are left out: a newer one of the same schema may have added them.
///
/// # Errors
/// [`ReadError`]: what the text is instead, and where that shows.
pub fn read(text: &str) -> Result<Document, ReadError> {
    if text.trim_start().is_empty() {
        return Err(ReadError::Empty);
    }
    #[cfg(feature = "page")]
    if text.starts_with("<!doctype html>") {
        let carried = page::embedded(text).ok_or_else(|| ReadError::NotAResult {
            found: "it is a page that carries no whole document".to_owned(),
        })?;
        return read(&carried);
    }
    expect_result(text)?;
    serde_json::from_str(text).map_err(|error| ReadError::Content {
        line: error.line(),
        column: error.column(),
        problem: problem(&error),
    })
}

/// Makes sure that the text is JSON to its end, and a result of this version by its own word.
fn expect_result(text: &str) -> Result<(), ReadError> {
    let not_a_result = |found: String| Err(ReadError::NotAResult { found });
    // A list of the right length would be taken for the fields in their order.
    if !text.trim_start().starts_with('{') {
        let _: IgnoredAny = serde_json::from_str(text).map_err(|it| not_json(text, &it))?;
        return not_a_result("it is no object".to_owned());
    }
    let head: Head = serde_json::from_str(text).map_err(|it| not_json(text, &it))?;
    match head.schema {
        Some(Value::String(schema)) if schema == SchemaVersion::V1.as_str() => Ok(()),
        Some(Value::String(found)) if found.starts_with(FAMILY) => {
            Err(ReadError::OtherVersion { found })
        }
        Some(other) => not_a_result(format!("its `schema` is {other}")),
        None => not_a_result("it has no `schema`".to_owned()),
    }
}

fn not_json(text: &str, error: &serde_json::Error) -> ReadError {
    let (line, column) = (error.line(), error.column());
    let problem = problem(error);
    match error.classify() {
        Category::Eof => ReadError::CutOff { line, column },
        // The beginning of a number that is none by itself.
        Category::Syntax if problem == "invalid number" && is_end(text, line, column) => {
            ReadError::CutOff { line, column }
        }
        Category::Data => ReadError::NotAResult { found: problem },
        Category::Syntax | Category::Io => ReadError::Syntax {
            line,
            column,
            problem,
        },
    }
}

/// Whether nothing of a text comes after this place.
fn is_end(text: &str, line: usize, column: usize) -> bool {
    let mut after = text.split('\n').skip(line.saturating_sub(1));
    after.next().is_none_or(|it| it.len() <= column) && after.next().is_none()
}

/// What is wrong, without where.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;
    use crate::record::{GeneratorRecord, RunRecord, ScenarioRecord};
    use crate::report::{Context, build};

    /// A document, as it is written.
    fn written(change: impl FnOnce(&mut Value)) -> String {
        let scenario = ScenarioRecord::empty("greet", "grpc", false, &["hello".into()]);
        let record = RunRecord::new(
            std::time::UNIX_EPOCH,
            std::time::Duration::from_secs(1),
            vec![scenario],
            GeneratorRecord::default(),
        );
        let mut json = serde_json::to_value(build(&record, Context::new())).unwrap();
        change(&mut json);
        serde_json::to_string_pretty(&json).unwrap()
    }

    fn error(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_is_read() {
        let text = written(|_| {});
        let document = read(&text).unwrap();
        assert_eq!(serde_json::to_string_pretty(&document).unwrap(), text);
        assert_eq!(
            read(&format!("\n  {text}\n")),
            Ok(document),
            "blanks around it"
        );
    }

    #[test]
    fn fields_of_a_newer_version_are_no_error() {
        let newer = written(|json| {
            json["later"] = json!({"a": [null]});
            json["scenarios"][0]["ledger"]["later"] = json!(3);
        });
        assert_eq!(read(&newer).unwrap().scenarios[0].name, "greet");
    }

    /// Whole documents are the only ones that are taken, wherever one is cut.
    #[test]
    fn a_part_is_cut_off() {
        let text = written(|_| {});
        for length in (1..text.len()).filter(|it| text.is_char_boundary(*it)) {
            let error = read(&text[..length]).unwrap_err();
            assert!(
                matches!(error, ReadError::CutOff { .. }),
                "{length}: {error}"
            );
        }
    }

    #[test_case("" => "it is empty; expected a result document, as `loadgen run --out json=FILE` writes it"; "nothing")]
    #[test_case(" \n" => "it is empty; expected a result document, as `loadgen run --out json=FILE` writes it"; "blanks")]
    #[test_case("{\n  \"schema\": oops}" => "it is no JSON: line 2, column 13: expected value; expected a result document, as `loadgen run --out json=FILE` writes it"; "no JSON")]
    #[test_case("PASS  greet in 1 s" => "it is no JSON: line 1, column 1: expected value; expected a result document, as `loadgen run --out json=FILE` writes it"; "a summary")]
    #[test_case("{\n\"schema\": \"loadgen" => "it is cut off: it ends at line 2, column 18, in the middle of the document; whatever wrote or copied it did not get to the end"; "cut off")]
    #[test_case("{\"scenarios\": []}" => "it is no result of a run: it has no `schema`; expected a result document, as `loadgen run --out json=FILE` writes it"; "a suite")]
    #[test_case("{\"schema\": \"loadgen.doctor/1\"}" => "it is no result of a run: its `schema` is \"loadgen.doctor/1\"; expected a result document, as `loadgen run --out json=FILE` writes it"; "another document of ours")]
    #[test_case("{\"schema\": 1}" => "it is no result of a run: its `schema` is 1; expected a result document, as `loadgen run --out json=FILE` writes it"; "no name")]
    #[test_case("[\"loadgen.result/1\"]" => "it is no result of a run: it is no object; expected a result document, as `loadgen run --out json=FILE` writes it"; "a list")]
    #[test_case("5" => "it is no result of a run: it is no object; expected a result document, as `loadgen run --out json=FILE` writes it"; "a number")]
    #[test_case("{\"schema\": \"loadgen.result/2\", \"run\": 5}" => "it is of another version: its `schema` is `loadgen.result/2`, expected `loadgen.result/1`; the loadgen that wrote it reads it"; "another version")]
    #[test_case("{\"schema\": \"loadgen.result/1\"}" => "it is no whole result: line 1, column 30: missing field `run`; `loadgen schema result` prints what is expected"; "nothing else")]
    fn others_are_told(text: &str) -> String {
        error(text)
    }

    #[test]
    fn a_field_of_another_type_is_told_by_its_place() {
        let text = written(|json| json["scenarios"][0]["ledger"]["planned"] = json!("many"));
        let line = text.lines().position(|line| line.contains("many")).unwrap() + 1;
        let error = error(&text);
        let expected = format!("it is no whole result: line {line}, column ");
        assert!(error.starts_with(&expected), "{error}");
        assert!(
            error.contains("invalid type: string \"many\", expected u64"),
            "{error}"
        );
    }
}

//! Suites that a fuzzer makes up. Built with `--cfg fuzzing` only.

use std::cell::Cell;
use std::io;
use std::path::Path;

use super::reader::problem::Problems;
use super::reader::text;
use super::{Suite, SuiteSource, to_json, to_yaml};

/// The most files that are there to be included.
const MOST_FILES: u32 = 8;

/// A suite in YAML, whose first line may be what is set in it, and which is every file that it includes: a
/// suite that prints as one that reads as the same, or an error. Whatever values it has are written as YAML
/// that reads as the same values.
pub fn yaml_text(text: &str) {
    if let Ok(value) = text::parse("fuzz.yaml", text, &Problems::default()) {
        let written = to_yaml(&value);
        let again = text::parse("again.yaml", &written, &Problems::default());
        assert_eq!(again.as_ref(), Ok(&value), "{written}");
    }
    let first = text.lines().next().unwrap_or_default();
    let set: Vec<_> = first.trim_start_matches('#').parse().into_iter().collect();
    let left = Cell::new(MOST_FILES);
    let files = |_: &Path| match left.get() {
        0 => Err(io::Error::from(io::ErrorKind::NotFound)),
        more => {
            left.set(more - 1);
            Ok(text.to_owned())
        }
    };
    let source = SuiteSource::new("fuzz.yaml", text).set(&set).files(&files);
    match Suite::read(&source.profile(Some("staging"))).or_else(|_| Suite::read(&source)) {
        Ok(suite) => {
            let printed = to_json(suite.scenarios()).to_string();
            let again = Suite::parse("printed", &printed, None, None);
            assert_eq!(again.expect("what is printed is valid"), suite);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

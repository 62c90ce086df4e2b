//! The checked-in JSON Schema of the result document is the one its types make.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_checked_in_schema_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/result.schema.json");
    let mut fresh = serde_json::to_string_pretty(&loadgen_core::report::schema()).unwrap();
    fresh.push('\n');
    if std::env::var_os("LOADGEN_UPDATE_SCHEMA").is_some_and(|value| value == "1") {
        std::fs::write(&path, &fresh).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == fresh,
        "docs/result.schema.json is stale; write it again with LOADGEN_UPDATE_SCHEMA=1 cargo test \
         -p loadgen-core --test report_schema"
    );
}

#[test]
fn the_schema_is_a_schema() {
    jsonschema::meta::validate(&loadgen_core::report::schema()).unwrap();
}

/// The page of the book is written by hand; a field that is added must not be missing there.
#[test]
fn the_book_names_every_field() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/result-document.md");
    let page = std::fs::read_to_string(path).unwrap();
    let words: BTreeSet<&str> = page
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let schema = loadgen_core::report::schema();
    let definitions = schema["$defs"].as_object().unwrap().values();
    let missing: Vec<&String> = definitions
        .chain([&schema])
        .filter_map(|definition| definition["properties"].as_object())
        .flat_map(|properties| properties.keys())
        .filter(|name| !words.contains(name.as_str()))
        .collect();
    assert_eq!(missing, Vec::<&String>::new());
}

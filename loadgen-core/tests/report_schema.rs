//! The checked-in JSON Schemas of the result document and of comparisons are those that their types make.

use std::collections::BTreeSet;
use std::path::Path;

use loadgen_core::report::{self, compare};
use serde_json::Value;
use test_case::test_case;

#[test_case(&report::schema(), "result.schema.json"; "of results")]
#[test_case(&compare::schema(), "comparison.schema.json"; "of comparisons")]
fn the_checked_in_schema_is_fresh(schema: &Value, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    let mut fresh = serde_json::to_string_pretty(schema).expect("JSON");
    fresh.push('\n');
    if std::env::var_os("LOADGEN_UPDATE_SCHEMA").is_some_and(|value| value == "1") {
        std::fs::write(&path, &fresh).expect("it can be written");
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == fresh,
        "docs/{name} is stale; write it again with LOADGEN_UPDATE_SCHEMA=1 cargo test -p loadgen-core --test \
         report_schema"
    );
}

#[test_case(&report::schema(); "of results")]
#[test_case(&compare::schema(); "of comparisons")]
fn the_schema_is_a_schema(schema: &Value) {
    jsonschema::meta::validate(schema).expect("a schema");
}

/// The pages of the book are written by hand; a field that is added must not be missing there.
#[test_case(&report::schema(), "result-document.md"; "of results")]
#[test_case(&compare::schema(), "comparing.md"; "of comparisons")]
fn the_book_names_every_field(schema: &Value, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/src")
        .join(page);
    let page = std::fs::read_to_string(path).expect("the page is there");
    let words: BTreeSet<&str> = page
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let definitions = schema["$defs"].as_object().expect("definitions").values();
    let missing: Vec<&String> = definitions
        .chain([schema])
        .filter_map(|definition| definition["properties"].as_object())
        .flat_map(|properties| properties.keys())
        .filter(|name| !words.contains(name.as_str()))
        .collect();
    assert_eq!(missing, Vec::<&String>::new());
}

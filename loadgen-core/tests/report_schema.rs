//! The checked-in JSON Schema of the result document is the one its types make.

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

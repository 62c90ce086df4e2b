//! `loadgen schema`.

use loadgen_core::report::compare;
use loadgen_core::{report, scenario};

use super::exit::Exit;
use crate::args::{SchemaArgs, SchemaOf};
use crate::error::Error;
use crate::output;

/// Prints a JSON Schema.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &SchemaArgs) -> Result<Exit, Error> {
    let schema = match args.of {
        SchemaOf::Scenario => scenario::schema(),
        SchemaOf::Result => report::schema(),
        SchemaOf::Comparison => compare::schema(),
    };
    output::print(&output::json(&schema))?;
    Ok(Exit::Pass)
}

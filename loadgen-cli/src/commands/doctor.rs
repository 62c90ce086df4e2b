//! `loadgen doctor`.

use super::exit::Exit;
use crate::args::DoctorArgs;
use crate::error::Error;
use crate::{doctor, output, paint, terminal};

/// Says what this machine lets a load generator do. Whatever that is, the exit code is 0.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(args: &DoctorArgs) -> Result<Exit, Error> {
    let examination = doctor::examine();
    output::print(&if args.json {
        output::json(&examination.json())
    } else {
        examination.text(paint::for_stdout(), terminal::columns_of_stdout())
    })?;
    Ok(Exit::Pass)
}

//! The `loadgen` command line.
//!
//! Arguments (`args`) become resolved settings (`settings`), a command acts on them
//! (`commands`), and what came of it becomes an exit code (`exit`). All terminal work, signals
//! and processes of the project are here; the load itself is `loadgen-core`'s.

mod args;
mod commands;
mod doctor;
mod embedded;
mod env;
mod error;
mod exit;
mod limits;
mod live;
mod output;
mod paint;
mod screen;
mod settings;
mod signals;
mod sinks;
mod stderr;
mod suite;
mod targets;
mod terminal;

use std::process::ExitCode;

use loadgen_core::text::flow;
use loadgen_core::units::human;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = args::Args::given();
    let exit = commands::run(args).unwrap_or_else(|error| {
        output::error(&error);
        error.exit()
    });
    stderr::flush();
    exit.into()
}

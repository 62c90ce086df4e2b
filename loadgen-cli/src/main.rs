//! The `loadgen` command line.
//!
//! Arguments (`args`) become resolved settings (`settings`), a command acts on them
//! (`commands`), and what came of it becomes an exit code. A run has a room of its own (`run`), as have
//! what it needs: a scenario made of flags (`ad_hoc`), servers to answer it (`backend`), where figures go (`sinks`), what is drawn meanwhile
//! (`screen`), and results (`output`). All terminal work, signals and processes of the project are here;
//! the load itself is `loadgen-core`'s.

mod ad_hoc;
mod args;
mod backend;
mod commands;
mod comparing;
mod coordinate;
mod doctor;
mod error;
mod history;
mod init;
mod kubernetes;
mod limits;
mod moment;
mod offered;
mod output;
mod paint;
mod protocols;
mod results;
mod run;
mod screen;
mod servers;
mod settings;
mod signals;
mod sinks;
mod suite;
mod terminal;
mod trace;
mod trying;
mod ui;
mod visit;

use std::process::ExitCode;

use loadgen_core::text::flow;
use loadgen_core::units::human;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if std::env::args_os().skip(1).take(2).eq(["balance", "tcp"]) {
        limits::small_pages();
    }
    let args = args::Args::given();
    let exit = commands::run(args).unwrap_or_else(|error| {
        error.say();
        commands::Exit::from(&error)
    });
    screen::stderr::flush();
    exit.into()
}

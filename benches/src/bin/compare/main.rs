//! What a request or message costs the generator, side by side with peers: the same server, the
//! same connections, in turn, in one run.
//!
//! Arguments are the parts to measure, `grpc`, `websocket`, `http`, `open`, `expressions` and `memory`; without
//! any, the first three. Needs `target/release/loadgen` (or `LOADGEN=PATH`), and takes each of h2load, ghz, k6,
//! fortio, wrk and hey that is on the PATH. With `taskset` the server has processor 0 and the generator
//! processor 1.

mod bare;
mod expressions;
mod grpc;
mod http;
mod memory;
mod open;
mod peer;
mod websocket;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use loadgen_benches::Server;

use peer::Scratch;

/// As loadgen's own binary has it: the bare loop is not to win by its allocator, or lose.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type BoxError = Box<dyn Error + Send + Sync>;

/// A part of the comparison.
type Part = fn(&Scratch);

fn part(name: &str) -> Option<Part> {
    match name {
        "grpc" => Some(grpc::compare),
        "websocket" => Some(websocket::compare),
        "http" => Some(http::compare),
        "open" => Some(open::compare),
        "expressions" => Some(expressions::compare),
        "memory" => Some(memory::compare),
        _ => None,
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((role, rest)) if role == bare::ROLE => bare::run(rest),
        Some((role, [])) if let Some(server) = Server::of_role(role) => {
            server.serve().map_err(Into::into)
        }
        _ => compare(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn compare(names: &[String]) -> Result<(), BoxError> {
    let parts: Option<Vec<Part>> = names.iter().map(|name| part(name)).collect();
    let mut parts = parts
        .ok_or("the parts are `grpc`, `websocket`, `http`, `open`, `expressions` and `memory`")?;
    if parts.is_empty() {
        parts = vec![grpc::compare, websocket::compare, http::compare];
    }
    let loadgen =
        std::env::var_os("LOADGEN").map_or("target/release/loadgen".into(), PathBuf::from);
    if !loadgen.is_file() {
        let loadgen = loadgen.display();
        return Err(format!("no {loadgen}: build it with `cargo build --release`").into());
    }
    let scratch = Scratch::new(loadgen)?;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            println!();
        }
        part(&scratch);
    }
    Ok(())
}

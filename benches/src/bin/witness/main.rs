//! An outside witness of loadgen's figures: servers of its own that log when the kernel received
//! each request and when each reply was handed to it, percentiles worked out from that log and the
//! schedule, and beside them what loadgen prints.
//!
//! Arguments are the groups of cases to run, `unary`, `streams`, `websocket` and `faults`, all of
//! them without any; `quick` is a selection that takes less than a minute, `peers` sets other
//! generators beside loadgen. Needs `target/release/loadgen` (or `LOADGEN=PATH`) and Linux. Ends
//! with 1 when a figure is untrue and the run did not say so.

#[cfg(target_os = "linux")]
mod outside;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    outside::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("the witness needs Linux, whose kernel stamps what it receives");
    std::process::ExitCode::from(2)
}

//! Load generation for gRPC, WebSocket, HTTP and TCP services: truthful latency, exact ledgers, one engine.
//!
//! | module | owns |
//! |---|---|
//! | [`scenario`] | the JSON scenario language, up to an immutable plan |
//! | [`assemble()`] | from a plan to a run: the one place that chooses a driver |
//! | [`engine`] | workers, users, lifecycle, cancellation, the event stream |
//! | [`workload`] | what a user does: the trait between engine and drivers |
//! | [`driver`] | workloads that speak a protocol |
//! | [`schedule`], [`pacer`] | when iterations start |
//! | [`alarm`] | when messages with due times leave |
//! | [`record`] | what was measured: results, histograms, the ledger |
//! | [`condition`], [`expectation`], [`report`] | conditions on results and on balancers; judging them, the verdict, the result document, comparing runs |
//! | [`journal`] | what a run recorded, on a disk up to the last second |
//! | [`capacity`] | the search for the highest rate within goals, and the curve of its trials |
//! | [`merge`] | from the results of shards to the one of their run |
//! | `live` | what a page shows of a run that is under way; behind the feature `page` |
//! | `sink` | figures sent on while the run goes; behind features |
//! | [`process`], [`cgroup`] | what the process takes of its machine, and what it may take |
//! | [`units`], [`outcome`], [`clock`] | the words everything is said in |
//! | [`input`] | files that are read whole, and how much of them |
//! | [`text`] | what others said, made fit to be shown |
//! | [`secrets`] | which parts of a plan no output must carry on |
//!
//! The library prints nothing, installs no signal handler and never exits. `examples/` has a custom
//! workload, a custom protocol, one with metrics of its own, scenarios of gRPC and WebSocket built in code, an interceptor, and a listener on the event stream.

// What protocols share has parts that not each of them uses.
#![cfg_attr(
    not(all(
        feature = "grpc",
        feature = "websocket",
        feature = "http",
        feature = "tcp"
    )),
    allow(
        dead_code,
        unused_imports,
        reason = "with all protocols nothing may be unused"
    )
)]

pub mod alarm;
mod allowance;
#[cfg(any(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
mod assemble;
mod cap;
pub mod capacity;
pub mod cgroup;
mod chance;
pub mod clock;
pub mod condition;
#[cfg(not(fuzzing))]
mod data;
#[cfg(fuzzing)]
pub mod data;
#[cfg(any(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
pub mod driver;
pub mod engine;
pub mod expectation;
#[cfg(not(fuzzing))]
#[expect(unused_imports, reason = "drivers take up the rest")]
mod expression;
#[cfg(fuzzing)]
pub mod expression;
pub mod input;
pub mod journal;
mod judge;
#[cfg(feature = "page")]
pub mod live;
pub mod merge;
mod nearest;
mod number_map;
pub mod outcome;
pub mod pacer;
mod pacing;
pub mod process;
pub mod record;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod secrets;
#[cfg(any(
    feature = "statsd",
    feature = "prometheus",
    feature = "otlp",
    feature = "graphite",
    feature = "services"
))]
pub mod sink;
pub mod text;
pub mod units;
pub mod workload;

#[cfg(any(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
pub use assemble::{AssembleError, Checked, assemble, assemble_intercepted, check, names, workers};

/// What the README shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

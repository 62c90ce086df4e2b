//! Results held against results: with `loadgen compare`, at the end of a run, and over repeated runs.

#[path = "../common/mod.rs"]
mod common;
mod refusing;
mod repeating;
mod searches;
mod support;
mod telling;

//! Servers that a run starts, and what is done to them: as a person sees it, and to the end of all of them.

#[path = "../common/mod.rs"]
mod common;
mod endings;
mod others;
mod servers;
mod support;

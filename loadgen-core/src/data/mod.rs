//! Test data: tables in files, and which row is whose.
//!
//! Owns reading CSV, JSON and JSON-lines files into a [`Table`], and the [`Order`] in which rows are used. A
//! table is the file's bytes and where each row begins: a row is decoded when it is used.

#[cfg(fuzzing)]
pub mod fuzzing;
mod order;
mod table;

pub use order::Order;
pub(crate) use order::shuffled;
pub(crate) use table::Table;

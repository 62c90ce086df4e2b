//! Results: printed on standard output, and written to files.

mod files;
mod json;
mod left;
mod print;
mod result;
mod suite;

pub(crate) use self::files::{
    Kind, OutputError, Pending, Spec, is_unfinished, remove_unfinished, stays,
};
pub(crate) use self::json::json;
pub(crate) use self::print::{PrintError, print, print_as_it_is, print_whole};
pub(crate) use self::result::{Shown, look, warn_beside, write};
pub(crate) use self::suite::suite;

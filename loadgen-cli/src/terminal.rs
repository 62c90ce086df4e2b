//! How large a terminal is.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

/// Columns and rows of a terminal that does not tell.
const USUAL: (usize, usize) = (80, 24);
/// Narrower, and there is no layout: what is too long is for the terminal to wrap.
const LEAST_COLUMNS: usize = 40;
/// Wider, and lines are hard to read.
const MOST_COLUMNS: usize = 200;

/// Columns and rows of the terminal that standard error is.
pub(crate) fn of_stderr() -> (usize, usize) {
    of(io::stderr()).unwrap_or(USUAL)
}

/// Columns for what is printed to standard output: the terminal's, else what `COLUMNS` says, else 80.
pub(crate) fn columns_of_stdout() -> usize {
    known_columns_of_stdout().unwrap_or(USUAL.0)
}

/// The same, where terminal or `COLUMNS` say so: what is read by programs, too, is else left as it is.
pub(crate) fn known_columns_of_stdout() -> Option<usize> {
    let columns = of(io::stdout()).map(|(columns, _)| columns);
    columns_for(columns, std::env::var_os("COLUMNS"))
}

fn columns_for(terminal: Option<usize>, variable: Option<OsString>) -> Option<usize> {
    // The terminal first: shells keep the variable up to date for themselves only.
    let told = || variable?.to_str()?.parse().ok().filter(|it| *it > 0);
    let columns = terminal.or_else(told)?;
    Some(columns.clamp(LEAST_COLUMNS, MOST_COLUMNS))
}

fn of(stream: impl AsFd) -> Option<(usize, usize)> {
    let size = tcgetwinsize(stream).ok()?;
    let size = (usize::from(size.ws_col), usize::from(size.ws_row));
    (size.0 > 0 && size.1 > 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(None, None => None; "nothing is known")]
    #[test_case(Some(132), None => Some(132); "a terminal")]
    #[test_case(Some(132), Some("60") => Some(132); "a terminal goes first")]
    #[test_case(None, Some("60") => Some(60); "the variable")]
    #[test_case(None, Some("wide") => None; "nonsense")]
    #[test_case(None, Some("0") => None; "none at all")]
    #[test_case(Some(20), None => Some(40); "too narrow for a layout")]
    #[test_case(Some(400), None => Some(200); "too wide to be read")]
    fn columns(terminal: Option<usize>, variable: Option<&str>) -> Option<usize> {
        columns_for(terminal, variable.map(OsString::from))
    }
}

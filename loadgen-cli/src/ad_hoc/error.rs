//! Flags that make no scenario.

use std::io;

use loadgen_core::scenario::OverrideError;

/// Flags that make no scenario. Each message stands alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AdHocError {
    /// A file that a flag names and that cannot be read.
    #[error("`{flag} {given}`: failed to read it: {source}")]
    Read {
        /// Which flag.
        flag: &'static str,
        /// Its value.
        given: String,
        /// What the system said.
        source: io::Error,
    },
    /// A value that is to be JSON and is not.
    #[error(
        "`{flag}`: line {line}, column {column}: {problem}; expected JSON, or @ and the name of a file that holds it"
    )]
    Json {
        /// Which flag.
        flag: String,
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, from 1.
        column: usize,
        /// What the parser says.
        problem: String,
    },
    /// Several JSON values where one is expected.
    #[error("`{flag}`: found {count} JSON values, expected one")]
    Several {
        /// Which flag.
        flag: &'static str,
        /// How many there are.
        count: usize,
    },
    /// The same metadata or header field twice.
    #[error("`-H {key}: …` is given twice; a scenario sends one value of each name")]
    HeaderTwice {
        /// Its name.
        key: String,
    },
    /// The same field of a form twice.
    #[error("`--form {name}=…` is given twice; a form here has one value of each name")]
    FormTwice {
        /// Its name.
        name: String,
    },
    /// A backslash before what is not escaped so.
    #[error(
        "`{flag} {given}`: expected `\\r`, `\\n`, `\\t`, `\\0`, `\\xHH` or `\\\\` where there is a backslash"
    )]
    Escape {
        /// Which flag.
        flag: &'static str,
        /// Its value.
        given: String,
    },
    /// Nothing to do on a TCP connection.
    #[error(
        "say what to do on the connection: `--send TEXT`, `--send-hex HEX` or `--send-size SIZE`; and where the reply ends, or what comes by itself: `--until TEXT`, `--bytes N`, `--length-prefix N`, `--regex PATTERN` or `--until-close`"
    )]
    NothingOnTcp,
    /// Nothing to do on a WebSocket.
    #[error(
        "say what to do on the connection: `--send TEXT`, `--send-json JSON`, `--ping`, or `--receive N|TIME` to listen"
    )]
    NothingToSend,
    /// A load that cannot be.
    #[error("{0}")]
    Load(#[from] OverrideError),
    /// Something in the place of a method that is none.
    #[error(
        "METHOD: found `{given}`, expected `list`, `describe`, or a method such as `package.Service/Method`{}",
        near.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
    )]
    NoMethod {
        /// What was to be called.
        given: String,
        /// What was likely meant.
        near: Option<String>,
    },
    /// Something behind a method that takes nothing.
    #[error(
        "unexpected `{symbol}` behind the method `{method}`; only `list` and `describe` take a name"
    )]
    Symbol {
        /// What was to be called.
        method: String,
        /// What stands behind it.
        symbol: String,
    },
}

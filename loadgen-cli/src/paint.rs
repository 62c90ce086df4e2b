//! Whether to use colour: for terminals only and never against `NO_COLOR`.

use std::ffi::OsString;
use std::io::{self, IsTerminal};

pub(crate) use loadgen_core::text::Paint;

/// What suits stdout.
pub(crate) fn for_stdout() -> Paint {
    decide(io::stdout().is_terminal(), |name| std::env::var_os(name))
}

/// What suits stderr.
pub(crate) fn for_stderr() -> Paint {
    decide(io::stderr().is_terminal(), |name| std::env::var_os(name))
}

fn decide(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Paint {
    // https://no-color.org: any value but an empty one.
    let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = variable("TERM").is_some_and(|value| value == "dumb");
    if terminal && !refused && !dumb {
        Paint::ON
    } else {
        Paint::OFF
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(true, &[] => true; "terminal")]
    #[test_case(false, &[] => false; "no terminal")]
    #[test_case(true, &[("NO_COLOR", "1")] => false; "refused")]
    #[test_case(true, &[("NO_COLOR", "")] => true; "empty is not a refusal")]
    #[test_case(true, &[("TERM", "dumb")] => false; "dumb")]
    fn decisions(terminal: bool, variables: &[(&str, &str)]) -> bool {
        decide(terminal, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
        .is_on()
    }
}

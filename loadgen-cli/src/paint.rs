//! Colour, for terminals only and never against `NO_COLOR`.

use std::ffi::OsString;
use std::io::{self, IsTerminal};

/// Puts colour around text, or leaves it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Leaves text alone.
    #[cfg(test)]
    pub(crate) const OFF: Self = Self { on: false };

    /// What suits stdout.
    pub(crate) fn for_stdout() -> Self {
        Self::decide(io::stdout().is_terminal(), |name| std::env::var_os(name))
    }

    /// What suits stderr.
    pub(crate) fn for_stderr() -> Self {
        Self::decide(io::stderr().is_terminal(), |name| std::env::var_os(name))
    }

    fn decide(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        // https://no-color.org: any value but an empty one.
        let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = variable("TERM").is_some_and(|value| value == "dumb");
        Self {
            on: terminal && !refused && !dumb,
        }
    }

    /// Whether colour is used.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// Green.
    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Red.
    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Magenta: yellow cannot be read on a light terminal.
    pub(crate) fn doubtful(self, text: &str) -> String {
        self.wrap("35", text)
    }

    /// Bold, in the terminal's own two colours exchanged: it stands out on a light terminal and on
    /// a dark one, whatever its colours are.
    pub(crate) fn loud(self, text: &str) -> String {
        self.wrap("1;7", text)
    }

    /// Bold.
    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Faint.
    pub(crate) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// The sequence that a text begins with, if it is one of those used here.
    pub(crate) fn code_at(text: &str) -> Option<&str> {
        let end = text.find('m')?;
        let code = text[..end].strip_prefix("\x1b[")?;
        let is_colour = code.len() <= 8 && code.bytes().all(|b| b.is_ascii_digit() || b == b';');
        is_colour.then(|| &text[..=end])
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
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
        Paint::decide(terminal, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
        .is_on()
    }
}

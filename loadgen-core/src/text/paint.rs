//! Colour around text, as terminals have it.

/// Puts colour around text, or leaves it alone. Who prints decides which.
///
/// ```
/// use loadgen_core::text::Paint;
///
/// assert_eq!(Paint::OFF.bad("FAIL"), "FAIL");
/// assert_eq!(Paint::ON.bad("FAIL"), "\u{1b}[31mFAIL\u{1b}[0m");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Leaves text alone.
    pub const OFF: Self = Self { on: false };
    /// Colours it.
    pub const ON: Self = Self { on: true };

    /// Whether colour is used.
    #[must_use]
    pub fn is_on(self) -> bool {
        self.on
    }

    /// Green.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Red.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Magenta: yellow cannot be read on a light terminal.
    #[must_use]
    pub fn doubtful(self, text: &str) -> String {
        self.wrap("35", text)
    }

    /// Bold, in the terminal's own two colours exchanged: it stands out on a light terminal and on
    /// a dark one, whatever its colours are.
    #[must_use]
    pub fn loud(self, text: &str) -> String {
        self.wrap("1;7", text)
    }

    /// Bold.
    #[must_use]
    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Faint.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// The sequence that a text begins with, if it is one of those used here.
    #[must_use]
    pub fn code_at(text: &str) -> Option<&str> {
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

//! `.proto` text that protoc takes, in words that the parser here knows.
//!
//! Owns a pass over the tokens of a file before it is parsed. Nothing it changes bears on how a
//! message is encoded, or it is kept aside (the edition). Places stay where they are: what is taken
//! out leaves blanks.

use std::ops::Range;

/// What a file says of the rules that it is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edition {
    /// `syntax`, or nothing.
    Syntax,
    /// An edition whose rules are known.
    Known,
}

/// A file's text, ready for the parser.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Readable {
    pub(super) text: String,
    pub(super) edition: Edition,
}

/// An edition that is not known here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownEdition {
    pub(super) edition: String,
    /// Where it begins, in bytes.
    pub(super) at: usize,
}

/// Editions whose features are known.
pub(super) const EDITIONS: [&str; 2] = ["2023", "2024"];

/// Makes a file readable.
pub(super) fn readable(source: &str) -> Result<Readable, UnknownEdition> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let tokens = tokens(source);
    let mut pass = Pass {
        source,
        tokens: &tokens,
        text: source.as_bytes().to_vec(),
    };
    let edition = pass.edition()?;
    pass.negative_constants();
    pass.extension_ranges();
    if edition == Edition::Known {
        pass.bare_reserved_names();
        pass.defaults();
        pass.words_of_2024();
    }
    // Last, as it may move what stands behind it.
    let text = String::from_utf8_lossy(&pass.text).into_owned();
    let text = match (edition, pass.edition_statement()) {
        (Edition::Known, Some(statement)) => as_syntax(&text, statement),
        _ => text,
    };
    Ok(Readable { text, edition })
}

/// The parser knows rules by `syntax` only. Those of proto3 are the nearest: fields have no labels.
fn as_syntax(text: &str, statement: Range<usize>) -> String {
    let room = statement.len();
    let syntax = format!("{:<room$}", "syntax=\"proto3\"");
    format!(
        "{}{syntax}{}",
        &text[..statement.start],
        &text[statement.end..]
    )
}

/// A piece of a file that is neither blank nor a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    at: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    Text,
    Sign(u8),
}

fn tokens(source: &str) -> Vec<Token> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    let while_ = |from: usize, is: fn(u8) -> bool| {
        let rest = &bytes[from..];
        from + rest
            .iter()
            .position(|byte| !is(*byte))
            .unwrap_or(rest.len())
    };
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (kind, end) = match rest {
            [b'/', b'/', ..] | [b'#', ..] => {
                at = while_(at, |byte| byte != b'\n');
                continue;
            }
            [b'/', b'*', inside @ ..] => {
                let length = inside.windows(2).position(|pair| pair == b"*/");
                at += 2 + length.map_or(inside.len(), |length| length + 2);
                continue;
            }
            [first, ..] if first.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            [quote @ (b'"' | b'\''), inside @ ..] => {
                let mut end = 0;
                while end < inside.len() && inside[end] != *quote && inside[end] != b'\n' {
                    end += if inside[end] == b'\\' { 2 } else { 1 };
                }
                (Kind::Text, (at + end + 2).min(bytes.len()))
            }
            [first, ..] if first.is_ascii_digit() => {
                let is = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
                (Kind::Number, while_(at, is))
            }
            [first, ..] if first.is_ascii_alphabetic() || *first == b'_' => {
                let is = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                (Kind::Word, while_(at, is))
            }
            [first, ..] => (Kind::Sign(*first), at + 1),
            [] => break,
        };
        tokens.push(Token { kind, at: at..end });
        at = end;
    }
    tokens
}

struct Pass<'a> {
    source: &'a str,
    tokens: &'a [Token],
    text: Vec<u8>,
}

impl Pass<'_> {
    fn word(&self, index: usize) -> Option<&str> {
        let token = self.tokens.get(index)?;
        (token.kind == Kind::Word).then(|| self.source.get(token.at.clone()))?
    }

    fn is_sign(&self, index: usize, sign: u8) -> bool {
        self.kind(index) == Some(Kind::Sign(sign))
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    /// Whether a statement may begin here.
    fn begins_statement(&self, index: usize) -> bool {
        let before = index.checked_sub(1).and_then(|before| self.kind(before));
        matches!(before, None | Some(Kind::Sign(b'{' | b'}' | b';')))
    }

    /// The first of these signs from here on.
    fn next_of(&self, from: usize, signs: &[u8]) -> Option<usize> {
        (from..self.tokens.len())
            .find(|index| matches!(self.kind(*index), Some(Kind::Sign(it)) if signs.contains(&it)))
    }

    /// Where a list that is opened here is closed.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for index in open..self.tokens.len() {
            match self.kind(index) {
                Some(Kind::Sign(b'[' | b'{' | b'<' | b'(')) => depth += 1,
                Some(Kind::Sign(b']' | b'}' | b'>' | b')')) => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Blanks tokens, the first and the last included, and leaves the lines as they are.
    fn blank(&mut self, first: usize, last: usize) {
        let (Some(first), Some(last)) = (self.tokens.get(first), self.tokens.get(last)) else {
            return;
        };
        for byte in &mut self.text[first.at.start..last.at.end] {
            if !byte.is_ascii_whitespace() {
                *byte = b' ';
            }
        }
    }

    /// Where `edition = "…"` stands.
    fn edition_statement(&self) -> Option<Range<usize>> {
        let is_it = self.word(0) == Some("edition")
            && self.is_sign(1, b'=')
            && self.kind(2) == Some(Kind::Text);
        is_it.then(|| self.tokens[0].at.start..self.tokens[2].at.end)
    }

    fn edition(&self) -> Result<Edition, UnknownEdition> {
        if self.edition_statement().is_none() {
            return Ok(Edition::Syntax);
        }
        let at = self.tokens[2].at.clone();
        let edition = self.source.get(at.clone()).unwrap_or_default();
        let edition = edition.trim_matches(['"', '\'']);
        if EDITIONS.contains(&edition) {
            return Ok(Edition::Known);
        }
        Err(UnknownEdition {
            edition: edition.to_owned(),
            at: at.start,
        })
    }

    /// `= -inf` and `= -nan`. The parser knows them as the default of a field only.
    fn negative_constants(&mut self) {
        for index in 2..self.tokens.len() {
            let is_one = matches!(self.word(index), Some("inf" | "nan"))
                && self.is_sign(index - 1, b'-')
                && self.is_sign(index - 2, b'=')
                && index.checked_sub(3).and_then(|name| self.word(name)) != Some("default");
            if is_one {
                // As long, and read by nobody.
                self.text[self.tokens[index].at.clone()].copy_from_slice(b"9e9");
            }
        }
    }

    /// `extensions 5 [verification = UNVERIFIED];`: options that say who may use a number.
    fn extension_ranges(&mut self) {
        let mut index = 0;
        while index < self.tokens.len() {
            let is_one = self.word(index) == Some("extensions")
                && self.begins_statement(index)
                && self.kind(index + 1) == Some(Kind::Number);
            index += 1;
            if !is_one {
                continue;
            }
            let Some(open) = self.next_of(index, b"[;{}") else {
                return;
            };
            if self.is_sign(open, b'[') {
                // One that is not closed is for the parser to tell of.
                let Some(close) = self.closing(open) else {
                    return;
                };
                self.blank(open, close);
                index = close;
            }
        }
    }

    /// `reserved name, other;`, which editions have without quotes.
    fn bare_reserved_names(&mut self) {
        for index in 0..self.tokens.len() {
            let is_one = self.word(index) == Some("reserved")
                && self.begins_statement(index)
                && self.word(index + 1).is_some()
                && (self.is_sign(index + 2, b',') || self.is_sign(index + 2, b';'));
            if is_one {
                let Some(end) = self.next_of(index, b";{}") else {
                    return;
                };
                self.blank(index, end - 1);
            }
        }
    }

    /// `[default = 5]`, which proto3 has not. It is what a reader makes of a field that is missing.
    fn defaults(&mut self) {
        for index in 1..self.tokens.len() {
            let opens = self.is_sign(index - 1, b'[');
            let is_one = self.word(index) == Some("default")
                && self.is_sign(index + 1, b'=')
                && (opens || self.is_sign(index - 1, b','));
            if !is_one {
                continue;
            }
            let Some(end) = self.next_of(index, b",]") else {
                return;
            };
            match (opens, self.is_sign(end, b',')) {
                (true, true) => self.blank(index, end),
                (true, false) => self.blank(index - 1, end),
                (false, _) => self.blank(index - 1, end - 1),
            }
        }
    }

    /// `export message`, `local enum`, `import option "…"`: who may see what, and where options
    /// are described.
    fn words_of_2024(&mut self) {
        for index in 0..self.tokens.len() {
            if !self.begins_statement(index) {
                continue;
            }
            match (self.word(index), self.word(index + 1)) {
                (Some("export" | "local"), Some("message" | "enum")) => self.blank(index, index),
                (Some("import"), Some("option")) => {
                    let Some(end) = self.next_of(index, b";{}") else {
                        return;
                    };
                    self.blank(index, end);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("\u{feff}message M {}" => "message M {}"; "a byte order mark")]
    #[test_case("option (least) = -inf;" => "option (least) = -9e9;")]
    #[test_case("float f = 1 [default = -inf];" => "float f = 1 [default = -inf];")]
    #[test_case("option (x) = \"= -inf\"; // = -inf" => "option (x) = \"= -inf\"; // = -inf"; "text")]
    #[test_case("message M { extensions 5 [verification = UNVERIFIED]; }"
        => "message M { extensions 5 ; }")]
    #[test_case("{ extensions 4 to max [declaration = { number: 4 type: \"[]\" }]; }"
        => "{ extensions 4 to max ; }")]
    #[test_case("{ extensions e = 5 [packed = true]; }" => "{ extensions e = 5 [packed = true]; }"; "a type")]
    #[test_case("edition = \"2023\";\nmessage M { reserved a, b; }"
        => "syntax=\"proto3\" ; message M { ; }")]
    #[test_case("edition='2023';" => "syntax=\"proto3\";"; "tight")]
    #[test_case("edition = \"2023\";int32 a = 1 [default = -5];"
        => "syntax=\"proto3\" ;int32 a = 1 ;"; "only default")]
    #[test_case("edition = \"2023\";int32 a = 1 [default = 5, lazy = true];"
        => "syntax=\"proto3\" ;int32 a = 1 [ lazy = true];"; "default first")]
    #[test_case("edition = \"2023\";int32 a = 1 [lazy = true, default = 5];"
        => "syntax=\"proto3\" ;int32 a = 1 [lazy = true ];"; "default last")]
    #[test_case("edition = \"2024\"; import option \"a.proto\"; export message M {}"
        => "syntax=\"proto3\" ; message M {}")]
    fn made_readable(source: &str) -> String {
        let text = readable(source).expect("known").text;
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        words.join(" ")
    }

    #[test]
    fn places_stay_where_they_are() {
        let source = "edition = \"2023\";\nmessage M {\n  reserved a,\n    b;\n  extensions 5 [\n    \
                      verification = UNVERIFIED];\n  here\n}";
        let text = readable(source).expect("known").text;
        assert_eq!(text.len(), source.len());
        assert_eq!(text.find("here"), source.find("here"));
        assert_eq!(text.lines().count(), source.lines().count());
    }

    #[test]
    fn an_unknown_edition_is_told_of() {
        assert_eq!(
            readable("// new\nedition = \"2077\";"),
            Err(UnknownEdition {
                edition: "2077".to_owned(),
                at: 17,
            })
        );
    }

    #[test_case("\"never ends"; "text")]
    #[test_case("/* never ends"; "comment")]
    #[test_case("\"\\"; "escape at the end")]
    #[test_case("edition"; "word")]
    #[test_case("extensions 5 ["; "list")]
    #[test_case("ü = \"ü\\ü"; "not ascii")]
    fn takes_anything(source: &str) {
        let _ = readable(source);
        let _ = readable(&format!("edition = \"2023\"; {source}"));
    }
}

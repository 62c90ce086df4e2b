//! The bearer token: where it stands, and whether what was sent is it. It is shown nowhere.

use std::fmt;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ring::digest;
use subtle::ConstantTimeEq as _;

/// The most that is read of a token's file.
const MOST_BYTES: u64 = 4096;

/// Where a token stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// In a variable of the environment, by its name.
    Env(String),
    /// In a file.
    File(PathBuf),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The variable is not set.
    #[error(
        "the environment variable `{name}`, which is to hold the management's token, is not set"
    )]
    Env {
        /// Its name.
        name: String,
    },
    /// The file cannot be read.
    #[error("cannot read the management's token from {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// What stands there is no token.
    #[error(
        "the management's token in {place} has to be printable ASCII on one line, without spaces, and at most {MOST_BYTES} bytes"
    )]
    Malformed {
        /// Where it stands.
        place: String,
    },
}

impl TokenSource {
    /// Reads it. A byte order mark and the line's end that stands last are no part of it.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read(&self) -> Result<Token, TokenError> {
        let text = match self {
            Self::Env(name) => {
                let name = name.clone();
                match std::env::var_os(&name) {
                    Some(value) => value.into_encoded_bytes(),
                    None => return Err(TokenError::Env { name }),
                }
            }
            Self::File(path) => {
                let mut bytes = Vec::new();
                let read = std::fs::File::open(path)
                    .and_then(|file| file.take(MOST_BYTES + 4).read_to_end(&mut bytes));
                match read {
                    Ok(_) => bytes,
                    Err(reason) => {
                        let path = path.clone();
                        return Err(TokenError::File { path, reason });
                    }
                }
            }
        };
        Token::of(&text).ok_or_else(|| TokenError::Malformed {
            place: self.to_string(),
        })
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A token that is known again for as long as it holds: one in a file is another once that says so.
#[derive(Debug)]
pub(crate) struct Watched {
    source: TokenSource,
    last: Mutex<Token>,
}

impl Watched {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) fn open(source: &TokenSource) -> Result<Self, TokenError> {
        Ok(Self {
            last: Mutex::new(source.read()?),
            source: source.clone(),
        })
    }

    /// Whether this is it, as its file says by now. While that is being written, or cannot be read, the one
    /// before holds.
    pub(super) fn is(&self, sent: &[u8]) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let TokenSource::File(_) = self.source {
            match self.source.read() {
                Ok(now) => *last = now,
                Err(error) => tracing::warn!("{error}; the one before holds"),
            }
        }
        last.is(sent)
    }
}

/// A token, of which only so much is kept as it takes to know it again.
#[derive(Clone)]
pub struct Token(digest::Digest);

impl Token {
    fn of(text: &[u8]) -> Option<Self> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let fits = (1..=MOST_BYTES).contains(&(text.len() as u64));
        let is_token = fits && text.iter().all(u8::is_ascii_graphic);
        is_token.then(|| Self(digest::digest(&digest::SHA256, text)))
    }

    /// Whether this is it. How long that takes says nothing of where it differs.
    fn is(&self, sent: &[u8]) -> bool {
        let sent = digest::digest(&digest::SHA256, sent);
        self.0.as_ref().ct_eq(sent.as_ref()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_again_and_not_shown() {
        let token = Token::of(b"s3cr3t\r\n").unwrap();
        assert!(token.is(b"s3cr3t"));
        assert!(!token.is(b"s3cr3"));
        assert!(!token.is(b""));
        assert_eq!(format!("{token:?}"), "Token(***)");
    }

    #[test]
    fn a_token_that_changes_in_its_file_is_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "old\n").unwrap();
        let token = Watched::open(&TokenSource::File(file.clone())).unwrap();
        assert!(token.is(b"old") && !token.is(b"new"));
        // Half written, or gone for a moment.
        std::fs::write(&file, "").unwrap();
        assert!(token.is(b"old"));
        std::fs::remove_file(&file).unwrap();
        assert!(token.is(b"old"));
        std::fs::write(&file, "new\n").unwrap();
        assert!(!token.is(b"old") && token.is(b"new"));
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_shown() {
        for text in ["", "\n", "two words", "two\nlines", "\u{e9}"] {
            assert!(Token::of(text.as_bytes()).is_none(), "{text:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "not one").unwrap();
        let told = TokenSource::File(file).read().unwrap_err().to_string();
        assert!(!told.contains("not one"), "{told}");
    }

    #[test]
    fn a_token_that_is_nowhere_is_told() {
        let told = TokenSource::Env("LOADGEN_NO_SUCH_TOKEN".to_owned()).read();
        let wanted = "the environment variable `LOADGEN_NO_SUCH_TOKEN`, which is to hold the management's token, is not set";
        assert_eq!(told.unwrap_err().to_string(), wanted);
    }
}

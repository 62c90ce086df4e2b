//! The bearer token: where it stands, and whether what was sent is it. It is shown nowhere.

use std::fmt;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ring::digest;
use subtle::ConstantTimeEq as _;

/// The most that is read of a token's file.
const MOST_BYTES: u64 = 4096;
/// So long nothing has to have been written to a file to take it for whole.
const SETTLED: Duration = Duration::from_secs(1);

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
    last: Mutex<Last>,
}

/// What was read last.
#[derive(Debug)]
struct Last {
    token: Token,
    /// How its file was then, or why it could not be looked at. The like is read, and told of, once.
    seen: Result<Stamp, String>,
}

/// What tells that a file is another, or has other contents, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    place: (u64, u64),
    length: u64,
    modified: SystemTime,
    /// When anything about it changed, who may read it included.
    changed: (i64, i64),
}

impl Stamp {
    /// That of a regular file: of another one, reading could wait for ever.
    fn of(file: &Path) -> Result<Self, String> {
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("it is no regular file".to_owned());
        }
        Ok(Self {
            place: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: metadata.modified().map_err(|error| error.to_string())?,
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether it has been as it is for a while. What says it is of the future says nothing of that.
    fn is_settled(&self, now: SystemTime) -> bool {
        let age = now.duration_since(self.modified);
        age.map_or(true, |age| age >= SETTLED)
    }
}

impl Watched {
    /// The token that whoever comes to this address has to know. None has to be known where none was given and no other
    /// machine reaches the address.
    ///
    /// # Errors
    /// [`TokenError`], or what `missing` is where one has to be given.
    pub(crate) fn guarding<E: From<TokenError>>(
        address: SocketAddr,
        token: Option<&TokenSource>,
        missing: impl FnOnce() -> E,
    ) -> Result<Option<Self>, E> {
        match token {
            Some(token) => Ok(Some(Self::open(token)?)),
            None if address.ip().to_canonical().is_loopback() => Ok(None),
            None => Err(missing()),
        }
    }

    /// Reads it for the first time.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) fn open(source: &TokenSource) -> Result<Self, TokenError> {
        // Before it is read: what is written meanwhile is read again.
        let seen = match source {
            TokenSource::File(file) => Stamp::of(file),
            TokenSource::Env(_) => Err(String::new()),
        };
        let token = source.read()?;
        Ok(Self {
            last: Mutex::new(Last { token, seen }),
            source: source.clone(),
        })
    }

    /// Whether this is it, as its file says by now. Until nothing was written to that for a second, and while
    /// it cannot be read, the one before holds.
    pub(super) fn is(&self, sent: &[u8]) -> bool {
        self.is_at(sent, SystemTime::now())
    }

    fn is_at(&self, sent: &[u8], now: SystemTime) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let TokenSource::File(file) = &self.source {
            self.look(file, now, &mut last);
        }
        last.token.is(sent)
    }

    /// Takes what the file holds, where that is another one.
    fn look(&self, file: &Path, now: SystemTime, last: &mut Last) {
        let seen = Stamp::of(file);
        let is_settled = seen.as_ref().map_or(true, |it| it.is_settled(now));
        if seen == last.seen || !is_settled {
            return;
        }
        let read = match &seen {
            Ok(_) => self.source.read().map_err(|error| error.to_string()),
            Err(reason) => {
                let file = file.display();
                Err(format!(
                    "cannot read the management's token from {file}: {reason}"
                ))
            }
        };
        match read {
            Ok(token) => last.token = token,
            Err(error) => tracing::warn!("{error}; the one before holds"),
        }
        last.seen = seen;
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
        let later = || SystemTime::now() + SETTLED;
        let is = |sent: &str| token.is_at(sent.as_bytes(), later());
        assert!(is("old") && !is("new"));
        // Empty, or gone for a moment.
        std::fs::write(&file, "").unwrap();
        assert!(is("old"));
        std::fs::remove_file(&file).unwrap();
        assert!(is("old"));
        std::fs::write(&file, "new\n").unwrap();
        assert!(!is("old") && is("new"));
    }

    #[test]
    fn half_a_token_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "old\n").unwrap();
        let token = Watched::open(&TokenSource::File(file.clone())).unwrap();
        std::fs::write(&file, "ne").unwrap();
        assert!(token.is(b"old") && !token.is(b"ne"));
        std::fs::write(&file, "new\n").unwrap();
        let later = SystemTime::now() + SETTLED;
        assert!(token.is_at(b"new", later));
    }

    /// Whoever asks without a token is not to make us read, nor write the log.
    #[test]
    fn what_has_not_changed_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "old\n").unwrap();
        let token = Watched::open(&TokenSource::File(file.clone())).unwrap();
        let later = SystemTime::now() + 10 * SETTLED;
        let look = || {
            token.is_at(b"old", later);
            let last = token.last.lock().unwrap();
            last.seen.clone()
        };
        std::fs::write(&file, "two words").unwrap();
        assert_eq!(look(), Stamp::of(&file));
        // A pipe is no regular file either: opening that would wait until somebody writes to it.
        std::fs::remove_file(&file).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(&file).unwrap();
        assert_eq!(look(), Err("it is no regular file".to_owned()));
        assert!(token.is_at(b"old", later));
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

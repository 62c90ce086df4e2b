//! Values that stand elsewhere: in variables of the environment and in files.
//!
//! Owns reading them, and what they may be. A message about one names where it stands and never what it is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::renewed::Refused;
use crate::input;
use crate::scenario::Source;
use crate::secrets::Secrets;

/// Why there is no value to send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A variable has no value, and the scenario no other for it.
    #[error(
        "the environment variable `{variable}` is not set; set it, or give a `default` beside `env`"
    )]
    NotSet {
        /// Its name.
        variable: String,
    },
    /// A file could not be read.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// A file is there, and nothing is in it.
    #[error("{}: it is empty; expected the value to send", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// What stands there cannot be sent.
    #[error(
        "{place} holds what no header can carry; expected one line of printable ASCII without space \
         at either end"
    )]
    Unfit {
        /// The variable or the file.
        place: String,
    },
    /// The value of a `-bin` key is base64.
    #[error("{place} does not hold base64, as the name asks for that ends in `-bin`")]
    NotBase64 {
        /// The variable or the file.
        place: String,
    },
}

impl Refused for SourceError {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } | Self::Empty { path } => Some(path),
            _ => None,
        }
    }

    fn problem(&self) -> String {
        match self {
            Self::File { problem, .. } => problem.clone(),
            Self::Empty { .. } => "it is empty; expected the value to send".to_owned(),
            other => other.to_string(),
        }
    }
}

/// Where a value stands, in a message.
pub(super) fn place_of(source: &Source) -> String {
    match source {
        Source::Env { variable, .. } => format!("the environment variable `{variable}`"),
        Source::File { path, .. } => path.display().to_string(),
        _ => "the value".to_owned(),
    }
}

/// What stands there, with what is sent before it.
///
/// # Errors
/// [`SourceError`] where there is nothing that can be sent.
pub(super) fn text(source: &Source) -> Result<String, SourceError> {
    read(source, |variable| std::env::var_os(variable))
}

fn read(
    source: &Source,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<String, SourceError> {
    match source {
        Source::Literal(text) => Ok(text.clone()),
        Source::Env {
            variable,
            default,
            prefix,
        } => {
            let set = environment(variable).filter(|it| !it.is_empty());
            let text = match (&set, default) {
                (Some(set), _) => sendable(set.as_encoded_bytes(), || place_of(source))?,
                (None, Some(default)) => default,
                (None, None) => {
                    let variable = variable.clone();
                    return Err(SourceError::NotSet { variable });
                }
            };
            Ok(format!("{prefix}{text}"))
        }
        Source::File { path, prefix } => {
            let bytes = input::read(path).map_err(|error| SourceError::File {
                path: path.clone(),
                problem: error.to_string(),
            })?;
            Ok(format!("{prefix}{}", of_file(path, &bytes)?))
        }
    }
}

/// The value in a file with these contents.
pub(super) fn of_file<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, SourceError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = sendable(bytes, || path.display().to_string())?;
    match text.is_empty() {
        true => Err(SourceError::Empty {
            path: path.to_owned(),
        }),
        false => Ok(text),
    }
}

/// What is sent of these bytes: all but the line's end that stands last.
fn sendable(bytes: &[u8], place: impl Fn() -> String) -> Result<&str, SourceError> {
    let unfit = || SourceError::Unfit { place: place() };
    let text = std::str::from_utf8(bytes).map_err(|_| unfit())?;
    let text = text.trim_end_matches(['\r', '\n']);
    let is_fit = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim() == text;
    is_fit.then_some(text).ok_or_else(unfit)
}

/// Notes what a source holds, as far as it can be read, as a secret.
pub(crate) fn learn(secrets: &Secrets, source: &Source) {
    let (Source::Env { prefix, .. } | Source::File { prefix, .. }) = source else {
        return;
    };
    if let Ok(value) = text(source) {
        secrets.learn(prefix, &value[prefix.len()..]);
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn environment(variable: &str) -> Option<OsString> {
        match variable {
            "TOKEN" => Some("s3cr3t-1".into()),
            "LINE" => Some("s3cr3t-1\r\n".into()),
            "LINES" => Some("s3cr3t\n1".into()),
            "UMLAUT" => Some("s\u{e4}cret".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        }
    }

    fn from_env(variable: &str, default: Option<&str>) -> Result<String, String> {
        let source = Source::Env {
            variable: variable.to_owned(),
            default: default.map(str::to_owned),
            prefix: "Bearer ".to_owned(),
        };
        read(&source, environment).map_err(|error| error.to_string())
    }

    #[test_case("TOKEN", None => "Bearer s3cr3t-1")]
    #[test_case("LINE", None => "Bearer s3cr3t-1"; "a line's end")]
    #[test_case("EMPTY", Some("dev") => "Bearer dev"; "empty, with a default")]
    #[test_case("NONE", Some("dev") => "Bearer dev"; "not set, with a default")]
    fn variables(variable: &str, default: Option<&str>) -> String {
        from_env(variable, default).expect("a value")
    }

    const NOT_SET: &str = "is not set; set it, or give a `default` beside `env`";
    const UNFIT: &str = "holds what no header can carry; expected one line of printable ASCII \
                         without space at either end";

    #[test_case("NONE" => format!("the environment variable `NONE` {NOT_SET}"))]
    #[test_case("EMPTY" => format!("the environment variable `EMPTY` {NOT_SET}"))]
    #[test_case("LINES" => format!("the environment variable `LINES` {UNFIT}"))]
    #[test_case("UMLAUT" => format!("the environment variable `UMLAUT` {UNFIT}"))]
    fn variables_without_a_value(variable: &str) -> String {
        from_env(variable, None).expect_err("no value")
    }

    #[test_case(b"s3cr3t-1" => Ok("s3cr3t-1".to_owned()); "no line's end")]
    #[test_case(b"s3cr3t-1\n" => Ok("s3cr3t-1".to_owned()); "a line")]
    #[test_case(b"\xef\xbb\xbfs3cr3t-1\r\n" => Ok("s3cr3t-1".to_owned()); "as some editors write")]
    #[test_case(b"" => Err("token.txt: it is empty; expected the value to send".to_owned()); "nothing")]
    #[test_case(b"\n" => Err("token.txt: it is empty; expected the value to send".to_owned()); "an empty line")]
    #[test_case(b"a\nb\n" => Err(format!("token.txt {UNFIT}")); "two lines")]
    #[test_case(b" a\n" => Err(format!("token.txt {UNFIT}")); "a blank in front")]
    #[test_case(b"\xff" => Err(format!("token.txt {UNFIT}")); "no text")]
    fn files(bytes: &[u8]) -> Result<String, String> {
        let text = of_file(Path::new("token.txt"), bytes);
        text.map(str::to_owned).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.txt");
        let error = read(&Source::file(&path), environment).unwrap_err();
        let error = error.to_string();
        let start = format!("{}: No such file", path.display());
        assert!(error.starts_with(&start), "{error}");
    }
}

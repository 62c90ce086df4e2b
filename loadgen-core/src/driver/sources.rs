//! Values of metadata and header fields, from where a plan says that they stand.
//!
//! Owns reading variables of the environment and files, and what a value may be. A message about one
//! names where it stands and never what it is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::renewed::{Named, Refused, Renewed};
use crate::input;
use crate::scenario::{Source, is_base64};
use crate::secrets::Secrets;
use crate::workload::Lookout;

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

/// A value that is sent.
#[derive(Debug, Clone)]
pub(crate) enum Sent {
    /// The same all the time.
    Fixed(HeaderValue),
    /// What is in a file.
    File(Arc<Renewed<HeaderValue, SourceError>>),
}

#[cfg(any(feature = "websocket", feature = "http"))]
impl Sent {
    /// The same, marked as what is told to nobody else. What is in a file is marked when it is added.
    pub(crate) fn sensitive(mut self) -> Self {
        if let Self::Fixed(value) = &mut self {
            value.set_sensitive(true);
        }
        self
    }
}

/// Header fields in their order, of which some may change. Those that do not are at hand as a map.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    fixed: HeaderMap,
    files: Vec<(HeaderName, Arc<Renewed<HeaderValue, SourceError>>)>,
}

impl From<HeaderMap> for Fields {
    fn from(fixed: HeaderMap) -> Self {
        Self {
            fixed,
            files: Vec::new(),
        }
    }
}

impl Fields {
    /// One that takes the place of others of its name.
    pub(crate) fn insert(&mut self, name: HeaderName, value: Sent) {
        self.files.retain(|(other, _)| *other != name);
        match value {
            Sent::Fixed(value) => {
                self.fixed.insert(name, value);
            }
            Sent::File(renewed) => {
                self.fixed.remove(&name);
                self.files.push((name, renewed));
            }
        }
    }

    /// One more, beside others of its name.
    pub(crate) fn append(&mut self, name: HeaderName, value: Sent) {
        match value {
            Sent::Fixed(value) => {
                self.fixed.append(name, value);
            }
            Sent::File(renewed) => self.files.push((name, renewed)),
        }
    }

    /// Those that do not change.
    #[cfg(any(feature = "websocket", feature = "http"))]
    pub(crate) fn fixed(&self) -> &HeaderMap {
        &self.fixed
    }

    /// Whether some may be other ones the next time.
    #[cfg(feature = "http")]
    pub(crate) fn may_change(&self) -> bool {
        !self.files.is_empty()
    }

    /// Adds those from files, as they are now, marked as what is told to nobody else.
    #[cfg(any(feature = "websocket", feature = "http"))]
    pub(crate) fn add_files(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.files {
            let mut value = value.now().as_ref().clone();
            value.set_sensitive(true);
            headers.append(name.clone(), value);
        }
    }

    /// All of them, as they are now.
    #[cfg(feature = "grpc")]
    #[inline]
    pub(crate) fn now(&self) -> HeaderMap {
        let mut now = self.fixed.clone();
        for (name, value) in &self.files {
            now.append(name.clone(), value.now().as_ref().clone());
        }
        now
    }
}

/// Reads the values of one scenario. Those of one file are read, and read again, together.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Learns what is read.
    secrets: Secrets,
    files: Vec<FileOf>,
}

/// A file, what is sent before its contents, and whether that is base64.
#[derive(Debug)]
struct FileOf {
    path: PathBuf,
    prefix: String,
    form: Form,
    value: Arc<Renewed<HeaderValue, SourceError>>,
}

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Base64,
}

impl Sources {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self {
            secrets: secrets.clone(),
            files: Vec::new(),
        }
    }

    /// The value of this field, to be sent.
    ///
    /// # Errors
    /// [`SourceError`] where there is none.
    pub(crate) fn value(
        &mut self,
        source: &Source,
        field: &str,
        form: Form,
    ) -> Result<Sent, SourceError> {
        learn(&self.secrets, source);
        let Source::File { path, prefix } = source else {
            let text = read(source, |variable| std::env::var_os(variable))?;
            return header(&text, form, || place_of(source)).map(Sent::Fixed);
        };
        let is_it = |it: &&FileOf| it.path == *path && it.prefix == *prefix && it.form == form;
        if let Some(known) = self.files.iter().find(is_it) {
            return Ok(Sent::File(Arc::clone(&known.value)));
        }
        let named = Named {
            path: path.clone(),
            field: field.to_owned(),
        };
        let (secrets, of, before) = (self.secrets.clone(), path.clone(), prefix.clone());
        let value = Renewed::new(vec![named], move |contents| {
            let bytes = contents[0].as_ref().map_err(|problem| SourceError::File {
                path: of.clone(),
                problem: problem.clone(),
            })?;
            let text = of_file(&of, bytes)?;
            secrets.learn(&before, text);
            header(&format!("{before}{text}"), form, || {
                of.display().to_string()
            })
        });
        let value = Arc::new(value?);
        self.files.push(FileOf {
            path: path.clone(),
            prefix: prefix.clone(),
            form,
            value: Arc::clone(&value),
        });
        Ok(Sent::File(value))
    }

    /// The files that may change.
    pub(crate) fn lookouts(&self) -> impl Iterator<Item = Arc<dyn Lookout>> {
        self.files
            .iter()
            .map(|it| Arc::clone(&it.value) as Arc<dyn Lookout>)
    }
}

fn header(text: &str, form: Form, place: impl Fn() -> String) -> Result<HeaderValue, SourceError> {
    if form == Form::Base64 && !is_base64(text) {
        return Err(SourceError::NotBase64 { place: place() });
    }
    HeaderValue::from_str(text).map_err(|_| SourceError::Unfit { place: place() })
}

/// Where a value stands, in a message.
fn place_of(source: &Source) -> String {
    match source {
        Source::Env { variable, .. } => format!("the environment variable `{variable}`"),
        Source::File { path, .. } => path.display().to_string(),
        _ => "the value".to_owned(),
    }
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
pub(crate) fn of_file<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, SourceError> {
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
    if let Ok(value) = read(source, |variable| std::env::var_os(variable)) {
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

//! Metadata and header fields as they are sent, of which some are read anew while the run is under way.
//!
//! Owns what a value may be in a header. Where it stands is `sources`'.

use std::path::PathBuf;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::renewed::{Named, Renewed};
use super::sources::{self, SourceError};
use crate::scenario::{Source, is_base64};
use crate::secrets::Secrets;
use crate::workload::Lookout;

/// A value that is sent.
#[derive(Debug, Clone)]
pub(crate) enum Sent {
    /// The same all the time.
    Fixed(HeaderValue),
    /// What is in a file.
    File(Arc<Renewed<HeaderValue, SourceError>>),
}

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
    pub(crate) fn fixed(&self) -> &HeaderMap {
        &self.fixed
    }

    /// Whether some may be other ones the next time.
    pub(crate) fn may_change(&self) -> bool {
        !self.files.is_empty()
    }

    /// A number that is another one once what is in a file is.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.files.iter().map(|(_, value)| value.renewals()).sum()
    }

    /// Adds those from files, as they are now, marked as what is told to nobody else.
    pub(crate) fn add_files(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.files {
            let mut value = value.now().as_ref().clone();
            value.set_sensitive(true);
            headers.append(name.clone(), value);
        }
    }

    /// All of them, as they are now.
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
        sources::learn(&self.secrets, source);
        let Source::File { path, prefix } = source else {
            let text = sources::text(source)?;
            return header(&text, form, || sources::place_of(source)).map(Sent::Fixed);
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
            let text = sources::of_file(&of, bytes)?;
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

//! What a suite is read from.

use std::fmt;
use std::io;
use std::path::Path;

use super::assignment::Assignment;
use crate::input;

/// Reads a file that a suite includes.
type Files<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// What a suite is read from: its text, and what else is to be known.
///
/// ```
/// use loadgen_core::scenario::{SuiteSource, Suite};
///
/// let text = "
/// scenarios:
///   - name: greet
///     load: { open: { rate: 20/s, duration: 10s } }
///     steps: [{ grpc: { method: loadgen.v1.Greeter/Hello } }]
/// ";
/// let set = ["scenarios.greet.load.open.rate=200/s".parse()?];
/// let suite = Suite::read(&SuiteSource::new("greet.yaml", text).set(&set))?;
/// assert_eq!(suite.scenarios()[0].name, "greet");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct SuiteSource<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) base_dir: Option<&'a Path>,
    pub(super) profile: Option<&'a str>,
    pub(super) set: &'a [Assignment],
    pub(super) over_shipped: bool,
    pub(super) files: Files<'a>,
}

impl<'a> SuiteSource<'a> {
    /// A text, and what it is called in errors. A name that ends in `.json`, `.yaml` or `.yml` says what
    /// it is written in; with any other, the text itself does.
    #[must_use]
    pub fn new(name: &'a str, text: &'a str) -> Self {
        Self {
            name,
            text,
            base_dir: None,
            profile: None,
            set: &[],
            over_shipped: false,
            files: &input::read_text,
        }
    }

    /// The folder that paths in the suite are relative to; the current one unless told.
    #[must_use]
    pub fn base_dir(self, base_dir: Option<&'a Path>) -> Self {
        Self { base_dir, ..self }
    }

    /// The profile whose fields replace those of every scenario; none unless told.
    #[must_use]
    pub fn profile(self, profile: Option<&'a str>) -> Self {
        Self { profile, ..self }
    }

    /// What is changed in the suite before it is validated, one after the other; nothing unless told.
    #[must_use]
    pub fn set(self, set: &'a [Assignment]) -> Self {
        Self { set, ..self }
    }

    /// Adds the [shipped](super::super::shipped) scenarios whose name and protocol the suite does not have.
    #[must_use]
    pub fn over_shipped(self) -> Self {
        Self {
            over_shipped: true,
            ..self
        }
    }

    /// Where files that the suite includes are read from; the file system unless told.
    #[must_use]
    pub fn files(self, files: Files<'a>) -> Self {
        Self { files, ..self }
    }
}

impl fmt::Debug for SuiteSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SuiteSource")
            .field("name", &self.name)
            .field("base_dir", &self.base_dir)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

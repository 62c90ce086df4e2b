//! What a scenario is made from: its own fields, those of a profile before them and the defaults
//! after. Validation picks from these, in every room and in what is common to all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::raw::RawScenario;
use crate::scenario::backend::BackendPlan;
use crate::scenario::reader::Entry;
use crate::scenario::reader::problem::Problems;
use crate::scenario::value::{FilePath, RawSource, Source};
use crate::units::format_duration;

/// One source of a scenario's fields, with the path to it.
#[derive(Debug, Clone)]
pub(in crate::scenario) struct Layer<'a> {
    pub(in crate::scenario) raw: &'a RawScenario,
    pub(in crate::scenario) path: String,
}

/// Everything a scenario is made from.
#[derive(Debug)]
pub(in crate::scenario) struct Layers<'a> {
    /// The layer that counts most first: the profile, the scenario itself, the defaults.
    pub(in crate::scenario) layers: Vec<Layer<'a>>,
    /// The scenario itself, for what is missing.
    pub(in crate::scenario) own_path: String,
    pub(in crate::scenario) base_dir: Option<&'a Path>,
    /// The suite's servers; `None` where they are not known, and so not looked for.
    pub(in crate::scenario) servers: Option<&'a [BackendPlan]>,
    pub(in crate::scenario) problems: &'a Problems,
}

/// A field from the first layer that has it, with its path.
pub(in crate::scenario) struct Picked<'a, T> {
    pub(in crate::scenario) entry: &'a Entry<T>,
    pub(in crate::scenario) path: String,
}

impl<'a> Layers<'a> {
    pub(in crate::scenario) fn pick<T>(
        &self,
        field: &str,
        get: impl Fn(&'a RawScenario) -> &'a Entry<T>,
    ) -> Picked<'a, T> {
        let absent = &Entry::Absent;
        self.layers
            .iter()
            .find(|layer| !get(layer.raw).is_absent())
            .map_or_else(
                || Picked {
                    entry: absent,
                    path: format!("{}.{field}", self.own_path),
                },
                |layer| Picked {
                    entry: get(layer.raw),
                    path: format!("{}.{field}", layer.path),
                },
            )
    }

    /// The layer of the scenario itself.
    pub(in crate::scenario) fn own(&self) -> Option<&'a RawScenario> {
        let mut layers = self.layers.iter();
        let own = layers.find(|layer| layer.path == self.own_path);
        own.map(|layer| layer.raw)
    }

    /// Notes a step that listens for as long as an iteration may take: it could only time out.
    pub(in crate::scenario) fn refuse_too_long(
        &self,
        path: String,
        found: String,
        timeout: Duration,
    ) {
        self.problems.add(
            path,
            found,
            format!("less than the `timeout` of {}", format_duration(timeout)),
            Some("an iteration that takes longer is cut off, pauses left out".to_owned()),
        );
    }

    /// Where a value comes from; `None` where that could not be read.
    pub(in crate::scenario) fn source(&self, raw: &Entry<RawSource>) -> Option<Source> {
        raw.given()?.source(|file| self.resolve(file))
    }

    /// A path in the file is relative to the file.
    pub(in crate::scenario) fn resolve(&self, file: &FilePath) -> PathBuf {
        match self.base_dir {
            Some(base_dir) => base_dir.join(&file.0),
            None => PathBuf::from(&file.0),
        }
    }
}

//! Which file a part of a suite comes from, where that is not the one that is read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Where something stands, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct Origin {
    /// The file, or the flag; `None` is the file that is read.
    pub(in crate::scenario) source: Option<Rc<str>>,
    /// The path in it.
    pub(in crate::scenario) path: String,
    /// The folder that paths of files are relative to, from that of the file that is read.
    pub(in crate::scenario) folder: Rc<Path>,
}

/// Where the parts of a suite come from, by their paths in the whole.
#[derive(Debug, Default)]
pub(in crate::scenario) struct Origins {
    known: HashMap<String, Origin>,
}

impl Origins {
    pub(in crate::scenario) fn add(&mut self, path: String, origin: Origin) {
        self.known.insert(path, origin);
    }

    /// Where something of the whole comes from.
    pub(in crate::scenario) fn of(&self, path: &str) -> Origin {
        let mut end = path.len();
        // Nothing is looked up where a suite is one file, as most are.
        while !self.known.is_empty() && end > 0 {
            if let Some(origin) = self.known.get(&path[..end]) {
                let mut origin = origin.clone();
                origin.path.push_str(&path[end..]);
                return origin;
            }
            end = path[..end].rfind(['.', '[']).unwrap_or(0);
        }
        Origin {
            source: None,
            path: path.to_owned(),
            folder: PathBuf::new().into(),
        }
    }
}

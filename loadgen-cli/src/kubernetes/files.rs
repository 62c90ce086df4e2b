//! The files that a scenario is made of, and where a pod has them.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf, absolute};
use std::{env, fs};

use loadgen_core::scenario::FileRole;

use super::KubernetesError;
use super::flags::Run;
use super::imports;

/// Where a pod has the files.
pub(super) const FOLDER: &str = "/scenario";
/// What a ConfigMap takes, less what it says beside the files.
const MOST_BYTES: u64 = (1 << 20) - (32 << 10);

/// The files, each with its path below the folder of all.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Where the scenario is in a pod.
    pub(super) scenario: Option<String>,
    /// What the files are called there, and what they say.
    pub(super) texts: Vec<Text>,
}

/// A file.
#[derive(Debug)]
pub(super) struct Text {
    /// Its key in the ConfigMap.
    pub(super) key: String,
    /// Its path below the folder of all.
    pub(super) path: String,
    /// What it says.
    pub(super) content: String,
}

impl Files {
    /// Finds and reads them all. Those that a scenario names with their whole paths are taken to be in the image; for
    /// that the scenario itself is not named so.
    ///
    /// # Errors
    /// For a file that cannot be read, is no text, holds a secret, or is too much.
    pub(super) fn of(scenario: Option<&Path>, run: &Run) -> Result<Self, KubernetesError> {
        let Some(scenario) = scenario else {
            return Ok(Self::default());
        };
        let mut found = BTreeSet::from([scenario.to_owned()]);
        found.extend(run.included.iter().cloned());
        let named = run.scenarios.iter().flat_map(|it| it.files());
        let named: BTreeSet<_> = named.filter(|it| it.path.is_relative()).collect();
        let (folders, described): (Vec<PathBuf>, Vec<PathBuf>) = named
            .iter()
            .filter(|it| it.role == FileRole::Description)
            .map(|it| it.path.clone())
            .partition(|it| it.is_dir());
        for it in named {
            match it.role {
                FileRole::Secret => return Err(KubernetesError::Secret { path: it.path }),
                FileRole::Description => {}
                _ => drop(found.insert(it.path)),
            }
        }
        let beside = described.iter().filter_map(|it| it.parent());
        let looked_in: Vec<PathBuf> = folders
            .iter()
            .cloned()
            .chain(beside.map(Path::to_owned))
            .collect();
        for file in &described {
            imports::add(file, &looked_in, &mut found).map_err(|it| unread(file, it))?;
        }
        for folder in &folders {
            imports::below(folder, &mut found).map_err(|it| unread(folder, it))?;
        }
        Self::laid_out(scenario, &found)
    }

    /// Reads files, below the folder that all of them are in.
    fn laid_out(scenario: &Path, found: &BTreeSet<PathBuf>) -> Result<Self, KubernetesError> {
        let whole = |path: &Path| {
            absolute(path)
                .map(|it| without_steps_up(&it))
                .map_err(|it| unread(path, it))
        };
        let mut common = whole(scenario)?
            .parent()
            .map(Path::to_owned)
            .unwrap_or_default();
        for path in found {
            while !whole(path)?.starts_with(&common) && common.pop() {}
        }
        let below = |path: &Path| -> Result<String, KubernetesError> {
            let path = whole(path)?;
            let below = path.strip_prefix(&common).unwrap_or(&path);
            Ok(below.display().to_string())
        };
        let mut files = Self {
            scenario: Some(format!("{FOLDER}/{}", below(scenario)?)),
            texts: Vec::with_capacity(found.len()),
        };
        let mut bytes = 0;
        for path in found {
            let length = fs::metadata(path).map_err(|it| unread(path, it))?.len();
            bytes += length;
            if bytes > MOST_BYTES {
                return Err(KubernetesError::TooLarge { path: path.clone() });
            }
            let read = fs::read(path).map_err(|it| unread(path, it))?;
            let content = String::from_utf8(read).ok().filter(|it| !it.contains('\0'));
            let content = content.ok_or_else(|| KubernetesError::Binary { path: path.clone() })?;
            let below = below(path)?;
            files.texts.push(Text {
                key: files.key(&below),
                path: below,
                content,
            });
        }
        Ok(files)
    }

    /// A key that no other file has.
    fn key(&self, path: &str) -> String {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let plain: String = path
            .chars()
            .map(|c| if is_fine(c) { c } else { '_' })
            .collect();
        let is_free = |key: &String| self.texts.iter().all(|it| it.key != *key);
        // Longer ones are not taken.
        let numbered = format!("{}.file", self.texts.len());
        Some(plain)
            .filter(|it| is_free(it) && it.len() <= 200 && !it.starts_with(".."))
            .unwrap_or(numbered)
    }
}

/// A file's path from the folder that this is called in, by which what it names stays as it is named: whole, or not.
pub(super) fn from_here(file: &Path) -> PathBuf {
    let here = match env::current_dir() {
        Ok(here) if file.is_absolute() => here,
        _ => return file.to_owned(),
    };
    let common = here
        .components()
        .zip(file.components())
        .take_while(|(here, file)| here == file)
        .count();
    let up = here.components().skip(common).map(|_| Component::ParentDir);
    up.chain(file.components().skip(common)).collect()
}

fn unread(path: &Path, source: std::io::Error) -> KubernetesError {
    KubernetesError::Read {
        path: path.to_owned(),
        source,
    }
}

/// A whole path without `..`.
fn without_steps_up(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

//! Where a run keeps its journal.

use std::path::{Path, PathBuf};

use super::RunSettings;
use crate::args::RunArgs;

/// Where a run keeps its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Journal {
    /// Nowhere.
    None,
    /// In this folder, which somebody named: there is no run without.
    In(PathBuf),
    /// Beside its result, where that goes to a file and it is possible.
    Beside,
}

impl Journal {
    /// What the flags say.
    pub(super) fn resolve(args: &RunArgs) -> Self {
        match &args.journal {
            _ if args.no_journal => Self::None,
            Some(folder) => Self::In(folder.clone()),
            None => Self::Beside,
        }
    }
}

impl RunSettings {
    /// The first file that the result document goes to.
    pub(crate) fn result(&self) -> Option<&Path> {
        let mut documents = self.outputs.iter().filter(|it| it.is_document());
        documents.next().map(|it| &*it.path)
    }
}

/// What is behind the name of a result in that of its journal's folder.
const ENDING: &str = "journal";

/// Whether a folder may be that of the journal of a result beside it, by its name.
pub(crate) fn is_beside(folder: &Path) -> bool {
    folder.extension().is_some_and(|it| it == ENDING)
}

/// The folder of the journal beside a file of results.
pub(crate) fn beside(result: &Path) -> PathBuf {
    let mut name = result.as_os_str().to_owned();
    name.push(format!(".{ENDING}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(None, false => Journal::Beside; "unless told")]
    #[test_case(Some("here"), false => Journal::In("here".into()); "as told")]
    #[test_case(None, true => Journal::None; "not wanted")]
    fn is_kept(folder: Option<&str>, no_journal: bool) -> Journal {
        Journal::resolve(&RunArgs {
            journal: folder.map(PathBuf::from),
            no_journal,
            ..RunArgs::default()
        })
    }

    #[test]
    fn the_folder_has_the_result_s_whole_name() {
        assert_eq!(
            beside(Path::new("out/r.json")),
            Path::new("out/r.json.journal")
        );
    }
}

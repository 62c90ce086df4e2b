//! Where a run keeps its journal.

use std::path::{Path, PathBuf};

use crate::args::RunArgs;

/// Where a run keeps its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Journal {
    /// Nowhere.
    None,
    /// In this folder, which somebody named: there is no run without.
    In(PathBuf),
    /// Beside this file of results, where that is possible.
    Beside(PathBuf),
}

impl Journal {
    /// What the flags say. Without a file of results, a run that nobody asked it of keeps none.
    pub(super) fn resolve(args: &RunArgs) -> Self {
        if args.no_journal {
            return Self::None;
        }
        let documents = args.outputs.iter().filter(|it| it.is_document());
        let first = documents.map(|it| it.path.clone()).next();
        match &args.journal {
            Some(folder) => Self::In(folder.clone()),
            None => first.map_or(Self::None, Self::Beside),
        }
    }
}

/// The folder of the journal beside a file of results.
pub(crate) fn beside(result: &Path) -> PathBuf {
    let mut name = result.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::output::{Kind, Spec};

    fn none() -> Journal {
        Journal::None
    }

    fn within(folder: &str) -> Journal {
        Journal::In(folder.into())
    }

    fn next_to(result: &str) -> Journal {
        Journal::Beside(result.into())
    }

    #[test_case(None, false, &[] => none(); "nothing was asked for")]
    #[test_case(None, false, &["r.json", "s.json"] => next_to("r.json"); "beside the first result")]
    #[test_case(Some("here"), false, &["r.json"] => within("here"); "as told")]
    #[test_case(Some("here"), false, &[] => within("here"); "as told, without a result")]
    #[test_case(None, true, &["r.json"] => none(); "not wanted")]
    fn is_kept(folder: Option<&str>, no_journal: bool, results: &[&str]) -> Journal {
        let outputs = results.iter().map(|path| Spec {
            kind: Kind::Json,
            path: path.into(),
        });
        Journal::resolve(&RunArgs {
            journal: folder.map(PathBuf::from),
            no_journal,
            outputs: outputs.collect(),
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

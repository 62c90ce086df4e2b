//! An import that is not found: where it may be.
//!
//! Owns looking around for it, and knowing who gives away the files that many import.

use std::fs;
use std::path::{Path, PathBuf};

/// Who gives away the files whose names begin so.
const GIVEN_AWAY: [(&str, &str); 6] = [
    (
        "google/",
        "`pip install googleapis-common-protos` brings the usual ones of Google's along, in \
         site-packages, and a clone of github.com/googleapis/googleapis has all of them",
    ),
    (
        "opentelemetry/proto/",
        "a clone of github.com/open-telemetry/opentelemetry-proto has it",
    ),
    (
        "buf/validate/",
        "a clone of github.com/bufbuild/protovalidate has it, in proto/protovalidate",
    ),
    (
        "validate/",
        "a clone of github.com/bufbuild/protoc-gen-validate has it",
    ),
    (
        "protoc-gen-openapiv2/",
        "a clone of github.com/grpc-ecosystem/grpc-gateway has it",
    ),
    ("gogoproto/", "a clone of github.com/gogo/protobuf has it"),
];

/// What is said of an import that is in none of these folders. `of_set` says that a descriptor set
/// lacks it.
pub(super) fn told(import: &str, roots: &[PathBuf], of_set: bool) -> String {
    let mut looked: Vec<String> = roots
        .iter()
        .map(|root| root.display().to_string())
        .collect();
    if of_set {
        looked.insert(0, "the descriptor set".to_owned());
    }
    let looked = match looked.as_slice() {
        [] => String::new(),
        _ => format!(" in {}", looked.join(", ")),
    };
    let advice = match (root_of(import, roots), of_set) {
        (Some(root), _) => format!("it is found with `{}` in `protos`", root.display()),
        (None, false) => "add the folder that imports start from to `protos`".to_owned(),
        (None, true) => "make the set with --include_imports, or add the folder that imports \
                         start from to `protos`"
            .to_owned(),
    };
    let given_away = GIVEN_AWAY
        .iter()
        .find(|(prefix, _)| import.starts_with(prefix) && !import.starts_with("google/protobuf/"));
    let who = given_away.map_or_else(String::new, |(_, who)| format!(" ({who})"));
    format!("the import `{import}` is not found{looked}; {advice}{who}")
}

/// A folder near the roots that has the file: one above them, or one in or beside those.
fn root_of(import: &str, roots: &[PathBuf]) -> Option<PathBuf> {
    let above = roots.iter().flat_map(|root| {
        let root = root.canonicalize().unwrap_or_else(|_| root.clone());
        root.ancestors()
            .take(5)
            .map(Path::to_owned)
            .collect::<Vec<_>>()
    });
    let above: Vec<PathBuf> = above.collect();
    let has_it = |folder: &PathBuf| folder.join(import).is_file();
    if let Some(folder) = above.iter().find(|folder| has_it(folder)) {
        return Some(folder.clone());
    }
    above
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten().take(1000))
        .map(|entry| entry.path())
        .find(has_it)
}

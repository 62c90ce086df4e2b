//! Which `.proto` files one of them needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Adds a file, and what it imports of what lies in these folders, or beside it. What is nowhere there comes with
/// the protocol, or the run says that it is missing.
///
/// # Errors
/// Where one of them cannot be read.
pub(super) fn add(
    file: &Path,
    folders: &[PathBuf],
    found: &mut BTreeSet<PathBuf>,
) -> io::Result<()> {
    if !found.insert(file.to_owned()) {
        return Ok(());
    }
    // A descriptor set has all it needs.
    let Ok(text) = String::from_utf8(fs::read(file)?) else {
        return Ok(());
    };
    for import in imported(&text) {
        let path = folders.iter().map(|it| it.join(import));
        if let Some(path) = path.into_iter().find(|it| it.is_file()) {
            add(&path, folders, found)?;
        }
    }
    Ok(())
}

/// The names that stand behind `import`. One in a comment adds a file that is not needed.
fn imported(text: &str) -> impl Iterator<Item = &str> {
    text.split("import").skip(1).filter_map(|behind| {
        let behind = behind.trim_start();
        let behind = ["public", "weak", "option"]
            .iter()
            .find_map(|word| behind.strip_prefix(word))
            .unwrap_or(behind)
            .trim_start();
        let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        behind[1..].split(quote).next()
    })
}

/// All files below a folder whose names end in `.proto`.
///
/// # Errors
/// Where a folder cannot be looked through.
pub(super) fn below(folder: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            below(&path, found)?;
        } else if path.extension().is_some_and(|it| it == "proto") {
            found.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_however_they_are_written() {
        let text = "syntax = \"proto3\";\nimport \"a.proto\";\nimport public 'b/c.proto';import weak\n  \"d.proto\";\n\
                    message important { string import = 1; }\n";
        let found: Vec<&str> = imported(text).collect();
        assert_eq!(found, ["a.proto", "b/c.proto", "d.proto"]);
    }
}

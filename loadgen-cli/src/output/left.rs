//! What processes have left that were killed before their files were what they are for.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

/// How names begin and end of files that are on their way.
pub(super) const PREFIX: &str = ".loadgen-";
pub(super) const SUFFIX: &str = ".part";
/// Who makes such a file locks it at once. Younger ones are left alone.
const SETTLED: Duration = Duration::from_secs(60);

/// Removes files on their way to a place in this folder whose processes are gone. Each process has its own locked for
/// as long as it lives; what the system refuses is left.
pub(super) fn clear(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.map_while(Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_file = entry.file_type().is_ok_and(|it| it.is_file());
        if is_file && name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            let _ = remove(&entry.path());
        }
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    let file = File::open(path)?;
    let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
    match age >= SETTLED && file.try_lock().is_ok() {
        true => fs::remove_file(path),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_nobody_holds_any_more_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - 2 * SETTLED;
        let make = |name: &str, is_old: bool| {
            let file = File::create(folder.path().join(name)).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
            file
        };
        make(".loadgen-left.part", true);
        let held = make(".loadgen-held.part", true);
        held.lock().unwrap();
        make(".loadgen-new.part", false);
        make(".other.part", true);
        make("result.json", true);
        clear(folder.path());
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let stay = [
            ".loadgen-held.part",
            ".loadgen-new.part",
            ".other.part",
            "result.json",
        ];
        assert_eq!(names, stay);
        clear(&folder.path().join("not there"));
    }
}

//! Files that are read whole: suites and certificates.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The most that is read.
const MOST_BYTES: u64 = 64 << 20;

/// All of a file or a pipe; not of what has no end, like some devices.
///
/// # Errors
/// What the system said, or what is wrong with the file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.is_dir() {
        return Err(invalid("it is a folder; expected a file"));
    }
    read_all(File::open(path)?)
}

/// All that comes, if it is no more than a file may hold.
pub(crate) fn read_all(from: impl Read) -> io::Result<Vec<u8>> {
    read_most(from, MOST_BYTES)
}

fn read_most(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(invalid(format!(
            "it is longer than {} MiB, which is the most that is read",
            MOST_BYTES >> 20
        )));
    }
    Ok(bytes)
}

/// What is wrong with what was read.
pub(crate) fn invalid(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path()).unwrap_err();
        assert_eq!(error.to_string(), "it is a folder; expected a file");
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let error = read_most(io::repeat(b' '), 10).unwrap_err();
        let expected = "it is longer than 64 MiB, which is the most that is read";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn as_much_as_allowed_is_read() {
        assert_eq!(read_most(&b"0123456789"[..], 10).unwrap(), b"0123456789");
    }
}

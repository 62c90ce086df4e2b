//! Files that are read whole: suites, certificates and keys.
//!
//! Owns the bound on how much is read, and that what can be read once only is.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use ring::digest;

/// The most that is read.
const MOST_BYTES: u64 = 64 << 20;
/// The most that is read of test data.
const MOST_DATA_BYTES: u64 = 4 << 30;

/// What came through pipes, by their names: who asks again would wait for ever.
static FROM_PIPES: Mutex<BTreeMap<PathBuf, Arc<[u8]>>> = Mutex::new(BTreeMap::new());

/// All of a file or a pipe; not of what has no end, like some devices. A pipe is read once, and who
/// asks for it again is told the same.
///
/// # Errors
/// What the system said, or what is wrong with the file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_file(path, MOST_BYTES)
}

/// As [`read`], of a file that may be long: test data.
pub(crate) fn read_long(path: &Path) -> io::Result<Vec<u8>> {
    read_file(path, MOST_DATA_BYTES)
}

/// The SHA-256 of what [`read_long`] reads, in hexadecimal digits. A file is not held in memory for it.
pub(crate) fn digest(path: &Path) -> io::Result<String> {
    let mut context = digest::Context::new(&digest::SHA256);
    if fs::metadata(path)?.is_file() {
        let mut file = File::open(path)?;
        let mut piece = vec![0; 64 << 10];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                read => context.update(&piece[..read]),
            }
        }
    } else {
        context.update(&read_long(path)?);
    }
    Ok(HEXLOWER.encode(context.finish().as_ref()))
}

fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(invalid("it is a folder; expected a file"));
    }
    if metadata.is_file() {
        return read_most(File::open(path)?, most, metadata.len());
    }
    // Held while reading: several may want the same.
    let mut known = FROM_PIPES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = known.get(path) {
        return Ok(bytes.to_vec());
    }
    let bytes = read_all(File::open(path)?)?;
    known.insert(path.to_owned(), bytes.as_slice().into());
    Ok(bytes)
}

/// All of a file or a pipe, as [`read`] does, which has to be a text.
///
/// # Errors
/// As for [`read`] and [`text`].
pub fn read_text(path: &Path) -> io::Result<String> {
    text(read(path)?)
}

/// The text that these bytes are.
///
/// # Errors
/// What they are instead, or where they end being UTF-8.
pub fn text(bytes: Vec<u8>) -> io::Result<String> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(invalid("it is UTF-16; save it as UTF-8"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        invalid(format!("it is not a text: byte {at} is not UTF-8"))
    })
}

/// All that comes, if it is no more than a file may hold.
///
/// # Errors
/// What the system said, or that there is more.
pub fn read_all(from: impl Read) -> io::Result<Vec<u8>> {
    read_most(from, MOST_BYTES, 0)
}

/// Room is made at once for as much as there should be: making more of it, again and again, takes twice the
/// memory.
fn read_most(from: impl Read, most: u64, expected: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let room = usize::try_from(expected.min(most)).unwrap_or(0);
    // One more than there is, to see that there is no more. Where there is no room, reading says so.
    let _ = bytes.try_reserve_exact(room.saturating_add(1));
    from.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(invalid(format!(
            "it is longer than {} MiB, which is the most that is read",
            most >> 20
        )));
    }
    Ok(bytes)
}

/// What is wrong with what was read.
#[must_use]
pub fn invalid(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(b"{}" => "{}"; "text")]
    #[test_case(b"\xff\xfe{\0}\0" => "it is UTF-16; save it as UTF-8"; "little endian")]
    #[test_case(b"\xfe\xff\0{\0}" => "it is UTF-16; save it as UTF-8"; "big endian")]
    #[test_case(b"{\xff}" => "it is not a text: byte 1 is not UTF-8"; "binary")]
    fn what_is_read(bytes: &[u8]) -> String {
        text(bytes.to_vec()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path()).unwrap_err();
        assert_eq!(error.to_string(), "it is a folder; expected a file");
    }

    /// The second who asked once waited for a writer that never came.
    #[test]
    fn a_pipe_is_read_once_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let to = path.clone();
        let writer = std::thread::spawn(move || fs::write(to, "once"));
        for _ in 0..2 {
            assert_eq!(read(&path).unwrap(), b"once");
        }
        writer.join().unwrap().unwrap();
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let error = read_most(io::repeat(b' '), 1 << 20, 0).unwrap_err();
        let expected = "it is longer than 1 MiB, which is the most that is read";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn as_much_as_allowed_is_read() {
        // However much was expected: a file may grow or shrink meanwhile.
        for expected in [0, 3, 10, u64::MAX] {
            let read = read_most(&b"0123456789"[..], 10, expected).unwrap();
            assert_eq!(read, b"0123456789");
        }
    }
}

//! Where scenarios come from: the shipped suite, a file, or standard input.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use loadgen_core::scenario::{self, Suite};

use crate::error::Error;

/// The suite to choose scenarios from by name: a file's, and what it lacks from the shipped one.
///
/// # Errors
/// As for [`load`].
pub(crate) fn load_over_shipped(
    config: Option<&Path>,
    profile: Option<&str>,
) -> Result<Suite, Error> {
    Ok(load(config, profile)?.or(scenario::shipped()))
}

/// The suite of a file (`-` is standard input), or the shipped one.
///
/// # Errors
/// [`Error::ReadSuite`] when the file cannot be read, [`Error::Suite`] when it is not valid.
pub(crate) fn load(config: Option<&Path>, profile: Option<&str>) -> Result<Suite, Error> {
    let Some(path) = config else {
        return Ok(scenario::shipped());
    };
    let text = read(path).map_err(|source| Error::ReadSuite {
        path: path.to_owned(),
        source,
    })?;
    let base = path.parent().filter(|_| path != Path::new("-"));
    Ok(Suite::parse(&name(path), &text, base, profile)?)
}

/// What a file is called in messages.
pub(crate) fn name(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

fn read(path: &Path) -> io::Result<String> {
    if path != Path::new("-") {
        return fs::read_to_string(path);
    }
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}

//! `loadgen init`: from a few answers to a scenario file.
//!
//! Owns the questions, what is proposed, and the file as a person reads it. What the answers mean is
//! `ad_hoc`'s: the file is the one that the command of the protocol would print. What is asked of gRPC is
//! `grpc`'s, of the other protocols `exchange`'s, of load and goal `load`'s.

mod dialog;
mod exchange;
mod grpc;
mod load;
mod yaml;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::{fs, io};

use loadgen_core::scenario::Protocol;

use crate::ad_hoc::{AdHoc, in_flags, path_of};
use crate::args::InitArgs;
use crate::error::Error;
use crate::{output, protocols};

pub(crate) use self::dialog::Dialog;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum InitError {
    /// A file that is there already.
    #[error("{} is there already; --force replaces it", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// A file that is there already, and is to stay.
    #[error("{} stays as it is; nothing was written", path.display())]
    Stays {
        /// Which file.
        path: PathBuf,
    },
    /// A file in a folder that is not there.
    #[error("failed to write {}: there is no folder {}", path.display(), folder.display())]
    NoFolder {
        /// Which file.
        path: PathBuf,
        /// Which folder.
        folder: PathBuf,
    },
    /// Something needed that nobody can be asked for.
    #[error("standard input is no terminal, so that nothing can be asked: give {0}")]
    Missing(&'static str),
    /// An answer to a question of another protocol.
    #[error("`{flag}` says nothing of a scenario that speaks {protocol}")]
    NotAsked {
        /// Its flag.
        flag: &'static str,
        /// What is spoken.
        protocol: &'static str,
    },
    /// Whoever is asked has nothing more to say.
    #[error("the answers ended; nothing was written")]
    Ended,
    /// The terminal.
    #[error("failed to ask: {0}")]
    Terminal(io::Error),
    /// A file that cannot be written.
    #[error("failed to write {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The folder that a file is to be in, where it is not the current one.
fn folder_of(file: &Path) -> Option<&Path> {
    file.parent().filter(|it| !it.as_os_str().is_empty())
}

/// Makes sure that there is a place for the file and that none is lost, before anything is asked.
///
/// # Errors
/// When it has no folder, or is there and is to stay.
pub(crate) fn refuse_file<R: BufRead, W: Write>(
    args: &InitArgs,
    dialog: Option<&mut Dialog<R, W>>,
) -> Result<(), InitError> {
    if let Some(folder) = folder_of(&args.file).filter(|it| !it.is_dir()) {
        return Err(InitError::NoFolder {
            path: args.file.clone(),
            folder: folder.to_owned(),
        });
    }
    if args.force || !args.file.exists() {
        return Ok(());
    }
    let path = args.file.clone();
    let Some(dialog) = dialog else {
        return Err(InitError::Exists { path });
    };
    let question = format!("{} is there already. Replace it, y or n", path.display());
    let yes_or_no = |answer: &str| match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("expected y or n".to_owned()),
    };
    match dialog.ask(&question, Some("n"), yes_or_no)? {
        true => Ok(()),
        false => Err(InitError::Stays { path }),
    }
}

/// Makes sure that no answer was given to what is not asked for this protocol.
///
/// # Errors
/// With its flag.
fn refuse_answers(args: &InitArgs, protocol: Protocol) -> Result<(), InitError> {
    let of_grpc = protocol == Protocol::Grpc;
    let answers = [
        ("--method", args.method.is_some(), of_grpc),
        ("--proto", !args.protos.is_empty(), of_grpc),
        ("--send", args.send.is_some(), !of_grpc),
        ("--until", args.until.is_some(), protocol == Protocol::Tcp),
    ];
    let strange = answers.into_iter().find(|(_, given, fits)| *given && !fits);
    strange.map_or(Ok(()), |(flag, ..)| {
        Err(InitError::NotAsked {
            flag,
            protocol: protocol.as_str(),
        })
    })
}

/// The protocol that the answers given as flags leave no doubt of.
fn said(args: &InitArgs) -> Option<Protocol> {
    let target = args.target.as_deref().unwrap_or_default();
    let scheme = target.split_once("://").map(|(scheme, _)| scheme);
    let has_path = !matches!(path_of(target), "" | "/");
    let sends = args.send.is_some();
    match scheme {
        _ if args.protocol.is_some() => args.protocol,
        _ if args.method.is_some() => Some(Protocol::Grpc),
        _ if args.until.is_some() => Some(Protocol::Tcp),
        Some("ws" | "wss") => Some(Protocol::Websocket),
        Some("tcp" | "tls") => Some(Protocol::Tcp),
        // Without more it may be a server of gRPC.
        Some("http" | "https") if has_path || sends => Some(Protocol::Http),
        _ => sends.then_some(Protocol::Websocket),
    }
}

/// The scenario that the answers make; what no flag says is asked for where somebody can be.
///
/// # Errors
/// When something needed is missing, or the whole makes no scenario.
pub(crate) fn scenario<R: BufRead, W: Write>(
    args: &InitArgs,
    mut dialog: Option<&mut Dialog<R, W>>,
    cores: usize,
) -> Result<AdHoc, Error> {
    let protocol = match (said(args), &mut dialog) {
        (Some(protocol), _) => protocol,
        (None, Some(dialog)) => dialog.ask(
            "What does the service speak, grpc, websocket, http or tcp",
            Some("grpc"),
            |answer| {
                let mut all = protocols::ALL.iter().map(|it| it.protocol);
                let known = all.find(|it| it.as_str().eq_ignore_ascii_case(answer));
                known.ok_or_else(|| "expected grpc, websocket, http or tcp".to_owned())
            },
        )?,
        (None, None) => Protocol::Grpc,
    };
    refuse_answers(args, protocol)?;
    let made = match protocol {
        Protocol::Websocket => exchange::websocket(args, dialog)?,
        Protocol::Http => exchange::http(args, dialog)?,
        Protocol::Tcp => exchange::tcp(args, dialog)?,
        _ => grpc::scenario(args, dialog, cores)?,
    };
    // Whatever is wrong is said now, and not when it is run.
    made.settle(cores).map_err(in_flags)?;
    Ok(made)
}

/// Writes the file, whole or not at all. Whether it may be replaced was asked before.
///
/// # Errors
/// When the system refuses.
pub(crate) fn write(path: &Path, ad_hoc: &AdHoc, cores: usize) -> Result<(), Error> {
    let file = ad_hoc.file(&ad_hoc.settle(cores).map_err(in_flags)?);
    let is_json = path
        .extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("json"));
    let text = match is_json {
        true => output::json(&file),
        false => yaml::file(&file, path),
    };
    let failed = |source| InitError::Write {
        path: path.to_owned(),
        source,
    };
    let folder = folder_of(path);
    let mut unfinished = tempfile::Builder::new()
        .prefix(".loadgen-init")
        .permissions(readable())
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(failed)?;
    unfinished.write_all(text.as_bytes()).map_err(failed)?;
    unfinished
        .persist(path)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

/// A scenario file is for everybody, as an editor would make it.
fn readable() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o644)
}

#[cfg(test)]
mod tests;

//! What is sent to a service of WebSocket, HTTP or TCP.

use std::io::{BufRead, Write};

use loadgen_core::scenario::Target;

use super::load::shared;
use super::{Dialog, InitError};
use crate::ad_hoc::{AdHoc, target_of};
use crate::args::{HttpArgs, InitArgs, TcpArgs, WebsocketArgs};
use crate::error::Error;

/// The scenario that sends a text over WebSocket.
///
/// # Errors
/// When something needed is missing.
pub(super) fn websocket<R: BufRead, W: Write>(
    args: &InitArgs,
    mut dialog: Option<&mut Dialog<R, W>>,
) -> Result<AdHoc, Error> {
    let needed = "`--target` and `--send`";
    let url = address(args, &mut dialog, "ws://127.0.0.1:8080/", needed)?;
    let question = "Text to send, which one message answers";
    let send = text(
        args.send.as_ref(),
        &mut dialog,
        question,
        "hello",
        "`--send`",
    )?;
    let asked = WebsocketArgs {
        url,
        send: Some(send),
        shared: shared(args, dialog)?,
        ..WebsocketArgs::default()
    };
    Ok(AdHoc::of_websocket(&asked)?)
}

/// The scenario that asks for a page.
///
/// # Errors
/// When something needed is missing.
pub(super) fn http<R: BufRead, W: Write>(
    args: &InitArgs,
    mut dialog: Option<&mut Dialog<R, W>>,
) -> Result<AdHoc, Error> {
    let url = address(args, &mut dialog, "http://127.0.0.1:8081/", "`--target`")?;
    let asked = HttpArgs {
        url,
        body: args.send.clone(),
        shared: shared(args, dialog)?,
        ..HttpArgs::default()
    };
    Ok(AdHoc::of_http(&asked)?)
}

/// The scenario that sends a text over TCP and waits for the end of the reply.
///
/// # Errors
/// When something needed is missing.
pub(super) fn tcp<R: BufRead, W: Write>(
    args: &InitArgs,
    mut dialog: Option<&mut Dialog<R, W>>,
) -> Result<AdHoc, Error> {
    let target = match (&args.target, &mut dialog) {
        (Some(target), _) => target.clone(),
        (None, Some(dialog)) => {
            dialog.ask("Where is it, host:port", Some("127.0.0.1:9001"), is_address)?
        }
        (None, None) => {
            return Err(InitError::Missing("`--target`, `--send` and `--until`").into());
        }
    };
    let question = "Text to send, with \\n, \\r and \\xHH";
    let needed = "`--send` and `--until`";
    let send = text(
        args.send.as_ref(),
        &mut dialog,
        question,
        r"hello\n",
        needed,
    )?;
    let question = "What ends the reply";
    let until = text(
        args.until.as_ref(),
        &mut dialog,
        question,
        r"\n",
        "`--until`",
    )?;
    let asked = TcpArgs {
        target,
        send: Some(send),
        until: Some(until),
        shared: shared(args, dialog)?,
        ..TcpArgs::default()
    };
    Ok(AdHoc::of_tcp(&asked)?)
}

/// Where to connect, and the path there.
fn address<R: BufRead, W: Write>(
    args: &InitArgs,
    dialog: &mut Option<&mut Dialog<R, W>>,
    proposal: &str,
    needed: &'static str,
) -> Result<String, InitError> {
    match (&args.target, dialog) {
        (Some(target), _) => Ok(target.clone()),
        (None, Some(dialog)) => {
            dialog.ask("Where is it, with its path", Some(proposal), is_address)
        }
        (None, None) => Err(InitError::Missing(needed)),
    }
}

fn is_address(answer: &str) -> Result<String, String> {
    let target = target_of(answer).parse::<Target>();
    target
        .map(|_| answer.to_owned())
        .map_err(|error| error.to_string())
}

/// A text that a flag has, or that is asked for.
fn text<R: BufRead, W: Write>(
    given: Option<&String>,
    dialog: &mut Option<&mut Dialog<R, W>>,
    question: &str,
    proposal: &str,
    needed: &'static str,
) -> Result<String, InitError> {
    match (given, dialog) {
        (Some(text), _) => Ok(text.clone()),
        (None, Some(dialog)) => {
            dialog.ask(question, Some(proposal), |answer| Ok(answer.to_owned()))
        }
        (None, None) => Err(InitError::Missing(needed)),
    }
}

//! `loadgen serve`: the reference servers until a signal, or until standard input ends.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;

use super::exit::{Exit, stop_at_once};
use crate::args::{
    ServeAllArgs, ServeGrpcArgs, ServeHttpArgs, ServeTcpArgs, ServeWebsocketArgs, ServerArgs,
};
use crate::backend::reporter::Reporter;
use crate::backend::serving::{Serving, start};
use crate::backend::{Listening, ServerError};
use crate::error::Error;
use crate::servers::{GRPC, HTTP, Server, Special, TCP, WEBSOCKET};
use crate::settings::sinks::IDLE_PREFIX;
use crate::signals::{Early, Listener};
use crate::{limits, output, screen};

/// Why the server ends.
enum End {
    /// Somebody asked for it: what is under way may finish.
    Graceful,
    /// The process it was started for is gone: nobody waits for an answer.
    AtOnce,
}

/// Serves gRPC until told to stop.
///
/// # Errors
/// When it cannot start.
pub(crate) fn grpc(args: &ServeGrpcArgs) -> Result<Exit, Error> {
    let special = Special {
        error_code: args.error.error_code,
        version: args.role.version.clone(),
        stream_log: args.role.log_streams.then_some(say),
        ..Special::default()
    };
    serve(&args.server, special, [(&GRPC, args.address.as_str())])
}

/// A line of the log of streams. Whoever does not listen any more ends nothing.
fn say(line: &str) {
    let _ = output::print(&format!("{line}\n"));
}

/// Serves WebSocket until told to stop.
///
/// # Errors
/// When it cannot start.
pub(crate) fn websocket(args: &ServeWebsocketArgs) -> Result<Exit, Error> {
    let address = (&WEBSOCKET, args.address.as_str());
    serve(&args.server, Special::default(), [address])
}

/// Serves HTTP until told to stop.
///
/// # Errors
/// When it cannot start.
pub(crate) fn http(args: &ServeHttpArgs) -> Result<Exit, Error> {
    let special = Special {
        error_code: args.error.error_code,
        ..Special::default()
    };
    serve(&args.server, special, [(&HTTP, args.address.as_str())])
}

/// Serves TCP until told to stop.
///
/// # Errors
/// When it cannot start.
pub(crate) fn tcp(args: &ServeTcpArgs) -> Result<Exit, Error> {
    let special = Special {
        tcp: args.tcp.options(),
        ..Special::default()
    };
    serve(&args.server, special, [(&TCP, args.address.as_str())])
}

/// Serves every protocol until told to stop.
///
/// # Errors
/// When one of them cannot start; then none does.
pub(crate) fn all(args: &ServeAllArgs) -> Result<Exit, Error> {
    let addresses = args.addresses.0.iter();
    let addresses = addresses.map(|(row, address)| (*row, address.as_str()));
    serve(&args.server, args.special(), addresses)
}

fn serve<'a>(
    args: &ServerArgs,
    special: Special,
    addresses: impl IntoIterator<Item = (&'static Server, &'a str)>,
) -> Result<Exit, Error> {
    let signals = Listener::install(Early::Waits, stop_at_once)?;
    limits::raise();
    let mut reporter = Reporter::open(args)?;
    let serving = addresses
        .into_iter()
        .map(|(row, address)| start(row, address, args, &special, reporter.is_some()))
        .collect::<Result<Vec<Serving>, ServerError>>()?;
    for Serving { row, server } in &serving {
        if !server.local_addr().ip().is_loopback() {
            screen::note(format_args!(
                "WARNING: listening on {}, which other machines can reach; anyone there can use \
                 this server",
                server.local_addr()
            ));
        }
        let listening = Listening {
            protocol: row.name.to_owned(),
            address: server.local_addr(),
            id: server.id().to_owned(),
        };
        output::print(&format!("{listening}\n"))?;
    }
    // Whoever started this one says such things itself, and reads what is left to say at the end.
    let alone = !args.until_stdin_closes;
    match &reporter {
        Some(reporter) if alone => screen::note(reporter.notice(&serving)),
        None if args.statsd_prefix.is_some() => screen::note(IDLE_PREFIX),
        _ => {}
    }
    serve_until_told(&serving, &signals, args.until_stdin_closes, &mut reporter)?;
    match reporter.and_then(|it| it.finish(&serving)) {
        Some(complaint) if alone => screen::note(complaint),
        Some(complaint) => output::print(&format!("{complaint}\n"))?,
        None => {}
    }
    Ok(Exit::Pass)
}

fn serve_until_told(
    serving: &[Serving],
    signals: &Listener,
    until_stdin_closes: bool,
    reporter: &mut Option<Reporter>,
) -> Result<(), ServerError> {
    let (sender, told) = mpsc::channel();
    if until_stdin_closes {
        end_with_stdin(sender.clone()).map_err(ServerError::Stdin)?;
    }
    let servers: Vec<_> = serving.iter().map(|it| Arc::clone(&it.server)).collect();
    let impatient = servers.clone();
    signals.react(move |count| {
        // Nobody hears it any more once the servers are ending.
        let _ = sender.send(End::Graceful);
        if count > 1 {
            for server in &impatient {
                server.stop();
            }
        }
    });
    match wait(&told, serving, reporter.as_mut()) {
        // Side by side: none is to take connections while another one ends.
        End::Graceful => thread::scope(|scope| {
            for server in &servers {
                scope.spawn(|| server.shutdown());
            }
        }),
        End::AtOnce => {
            for server in &servers {
                server.stop();
            }
        }
    }
    Ok(())
}

/// Waits for the word to end, and reports when it is time to.
fn wait(told: &Receiver<End>, serving: &[Serving], reporter: Option<&mut Reporter>) -> End {
    let Some(reporter) = reporter else {
        return told.recv().unwrap_or(End::AtOnce);
    };
    loop {
        match told.recv_timeout(reporter.due_in()) {
            Ok(end) => return end,
            Err(RecvTimeoutError::Timeout) => reporter.report(serving),
            Err(RecvTimeoutError::Disconnected) => return End::AtOnce,
        }
    }
}

fn end_with_stdin(sender: Sender<End>) -> io::Result<()> {
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut buffer = [0; 64];
            let mut stdin = io::stdin().lock();
            while stdin.read(&mut buffer).is_ok_and(|read| read > 0) {}
            let _ = sender.send(End::AtOnce);
        })?;
    Ok(())
}

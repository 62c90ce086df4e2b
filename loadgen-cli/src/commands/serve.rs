//! `loadgen serve`: the reference servers until a signal, or until standard input ends.

mod proxy;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use loadgen_core::clock::Clock;

use super::exit::{Exit, stop_at_once};
use super::run::variable;
use crate::args::{
    ServeAllArgs, ServeGrpcArgs, ServeHttpArgs, ServeTcpArgs, ServeWebsocketArgs, ServerArgs,
};
use crate::backend::reporter::Reporter;
use crate::backend::serving::{Serving, start};
use crate::backend::{Listening, ServerError, parent};
use crate::error::Error;
use crate::servers::{GRPC, HTTP, Server, Special, TCP, WEBSOCKET};
use crate::settings::original;
use crate::settings::sinks::IDLE_PREFIX;
use crate::signals::{Early, Listener};
use crate::{human, limits, output, screen};

pub(crate) use self::proxy::proxy;

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
    original::check_service(args, variable).map_err(ServerError::Environment)?;
    let address = original::address(args, variable).map_err(ServerError::Environment)?;
    let mut server = args.server.clone();
    let files = original::certificate(args, variable).map_err(ServerError::Environment)?;
    if let Some([certificate, key]) = files {
        (server.tls_cert, server.tls_key) = (Some(certificate), Some(key));
    }
    serve(&server, &special, [(&GRPC, address.as_str())])
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
    serve(&args.server, &Special::default(), [address])
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
    serve(&args.server, &special, [(&HTTP, args.address.as_str())])
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
    serve(&args.server, &special, [(&TCP, args.address.as_str())])
}

/// Serves every protocol until told to stop.
///
/// # Errors
/// When one of them cannot start; then none does.
pub(crate) fn all(args: &ServeAllArgs) -> Result<Exit, Error> {
    let addresses = args.addresses.0.iter();
    let addresses = addresses.map(|(row, address)| (*row, address.as_str()));
    serve(&args.server, &args.special(), addresses)
}

fn serve<'a>(
    args: &ServerArgs,
    special: &Special,
    addresses: impl IntoIterator<Item = (&'static Server, &'a str)>,
) -> Result<Exit, Error> {
    let signals = Listener::install(Early::Waits, stop_at_once)?;
    limits::raise();
    let (sender, told) = mpsc::channel();
    // Before anybody can know that it listens.
    if args.until_stdin_closes {
        end_with_parent(sender.clone()).map_err(ServerError::Stdin)?;
    }
    let mut reporter = Reporter::open(args)?;
    let serving = addresses
        .into_iter()
        .map(|(row, address)| start(row, address, args, special, reporter.is_some()))
        .collect::<Result<Vec<Serving>, ServerError>>()?;
    for Serving { row, server } in &serving {
        warn_of_others(server.local_addr());
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
    serve_until_told(&serving, &signals, args, &mut reporter, (sender, &told));
    match reporter.and_then(|it| it.finish(&serving)) {
        Some(complaint) if alone => screen::note(complaint),
        Some(complaint) => output::print(&format!("{complaint}\n"))?,
        None => {}
    }
    Ok(Exit::Pass)
}

/// Says that whoever can reach an address can use the server there.
fn warn_of_others(address: SocketAddr) {
    if !address.ip().is_loopback() {
        screen::note(format_args!(
            "WARNING: listening on {address}, which other machines can reach; anyone there can use \
             this server"
        ));
    }
}

fn serve_until_told(
    serving: &[Serving],
    signals: &Listener,
    args: &ServerArgs,
    reporter: &mut Option<Reporter>,
    (sender, told): (Sender<End>, &Receiver<End>),
) {
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
    let mut end = wait(told, serving, reporter.as_mut(), None).unwrap_or(End::AtOnce);
    if let (End::Graceful, Some(time)) = (&end, args.lame_duck.filter(|it| !it.is_zero())) {
        for server in &servers {
            server.lame_duck();
        }
        if !args.until_stdin_closes {
            screen::note(lame_duck(time));
        }
        // A second signal has stopped the servers already.
        if let Some(told) = wait(told, serving, reporter.as_mut(), Some(time)) {
            end = told;
        }
    }
    match end {
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
}

/// Waits for the word to end, for `most` of time, and reports when it is time to.
fn wait(
    told: &Receiver<End>,
    serving: &[Serving],
    mut reporter: Option<&mut Reporter>,
    most: Option<Duration>,
) -> Option<End> {
    let clock = Clock::start();
    loop {
        let left = most.map(|most| most.saturating_sub(Duration::from_nanos(clock.now())));
        let due = reporter.as_ref().map(|it| it.due_in());
        let heard = match left.into_iter().chain(due).min() {
            Some(wait) => told.recv_timeout(wait),
            None => told.recv().map_err(RecvTimeoutError::from),
        };
        match heard {
            Ok(end) => return Some(end),
            Err(RecvTimeoutError::Disconnected) => return Some(End::AtOnce),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(reporter) = reporter.as_deref_mut().filter(|it| it.due_in().is_zero()) {
            reporter.report(serving);
        }
        if most.is_some_and(|most| Duration::from_nanos(clock.now()) >= most) {
            return None;
        }
    }
}

/// What is said when the servers are about to end.
fn lame_duck(time: Duration) -> String {
    format!(
        "lame duck: health checks say from now on that this ends, and all is served for another {}; once \
         more to end at once",
        human::duration(time)
    )
}

/// Has the end of the process that started this one, and of standard input, be the servers' end.
fn end_with_parent(sender: Sender<End>) -> io::Result<()> {
    parent::follow(move || {
        let _ = sender.send(End::AtOnce);
    })
}

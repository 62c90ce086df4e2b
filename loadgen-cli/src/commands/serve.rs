//! `loadgen serve`: the reference servers until a signal, or until standard input ends.

mod metrics;

use std::fmt;
use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;

use loadgen_backends::{
    Code, Delay, ErrorFault, Faults, RunningServer, ServeError, ServerConfig, Stall, TlsFiles,
    start_grpc, start_websocket,
};
use loadgen_core::scenario::Protocol;

use crate::args::{
    ErrorCodeArgs, FaultArgs, ServeAllArgs, ServeGrpcArgs, ServeWebsocketArgs, ServerArgs,
};
use crate::error::Error;
use crate::exit::Exit;
use crate::signals::{Early, Listener};
use crate::{limits, output, settings};

use self::metrics::Reporter;

/// The line on stdout that says that a server listens. Programs read it, so its form is promised:
/// `PROTOCOL listening on HOST:PORT id=NAME`, blanks between, further `key=value` pairs after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listening {
    /// What it speaks.
    pub(crate) protocol: String,
    /// Where it listens, with the port it got.
    pub(crate) address: SocketAddr,
    /// What it calls itself.
    pub(crate) id: String,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            protocol,
            address,
            id,
        } = self;
        write!(f, "{protocol} listening on {address} id={id}")
    }
}

impl Listening {
    /// Reads the line back.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let protocol = words.next()?.to_owned();
        if (words.next(), words.next()) != (Some("listening"), Some("on")) {
            return None;
        }
        let address = words.next()?.parse().ok()?;
        let id = words.find_map(|word| word.strip_prefix("id="))?.to_owned();
        Some(Self {
            protocol,
            address,
            id,
        })
    }
}

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
    serve(&args.server, |measure| {
        let grpc = start_grpc_at(&args.address, &args.server, &args.error, measure)?;
        Ok(vec![grpc])
    })
}

/// Serves WebSocket until told to stop.
///
/// # Errors
/// When it cannot start.
pub(crate) fn websocket(args: &ServeWebsocketArgs) -> Result<Exit, Error> {
    serve(&args.server, |measure| {
        let websocket = start_websocket_at(&args.address, &args.server, measure)?;
        Ok(vec![websocket])
    })
}

/// Serves every protocol until told to stop.
///
/// # Errors
/// When one of them cannot start; then none does.
pub(crate) fn all(args: &ServeAllArgs) -> Result<Exit, Error> {
    serve(&args.server, |measure| {
        let grpc = start_grpc_at(&args.grpc_address, &args.server, &args.error, measure)?;
        let websocket = start_websocket_at(&args.websocket_address, &args.server, measure)?;
        Ok(vec![grpc, websocket])
    })
}

/// A server at work, and what it speaks.
struct Serving {
    protocol: Protocol,
    server: Arc<RunningServer>,
}

fn serve(
    args: &ServerArgs,
    start: impl FnOnce(bool) -> Result<Vec<Serving>, Error>,
) -> Result<Exit, Error> {
    let signals = Listener::install(Early::Waits).map_err(|source| Error::Unexpected {
        doing: "failed to listen for signals",
        source,
    })?;
    limits::raise();
    let mut reporter = Reporter::open(args)?;
    let serving = start(reporter.is_some())?;
    for Serving { protocol, server } in &serving {
        if !server.local_addr().ip().is_loopback() {
            output::note(format_args!(
                "WARNING: listening on {}, which other machines can reach; anyone there can use \
                 this server",
                server.local_addr()
            ));
        }
        let listening = Listening {
            protocol: protocol.to_string(),
            address: server.local_addr(),
            id: server.id().to_owned(),
        };
        output::print(&format!("{listening}\n"))?;
    }
    // Whoever started this one says such things itself, and reads what is left to say at the end.
    let alone = !args.until_stdin_closes;
    match &reporter {
        Some(reporter) if alone => output::note(reporter.notice(&serving)),
        None if args.statsd_prefix.is_some() => output::note(settings::IDLE_PREFIX),
        _ => {}
    }
    serve_until_told(&serving, &signals, args.until_stdin_closes, &mut reporter)?;
    match reporter.and_then(|it| it.finish(&serving)) {
        Some(complaint) if alone => output::note(complaint),
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
) -> Result<(), Error> {
    let (sender, told) = mpsc::channel();
    if until_stdin_closes {
        end_with_stdin(sender.clone()).map_err(|source| Error::Unexpected {
            doing: "failed to watch standard input",
            source,
        })?;
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

fn start_grpc_at(
    address: &str,
    args: &ServerArgs,
    error: &ErrorCodeArgs,
    measure: bool,
) -> Result<Serving, Error> {
    let config = config(address, args, error.error_code, measure)?;
    Ok(Serving {
        protocol: Protocol::Grpc,
        server: Arc::new(start_grpc(config).map_err(Error::Serve)?),
    })
}

fn start_websocket_at(address: &str, args: &ServerArgs, measure: bool) -> Result<Serving, Error> {
    // The code is gRPC's alone; any will do.
    let config = config(address, args, Code::Unavailable, measure)?;
    Ok(Serving {
        protocol: Protocol::Websocket,
        server: Arc::new(start_websocket(config).map_err(Error::Serve)?),
    })
}

fn config(
    address: &str,
    args: &ServerArgs,
    error_code: Code,
    measure: bool,
) -> Result<ServerConfig, Error> {
    Ok(ServerConfig {
        id: args.id.clone(),
        tls: tls(args),
        threads: threads(args),
        measure,
        faults: faults(&args.faults, error_code),
        ..ServerConfig::new(resolve(address)?)
    })
}

fn resolve(address: &str) -> Result<SocketAddr, Error> {
    let unresolved = |reason: String| Error::Resolve {
        address: address.to_owned(),
        reason,
    };
    let mut addresses = address
        .to_socket_addrs()
        .map_err(|error| unresolved(error.to_string()))?;
    addresses
        .next()
        .ok_or_else(|| unresolved("the name has no address".to_owned()))
}

fn tls(args: &ServerArgs) -> Option<TlsFiles> {
    let (certificate, key) = args.tls_cert.as_ref().zip(args.tls_key.as_ref())?;
    Some(TlsFiles {
        certificate: certificate.clone(),
        key: key.clone(),
    })
}

fn threads(args: &ServerArgs) -> Option<usize> {
    args.threads.and_then(|it| usize::try_from(it).ok())
}

fn faults(args: &FaultArgs, error_code: Code) -> Faults {
    Faults {
        delay: args.delay,
        stall: args.stall.map(|duration| Stall {
            rate: args.stall_rate,
            duration,
        }),
        error: args.error_rate.map(|rate| ErrorFault {
            rate,
            code: error_code,
        }),
        refuse: args.refuse_rate.unwrap_or_default(),
        cut_after: args.cut_after,
        throttle: args.throttle,
    }
}

/// The exit code of a server that did not start: the system's doing, or what was asked for.
pub(crate) fn exit_of(error: &ServeError) -> Exit {
    match error {
        ServeError::Worker { .. } => Exit::Unexpected,
        _ => Exit::Usage,
    }
}

/// A delay as written: one duration, or two with `..` between.
pub(crate) fn parse_delay(
    text: &str,
    duration: impl Fn(&str) -> Result<std::time::Duration, String>,
) -> Result<Delay, String> {
    let (shortest, longest) = text.split_once("..").unwrap_or((text, text));
    Delay::between(duration(shortest)?, duration(longest)?).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn the_line_reads_back() {
        let listening = Listening {
            protocol: "grpc".to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 50051)),
            id: "a=b".to_owned(),
        };
        let line = listening.to_string();
        assert_eq!(line, "grpc listening on 127.0.0.1:50051 id=a=b");
        assert_eq!(Listening::parse(&line), Some(listening.clone()));
        assert_eq!(
            Listening::parse(&format!("{line} more=1\n")),
            Some(listening)
        );
    }

    #[test_case(""; "empty")]
    #[test_case("grpc listening on here id=x"; "no address")]
    #[test_case("grpc listening on 127.0.0.1:1"; "no id")]
    #[test_case("error: in use"; "something else")]
    fn other_lines_do_not(line: &str) {
        assert_eq!(Listening::parse(line), None);
    }
}

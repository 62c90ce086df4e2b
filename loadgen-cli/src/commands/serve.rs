//! `loadgen serve`: the reference servers until a signal, or until standard input ends.

use std::fmt;
use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use loadgen_backends::{
    Delay, ErrorFault, Faults, GrpcConfig, RunningServer, ServeError, Stall, TlsFiles, start_grpc,
};

use crate::args::{FaultArgs, ServeGrpcArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::signals::Listener;
use crate::{limits, output};

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
    let signals = Listener::install().map_err(|source| Error::Unexpected {
        doing: "failed to listen for signals",
        source,
    })?;
    limits::raise();
    let server = Arc::new(start_grpc(config(args)?).map_err(Error::Serve)?);
    if !server.local_addr().ip().is_loopback() {
        output::note(format_args!(
            "WARNING: listening on {}, which other machines can reach; anyone there can use this \
             server",
            server.local_addr()
        ));
    }
    let listening = Listening {
        protocol: "grpc".to_owned(),
        address: server.local_addr(),
        id: server.id().to_owned(),
    };
    output::print(&format!("{listening}\n"))?;
    serve_until_told(&server, &signals, args.until_stdin_closes)?;
    Ok(Exit::Pass)
}

fn serve_until_told(
    server: &Arc<RunningServer>,
    signals: &Listener,
    until_stdin_closes: bool,
) -> Result<(), Error> {
    let (sender, told) = mpsc::channel();
    if until_stdin_closes {
        end_with_stdin(sender.clone()).map_err(|source| Error::Unexpected {
            doing: "failed to watch standard input",
            source,
        })?;
    }
    let impatient = Arc::clone(server);
    signals.react(move |count| {
        // Nobody hears it any more once the server is ending.
        let _ = sender.send(End::Graceful);
        if count > 1 {
            impatient.stop();
        }
    });
    match told.recv() {
        Ok(End::Graceful) => server.shutdown(),
        Ok(End::AtOnce) | Err(mpsc::RecvError) => server.stop(),
    }
    Ok(())
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

fn config(args: &ServeGrpcArgs) -> Result<GrpcConfig, Error> {
    let resolved = args
        .address
        .to_socket_addrs()
        .map(|mut addresses| addresses.next());
    let address = match resolved {
        Ok(Some(address)) => address,
        Ok(None) => return Err(unresolved(args, "the name has no address")),
        Err(error) => return Err(unresolved(args, &error.to_string())),
    };
    let mut config = GrpcConfig::new(address);
    config.id.clone_from(&args.id);
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        config.tls = Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        });
    }
    config.threads = args.threads.and_then(|it| usize::try_from(it).ok());
    config.faults = faults(&args.faults);
    Ok(config)
}

fn unresolved(args: &ServeGrpcArgs, reason: &str) -> Error {
    Error::Resolve {
        address: args.address.clone(),
        reason: reason.to_owned(),
    }
}

fn faults(args: &FaultArgs) -> Faults {
    Faults {
        delay: args.delay,
        stall: args.stall.map(|duration| Stall {
            rate: args.stall_rate,
            duration,
        }),
        error: args.error_rate.map(|rate| ErrorFault {
            rate,
            code: args.error_code,
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

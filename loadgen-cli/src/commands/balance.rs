//! `loadgen balance`: a reference balancer until a signal; SIGHUP has its configuration read again.

mod http;

use std::collections::HashSet;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use loadgen_backends::balance::tcp::{RunningTcpBalancer, TcpSettings, start_tcp_balancer};
use loadgen_backends::balance::{HealthSettings, StatsdSettings, SystemResolver};
use loadgen_core::scenario::Target;
use loadgen_core::sink::statsd::Prefix;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;

use super::exit::{Exit, stop_at_once};
use crate::args::{BackendFlag, BalanceTcpArgs, LogLevel};
use crate::backend::serving::resolve;
use crate::backend::{Listening, ServerError, parent};
use crate::error::Error;
use crate::signals::Listener;
use crate::{limits, output, screen};

pub(crate) use self::http::http;

/// What a balancer is told while it works.
enum Told {
    /// To end, when connections have.
    Stop,
    /// To read its configuration again.
    Reload,
    /// To end at once: the process it was started for is gone.
    Orphaned,
}

/// Balances TCP connections until told to stop.
///
/// # Errors
/// When flags and configuration do not make a balancer, or it cannot start.
pub(crate) fn tcp(args: &BalanceTcpArgs) -> Result<Exit, Error> {
    let signals = Listener::install_with_reload(stop_at_once)?;
    limits::raise();
    let word = Word::heard(args.until_stdin_closes)?;
    let settings = settings(args)?;
    note_prefix(settings.statsd.as_ref(), args.statsd_prefix.as_ref());
    log_to_stderr(LogLevel::Info);
    let balancer = start_tcp_balancer(settings, Arc::new(SystemResolver));
    let balancer = Arc::new(balancer.map_err(ServerError::Serve)?);
    let page = balancer.status_addr().map(|at| ("status", at));
    let addresses = [("tcp", balancer.local_addr())].into_iter().chain(page);
    say(&balancer.id(), addresses)?;
    let impatient = Arc::clone(&balancer);
    let reload = || reload(&balancer, args);
    until_told(&signals, word, move || impatient.stop(), reload);
    balancer.shutdown();
    Ok(Exit::Pass)
}

/// The way on which a balancer is told.
struct Word {
    sender: Sender<Told>,
    told: Receiver<Told>,
}

impl Word {
    /// It is made before anybody can know that the balancer listens: from here on the end of standard input is
    /// the balancer's, where it is to be.
    ///
    /// # Errors
    /// When the system refuses.
    fn heard(until_stdin_closes: bool) -> Result<Self, ServerError> {
        let (sender, told) = mpsc::channel();
        if until_stdin_closes {
            let sender = sender.clone();
            let orphaned = move || {
                let _ = sender.send(Told::Orphaned);
            };
            parent::follow(orphaned).map_err(ServerError::Stdin)?;
        }
        Ok(Self { sender, told })
    }
}

/// Waits until a signal says to end, and does what others say; the second that says to end has it `stop` at
/// once, and so does the end of standard input where that is to be its end.
fn until_told(
    signals: &Listener,
    word: Word,
    stop: impl Fn() + Clone + Send + 'static,
    reload: impl Fn() -> String,
) {
    let Word { sender, told } = word;
    let at_once = stop.clone();
    let reloads = sender.clone();
    signals.react_to_reload(move || {
        let _ = reloads.send(Told::Reload);
    });
    signals.react(move |count| {
        // Nobody hears it any more once the balancer is ending.
        let _ = sender.send(Told::Stop);
        if count > 1 {
            stop();
        }
    });
    loop {
        match told.recv() {
            Ok(Told::Reload) => screen::note(reload()),
            Ok(Told::Orphaned) => {
                at_once();
                return;
            }
            Ok(Told::Stop) | Err(_) => return,
        }
    }
}

/// Where it listens, in the lines that servers say that in.
fn say(
    id: &str,
    addresses: impl IntoIterator<Item = (&'static str, SocketAddr)>,
) -> Result<(), Error> {
    for (what, address) in addresses {
        if !address.ip().is_loopback() {
            screen::note(format_args!(
                "WARNING: listening on {address}, which other machines can reach; anyone there can use \
                 this balancer"
            ));
        }
        listening(what, address, id)?;
    }
    Ok(())
}

fn listening(what: &str, address: SocketAddr, id: &str) -> Result<(), Error> {
    let listening = Listening {
        protocol: what.to_owned(),
        address,
        id: id.to_owned(),
    };
    output::print(&format!("{listening}\n"))?;
    Ok(())
}

/// What comes of a reload, in a line.
fn reload(balancer: &RunningTcpBalancer, args: &BalanceTcpArgs) -> String {
    let Some(path) = &args.config else {
        return "nothing to read again: the balancer was started without --config".to_owned();
    };
    let file = path.display();
    match settings(args) {
        Err(error) => format!("the configuration stays as it is: {error}"),
        Ok(settings) => match balancer.reload(settings) {
            Ok(()) => format!("{file} was read again and holds from now on"),
            Err(error) => format!("the configuration stays as it is: {file}: {error}"),
        },
    }
}

/// What file and flags say together; flags win.
fn settings(args: &BalanceTcpArgs) -> Result<TcpSettings, ServerError> {
    let given = args.backend.iter().map(|BackendFlag(it)| it.clone());
    let given: Vec<_> = given.collect();
    let mut settings = match &args.config {
        Some(path) if given.is_empty() => TcpSettings::read(path)?,
        Some(path) => TcpSettings::read_with(path, given)?,
        None => TcpSettings::new(given),
    };
    let mut names = HashSet::new();
    for backend in &settings.pool.backends {
        let name = backend.name();
        if !names.insert(name.clone()) {
            return Err(ServerError::DuplicateBackend { name });
        }
    }
    if names.is_empty() {
        return Err(ServerError::NoBackends);
    }
    if let Some(address) = &args.listen {
        settings.listen = resolve(address)?;
    }
    settings.status = address(args.status.as_deref())?.or(settings.status);
    let pool = &mut settings.pool;
    pool.algorithm = args.algorithm.unwrap_or(pool.algorithm);
    pool.resolve_interval = args.resolve_interval.unwrap_or(pool.resolve_interval);
    pool.health = health(args, pool.health.take())?;
    settings.connect_timeout = args.connect_timeout.unwrap_or(settings.connect_timeout);
    settings.idle_timeout = args.idle_timeout.or(settings.idle_timeout);
    settings.proxy_protocol = args.proxy_protocol.or(settings.proxy_protocol);
    settings.grace = args.grace.unwrap_or(settings.grace);
    let threads = args.threads.and_then(|it| usize::try_from(it).ok());
    settings.threads = threads.or(settings.threads);
    let (to, prefix) = (args.statsd.as_ref(), args.statsd_prefix.as_ref());
    settings.statsd = statsd(to, prefix, settings.statsd.take());
    Ok(settings)
}

/// Says that a prefix is for nothing, where it is.
fn note_prefix(statsd: Option<&StatsdSettings>, prefix: Option<&Prefix>) {
    if statsd.is_none() && prefix.is_some() {
        screen::note(
            "--statsd-prefix changes nothing: no metrics are sent without --statsd or `statsd` in the configuration",
        );
    }
}

/// Where the file has metrics sent, with what flags change of it.
fn statsd(
    to: Option<&Target>,
    prefix: Option<&Prefix>,
    file: Option<StatsdSettings>,
) -> Option<StatsdSettings> {
    let prefix = prefix.map(ToString::to_string);
    let prefix = prefix.or_else(|| Some(file.as_ref()?.prefix.clone()));
    let prefix = prefix.unwrap_or_else(|| Prefix::default().to_string());
    let (host, port) = match (to, file) {
        (Some(target), _) => (target.host.clone(), target.port),
        (None, Some(file)) => (file.host, file.port),
        (None, None) => return None,
    };
    Some(StatsdSettings { host, port, prefix })
}

fn address(given: Option<&str>) -> Result<Option<SocketAddr>, ServerError> {
    given.map(resolve).transpose()
}

/// The file's checks with what flags change of them; a flag that changes checks asks for them.
fn health(
    args: &BalanceTcpArgs,
    file: Option<HealthSettings>,
) -> Result<Option<HealthSettings>, ServerError> {
    let asks = args.health_interval.is_some()
        || args.health_timeout.is_some()
        || args.health_rise.is_some()
        || args.health_fall.is_some();
    if args.no_health || (file.is_none() && !asks) {
        return Ok(None);
    }
    let file = file.unwrap_or_default();
    let narrow = |given: Option<u64>| given.and_then(|it| u32::try_from(it).ok());
    let interval = args.health_interval.unwrap_or(file.interval);
    let timeout = args.health_timeout.unwrap_or(file.timeout.min(interval));
    if timeout > interval {
        return Err(ServerError::OverlappingChecks);
    }
    Ok(Some(HealthSettings {
        interval,
        timeout,
        rise: narrow(args.health_rise).unwrap_or(file.rise),
        fall: narrow(args.health_fall).unwrap_or(file.fall),
    }))
}

/// What happens to backends is told on standard error, a line each.
pub(super) fn log_to_stderr(level: LogLevel) {
    // What was said so far is written by a thread, what is logged by whoever logs it.
    screen::stderr::flush();
    // What libraries say of each frame is no line for each request.
    let is_ours =
        filter_fn(|it| it.target().starts_with("loadgen") || *it.level() <= LevelFilter::WARN);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    let lines = lines.with_filter(is_ours).with_filter(level.filter());
    // One that is there already does as well.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

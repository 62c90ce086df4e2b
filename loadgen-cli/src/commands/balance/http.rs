//! `loadgen balance http`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use loadgen_backends::TlsFiles;
use loadgen_backends::balance::http::manage::{Live, Store, TokenSource, start_management};
use loadgen_backends::balance::http::{HttpSettings, RunningHttpBalancer, start_http_balancer};
use loadgen_backends::balance::{ConfigError, ReloadError, SystemResolver};
use serde_json::Value;

use super::{Word, address, listening, log_to_stderr, note_prefix, say, statsd, until_told};
use crate::args::BalanceHttpArgs;
use crate::backend::ServerError;
use crate::commands::exit::{Exit, stop_at_once};
use crate::error::Error;
use crate::limits;
use crate::signals::Listener;

/// Balances HTTP requests until told to stop.
///
/// # Errors
/// When flags and configuration do not make a balancer, or it cannot start.
pub(crate) fn http(args: &BalanceHttpArgs) -> Result<Exit, Error> {
    let signals = Listener::install_with_reload(stop_at_once)?;
    limits::raise();
    let word = Word::heard(args.until_stdin_closes)?;
    let flags = Flags::of(args)?;
    let settings = HttpSettings::read(&args.config).map_err(ServerError::Config)?;
    let settings = flags.over(settings);
    let management = settings.services.management.clone();
    if let Some(management) = &management {
        management.check().map_err(ServerError::Management)?;
    }
    note_prefix(settings.statsd.as_ref(), args.statsd_prefix.as_ref());
    log_to_stderr(args.log_level);
    let balancer = start_http_balancer(settings, Arc::new(SystemResolver));
    let balancer = Arc::new(balancer.map_err(ServerError::Serve)?);
    let served = Served {
        balancer: Arc::clone(&balancer),
        flags,
    };
    let store = Store::open(args.config.clone(), Arc::new(served));
    let store = Arc::new(store.map_err(ServerError::Store)?);
    let management = management.map(|it| start_management(&it, Arc::clone(&store)));
    let management = management.transpose().map_err(ServerError::Management)?;
    let page = balancer.status_addr().map(|at| ("status", at));
    let addresses = [("http", balancer.local_addr())].into_iter().chain(page);
    say(&balancer.id(), addresses)?;
    if let Some(management) = &management {
        listening("management", management.local_addr(), &balancer.id())?;
    }
    let impatient = Arc::clone(&balancer);
    let stop = move || impatient.stop();
    let again = || reload(&store, &args.config);
    until_told(&signals, word, stop, again);
    // Nothing is changed any more of what is ending.
    drop(management);
    balancer.shutdown();
    Ok(Exit::Pass)
}

/// What comes of a reload, in a line.
fn reload(store: &Store, file: &Path) -> String {
    match store.reload() {
        Ok(()) => format!("{} was read again and holds from now on", file.display()),
        Err(error) => format!("the configuration stays as it is: {error}"),
    }
}

/// The balancer, as whoever manages its services sees it.
#[derive(Debug)]
struct Served {
    balancer: Arc<RunningHttpBalancer>,
    flags: Flags,
}

impl Live for Served {
    fn read(&self, source_name: &str, text: &str) -> Result<HttpSettings, ConfigError> {
        let settings = HttpSettings::parse(source_name, text)?;
        let folder = self.flags.args.config.parent();
        Ok(self.flags.over(match folder {
            Some(folder) => settings.relative_to(folder),
            None => settings,
        }))
    }

    fn replace(&self, settings: HttpSettings) -> Result<(), ReloadError> {
        self.balancer.reload(settings)
    }

    fn status(&self, service: &str) -> Option<Value> {
        self.balancer.services().status(service)
    }
}

/// What flags say, with the addresses that their names led to at the start.
#[derive(Debug)]
struct Flags {
    args: BalanceHttpArgs,
    listen: Option<SocketAddr>,
    status: Option<SocketAddr>,
    management: Option<SocketAddr>,
}

impl Flags {
    fn of(args: &BalanceHttpArgs) -> Result<Self, ServerError> {
        Ok(Self {
            listen: address(args.listen.as_deref())?,
            status: address(args.status.as_deref())?,
            management: address(args.management.as_deref())?,
            args: args.clone(),
        })
    }

    /// What a file and they say together; flags win.
    fn over(&self, mut settings: HttpSettings) -> HttpSettings {
        let args = &self.args;
        settings.listen = self.listen.unwrap_or(settings.listen);
        settings.status = self.status.or(settings.status);
        if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
            settings.tls = Some(TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
            });
        }
        settings.grace = args.grace.unwrap_or(settings.grace);
        let threads = args.threads.and_then(|it| usize::try_from(it).ok());
        settings.threads = threads.or(settings.threads);
        let (to, prefix) = (args.statsd.as_ref(), args.statsd_prefix.as_ref());
        settings.statsd = statsd(to, prefix, settings.statsd.take());
        let management = &mut settings.services.management;
        if let Some(listen) = self.management {
            management.get_or_insert_default().listen = listen;
        }
        if let Some(token) = self.token() {
            management.get_or_insert_default().token = Some(token);
        }
        settings
    }

    fn token(&self) -> Option<TokenSource> {
        let file = self.args.management_token_file.clone();
        let env = self.args.management_token_env.clone();
        file.map(TokenSource::File).or(env.map(TokenSource::Env))
    }
}

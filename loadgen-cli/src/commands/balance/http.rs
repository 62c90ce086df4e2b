//! `loadgen balance http`.

use std::sync::Arc;

use loadgen_backends::TlsFiles;
use loadgen_backends::balance::SystemResolver;
use loadgen_backends::balance::http::{HttpSettings, RunningHttpBalancer, start_http_balancer};

use super::{address, log_to_stderr, note_prefix, say, statsd, until_told};
use crate::args::BalanceHttpArgs;
use crate::backend::ServerError;
use crate::backend::serving::resolve;
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
    let settings = settings(args)?;
    note_prefix(settings.statsd.as_ref(), args.statsd_prefix.as_ref());
    log_to_stderr(args.log_level);
    let balancer = start_http_balancer(settings, Arc::new(SystemResolver));
    let balancer = Arc::new(balancer.map_err(ServerError::Serve)?);
    let page = balancer.status_addr().map(|at| ("status", at));
    let addresses = [("http", balancer.local_addr())].into_iter().chain(page);
    say(&balancer.id(), addresses)?;
    let impatient = Arc::clone(&balancer);
    until_told(
        &signals,
        move || impatient.stop(),
        || reload(&balancer, args),
    );
    balancer.shutdown();
    Ok(Exit::Pass)
}

/// What comes of a reload, in a line.
fn reload(balancer: &RunningHttpBalancer, args: &BalanceHttpArgs) -> String {
    let file = args.config.display();
    match settings(args) {
        Err(error) => format!("the configuration stays as it is: {error}"),
        Ok(settings) => match balancer.reload(settings) {
            Ok(()) => format!("{file} was read again and holds from now on"),
            Err(error) => format!("the configuration stays as it is: {file}: {error}"),
        },
    }
}

/// What file and flags say together; flags win.
fn settings(args: &BalanceHttpArgs) -> Result<HttpSettings, ServerError> {
    let mut settings = HttpSettings::read(&args.config)?;
    if let Some(address) = &args.listen {
        settings.listen = resolve(address)?;
    }
    settings.status = address(args.status.as_deref())?.or(settings.status);
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
    Ok(settings)
}

//! `loadgen serve proxy`: the fault proxy until a signal, or until standard input ends.

use std::sync::mpsc;

use loadgen_backends::balance::http::manage::TokenSource;
use loadgen_backends::proxy::{ManageFaults, ProxyFaults, ProxySettings, start_proxy};

use super::{End, end_with_parent, warn_of_others};
use crate::args::{LogLevel, ServeProxyArgs};
use crate::backend::serving::resolve;
use crate::backend::{Listening, ServerError};
use crate::commands::balance::log_to_stderr;
use crate::commands::exit::{Exit, stop_at_once};
use crate::error::Error;
use crate::signals::{Early, Listener};
use crate::{limits, output};

/// Passes connections on, badly on purpose, until told to stop.
///
/// # Errors
/// When it cannot start.
pub(crate) fn proxy(args: &ServeProxyArgs) -> Result<Exit, Error> {
    let signals = Listener::install(Early::Waits, stop_at_once)?;
    limits::raise();
    let (sender, told) = mpsc::channel();
    if args.until_stdin_closes {
        end_with_parent(sender.clone()).map_err(ServerError::Stdin)?;
    }
    let settings = settings(args)?;
    if !args.until_stdin_closes {
        log_to_stderr(LogLevel::Info);
    }
    let proxy = start_proxy(settings).map_err(ServerError::Proxy)?;
    let management = proxy.manage_addr().map(|at| ("management", at));
    for (what, address) in [("proxy", proxy.local_addr())]
        .into_iter()
        .chain(management)
    {
        if what == "proxy" {
            warn_of_others(address);
        }
        let listening = Listening {
            protocol: what.to_owned(),
            address,
            id: proxy.id(),
        };
        output::print(&format!("{listening}\n"))?;
    }
    signals.react(move |_| {
        // Nobody hears it any more once the proxy is ending.
        let _ = sender.send(End::AtOnce);
    });
    // Without anybody who could say so, it ends as well.
    let _ = told.recv();
    proxy.stop();
    Ok(Exit::Pass)
}

fn settings(args: &ServeProxyArgs) -> Result<ProxySettings, ServerError> {
    let faults = args.faults.to_json().to_string();
    let manage = args.management.as_deref().map(|address| {
        let file = args.management_token_file.clone().map(TokenSource::File);
        let env = args.management_token_env.clone().map(TokenSource::Env);
        Ok::<_, ServerError>(ManageFaults {
            listen: resolve(address)?,
            token: file.or(env),
        })
    });
    let mut settings = ProxySettings::new(resolve(&args.listen)?, &args.to);
    settings.faults = ProxyFaults::parse("the faults of the command line", &faults)?;
    settings.seed = args.seed;
    settings.manage = manage.transpose()?;
    Ok(settings)
}

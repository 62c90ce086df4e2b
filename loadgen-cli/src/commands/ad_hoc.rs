//! `loadgen grpc` and `loadgen websocket`: a run without a file.

use super::exit::{Exit, stop_at_once};
use super::run::{carry_out, cores};
use crate::ad_hoc::{AdHoc, AdHocError, in_flags};
use crate::args::{GrpcArgs, WebsocketArgs};
use crate::error::Error;
use crate::signals::{Early, Listener};
use crate::{output, screen};

/// Calls a method as load.
///
/// # Errors
/// Why nothing could be measured.
pub(crate) fn grpc(args: &GrpcArgs) -> Result<Exit, Error> {
    if let Some(symbol) = &args.symbol {
        return Err(AdHocError::Symbol {
            method: args.method.clone(),
            symbol: symbol.clone(),
        }
        .into());
    }
    let signals = Listener::install(Early::Ends, stop_at_once)?;
    run(&AdHoc::of_grpc(args)?, args.shared.print_scenario, &signals)
}

/// Sends WebSocket messages as load.
///
/// # Errors
/// Why nothing could be measured.
pub(crate) fn websocket(args: &WebsocketArgs) -> Result<Exit, Error> {
    let signals = Listener::install(Early::Ends, stop_at_once)?;
    let ad_hoc = AdHoc::of_websocket(args)?;
    run(&ad_hoc, args.shared.print_scenario, &signals)
}

fn run(ad_hoc: &AdHoc, is_printed: bool, signals: &Listener) -> Result<Exit, Error> {
    let settled = ad_hoc.settle(cores()).map_err(in_flags)?;
    if is_printed {
        output::print(&output::json(&ad_hoc.file(&settled)))?;
        return Ok(Exit::Pass);
    }
    if let Some(notice) = ad_hoc.notice.as_ref().filter(|_| !ad_hoc.run.quiet) {
        screen::note(notice);
    }
    carry_out(settled, &ad_hoc.run, signals).map_err(in_flags)
}

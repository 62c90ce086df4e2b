//! `loadgen grpc`, `websocket`, `http` and `tcp`: a run without a file.

use loadgen_core::driver::grpc;
use loadgen_core::scenario::ProtocolPlan;

use super::exit::{Exit, stop_at_once};
use super::repeat::carry_out;
use super::run::cores;
use crate::ad_hoc::{AdHoc, AdHocError, in_flags, refuse_no_method};
use crate::args::{AdHocArgs, GrpcArgs, HttpArgs, TcpArgs, WebsocketArgs};
use crate::error::Error;
use crate::signals::{Early, Listener};
use crate::{offered, output, screen, terminal};

/// Calls a method as load.
///
/// # Errors
/// Why nothing could be measured.
pub(crate) fn grpc(args: &GrpcArgs) -> Result<Exit, Error> {
    let signals = Listener::install(Early::Ends, stop_at_once)?;
    match (args.method.as_str(), &args.symbol) {
        ("list" | "describe", symbol) => offered(args, symbol.as_deref()).map_err(in_flags),
        (method, None) => {
            refuse_no_method(method)?;
            run(&AdHoc::of_grpc(args)?, &args.shared, &signals)
        }
        (method, Some(symbol)) => Err(AdHocError::Symbol {
            method: method.to_owned(),
            symbol: symbol.clone(),
        }
        .into()),
    }
}

/// Says what there is to be called. Without a symbol `describe` says of each service what `list` says of
/// one.
fn offered(args: &GrpcArgs, symbol: Option<&str>) -> Result<Exit, Error> {
    let settled = AdHoc::of_grpc(&GrpcArgs {
        // What a scenario has to have and is not looked at.
        method: "loadgen.v1.Greeter/Hello".to_owned(),
        ..args.clone()
    })?
    .settle(cores())?;
    let columns = terminal::columns_of_stdout();
    for scenario in &settled.plan.scenarios {
        let ProtocolPlan::Grpc(plan) = &scenario.protocol else {
            continue;
        };
        let text = match symbol {
            Some(symbol) => {
                let found = grpc::describe(scenario, plan, symbol)?;
                match args.shared.run.json {
                    true => output::json(&found),
                    false => offered::described(&found, &args.target, columns),
                }
            }
            None => {
                let found = grpc::services(scenario, plan)?;
                match args.shared.run.json {
                    true => output::json(&serde_json::json!({ "services": found })),
                    false => offered::services(&found, columns),
                }
            }
        };
        output::print(&text)?;
    }
    Ok(Exit::Pass)
}

/// Sends WebSocket messages as load.
///
/// # Errors
/// Why nothing could be measured.
pub(crate) fn websocket(args: &WebsocketArgs) -> Result<Exit, Error> {
    let signals = Listener::install(Early::Ends, stop_at_once)?;
    let ad_hoc = AdHoc::of_websocket(args)?;
    run(&ad_hoc, &args.shared, &signals)
}

/// Asks for a page as load.
///
/// # Errors
/// Why nothing could be measured.
pub(crate) fn http(args: &HttpArgs) -> Result<Exit, Error> {
    let signals = Listener::install(Early::Ends, stop_at_once)?;
    let ad_hoc = AdHoc::of_http(args)?;
    run(&ad_hoc, &args.shared, &signals)
}

/// Sends bytes over TCP as load.
///
/// # Errors
/// Why nothing could be measured.
pub(crate) fn tcp(args: &TcpArgs) -> Result<Exit, Error> {
    let signals = Listener::install(Early::Ends, stop_at_once)?;
    let ad_hoc = AdHoc::of_tcp(args)?;
    run(&ad_hoc, &args.shared, &signals)
}

fn run(ad_hoc: &AdHoc, shared: &AdHocArgs, signals: &Listener) -> Result<Exit, Error> {
    let settled = ad_hoc.settle(cores()).map_err(in_flags)?;
    if shared.print_scenario {
        let file = ad_hoc.file(&settled);
        output::print(&output::suite(file, shared.show_secrets))?;
        return Ok(Exit::Pass);
    }
    if shared.capacity.is_asked() {
        let searched = ad_hoc.settle_search(&shared.capacity, &shared.run, cores());
        let searched = searched.map_err(in_flags)?;
        return super::capacity::find(searched, &ad_hoc.run, signals).map_err(in_flags);
    }
    if let Some(notice) = ad_hoc.notice.as_ref().filter(|_| !ad_hoc.run.quiet) {
        screen::note(notice);
    }
    carry_out(settled, &ad_hoc.run, None, signals).map_err(in_flags)
}

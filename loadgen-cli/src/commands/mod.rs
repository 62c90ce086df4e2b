//! One file per command.

mod ad_hoc;
mod balance;
mod capacity;
mod client;
mod compare;
mod completions;
mod coordinate;
mod doctor;
mod exit;
mod history;
mod init;
mod kubernetes;
mod list;
mod merge;
mod repeat;
mod report;
mod run;
mod schema;
mod serve;
mod validate;

use crate::args::{Args, BalanceCommand, Command, ServeCommand};
use crate::error::Error;

pub(crate) use self::client::ClientError;
pub(crate) use self::exit::Exit;

/// Does what the arguments ask for.
///
/// # Errors
/// Why it could not.
pub(crate) fn run(args: Args) -> Result<Exit, Error> {
    match args.command {
        Command::Run(args) => run::run(&args),
        Command::Capacity(args) => capacity::run(&args),
        Command::Grpc(args) => ad_hoc::grpc(&args),
        Command::Websocket(args) => ad_hoc::websocket(&args),
        Command::Http(args) => ad_hoc::http(&args),
        Command::Tcp(args) => ad_hoc::tcp(&args),
        Command::Client(args) => client::client(&args),
        Command::Init(args) => init::run(&args),
        Command::List(args) => list::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Coordinate(args) => coordinate::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::History(args) => history::run(&args),
        Command::Kubernetes(args) => kubernetes::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Serve(ServeCommand::Grpc(args)) => serve::grpc(&args),
        Command::Serve(ServeCommand::Websocket(args)) => serve::websocket(&args),
        Command::Serve(ServeCommand::Http(args)) => serve::http(&args),
        Command::Serve(ServeCommand::Tcp(args)) => serve::tcp(&args),
        Command::Serve(ServeCommand::Proxy(args)) => serve::proxy(&args),
        Command::Serve(ServeCommand::All(args)) => serve::all(&args),
        Command::Balance(BalanceCommand::Tcp(args)) => balance::tcp(&args),
        Command::Balance(BalanceCommand::Http(args)) => balance::http(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions { shell } => completions::run(shell),
    }
}

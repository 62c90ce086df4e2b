//! Flags that there is one of for each protocol or reference server, made from their tables.

use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use loadgen_core::scenario::Protocol;

use super::values::listen_address;
use crate::protocols;
use crate::servers::{self, Server};

/// Where to send each protocol, a flag of `loadgen run` for each.
#[derive(Debug, Clone, Default)]
pub(crate) struct TargetFlags(Vec<(Protocol, Vec<String>)>);

impl TargetFlags {
    /// The values that the flag of this protocol was given.
    pub(crate) fn of(&self, protocol: Protocol) -> &[String] {
        let mut all = self.0.iter();
        all.find(|(it, _)| *it == protocol)
            .map_or(&[], |(_, values)| values.as_slice())
    }

    /// Whether none of the flags was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one value more for this protocol.
    pub(crate) fn push(&mut self, protocol: Protocol, value: &str) {
        let value = value.to_owned();
        match self.0.iter_mut().find(|(it, _)| *it == protocol) {
            Some((_, values)) => values.push(value),
            None => self.0.push((protocol, vec![value])),
        }
    }
}

impl Args for TargetFlags {
    fn augment_args(command: Command) -> Command {
        command.args(protocols::ALL.map(|row| {
            Arg::new(row.target_flag)
                .long(row.target_flag)
                .value_name("TARGET")
                .action(ArgAction::Append)
                .help(row.target_help)
                .help_heading("Where to send")
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TargetFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for row in protocols::ALL {
            let given = matches.get_many::<String>(row.target_flag);
            for value in given.into_iter().flatten() {
                self.push(row.protocol, value);
            }
        }
        Ok(())
    }
}

/// Where each server listens, a flag of `loadgen serve all` for each.
#[derive(Debug, Clone, Default)]
pub(crate) struct AddressFlags(pub(crate) Vec<(&'static Server, String)>);

impl Args for AddressFlags {
    fn augment_args(command: Command) -> Command {
        command.args(servers::ALL.map(|row| {
            Arg::new(row.address_flag)
                .long(row.address_flag)
                .value_name("HOST:PORT")
                .default_value(row.address)
                .value_parser(listen_address)
                .help(row.address_help)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AddressFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0 = servers::ALL
            .into_iter()
            .filter_map(|row| {
                let address = matches.get_one::<String>(row.address_flag)?;
                Some((row, address.clone()))
            })
            .collect();
        Ok(())
    }
}

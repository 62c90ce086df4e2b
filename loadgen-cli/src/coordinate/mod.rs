//! Shards that begin together, stop together, and end in one result.
//!
//! A coordinator is offered by shard 0, or by `loadgen coordinate`; each shard, shard 0 included, is a member of it.
//! What it decides is [`state`]'s, and pure. It has no figures that the shards do not have: whoever loses it makes its
//! part of the load all the same, and writes its own result.

mod call;
mod clock;
mod error;
mod holder;
mod member;
mod proto;
mod results;
mod server;
mod settings;
mod state;
mod strangers;
mod together;
mod trust;
mod whole;
mod words;

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom as _, SystemRandom};

pub(crate) use self::call::{CalledOff, call_off};
pub(crate) use self::error::CoordinateError;
pub(crate) use self::proto::refused::Kind as Refusal;
pub(crate) use self::results::Results;
pub(crate) use self::server::{Finished, Offered};
pub(crate) use self::settings::Settings;
use self::state::End;
pub(crate) use self::together::{MERGE_TELLS, Together, join};
pub(crate) use self::trust::{TOKEN, TlsFiles, Trust};
use crate::human;
use crate::screen::Screen;
use crate::screen::live::Whole;

/// How long shards are waited for unless told.
pub(crate) const WAIT: Duration = Duration::from_secs(120);
/// The longest message, in bytes: a plan, or what a `setup` saved. Results come in pieces.
const LONGEST_MESSAGE: usize = 16 << 20;
/// The longest text in one: what else is in it takes little.
const LONGEST_TEXT: usize = LONGEST_MESSAGE - (64 << 10);
/// Bytes of a run's random name.
const RUN_ID: usize = 8;

/// Offers the coordinator of so many shards where the settings say.
///
/// # Errors
/// Why it cannot be.
pub(crate) fn offer(
    settings: &Settings,
    count: u32,
    run_id: Option<String>,
    whole: Whole,
    called_off: &CalledOff,
    screen: &Screen,
) -> Result<Offered, CoordinateError> {
    let addresses = settings.reachable(settings.resolve(called_off)?)?;
    let listener = TcpListener::bind(&*addresses)
        .map_err(|source| settings.not_listening(&addresses, source))?;
    offer_on(listener, settings, count, run_id, whole, screen)
}

fn offer_on(
    listener: TcpListener,
    settings: &Settings,
    count: u32,
    run_id: Option<String>,
    whole: Whole,
    screen: &Screen,
) -> Result<Offered, CoordinateError> {
    let policy = settings.policy(count, run_id)?;
    let says = screen.clone();
    let note = move |text: &str| says.say(&format!("coordinator: {text}"));
    let offered = server::offer(listener, policy, settings.trust.clone(), whole, note)?;
    screen.say(&format!(
        "coordinator: listens on {} and waits for {}, {} at most",
        offered.address,
        human::counted(count.into(), "shard"),
        human::duration(settings.wait),
    ));
    if settings.trust.is_readable(offered.address) {
        screen.say(&format!(
            "WARNING: {} can be reached from other machines and has no TLS: whoever reads along on the way sees the \
             token, and what `setup` saves",
            offered.address
        ));
    }
    Ok(offered)
}

impl Finished {
    /// Shards that began and were lost, or did not begin with the others.
    ///
    /// # Errors
    /// Why no load began; `None` where somebody stopped it.
    pub(crate) fn lost(&self) -> Result<&[u32], Option<CoordinateError>> {
        match &self.end {
            End::Ran { lost } => Ok(lost),
            End::Stopped => Err(None),
            End::NotBegun(refused) => Err(Some(refused.clone().into())),
        }
    }
}

/// A name that no other run has.
fn random_id() -> io::Result<String> {
    let mut random = [0; RUN_ID];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| io::Error::other("the system gave no random bytes"))?;
    Ok(HEXLOWER.encode(&random))
}

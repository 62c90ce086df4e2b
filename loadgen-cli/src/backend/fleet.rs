//! The servers of a suite, each in a process of its own, and what events do to them.
//!
//! Owns their processes from before the load until after it. All are started by one thread, which lives as
//! long as they do: the kernel kills them when it is gone.

mod command;
mod keeper;
mod proxy;

use std::io;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use loadgen_core::scenario::{BackendPlan, BackendRole, Faults, Protocol, ProxyOptions, Target};
use rustix::process::Signal;

use self::command::Configured;
use self::keeper::Keeper;
use super::child::{Hears, ServerChild, Start};
use super::listening::Listening;
use crate::human;
use crate::moment::now;
use crate::screen::Screen;
use crate::settings::sinks::StatsdSettings;

/// The longest a server may take to listen.
const START: Duration = Duration::from_secs(10);
/// The longest one may take to end that finishes what it has begun, beyond its farewell.
const DRAIN: Duration = Duration::from_secs(30);
/// How often a wait looks whether the run is over.
const GLANCE: Duration = Duration::from_millis(5);

/// Why a suite's servers are not what the run needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FleetError {
    /// The thread that starts them could not be started.
    #[error("failed to start the suite's servers: {0}")]
    Keeper(#[from] io::Error),
    /// One did not come up.
    #[error("failed to start the suite's server `{name}`: {why}")]
    Start {
        /// Which one.
        name: String,
        /// What it or the system said.
        why: String,
    },
    /// One was gone before the load was over, and no event had ended it.
    #[error("the suite's server `{name}` ended before the load did ({status})")]
    Ended {
        /// Which one.
        name: String,
        /// How.
        status: ExitStatus,
    },
}

/// The servers at work. Dropping them ends them.
#[derive(Debug)]
pub(crate) struct Fleet {
    // Ended before who started them.
    servers: Vec<Member>,
    keeper: Keeper,
    is_ending: AtomicBool,
    /// Where what they log is said.
    screen: Screen,
    /// What fault proxies know us by.
    token: String,
}

/// One of them.
#[derive(Debug)]
struct Member {
    /// With the addresses that it got.
    plan: BackendPlan,
    configured: Configured,
    state: Mutex<State>,
    /// Where a fault proxy is told what is to go wrong.
    control: Mutex<Option<SocketAddr>>,
}

/// A server that listens.
struct Launched {
    child: ServerChild,
    addresses: Vec<(Protocol, SocketAddr)>,
    control: Option<SocketAddr>,
}

/// How it stands.
#[derive(Debug)]
enum State {
    Up(ServerChild),
    Frozen(ServerChild),
    Draining(ServerChild),
    Gone,
}

/// How long a server that was told to end serves on.
fn farewell(plan: &BackendPlan) -> Duration {
    match &plan.role {
        BackendRole::Serve(options) => options.lame_duck.unwrap_or_default(),
        BackendRole::Balance(_) | BackendRole::Proxy(_) => Duration::ZERO,
    }
}

impl Fleet {
    /// Starts the servers, each after those that stand behind it, and waits until all of them listen. Their
    /// metrics go where the run's go, and what they log to the screen.
    ///
    /// # Errors
    /// [`FleetError`] when one of them does not.
    pub(crate) fn start(
        plans: &[BackendPlan],
        statsd: Option<&StatsdSettings>,
        screen: &Screen,
    ) -> Result<Self, FleetError> {
        let mut this = Self {
            servers: Vec::with_capacity(plans.len()),
            keeper: Keeper::start()?,
            is_ending: AtomicBool::new(false),
            screen: screen.clone(),
            token: proxy::token()?,
        };
        for plan in plans {
            let behind = |name: &str| {
                let (protocol, _) = plan.addresses.first()?;
                this.member(name)?.plan.address(*protocol)
            };
            let configured = Configured::of(plan, behind, statsd);
            let started = this.launch(plan, &configured);
            let launched = started.map_err(|why| FleetError::Start {
                name: plan.name.clone(),
                why,
            })?;
            let mut plan = plan.clone();
            plan.addresses = launched.addresses;
            this.servers.push(Member {
                plan,
                configured,
                state: Mutex::new(State::Up(launched.child)),
                control: Mutex::new(launched.control),
            });
        }
        Ok(this)
    }

    /// Starts a server at its addresses and waits until it listens, and a fault proxy until it is as bad as it is to
    /// be from its start.
    fn launch(&self, plan: &BackendPlan, configured: &Configured) -> Result<Launched, String> {
        let (args, file) = configured
            .args(&plan.addresses)
            .map_err(|error| error.to_string())?;
        let is_proxy = matches!(plan.role, BackendRole::Proxy(_));
        let token = is_proxy.then(|| (command::TOKEN, self.token.clone()));
        let child = self.keeper.spawn(Start {
            args,
            variables: token.into_iter().collect(),
            keeps_complaints: true,
            hears: self.hears(plan),
        });
        let mut child = child.map_err(|error| error.to_string())?;
        let until = now() + START;
        let mut addresses = Vec::with_capacity(plan.addresses.len());
        let mut control = None;
        while addresses.len() < plan.addresses.len() || (is_proxy && control.is_none()) {
            let line = match child.line(GLANCE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) if self.is_ending.load(Ordering::Acquire) => {
                    return Err("the load was over before it listened".to_owned());
                }
                Err(RecvTimeoutError::Timeout) if now() < until => continue,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("no word from it within {START:?}"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let complaint = child.last_complaint();
                    let why = complaint.unwrap_or_else(|| "it ended before it listened".to_owned());
                    return Err(why);
                }
            };
            let listening = Listening::parse(&line).ok_or_else(|| format!("it said `{line}`"))?;
            match plan.addresses.get(addresses.len()) {
                Some((protocol, _)) => addresses.push((*protocol, listening.address)),
                None => control = Some(listening.address),
            }
        }
        drop(file);
        if let (BackendRole::Proxy(options), Some(control)) = (&plan.role, control)
            && !options.faults.is_empty()
        {
            proxy::tell(control, &self.token, &options.faults)?;
        }
        Ok(Launched {
            child,
            addresses,
            control,
        })
    }

    /// Who hears what a server logs; what it says names it.
    fn hears(&self, plan: &BackendPlan) -> Option<Hears> {
        let BackendRole::Serve(options) = &plan.role else {
            return None;
        };
        let screen = self.screen.clone();
        let says = move |line: &str| screen.say(line);
        options.log_streams.then(|| Box::new(says) as Hears)
    }

    /// Where a server is reached that speaks this protocol.
    pub(crate) fn target(&self, name: &str, protocol: Protocol) -> Option<Target> {
        let plan = &self.member(name)?.plan;
        let address = plan.address(protocol)?;
        Some(Target {
            host: address.ip().to_string(),
            port: address.port(),
            tls: plan.tls,
        })
    }

    /// A line for each server that says where it listens.
    pub(crate) fn notices(&self) -> impl Iterator<Item = String> {
        self.servers.iter().map(|it| {
            let process = match &*it.state() {
                State::Up(child) => format!(" (process {})", child.id()),
                _ => String::new(),
            };
            format!("{}{process}", said(&it.plan))
        })
    }

    fn member(&self, name: &str) -> Option<&Member> {
        self.servers.iter().find(|it| it.plan.name == name)
    }

    fn known(&self, name: &str) -> Result<&Member, String> {
        self.member(name)
            .ok_or_else(|| format!("the run has no server `{name}`"))
    }

    /// Kills a server, and waits until it is gone; returns when that was told to it: what it had open is closed
    /// before anybody here knows that it is gone, and what comes of that is not to seem to come before.
    ///
    /// # Errors
    /// Why that was not done.
    pub(crate) fn kill(&self, name: &str) -> Result<Instant, String> {
        let mut state = self.known(name)?.state();
        let mut child = state.take_up()?;
        let when = now();
        let killed = child.kill().map_err(|error| error.to_string());
        killed.map(|_| when)
    }

    /// Stops a server's process, which keeps all that it has open; returns when that was told to it.
    ///
    /// # Errors
    /// Why that was not done.
    pub(crate) fn freeze(&self, name: &str) -> Result<Instant, String> {
        let mut state = self.known(name)?.state();
        let child = state.take_up()?;
        let when = now();
        let told = child.signal(Signal::STOP).map_err(|it| it.to_string());
        *state = State::Frozen(child);
        told.map(|()| when)
    }

    /// Lets a server that was stopped go on; returns when that was told to it.
    ///
    /// # Errors
    /// Why that was not done.
    pub(crate) fn thaw(&self, name: &str) -> Result<Instant, String> {
        let mut state = self.known(name)?.state();
        match std::mem::replace(&mut *state, State::Gone) {
            State::Frozen(mut child) => {
                let told = child.signal(Signal::CONT).map_err(|it| it.to_string());
                let when = now();
                if let Some(status) = child.ended() {
                    return Err(format!("it had ended while it was stopped ({status})"));
                }
                *state = State::Up(child);
                told.map(|()| when)
            }
            other => {
                *state = other;
                Err("it was not stopped".to_owned())
            }
        }
    }

    /// Tells a server to end in good order; returns when that was told to it.
    ///
    /// # Errors
    /// Why that was not done.
    pub(crate) fn drain(&self, name: &str) -> Result<Instant, String> {
        let mut state = self.known(name)?.state();
        let child = state.take_up()?;
        let when = now();
        let told = child.signal(Signal::TERM).map_err(|it| it.to_string());
        *state = State::Draining(child);
        told.map(|()| when)
    }

    /// Starts a server again where it was, once it is gone; returns when it listens.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) fn bring_back(&self, name: &str) -> Result<Instant, String> {
        let member = self.known(name)?;
        let mut state = member.state();
        if self.is_ending.load(Ordering::Acquire) {
            return Err("the load was over before".to_owned());
        }
        match std::mem::replace(&mut *state, State::Gone) {
            State::Draining(mut child) => {
                let most = farewell(&member.plan) + DRAIN;
                let until = now() + most;
                while child.ended().is_none() {
                    let why = match self.is_ending.load(Ordering::Acquire) {
                        true => {
                            "the load was over before it had finished what it had begun".to_owned()
                        }
                        false if now() >= until => {
                            let most = human::duration(most);
                            format!("it did not finish what it had begun within {most}")
                        }
                        false => {
                            std::thread::park_timeout(GLANCE);
                            continue;
                        }
                    };
                    *state = State::Draining(child);
                    return Err(why);
                }
            }
            State::Gone => {}
            other => {
                *state = other;
                return Err("it was not gone".to_owned());
            }
        }
        let launched = self.launch(&member.plan, &member.configured)?;
        let ready = now();
        *state = State::Up(launched.child);
        *member.control() = launched.control;
        Ok(ready)
    }

    /// Has something go wrong at a fault proxy, in place of what did; returns when that was told to it.
    ///
    /// # Errors
    /// Why that was not done.
    pub(crate) fn fault(&self, name: &str, faults: &Faults) -> Result<Instant, String> {
        let when = now();
        self.told(name, |_| faults)?;
        Ok(when)
    }

    /// Has a fault proxy be as from its start again; returns when it is.
    ///
    /// # Errors
    /// Why that was not done.
    pub(crate) fn heal(&self, name: &str) -> Result<Instant, String> {
        self.told(name, |options| &options.faults)?;
        Ok(now())
    }

    fn told<'a>(
        &'a self,
        name: &str,
        faults: impl FnOnce(&'a ProxyOptions) -> &'a Faults,
    ) -> Result<(), String> {
        let member = self.known(name)?;
        let BackendRole::Proxy(options) = &member.plan.role else {
            return Err("it is no fault proxy".to_owned());
        };
        let mut state = member.state();
        let child = state.take_up()?;
        let control = *member.control();
        let told = control.ok_or_else(|| "it cannot be told".to_owned());
        let told = told.and_then(|it| proxy::tell(it, &self.token, faults(options)));
        *state = State::Up(child);
        told
    }

    /// From here on nothing is waited for any more.
    pub(crate) fn hurry(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    /// Ends all of them.
    pub(crate) fn end(&self) {
        self.hurry();
        let all = self.servers.iter();
        let states = all.map(|it| std::mem::replace(&mut *it.state(), State::Gone));
        let mut states: Vec<State> = states.collect();
        // All are told before any is waited for; one that is stopped hears nothing.
        for state in &mut states {
            match state {
                State::Up(child) | State::Draining(child) => child.let_go(),
                State::Frozen(child) => {
                    let _ = child.kill();
                }
                State::Gone => {}
            }
        }
    }

    /// The first server that has ended without being told to, if one has.
    pub(crate) fn lost(&self) -> Option<FleetError> {
        self.servers.iter().find_map(|it| match &mut *it.state() {
            State::Up(child) | State::Frozen(child) => {
                let status = child.ended()?;
                let name = it.plan.name.clone();
                Some(FleetError::Ended { name, status })
            }
            State::Draining(_) | State::Gone => None,
        })
    }
}

/// What a server is and where it listens, in words.
pub(crate) fn said(plan: &BackendPlan) -> String {
    let role = command::role(plan);
    if let [(_, first), _, ..] = plan.addresses.as_slice()
        && plan
            .addresses
            .iter()
            .all(|(_, it)| it == first && it.port() == 0)
    {
        return format!("{}: {role} on any free ports of {}", plan.name, first.ip());
    }
    let addresses = plan.addresses.iter().map(|(protocol, address)| {
        let at = match address.port() {
            0 => format!("any free port of {}", address.ip()),
            _ => address.to_string(),
        };
        match plan.addresses.len() {
            1 => at,
            _ => format!("{protocol} on {at}"),
        }
    });
    let before = if plan.addresses.len() == 1 {
        " on"
    } else {
        ","
    };
    let addresses = addresses.collect::<Vec<_>>().join(", ");
    format!("{}: {role}{before} {addresses}", plan.name)
}

impl Member {
    fn control(&self) -> MutexGuard<'_, Option<SocketAddr>> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The process of a server that is up; nothing is left in its place.
    fn take_up(&mut self) -> Result<ServerChild, String> {
        match std::mem::replace(self, Self::Gone) {
            Self::Up(mut child) => match child.ended() {
                None => Ok(child),
                Some(status) => Err(format!("it had ended by itself ({status})")),
            },
            other => {
                let how = match &other {
                    Self::Frozen(_) => "stopped already",
                    Self::Draining(_) => "ending already",
                    _ => "gone already",
                };
                *self = other;
                Err(format!("it was {how}"))
            }
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.end();
    }
}

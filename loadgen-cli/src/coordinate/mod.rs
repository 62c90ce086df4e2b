//! Shards that begin together, stop together, and end in one result.
//!
//! A coordinator is offered by shard 0, or by `loadgen coordinate`; each shard, shard 0 included, is a member of it.
//! What it decides is [`state`]'s, and pure. It has no figures that the shards do not have: whoever loses it makes its
//! part of the load all the same, and writes its own result.

mod clock;
mod error;
mod member;
mod proto;
mod results;
mod server;
mod state;
mod trust;
mod whole;

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use data_encoding::HEXLOWER;
use loadgen_core::engine::{Event, Run};
use loadgen_core::record::EarlyEnd;
use loadgen_core::report::{ClockOffset, Context, Document};
use loadgen_core::schedule::Shard;
use loadgen_core::secrets::Secrets;
use loadgen_core::workload::SetUp;
use ring::rand::{SecureRandom as _, SystemRandom};

pub(crate) use self::error::CoordinateError;
use self::member::{Member, Place};
pub(crate) use self::proto::refused::Kind as Refusal;
use self::proto::{Failed, Hello, Stop};
pub(crate) use self::results::Results;
pub(crate) use self::server::{Finished, Offered};
use self::state::{End, Policy, SETS_UP};
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

/// How a run is coordinated.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where the coordinator is, or is to be.
    pub(crate) address: String,
    pub(crate) trust: Trust,
    /// How long all are waited for.
    pub(crate) wait: Duration,
    /// With how many the run begins then; with all of them unless told.
    pub(crate) at_least: Option<u32>,
    /// Whether the result of the whole is wanted, of whoever offers the coordinator.
    pub(crate) is_merged: bool,
}

/// A shard that takes part, and the coordinator where it offers that.
#[derive(Debug)]
pub(crate) struct Together {
    member: Member,
    shard: Shard,
    whole: Whole,
    offered: Option<Offered>,
}

impl Settings {
    fn policy(&self, count: u32, run_id: Option<String>) -> Result<Policy, CoordinateError> {
        if let Some(at_least) = self.at_least.filter(|it| *it > count) {
            return Err(CoordinateError::TooFew { count, at_least });
        }
        Ok(Policy {
            count,
            run_id,
            random_id: random_id().map_err(CoordinateError::Start)?,
            wait: self.wait,
            at_least: self.at_least.unwrap_or(count),
            wants_results: self.is_merged,
        })
    }

    /// Where it is, which may take a while to be known where a name is new.
    fn resolve(&self) -> Result<Vec<SocketAddr>, CoordinateError> {
        let until = crate::moment::now() + self.wait;
        loop {
            let why = match self.address.to_socket_addrs() {
                Ok(addresses) => {
                    let addresses: Vec<SocketAddr> = addresses.collect();
                    self.trust.check(&self.address, &addresses)?;
                    return Ok(addresses);
                }
                Err(why) => why,
            };
            if crate::moment::now() >= until {
                return Err(CoordinateError::Absent {
                    address: self.address.clone(),
                    within: human::duration(self.wait),
                    why: why.to_string(),
                });
            }
            pause();
        }
    }

    /// Where a coordinator of these addresses is to listen, so that shards on other machines reach it. Systems such as
    /// Debian have a machine's own name lead to its loopback, on that machine alone.
    fn reachable(&self, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, CoordinateError> {
        let (host, _) = self.address.rsplit_once(':').unwrap_or_default();
        let is_meant = host == "localhost" || self.address.parse::<SocketAddr>().is_ok();
        let is_loopback = |it: &SocketAddr| it.ip().to_canonical().is_loopback();
        if is_meant || !addresses.iter().all(is_loopback) {
            return Ok(addresses);
        }
        if self.trust.is_open() {
            return Err(CoordinateError::OnlyHere {
                address: self.address.clone(),
            });
        }
        let port = addresses.first().map_or(0, SocketAddr::port);
        Ok(vec![(std::net::Ipv4Addr::UNSPECIFIED, port).into()])
    }
}

/// Offers the coordinator of so many shards where the settings say.
///
/// # Errors
/// Why it cannot be.
pub(crate) fn offer(
    settings: &Settings,
    count: u32,
    run_id: Option<String>,
    whole: Whole,
    screen: &Screen,
) -> Result<Offered, CoordinateError> {
    let addresses = settings.reachable(settings.resolve()?)?;
    let listener = TcpListener::bind(&*addresses).map_err(|source| CoordinateError::Listen {
        address: settings.address.clone(),
        source,
    })?;
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

/// Takes part in a run: joins its coordinator. Shard 0 offers that first, where the address is one of this machine's
/// own and nobody has it yet.
///
/// # Errors
/// Why the shards do not come together.
pub(crate) fn join(
    settings: &Settings,
    shard: Shard,
    run_id: Option<&str>,
    context: &Context,
    screen: &Screen,
) -> Result<Together, CoordinateError> {
    let whole = Whole::default();
    let addresses = settings.resolve()?;
    let mut offered = None;
    if shard.index() == 0
        && let Some(listener) = own(&settings.address, &settings.reachable(addresses)?)?
    {
        let run_id = run_id.map(str::to_owned);
        let (count, whole) = (shard.count(), whole.clone());
        offered = Some(offer_on(listener, settings, count, run_id, whole, screen)?);
    } else {
        screen.say(&format!("joining the coordinator at {}", settings.address));
    }
    let place = Place {
        given: settings.address.clone(),
        own: offered.as_ref().map(|it| reachable(it.address)),
        trust: settings.trust.clone(),
        wait: settings.wait,
    };
    let mut plan = context.plan.clone();
    // As the results have it, which are what is merged.
    Secrets::mask_in(&mut plan);
    let plan = plan.to_string();
    if plan.len() > LONGEST_TEXT {
        return Err(CoordinateError::Plan { bytes: plan.len() });
    }
    let hello = Hello {
        index: shard.index(),
        count: shard.count(),
        version: context.version.clone(),
        seed: context.shard.as_ref().map_or(0, |it| it.seed),
        run_id: run_id.unwrap_or_default().to_owned(),
        plan,
    };
    let says = screen.clone();
    let address = settings.address.clone();
    let lost = move |why: &str| {
        says.say(&format!(
            "WARNING: the coordinator at {address} was lost ({why}): this shard makes its part of the load to its \
             end, and writes its own result; `loadgen merge` makes the whole of those of all shards"
        ));
    };
    let member = Member::join(place, hello, lost)?;
    Ok(Together {
        member,
        shard,
        whole,
        offered,
    })
}

/// A socket on the address, where it is this machine's own and nobody has it.
fn own(given: &str, addresses: &[SocketAddr]) -> Result<Option<TcpListener>, CoordinateError> {
    match TcpListener::bind(addresses) {
        Ok(listener) => Ok(Some(listener)),
        Err(why)
            if matches!(
                why.kind(),
                ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(CoordinateError::Listen {
            address: given.to_owned(),
            source,
        }),
    }
}

/// Where a process reaches itself that listens there.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.is_ipv4() {
            true => std::net::Ipv4Addr::LOCALHOST.into(),
            false => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

impl Together {
    /// Names the run.
    pub(crate) fn run_id(&self) -> String {
        self.member.welcome.run_id.clone()
    }

    /// How this machine's clock is to the coordinator's.
    pub(crate) fn clock(&self) -> ClockOffset {
        self.member.clock()
    }

    /// Whether this one makes the result of all.
    pub(crate) fn merges(&self) -> bool {
        self.offered.is_some() && self.member.welcome.wants_result
    }

    /// The line of the whole run, where it is shown here.
    pub(crate) fn whole(&self) -> Option<Whole> {
        self.offered.as_ref().map(|_| self.whole.clone())
    }

    /// Where so many scenarios are set up: on shard 0.
    pub(crate) fn set_up(&self, scenarios: usize) -> Vec<SetUp> {
        if self.shard.index() == SETS_UP {
            let scenarios = (0..).take(scenarios);
            let told = scenarios.map(|it| SetUp::for_others(self.member.tells_set_up(it)));
            return told.collect();
        }
        let (places, waiting) = (0..scenarios).map(|_| SetUp::elsewhere()).unzip();
        self.member.awaits_set_up(waiting);
        places
    }

    /// The run, which begins when all are ready, tells how it goes, and has all end where a condition ends it.
    pub(crate) fn listen(&self, run: Run, screen: &Screen) -> Run {
        let says = screen.clone();
        let short = move |headway: Duration, left: Duration| {
            says.say(&format!(
                "WARNING: this shard heard of the start {} before it and needs {}: its first arrivals may be late",
                human::duration(left),
                human::duration(headway),
            ));
        };
        let mut ticks = self.member.ticks();
        let stops = self.member.stopper();
        run.begin_when(self.member.gate(short))
            .listen(move |event: &Event<'_>| match event {
                Event::Snapshot(snapshot) => ticks(whole::tick(snapshot)),
                Event::Ending(end) => stops(Stop {
                    early_end: Some(told(end)),
                    ..Stop::default()
                }),
                _ => {}
            })
    }

    /// What has all shards stop, as this one was told to: called with whether at once.
    pub(crate) fn stopper(&self) -> impl Fn(bool) + Send + Sync + 'static {
        let stops = self.member.stopper();
        move |at_once| {
            stops(Stop {
                at_once,
                ..Stop::default()
            });
        }
    }

    /// Has `reaction` done when all are to stop: whether at once, whose doing it is, and the condition that ended
    /// the run, where one did.
    pub(crate) fn react(
        &self,
        mut reaction: impl FnMut(bool, &str, Option<EarlyEnd>) + Send + 'static,
    ) {
        self.member.react(move |stop| {
            let end = stop.early_end.as_ref().map(|it| {
                let scenario = Some(it.scenario.clone()).filter(|it| !it.is_empty());
                let at = Duration::from_nanos(it.at);
                EarlyEnd::new(scenario, it.condition.clone(), at, it.observed)
            });
            reaction(stop.at_once, &stop.why, end);
        });
    }

    /// Why there was no load, where that is not this shard's own doing.
    pub(crate) fn refusal(&self) -> Option<CoordinateError> {
        self.member.refusal()
    }

    /// What stops those that this shard waits for once its own part is over, where it offers the coordinator: called
    /// with whether at once.
    pub(crate) fn stops_others(&self) -> Option<impl Fn(bool) + Send + use<>> {
        self.offered.as_ref().map(Offered::stopper)
    }

    /// This shard has no result, and why. The others are told, where they have not begun. Where it offers the
    /// coordinator, waits for them; then what these have told is here, where that was asked for.
    pub(crate) fn fail(self, kind: Refusal, why: String) -> Option<Finished> {
        if self.member.refusal().is_none() {
            self.member.fail(Failed {
                kind: kind.into(),
                why,
            });
        }
        // Where that has come to nothing, too, this shard's own error is what is told.
        self.offered.and_then(|it| it.finish().ok())
    }

    /// This shard's part is made, and this is its result. Where it offers the coordinator, waits for all others;
    /// then what these have told is here, where that was asked for.
    ///
    /// # Errors
    /// When the coordinator offered here has come to nothing.
    pub(crate) fn conclude(
        self,
        document: &Document,
        screen: &Screen,
    ) -> Result<Option<Finished>, CoordinateError> {
        let result = self
            .member
            .welcome
            .wants_result
            .then(|| serde_json::to_vec(document).expect("all keys of its maps are text"));
        let is_taken = self.member.over(result.as_deref());
        if self.offered.is_some() {
            screen.say("coordinator: waiting until the last shard has come to its end");
        }
        let Some(offered) = self.offered else {
            if !is_taken {
                screen.say(
                    "the coordinator did not take this shard's result: `loadgen merge` makes the whole of the \
                     results that the shards have written",
                );
            }
            return Ok(None);
        };
        offered.finish().map(Some)
    }
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

fn told(end: &EarlyEnd) -> proto::EarlyEnd {
    proto::EarlyEnd {
        scenario: end.scenario.clone().unwrap_or_default(),
        condition: end.condition.clone(),
        at: clock::nanos(end.at),
        observed: end.observed,
    }
}

/// A name that no other run has.
fn random_id() -> io::Result<String> {
    let mut random = [0; RUN_ID];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| io::Error::other("the system gave no random bytes"))?;
    Ok(HEXLOWER.encode(&random))
}

/// An error with all that is behind it: of a connection the last tells most.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    texts.dedup();
    texts.join(": ")
}

fn pause() {
    #[expect(
        clippy::disallowed_methods,
        reason = "no load is made while a name is waited for"
    )]
    std::thread::sleep(Duration::from_millis(250));
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("bench-1:8090", Some("s3cr3t"), "127.0.1.1:8090" => Ok("0.0.0.0:8090".to_owned()); "Debian's own name")]
    #[test_case("bench-1:8090", Some("s3cr3t"), "192.0.2.1:8090" => Ok("192.0.2.1:8090".to_owned()); "a name of the network")]
    #[test_case("localhost:8090", None, "127.0.0.1:8090" => Ok("127.0.0.1:8090".to_owned()))]
    #[test_case("127.0.0.1:8090", Some("s3cr3t"), "127.0.0.1:8090" => Ok("127.0.0.1:8090".to_owned()))]
    #[test_case("[::1]:8090", Some("s3cr3t"), "[::1]:8090" => Ok("[::1]:8090".to_owned()))]
    #[test_case("bench-1:8090", None, "127.0.1.1:8090" => Err("bench-1:8090 leads to this machine's loopback here: for shards on others the coordinator would listen on all of its addresses, and nothing keeps strangers out; set LOADGEN_COORDINATOR_TOKEN to one secret for all shards, or write `localhost` where all of them are on this machine".to_owned()); "and nothing keeps strangers out")]
    fn listens_where_others_reach_it(
        given: &str,
        token: Option<&str>,
        resolved: &str,
    ) -> Result<String, String> {
        let settings = Settings {
            address: given.to_owned(),
            trust: Trust::new(token, None).unwrap(),
            wait: WAIT,
            at_least: None,
            is_merged: false,
        };
        let listens = settings.reachable(vec![resolved.parse().unwrap()]);
        listens
            .map(|it| it[0].to_string())
            .map_err(|it| it.to_string())
    }
}

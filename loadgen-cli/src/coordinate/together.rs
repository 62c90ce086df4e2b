//! A shard's part in a run that is coordinated, and the coordinator where it offers that.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use loadgen_core::engine::{Event, Run};
use loadgen_core::record::EarlyEnd;
use loadgen_core::report::{ClockOffset, Context, Document};
use loadgen_core::schedule::Shard;
use loadgen_core::secrets::Secrets;
use loadgen_core::workload::SetUp;

use super::call::CalledOff;
use super::error::CoordinateError;
use super::member::{Member, Place};
use super::proto::refused::Kind as Refusal;
use super::proto::{self, Failed, Hello, Stop};
use super::server::{Finished, Offered};
use super::settings::Settings;
use super::state::SETS_UP;
use super::{LONGEST_TEXT, clock, holder, offer_on, whole};
use crate::human;
use crate::screen::Screen;
use crate::screen::live::Whole;

/// Where the verdict is of which no shard has one.
pub(crate) const MERGE_TELLS: &str =
    "the verdict is of the whole run: `loadgen merge` of the results of all shards tells it";

/// A shard that takes part, and the coordinator where it offers that.
#[derive(Debug)]
pub(crate) struct Together {
    member: Member,
    shard: Shard,
    whole: Whole,
    offered: Option<Offered>,
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
    called_off: CalledOff,
    screen: &Screen,
) -> Result<Together, CoordinateError> {
    let whole = Whole::default();
    let addresses = settings.resolve(&called_off)?;
    let own = match shard.index() {
        0 => own(settings, &settings.reachable(addresses)?)?,
        _ => Own::Elsewhere,
    };
    let at = &settings.address;
    let mut offered = None;
    match own {
        Own::Free(listener) => {
            let run_id = run_id.map(str::to_owned);
            let (count, whole) = (shard.count(), whole.clone());
            offered = Some(offer_on(listener, settings, count, run_id, whole, screen)?);
        }
        Own::Taken(holder) => {
            let holder = holder.unwrap_or_else(|| "another process".to_owned());
            screen.say(&format!(
                "{holder} listens at {at} on this machine already, so this shard offers no coordinator and joins \
                 that one",
            ));
        }
        Own::Elsewhere => screen.say(&format!("joining the coordinator at {at}")),
    }
    let place = Place {
        given: settings.address.clone(),
        own: offered.as_ref().map(|it| reachable(it.address)),
        trust: settings.trust.clone(),
        wait: settings.wait,
        called_off,
        screen: screen.clone(),
    };
    let mut plan = context.plan.clone();
    // As the results have it, which are what is merged.
    Secrets::mask_in(&mut plan);
    let plan = plan.to_string();
    if plan.len() > LONGEST_TEXT {
        return Err(CoordinateError::Plan { bytes: plan.len() });
    }
    let data = context.shard.iter().flat_map(|it| &it.data);
    let data = data.map(|it| proto::Data {
        scenario: it.scenario.clone(),
        source: it.source.clone(),
        sha256: it.sha256.clone(),
    });
    let hello = Hello {
        index: shard.index(),
        count: shard.count(),
        version: context.version.clone(),
        seed: context.shard.as_ref().map_or(0, |it| it.seed),
        run_id: run_id.unwrap_or_default().to_owned(),
        plan,
        data: data.collect(),
        process: format!("process {}{}", std::process::id(), on_its(context)),
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

/// What an address is to the machine of shard 0.
enum Own {
    /// Its own, and here is the socket.
    Free(TcpListener),
    /// Its own, and somebody listens there; who, where that is known.
    Taken(Option<String>),
    /// Another machine's.
    Elsewhere,
}

fn own(settings: &Settings, addresses: &[SocketAddr]) -> Result<Own, CoordinateError> {
    match TcpListener::bind(addresses) {
        Ok(listener) => Ok(Own::Free(listener)),
        Err(why) => match why.kind() {
            ErrorKind::AddrNotAvailable => Ok(Own::Elsewhere),
            ErrorKind::AddrInUse => Ok(Own::Taken(holder::of(addresses))),
            _ => Err(settings.not_listening(addresses, why)),
        },
    }
}

/// The machine's name, where it is known.
fn on_its(context: &Context) -> String {
    let host = context.host.hostname.as_deref();
    host.map_or_else(String::new, |it| format!(" on {it}"))
}

/// Where a process reaches itself that listens there.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.is_ipv4() {
            true => Ipv4Addr::LOCALHOST.into(),
            false => Ipv6Addr::LOCALHOST.into(),
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
        let is_told = self.member.welcome.wants_result;
        let Some(offered) = self.offered else {
            screen.say(&match (is_told, is_taken) {
                (true, true) => format!(
                    "the verdict is of the whole run: whoever offers the coordinator at {} tells it",
                    self.member.address
                ),
                (true, false) => {
                    "the coordinator did not take this shard's result: `loadgen merge` makes the whole of the results \
                     that the shards have written, and tells the verdict"
                        .to_owned()
                }
                (false, _) => MERGE_TELLS.to_owned(),
            });
            return Ok(None);
        };
        screen.say("coordinator: waiting until the last shard has come to its end");
        let finished = offered.finish()?;
        if !is_told {
            screen.say(MERGE_TELLS);
        }
        Ok(Some(finished))
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

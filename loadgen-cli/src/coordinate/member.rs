//! A shard's side: a connection to the coordinator on a thread of its own, and what the run asks of it.

mod line;

use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use loadgen_core::report::ClockOffset;
use loadgen_core::workload::SetUpElsewhere;
use tokio::sync::mpsc::{self, UnboundedSender};

use self::line::Line;
use super::LONGEST_TEXT;
use super::call::CalledOff;
use super::clock::{Offset, Wall, nanos};
use super::error::CoordinateError;
use super::proto::from_coordinator::Said as Told;
use super::proto::from_shard::Said;
use super::proto::set_up::Ended;
use super::proto::{Failed, Hello, Over, Ready, Refused, SetUp, Stop, Tick, Welcome};
use super::trust::Trust;
use crate::screen::Screen;

/// Pieces that a result is told in, in bytes.
const PIECE: usize = 256 << 10;
/// How long a shard that cannot begin waits until that was taken.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(2);

/// Where a coordinator is looked for.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// As it was given.
    pub(super) given: String,
    /// Where it is, where that is known to be this process.
    pub(super) own: Option<SocketAddr>,
    pub(super) trust: Trust,
    /// How long it is looked for.
    pub(super) wait: Duration,
    /// What ends that before.
    pub(super) called_off: CalledOff,
    /// Where it is said what is waited for.
    pub(super) screen: Screen,
}

type Reaction = Box<dyn FnMut(&Stop) + Send>;

/// What the connection's thread and the run share.
#[derive(Default)]
struct Known {
    tick: Tick,
    /// When the load begins, by the coordinator's clock.
    start: Option<u64>,
    stop: Option<Stop>,
    /// Whether this shard itself was told to stop.
    stopped_here: bool,
    refused: Option<Refused>,
    /// How it was seen that nobody is there any more.
    lost: Option<String>,
    /// How far the system's clock was set ahead, in nanoseconds, between joining and the beginning of the load.
    since_joined: i128,
    is_over: bool,
    reaction: Option<Reaction>,
    set_up: Vec<(u32, SetUpElsewhere)>,
    /// What was told before anybody waited for it.
    set_up_told: Vec<SetUp>,
}

impl Known {
    fn is_stopped(&self) -> bool {
        self.stop.is_some() || self.stopped_here
    }

    /// Whether it is known if the load begins.
    fn is_decided(&self) -> bool {
        self.start.is_some() || self.is_stopped() || self.refused.is_some() || self.lost.is_some()
    }

    /// When it does, where it does: what was said counts, whatever became of whoever said so.
    fn beginning(&self) -> Option<u64> {
        self.start.filter(|_| !self.is_stopped())
    }
}

#[derive(Default)]
struct Shared {
    known: Mutex<Known>,
    changed: Condvar,
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known());
        self.changed.notify_all();
    }

    fn wait_until(&self, within: Option<Duration>, is_so: impl Fn(&Known) -> bool) -> bool {
        let known = self.known();
        let waits = |known: &mut Known| !is_so(known);
        let known = match within {
            None => self
                .changed
                .wait_while(known, waits)
                .unwrap_or_else(PoisonError::into_inner),
            Some(within) => {
                let waited = self.changed.wait_timeout_while(known, within, waits);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        is_so(&known)
    }
}

/// A shard's part in a run that is coordinated.
pub(super) struct Member {
    pub(super) welcome: Welcome,
    pub(super) address: String,
    offset: Offset,
    clock: Wall,
    shared: Arc<Shared>,
    says: UnboundedSender<Said>,
    /// Until it is dropped.
    _thread: JoinHandle<()>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Member {
    /// Joins the coordinator there, which may have to be waited for; then clocks are compared. `lost` is called, on
    /// the connection's thread, where it is lost while the load goes on.
    ///
    /// # Errors
    /// Why there is none, or none that takes this shard.
    pub(super) fn join(
        place: Place,
        hello: Hello,
        lost: impl FnOnce(&str) + Send + 'static,
    ) -> Result<Self, CoordinateError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(CoordinateError::Start)?;
        let shared = Arc::new(Shared::default());
        let (says, said) = mpsc::unbounded_channel();
        let (joined, has_joined) = sync_channel(1);
        let (theirs, clock) = (Arc::clone(&shared), Wall::start());
        let address = place.given.clone();
        let thread = thread::Builder::new()
            .name("loadgen-member".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let mut called_off = place.called_off.clone();
                    let opened = tokio::select! {
                        opened = Line::open(&place, hello, clock) => opened,
                        () = called_off.wait() => Err(CoordinateError::CalledOff),
                    };
                    let line = match opened {
                        Ok((line, told)) => {
                            let _ = joined.send(Ok(told));
                            line
                        }
                        Err(error) => {
                            let _ = joined.send(Err(error));
                            return;
                        }
                    };
                    line.live(&theirs, said, lost).await;
                });
            })
            .map_err(CoordinateError::Start)?;
        let told = has_joined.recv().unwrap_or_else(|_| {
            Err(CoordinateError::Start(std::io::Error::other(
                "its thread panicked",
            )))
        });
        let (welcome, offset, before) = told?;
        shared.change(|it| before.into_iter().for_each(|told| take(it, told)));
        Ok(Self {
            welcome,
            address,
            offset,
            clock,
            shared,
            says,
            _thread: thread,
        })
    }

    /// How this machine's clock is to the coordinator's: as it was when this shard joined, or when the load began.
    pub(super) fn clock(&self) -> ClockOffset {
        self.offset.told(self.shared.known().since_joined)
    }

    /// Scenarios, by their places, that are set up on another shard: what waits for that is told of it.
    pub(super) fn awaits_set_up(&self, waiting: Vec<SetUpElsewhere>) {
        self.shared.change(|known| {
            known.set_up = (0..).zip(waiting).collect();
            for told in std::mem::take(&mut known.set_up_told) {
                tell_set_up(known, told);
            }
        });
    }

    /// What tells the others how setting a scenario up has ended here.
    pub(super) fn tells_set_up(
        &self,
        scenario: u32,
    ) -> impl Fn(Result<&str, &str>) + Send + Sync + 'static {
        let says = self.says.clone();
        move |ended| {
            let ended = Some(match ended {
                Ok(saved) if saved.len() > LONGEST_TEXT => Ended::Failed(format!(
                    "what `setup` saved takes {} MiB, and shards are told of up to {}",
                    saved.len().div_ceil(1 << 20),
                    LONGEST_TEXT >> 20
                )),
                Ok(saved) => Ended::Saved(saved.to_owned()),
                Err(why) => Ended::Failed(why.to_owned()),
            });
            let _ = says.send(Said::SetUp(SetUp { scenario, ended }));
        }
    }

    /// What says that all is prepared here, and waits for the others: when the load begins, or nothing where it does
    /// not.
    ///
    /// `short` is called where less is left until then than this process needs: with how much it needs, and how much
    /// is left.
    pub(super) fn gate(
        &self,
        short: impl FnOnce(Duration, Duration) + Send + 'static,
    ) -> impl FnOnce(Duration) -> Option<Instant> + Send + 'static {
        let (shared, says) = (Arc::clone(&self.shared), self.says.clone());
        let (offset, clock) = (self.offset, self.clock);
        move |headway| {
            let notice = nanos(headway + offset.delay());
            let _ = says.send(Said::Ready(Ready { notice }));
            shared.wait_until(None, Known::is_decided);
            let at = offset.here(shared.known().beginning()?);
            shared.known().since_joined = clock.behind();
            let left = Duration::from_nanos(at.saturating_sub(clock.now()));
            if left < headway {
                short(headway, left);
            }
            Some(clock.moment(at))
        }
    }

    /// What this shard tells of its last second, from now on.
    pub(super) fn ticks(&self) -> impl FnMut(Tick) + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move |tick| shared.known().tick = tick
    }

    /// What has all stop: this shard was told to, or a condition ended it.
    pub(super) fn stopper(&self) -> impl Fn(Stop) + Send + Sync + 'static {
        let (shared, says) = (Arc::clone(&self.shared), self.says.clone());
        move |stop| {
            shared.change(|it| it.stopped_here = true);
            let _ = says.send(Said::Stop(stop));
        }
    }

    /// What is done when all are to stop; at once where they are already.
    pub(super) fn react(&self, mut reaction: impl FnMut(&Stop) + Send + 'static) {
        let mut known = self.shared.known();
        if let Some(stop) = &known.stop {
            reaction(stop);
        }
        known.reaction = Some(Box::new(reaction));
    }

    /// Why there was no load, where that is the coordinator's word or the lack of it.
    pub(super) fn refusal(&self) -> Option<CoordinateError> {
        let known = self.shared.known();
        if known.start.is_some() {
            return None;
        }
        let refused = known.refused.clone().map(CoordinateError::from);
        refused.or_else(|| {
            let why = known.lost.clone()?;
            Some(CoordinateError::Lost {
                address: self.address.clone(),
                why,
            })
        })
    }

    /// This shard cannot begin.
    pub(super) fn fail(&self, failed: Failed) {
        let _ = self.says.send(Said::Failed(failed));
        self.wait_for_the_end(Some(LAST_WORD_WITHIN));
    }

    /// This shard's part is made, and this is its result. Whether that was taken.
    pub(super) fn over(&self, result: Option<&[u8]>) -> bool {
        for piece in result.iter().flat_map(|it| it.chunks(PIECE)) {
            let _ = self.says.send(Said::Result(piece.to_vec()));
        }
        let _ = self.says.send(Said::Over(Over {}));
        self.wait_for_the_end(None)
    }

    fn wait_for_the_end(&self, within: Option<Duration>) -> bool {
        let is_over = |it: &Known| it.is_over || it.refused.is_some() || it.lost.is_some();
        self.shared.wait_until(within, is_over);
        self.shared.known().is_over
    }
}

/// What the coordinator says goes to whom it concerns. Whether it was its last word.
fn take(known: &mut Known, told: Told) {
    match told {
        Told::Start(start) => known.start = Some(start.at),
        Told::SetUp(set_up) => tell_set_up(known, set_up),
        Told::Stop(stop) => {
            if let Some(reaction) = &mut known.reaction {
                reaction(&stop);
            }
            known.stop = Some(stop);
        }
        Told::Refused(refused) => {
            // Whoever waits for another to set up waits no longer.
            known.set_up.clear();
            known.refused = Some(refused);
        }
        Told::Farewell(_) => known.is_over = true,
        Told::Welcome(_) | Told::Echo(_) | Told::Pulse(_) => {}
    }
}

fn tell_set_up(known: &mut Known, told: SetUp) {
    let place = known.set_up.iter().find(|(it, _)| *it == told.scenario);
    match (place, told.ended.clone()) {
        (Some((_, waiting)), Some(Ended::Saved(saved))) => waiting.tell(Ok(saved)),
        (Some((_, waiting)), Some(Ended::Failed(why))) => waiting.tell(Err(why)),
        (Some(_), None) => {}
        (None, _) => known.set_up_told.push(told),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(|_| {} => None; "nothing is known")]
    #[test_case(|it| it.start = Some(7) => Some(Some(7)); "it begins")]
    #[test_case(|it| (it.start, it.lost) = (Some(7), Some(String::new())) => Some(Some(7)); "lost after that was said")]
    #[test_case(|it| it.lost = Some(String::new()) => Some(None); "lost before")]
    #[test_case(|it| it.refused = Some(Refused::default()) => Some(None); "refused")]
    #[test_case(|it| (it.start, it.stopped_here) = (Some(7), true) => Some(None); "stopped here")]
    #[test_case(|it| (it.start, it.stop) = (Some(7), Some(Stop::default())) => Some(None); "stopped elsewhere")]
    fn begins(change: fn(&mut Known)) -> Option<Option<u64>> {
        let mut known = Known::default();
        change(&mut known);
        known.is_decided().then(|| known.beginning())
    }
}

//! The coordinator's side: what listens, on a thread of its own, and does what the state says.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio_stream::Stream;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::LONGEST_MESSAGE;
use super::clock::Wall;
use super::error::CoordinateError;
use super::proto::coordinator_server::{Coordinator as Service, CoordinatorServer};
use super::proto::from_coordinator::Said as Told;
use super::proto::from_shard::Said;
use super::proto::{Echo, FromCoordinator, FromShard, Hello, Stop, Tick};
use super::results::Results;
use super::state::{Coordinator, End, Member, Output, Policy, SILENCE};
use super::strangers::{self, Incoming, Stranger};
use super::trust::Trust;
use super::whole;
use crate::limits;
use crate::screen::live::Whole;

/// How often it is seen whether somebody is late or silent, and what all of them do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long whoever connects may take to say who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// How long the end waits until the last words were sent.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(2);
/// So many messages wait at most until they are looked at: whoever sends results faster waits, too.
const MOST_WAITING: usize = 256;

type Answer = Result<FromCoordinator, Status>;

/// What a coordinator hears.
enum Heard {
    Came(Member, Hello, UnboundedSender<Answer>),
    Said(Member, Said),
    Gone(Member),
}

/// A coordinator that listens.
#[derive(Debug)]
pub(crate) struct Offered {
    /// Where it does.
    pub(super) address: SocketAddr,
    stops: UnboundedSender<bool>,
    thread: JoinHandle<Finished>,
}

/// What came of a coordinator.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How the run ended, for the coordinator.
    pub(super) end: End,
    /// What the shards told, where that was asked for.
    pub(crate) results: Option<Results>,
}

/// Offers a coordinator there. `note` is told what a person should know, on the coordinator's thread.
///
/// # Errors
/// What the system refuses, and files of TLS that do not fit together.
pub(super) fn offer(
    listener: TcpListener,
    policy: Policy,
    trust: Trust,
    whole: Whole,
    note: impl Fn(&str) + Send + 'static,
) -> Result<Offered, CoordinateError> {
    let failed = CoordinateError::Start;
    let connections = connections(policy.count)?;
    let address = listener.local_addr().map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let results = policy.wants_results.then(Results::new);
    let results = results.transpose().map_err(failed)?;
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(SILENCE))
        .http2_keepalive_timeout(Some(SILENCE));
    if let Some(tls) = trust.of_server() {
        let spoken = server.tls_config(tls);
        server = spoken.map_err(|why| CoordinateError::Tls {
            why: super::words::of_files(&why),
        })?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(failed)?;
    let incoming = {
        let _inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        Incoming::new(listener, connections)
    };
    let clock = Wall::start();
    let (stops, stopped) = mpsc::unbounded_channel();
    let (to_desk, heard) = mpsc::channel(MOST_WAITING);
    let service = CoordinatorServer::new(Door {
        trust,
        clock,
        next: Arc::default(),
        to_desk,
    })
    .max_decoding_message_size(LONGEST_MESSAGE);
    let desk = Desk {
        count: policy.count,
        state: Coordinator::new(policy, clock.now()),
        clock,
        members: BTreeMap::new(),
        ticks: BTreeMap::new(),
        results,
        whole,
        note: Box::new(note),
    };
    let thread = thread::Builder::new()
        .name("loadgen-coordinator".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                let (leave, left) = oneshot::channel::<()>();
                let serving = server.serve_with_incoming_shutdown(service, incoming, async {
                    let _ = left.await;
                });
                let serving = tokio::spawn(serving);
                let finished = desk.run(heard, stopped).await;
                drop(leave);
                let _ = tokio::time::timeout(LAST_WORD_WITHIN, serving).await;
                finished
            })
        })
        .map_err(failed)?;
    Ok(Offered {
        address,
        stops,
        thread,
    })
}

/// How many connections there may be: one for each shard, and some of whoever is not known yet.
///
/// # Errors
/// Where this process may not have as many descriptors.
fn connections(shards: u32) -> Result<usize, CoordinateError> {
    limits::raise();
    let shards = u64::from(shards);
    let strangers = limits::room(limits::open_files().0, 0).saturating_sub(shards);
    let strangers = strangers.min(strangers::MOST);
    limits::check_shards(shards, strangers::LEAST)?;
    Ok(usize::try_from(shards + strangers).unwrap_or(usize::MAX))
}

impl Offered {
    /// What has all shards stop: called with whether at once.
    pub(crate) fn stopper(&self) -> impl Fn(bool) + Send + use<> {
        let stops = self.stops.clone();
        move |at_once| {
            let _ = stops.send(at_once);
        }
    }

    /// Waits as [`finish`](Self::finish) does, and does something meanwhile, again and again.
    ///
    /// # Errors
    /// Those of that.
    pub(crate) fn finish_watched(
        self,
        every: Duration,
        mut look: impl FnMut(),
    ) -> Result<Finished, CoordinateError> {
        while !self.thread.is_finished() {
            look();
            thread::park_timeout(every);
        }
        self.finish()
    }

    /// Waits until there is nobody left to wait for.
    ///
    /// # Errors
    /// When its thread has panicked.
    pub(crate) fn finish(self) -> Result<Finished, CoordinateError> {
        let ended = self.thread.join();
        ended.map_err(|_| CoordinateError::Start(io::Error::other("its thread panicked")))
    }
}

/// Where shards come in.
struct Door {
    trust: Trust,
    clock: Wall,
    next: Arc<AtomicU64>,
    to_desk: mpsc::Sender<Heard>,
}

#[tonic::async_trait]
impl Service for Door {
    type JoinStream = Pin<Box<dyn Stream<Item = Answer> + Send>>;

    async fn join(
        &self,
        request: Request<Streaming<FromShard>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        self.trust.admit(&request)?;
        if let Some(stranger) = Stranger::of(request.extensions()) {
            stranger.is_known();
        }
        let member = self.next.fetch_add(1, Ordering::Relaxed);
        let (answers, told) = mpsc::unbounded_channel();
        let (clock, to_desk) = (self.clock, self.to_desk.clone());
        let said = request.into_inner();
        tokio::spawn(async move {
            listen(member, said, answers, clock, &to_desk).await;
            let _ = to_desk.send(Heard::Gone(member)).await;
        });
        let told: Self::JoinStream = Box::pin(UnboundedReceiverStream::new(told));
        Ok(Response::new(told))
    }
}

/// Takes what a shard says to the desk, until it is gone. Questions for the time are answered here and now.
async fn listen(
    member: Member,
    mut said: Streaming<FromShard>,
    answers: UnboundedSender<Answer>,
    clock: Wall,
    to_desk: &mpsc::Sender<Heard>,
) {
    let first = tokio::time::timeout(HELLO_WITHIN, said.message()).await;
    let Ok(Ok(Some(FromShard {
        said: Some(Said::Hello(hello)),
    }))) = first
    else {
        let _ = answers.send(Err(Status::invalid_argument("expected a hello first")));
        return;
    };
    // It goes with the desk's: where that lets it go, the call is over.
    let echoes = answers.downgrade();
    if to_desk
        .send(Heard::Came(member, hello, answers))
        .await
        .is_err()
    {
        return;
    }
    while let Ok(Some(message)) = said.message().await {
        let received = clock.now();
        let Some(said) = message.said else {
            continue;
        };
        let Said::Probe(probe) = said else {
            if to_desk.send(Heard::Said(member, said)).await.is_err() {
                return;
            }
            continue;
        };
        let echo = Told::Echo(Echo {
            sent: probe.sent,
            received,
            answered: clock.now(),
        });
        if let Some(answers) = echoes.upgrade() {
            let _ = answers.send(Ok(FromCoordinator { said: Some(echo) }));
        }
    }
}

/// Where what shards say is looked at, one after the other.
struct Desk {
    state: Coordinator,
    count: u32,
    clock: Wall,
    members: BTreeMap<Member, UnboundedSender<Answer>>,
    /// The last of each shard.
    ticks: BTreeMap<u32, Tick>,
    results: Option<Results>,
    whole: Whole,
    note: Box<dyn Fn(&str) + Send>,
}

impl Desk {
    async fn run(
        mut self,
        mut heard: mpsc::Receiver<Heard>,
        mut stopped: UnboundedReceiver<bool>,
    ) -> Finished {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let end = loop {
            let told = tokio::select! {
                Some(heard) = heard.recv() => self.hear(heard),
                Some(at_once) = stopped.recv() => {
                    self.state.stop(None, Stop { at_once, ..Stop::default() }, self.clock.now())
                }
                _ = look.tick() => {
                    self.show();
                    self.state.time(self.clock.now())
                }
            };
            self.carry_out(told);
            if let Some(end) = self.state.end() {
                break end;
            }
        };
        self.whole.put(None);
        Finished {
            end,
            results: self.results,
        }
    }

    fn hear(&mut self, heard: Heard) -> Vec<Output> {
        let now = self.clock.now();
        match heard {
            Heard::Came(member, hello, answers) => {
                self.members.insert(member, answers);
                self.state.join(member, hello, now)
            }
            Heard::Gone(member) => {
                self.members.remove(&member);
                if let Some(results) = &mut self.results {
                    results.is_gone(member);
                }
                self.state.lost(member, now)
            }
            Heard::Said(member, said) => self.listen_to(member, said, now),
        }
    }

    fn listen_to(&mut self, member: Member, said: Said, now: u64) -> Vec<Output> {
        // Who has no place in the run has no say in it.
        if self.state.index_of(member).is_none() {
            return Vec::new();
        }
        match said {
            // One is said before, the other where it comes in.
            Said::Hello(_) | Said::Probe(_) => Vec::new(),
            Said::SetUp(set_up) => self.state.set_up(member, set_up),
            Said::Ready(ready) => self
                .state
                .ready(member, Duration::from_nanos(ready.notice), now),
            Said::Tick(tick) => {
                if let Some(index) = self.state.index_of(member) {
                    self.ticks.insert(index, tick);
                }
                self.state.tick(member, now)
            }
            Said::Stop(stop) => self.state.stop(Some(member), stop, now),
            Said::Failed(failed) => self.state.failed(member, &failed, now),
            Said::Result(piece) => {
                let taken = self.results.as_mut().map(|it| it.take(member, &piece));
                match taken {
                    Some(Err(why)) => self.not_taken(member, &why, now),
                    // It is alive, however long it takes to say all.
                    _ => self.state.tick(member, now),
                }
            }
            Said::Over(_) => {
                if let (Some(results), Some(index)) =
                    (&mut self.results, self.state.index_of(member))
                    && let Err(why) = results.is_whole(member, index)
                {
                    return self.not_taken(member, &why, now);
                }
                self.rest(member);
                self.state.over(member)
            }
        }
    }

    fn not_taken(&mut self, member: Member, why: &io::Error, now: u64) -> Vec<Output> {
        (self.note)(&format!("the result of a shard is not taken: {why}"));
        self.members.remove(&member);
        self.state.lost(member, now)
    }

    /// Whoever is at its end makes no load any more; what it made stays.
    fn rest(&mut self, member: Member) {
        let index = self.state.index_of(member);
        if let Some(tick) = index.and_then(|it| self.ticks.get_mut(&it)) {
            *tick = Tick {
                completed: tick.completed,
                failed: tick.failed,
                ..Tick::default()
            };
        }
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Note(text) => (self.note)(&text),
                Output::Tell(member, said) => {
                    let is_last = matches!(said, Told::Refused(_) | Told::Farewell(_));
                    if let Some(answers) = self.members.get(&member) {
                        let _ = answers.send(Ok(FromCoordinator { said: Some(said) }));
                    }
                    if is_last {
                        self.members.remove(&member);
                    }
                }
            }
        }
    }

    fn show(&self) {
        // What was lost is in no result either.
        let there = self
            .ticks
            .iter()
            .filter(|(it, _)| self.state.has_part(**it));
        let ticks = there.map(|(_, tick)| tick);
        let line = self
            .state
            .has_begun()
            .then(|| whole::line(self.count, self.state.running(), ticks));
        self.whole.put(line);
    }
}

//! The driver against frames that a fuzzer makes up. Built with `--cfg fuzzing` only.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::UserConnections;
use super::connection::{Connection, config};
use super::deflate::Deflate;
use super::negotiation::{Agreed, MOST_BITS};
use super::place::Place;
use super::pool::Pool;
use super::prepare::Prepared;
use super::unfinished::Unfinished;
use super::watch::{Watch, Watched};
use crate::clock::{Clock, StampClock};
use crate::driver::steps::{Lives, Stage};
use crate::driver::transport::net::Transport;
use crate::driver::transport::replay::Replay;
use crate::driver::transport::traffic::Traffic;
use crate::outcome::{Failure, Outcome};
use crate::scenario::{
    Answer, MessageStream, Payload, ReplyMark, ScenarioPlan, StreamEnd, WebsocketExchange,
    WebsocketMessages, WebsocketPlan,
};
use crate::schedule::Load;
use crate::secrets::Secrets;
use crate::workload::{
    BackendIndex, ConnectionEvent, Iteration, IterationSeed, MessageFault, Observer, SampleKind,
    TargetIndex, UserId, WorkerContext,
};

thread_local! {
    static RUNTIME: LocalRuntime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .expect("a runtime");
    static KINDS: Vec<Arc<Prepared>> = kinds();
}

/// Polls after which a step that still waits is given up, as a timeout would.
const MOST_POLLS: usize = 64;

/// Marks a kind of step whose connection agreed on compression.
const COMPRESSED: u8 = 0x80;

/// One step against a server that sends these bytes. The first three choose what the step does, and
/// whether compression was agreed on, how much comes before it asks for anything, and how much comes at once.
///
/// # Panics
/// When the driver does, or when what it counted cannot be.
pub fn replay(data: &[u8]) {
    let [kind, unasked, chunk, frames @ ..] = data else {
        return;
    };
    let deflates = kind & COMPRESSED != 0;
    let kind = kind & !COMPRESSED;
    let kind = KINDS.with(|kinds| Arc::clone(&kinds[usize::from(kind) % kinds.len()]));
    let replay = Replay::new(frames, usize::from(*unasked), usize::from(*chunk));
    RUNTIME.with(|runtime| runtime.block_on(step(&kind, replay, deflates)));
}

async fn step(prepared: &Arc<Prepared>, replay: Replay, deflates: bool) {
    let seen = Rc::new(Seen::default());
    let clock = Clock::start();
    let stamps = Rc::new(StampClock::new(clock));
    let context = WorkerContext {
        stamps: Rc::clone(&stamps),
        ..WorkerContext::new(clock, Rc::clone(&seen) as Rc<dyn Observer>)
    };
    let pool = Pool::new(prepared, &context, None);
    let lives = Lives::new(&context, prepared.timeout);
    let place = Rc::new(Place::new(&pool, UserId(0), 0, None));
    let traffic = Rc::new(Traffic::new(&stamps));
    let socket = WebSocketStream::from_raw_socket(
        Watched::new(
            Transport::Replay(replay),
            &Watch::new(&traffic, &mut [], deflates),
        ),
        Role::Client,
        Some(config(prepared.max_message)),
    )
    .await;
    place.put_back(Box::new(Connection::new(
        socket,
        traffic,
        Unfinished::among(&prepared.unfinished),
        deflates.then(|| {
            let agreed = Agreed {
                server_takes_over: true,
                client_bits: MOST_BITS,
            };
            Box::new(Deflate::new(agreed, &Rc::default(), prepared.max_message))
        }),
        None,
        clock.now(),
    )));
    let iteration = Iteration::new(IterationSeed {
        clock,
        observer: &*seen,
        user: UserId(0),
        number: 0,
        arrival: None,
        due: 0,
        start: 0,
        queue_wait: 0,
        single_step: true,
        load_end: None,
    });
    let own = UserConnections {
        places: [place].into(),
    };
    let mut session = lives.session(&prepared.life, UserId(0), own);
    let outcome = {
        let mut running = pin!(lives.iterate(&prepared.life, &pool, &mut session, &iteration));
        let mut polls = 0;
        poll_fn(|cx| {
            while polls < MOST_POLLS {
                polls += 1;
                if let Poll::Ready(outcome) = running.as_mut().poll(cx) {
                    return Poll::Ready(Some(outcome));
                }
            }
            Poll::Ready(None)
        })
        .await
    };
    seen.check(outcome);
    // A connection that we had no use for says good-bye by itself.
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

/// One of each kind of exchange. Nothing is ever connected to.
fn kinds() -> Vec<Arc<Prepared>> {
    let send = |answer| WebsocketMessages::Send {
        payload: Payload::Json(serde_json::json!({ "op": 1 })),
        answer,
    };
    let marked = |match_id: Option<&str>| Answer::Marked {
        mark: ReplyMark::new("type", "echo".into()),
        match_id: match_id.map(str::to_owned),
    };
    let stream = |until| MessageStream {
        until,
        sequence: Some("n".to_owned()),
        mark: None,
    };
    let marked_stream = |until| MessageStream {
        mark: Some(ReplyMark::new("type", "echo".into())),
        ..stream(until)
    };
    let messages = [
        send(Answer::InOrder),
        send(Answer::ById("id".to_owned())),
        send(marked(None)),
        send(marked(Some("meta.id"))),
        send(Answer::None),
        send(Answer::Stream(stream(StreamEnd::Messages(5)))),
        WebsocketMessages::Ping,
        WebsocketMessages::Listen(stream(StreamEnd::Messages(5))),
        WebsocketMessages::Listen(stream(StreamEnd::After(Duration::from_millis(1)))),
        send(Answer::Stream(marked_stream(StreamEnd::Messages(5)))),
        WebsocketMessages::Listen(marked_stream(StreamEnd::Messages(5))),
    ];
    let load = Load::closed(1).iterations(1);
    let prepare = |messages| {
        let mut exchange = WebsocketExchange::new("/", messages);
        exchange.repeat = 4;
        exchange.in_flight = 3;
        let plan = WebsocketPlan::new([exchange.into()]);
        let mut scenario = ScenarioPlan::new("fuzz", plan.clone(), load.clone());
        // A name that cannot be resolved, should anything try.
        scenario.targets = vec!["invalid.invalid:1".parse().expect("a target")];
        let prepared = Prepared::new(&scenario, &plan, &Stage::alone(&Secrets::default()));
        Arc::new(prepared.expect("a valid plan"))
    };
    messages.into_iter().map(prepare).collect()
}

#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    received: u64,
    round_trips: u64,
    faults: [u64; MessageFault::ALL.len()],
    dropped: u64,
}

/// Counts what it is told.
#[derive(Debug, Default)]
struct Seen(RefCell<Counts>);

impl Seen {
    /// What must hold whatever comes in.
    fn check(&self, outcome: Option<Outcome>) {
        let counts = self.0.borrow();
        assert!(counts.round_trips <= counts.sent, "{counts:?}");
        assert!(counts.round_trips <= counts.received, "{counts:?}");
        let unexpected = counts.faults[MessageFault::Unexpected as usize];
        assert!(unexpected <= counts.received, "{counts:?}");
        assert!(counts.dropped <= 1, "{counts:?}");
        // The other side ended it. What breaks the protocol may be what ends it, too, or an answer
        // that we have no use for.
        let was_ended = matches!(
            outcome,
            Some(Outcome::Failed(Failure::Close(_) | Failure::Connection))
        );
        assert!(!was_ended || counts.dropped == 1, "{outcome:?} {counts:?}");
    }
}

impl Observer for Seen {
    fn sample(&self, _: usize, kind: SampleKind, _: u64) {
        if kind == SampleKind::RoundTrip {
            self.0.borrow_mut().round_trips += 1;
        }
    }

    fn messages(&self, _: usize, _: Option<BackendIndex>, sent: u64, received: u64) {
        let mut counts = self.0.borrow_mut();
        counts.sent += sent;
        counts.received += received;
    }

    fn message_fault(&self, _: usize, fault: MessageFault, count: u64) {
        self.0.borrow_mut().faults[fault as usize] += count;
    }

    fn explain(&self, _: Option<usize>, _: Failure, detail: &mut dyn FnMut() -> String) {
        detail();
    }

    fn connection(&self, _: TargetIndex, event: ConnectionEvent) {
        if event == ConnectionEvent::Dropped {
            self.0.borrow_mut().dropped += 1;
        }
    }
}

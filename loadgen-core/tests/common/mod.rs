//! What the tests of all drivers need: an observer that remembers, a workload with what it needs
//! around it, whole runs.
#![allow(dead_code, reason = "each driver's tests use a part of it")]

#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) mod http2;
pub(crate) mod watching;
pub(crate) mod whole;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use loadgen_core::clock::{Clock, Nanos};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::ScenarioPlan;
use loadgen_core::workload::{
    BackendIndex, ConnectionEvent, ConnectionId, FarewellEvent, Iteration, IterationSeed,
    MessageFault, Observer, PrepareError, SampleKind, Standing, StepSample, StreamEvent,
    TargetIndex, UserId, WorkerContext, Workload,
};

/// Runs a test on a worker's kind of runtime. Nothing here takes longer than the limit unless it
/// hangs.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .expect("a runtime")
        .block_on(async {
            tokio::time::timeout(Duration::from_secs(20), test)
                .await
                .expect("the test hangs")
        })
}

/// Gives other tasks their turn until something holds.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) steps: Vec<StepSample>,
    pub(crate) samples: BTreeMap<SampleKind, Vec<Nanos>>,
    pub(crate) messages: (u64, u64),
    pub(crate) faults: BTreeMap<MessageFault, u64>,
    pub(crate) backends: Vec<String>,
    pub(crate) explanations: Vec<(Failure, String)>,
    /// Step, check, and what was seen where it did not hold.
    pub(crate) checks: Vec<(usize, usize, Option<String>)>,
    pub(crate) opened: usize,
    pub(crate) failed: usize,
    pub(crate) redirects: usize,
    pub(crate) dropped: usize,
    pub(crate) connect_times: Vec<Nanos>,
    pub(crate) tls_times: Vec<Option<Nanos>>,
    pub(crate) rests: Vec<Nanos>,
    pub(crate) streams: Vec<StreamEvent>,
    pub(crate) farewells: Vec<FarewellEvent>,
    pub(crate) bytes: (u64, u64),
    /// Who stood in another way than before, and how.
    pub(crate) standings: Vec<(String, (Standing, Standing))>,
}

/// Remembers everything it is told.
#[derive(Debug, Default)]
pub(crate) struct Recorder(pub(crate) RefCell<Seen>);

impl Recorder {
    pub(crate) fn samples(&self, kind: SampleKind) -> Vec<Nanos> {
        let seen = self.0.borrow();
        seen.samples.get(&kind).cloned().unwrap_or_default()
    }

    pub(crate) fn faults(&self, fault: MessageFault) -> u64 {
        let seen = self.0.borrow();
        seen.faults.get(&fault).copied().unwrap_or_default()
    }

    pub(crate) fn explanation(&self) -> String {
        let seen = self.0.borrow();
        seen.explanations
            .last()
            .map(|(_, detail)| detail.clone())
            .expect("something was explained")
    }
}

impl Observer for Recorder {
    fn step(&self, sample: StepSample) {
        self.0.borrow_mut().steps.push(sample);
    }

    fn farewell(&self, _: Nanos, event: FarewellEvent) {
        self.0.borrow_mut().farewells.push(event);
    }

    fn sample(&self, _: usize, kind: SampleKind, value: Nanos) {
        let mut seen = self.0.borrow_mut();
        seen.samples.entry(kind).or_default().push(value);
    }

    fn messages(&self, _: usize, _: Option<BackendIndex>, sent: u64, received: u64) {
        let messages = &mut self.0.borrow_mut().messages;
        messages.0 += sent;
        messages.1 += received;
    }

    fn stream(&self, _: Option<BackendIndex>, event: StreamEvent) {
        self.0.borrow_mut().streams.push(event);
    }

    fn stands(&self, peer: &str, change: (Standing, Standing), _: Nanos, _: &str) {
        let mut seen = self.0.borrow_mut();
        seen.standings.push((peer.to_owned(), change));
    }

    fn message_fault(&self, _: usize, fault: MessageFault, count: u64) {
        *self.0.borrow_mut().faults.entry(fault).or_default() += count;
    }

    fn backend(&self, identity: &[u8], _: Option<ConnectionId>) -> BackendIndex {
        let backends = &mut self.0.borrow_mut().backends;
        let identity = String::from_utf8_lossy(identity).into_owned();
        let index = backends.iter().position(|it| *it == identity);
        let index = index.unwrap_or_else(|| {
            backends.push(identity);
            backends.len() - 1
        });
        BackendIndex::try_from(index).expect("few backends")
    }

    fn explain(&self, _: Option<usize>, failure: Failure, detail: &mut dyn FnMut() -> String) {
        self.0.borrow_mut().explanations.push((failure, detail()));
    }

    fn check(&self, step: usize, check: usize, passed: bool, example: &mut dyn FnMut() -> String) {
        let seen = if passed { None } else { Some(example()) };
        self.0.borrow_mut().checks.push((step, check, seen));
    }

    fn backed_off(&self, rest: Nanos) {
        self.0.borrow_mut().rests.push(rest);
    }

    fn connection(&self, _: TargetIndex, event: ConnectionEvent) {
        let mut seen = self.0.borrow_mut();
        match event {
            ConnectionEvent::Opened {
                connect_time,
                tls_time,
                ..
            } => {
                seen.opened += 1;
                seen.connect_times.push(connect_time);
                seen.tls_times.push(tls_time);
            }
            ConnectionEvent::Redirected => seen.redirects += 1,
            ConnectionEvent::Failed => seen.failed += 1,
            ConnectionEvent::Dropped => seen.dropped += 1,
        }
    }

    fn bytes(&self, sent: u64, received: u64) {
        let bytes = &mut self.0.borrow_mut().bytes;
        bytes.0 += sent;
        bytes.1 += received;
    }
}

/// A workload that a scenario's plan makes.
pub(crate) trait Planned: Workload {
    fn of(plan: &ScenarioPlan, context: &WorkerContext) -> Self;
}

/// A workload with what it needs around it.
pub(crate) struct Driver<W> {
    pub(crate) workload: W,
    pub(crate) recorder: Rc<Recorder>,
    clock: Clock,
    single_step: bool,
}

impl<W: Planned> Driver<W> {
    pub(crate) fn new(plan: &ScenarioPlan) -> Self {
        Self::of_worker(plan, 0, 1)
    }

    pub(crate) fn of_worker(plan: &ScenarioPlan, worker: usize, workers: usize) -> Self {
        Self::around(plan, (worker, workers), |context| W::of(plan, context))
    }

    /// A worker, of so many, with the workload that is made for it.
    pub(crate) fn around(
        plan: &ScenarioPlan,
        (worker, workers): (usize, usize),
        workload: impl FnOnce(&WorkerContext) -> W,
    ) -> Self {
        let recorder = Rc::new(Recorder::default());
        let clock = Clock::start();
        let mut context = WorkerContext::new(clock, Rc::clone(&recorder) as Rc<dyn Observer>);
        context.worker = worker;
        context.workers = workers;
        context.seed = 7;
        let ringing = context.alarms.clone();
        tokio::task::spawn_local(async move { ringing.ring().await });
        Self {
            workload: workload(&context),
            recorder,
            clock,
            single_step: plan.step_names().count() == 1,
        }
    }

    /// One whose connections are open.
    pub(crate) async fn open(plan: &ScenarioPlan) -> Self {
        let driver = Self::new(plan);
        driver.workload.prepare().await.expect("a server");
        driver
    }

    pub(crate) async fn prepare_error(plan: &ScenarioPlan) -> String {
        let driver = Self::new(plan);
        let PrepareError { message, .. } = driver
            .workload
            .prepare()
            .await
            .expect_err("nobody to talk to");
        assert_eq!(driver.recorder.0.borrow().opened, 0);
        assert!(driver.recorder.0.borrow().failed > 0);
        message
    }

    pub(crate) async fn user(&self) -> W::Session {
        self.workload.open(UserId(0)).await.expect("a session")
    }

    pub(crate) async fn iterate(&self, session: &mut W::Session) -> Outcome {
        let mut seed = IterationSeed::new(self.clock, self.recorder.as_ref());
        seed.single_step = self.single_step;
        let iteration = Iteration::new(seed);
        self.workload.iterate(session, &iteration).await
    }

    /// One iteration of a user of its own.
    pub(crate) async fn once(&self) -> Outcome {
        let mut session = self.user().await;
        self.iterate(&mut session).await
    }
}

//! The run, shown and steered in a browser while it is under way.
//!
//! Owns who may look, the server and its thread, and what is sent to whom. What a page shows is made by
//! [`loadgen_core::live`]. Nothing is made while nobody looks, and nobody who looks is waited for.

mod access;
mod error;
mod reply;
mod server;
mod stage;
mod viewer;

use std::mem;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use loadgen_core::engine::{Event, Run};
use loadgen_core::live::{self, Dashboard, Follower, Search};
use loadgen_core::report::{Context, Document};
use loadgen_core::scenario::{Plan, ScenarioPlan};
use tokio::sync::mpsc::UnboundedSender;

use self::access::Access;
pub(crate) use self::error::UiError;
use self::stage::{Shared, Steered, Told};
use crate::run::SearchStop;
use crate::run::control::{RunControl, Steering};
use crate::screen::live::Whole;
use crate::screen::{self, Screen};
use crate::settings::UiSettings;

/// The page of one run, or of several one after another, at an address of its own until it is dropped.
#[derive(Debug)]
pub(crate) struct Ui {
    shared: Arc<Shared>,
    /// What a person should know of it, until it is said.
    notices: Mutex<Vec<String>>,
    /// What says of a run that it could not begin, until it does.
    before: Mutex<Option<Box<Dashboard>>>,
    to_server: UnboundedSender<Told>,
    server: Option<JoinHandle<()>>,
}

impl Ui {
    /// Opens the page where the settings ask for it. Where it is is said once a run is about to connect: what is
    /// refused before that is nothing to look at.
    ///
    /// # Errors
    /// When the address cannot be listened on, or others could reach it and nobody has said that they may.
    pub(crate) fn open(settings: Option<&UiSettings>) -> Result<Option<Self>, UiError> {
        let Some(settings) = settings else {
            return Ok(None);
        };
        let listener = bind(settings)?;
        let failed = |source| UiError::Thread { source };
        let address = listener.local_addr().map_err(failed)?;
        let is_public = !address.ip().to_canonical().is_loopback();
        let access = Access::new(is_public, &settings.address).map_err(failed)?;
        let notices = notices(address, is_public, &access);
        let shared = Arc::new(Shared::new(access));
        let (server, to_server) = server::prepare(listener, Arc::clone(&shared)).map_err(failed)?;
        let server = thread::Builder::new()
            .name("loadgen-ui".to_owned())
            .spawn(server)
            .map_err(failed)?;
        Ok(Some(Self {
            shared,
            notices: Mutex::new(notices),
            before: Mutex::default(),
            to_server,
            server: Some(server),
        }))
    }

    /// This is run next. The page stays as it is until [`Self::listen`] is called, or [`Self::fail`].
    pub(crate) fn prepare(&self, plan: &Plan) {
        let (_, dashboard) = live::follow(&plan.scenarios, Context::of(plan));
        self.put_before(Some(Box::new(dashboard)));
    }

    /// From now on the page is that of this run. Has it hear what the run tells, and says where it is, also to who
    /// asked for quiet. The run can be steered from there; what it was told is said on `screen`. The line of all shards
    /// is above its own figures, where there is one.
    pub(crate) fn listen(
        &self,
        run: Run,
        control: RunControl,
        scenarios: &[ScenarioPlan],
        context: Context,
        (screen, whole): (&Screen, Option<Whole>),
    ) -> Run {
        self.put_before(None);
        let (follower, dashboard) = live::follow(scenarios, context);
        self.begin(dashboard, Steering::Run(control), (screen, whole));
        let to_server = self.to_server.clone();
        let run = run.listen(move |event: &Event<'_>| {
            if let Event::Connected = event {
                let _ = to_server.send(Told::Begun);
            }
        });
        self.follow(run, follower)
    }

    /// From now on the page is that of a search for a capacity, of which `context` says what it does of each trial, and
    /// says where it is. It can be ended from there.
    pub(crate) fn search(&self, plan: &Plan, context: Context, stop: SearchStop, screen: &Screen) {
        self.put_before(None);
        let (_, dashboard) = live::follow(&plan.scenarios, context);
        self.begin(dashboard, Steering::Search(stop), (screen, None));
    }

    /// The run is a trial of the search: has the page hear what it tells.
    pub(crate) fn listen_to_trial(
        &self,
        run: Run,
        plan: &Plan,
        context: Context,
        search: Search,
    ) -> Run {
        let (follower, dashboard) = live::follow(&plan.scenarios, context);
        self.tell(Told::Trial(Box::new(dashboard), Box::new(search)));
        self.follow(run, follower)
    }

    /// Something else is known of the search, or is being done.
    pub(crate) fn knows(&self, search: Search) {
        self.tell(Told::Known(Box::new(search)));
    }

    /// Shows it, and says where.
    fn begin(
        &self,
        dashboard: Dashboard,
        control: Steering,
        (screen, whole): (&Screen, Option<Whole>),
    ) {
        let steered = Steered {
            control,
            screen: screen.clone(),
            whole,
        };
        self.tell(Told::Run(Box::new(dashboard), Some(steered)));
        let notices = mem::take(&mut *self.notices());
        notices.into_iter().for_each(screen::note);
    }

    /// Has what the run records come to the page.
    fn follow(&self, run: Run, mut follower: Follower) -> Run {
        let shared = Arc::clone(&self.shared);
        let to_server = self.to_server.clone();
        run.listen(move |event: &Event<'_>| {
            if let Some(recorded) = follower.hear(event, || shared.wants()) {
                shared.hand_over();
                let _ = to_server.send(Told::Recorded(Box::new(recorded)));
            }
        })
    }

    /// The page becomes the report of the run, whose result goes to these files.
    pub(crate) fn conclude(&self, document: &Document, files: Vec<String>) {
        self.tell(Told::Over(Box::new(document.clone()), files));
    }

    /// The run has no result, which somebody stopped or not, or something failed after it had one. Where nobody was told
    /// where to look, nobody is told that.
    pub(crate) fn fail(&self, why: &str, is_stopped: bool) {
        if !self.notices().is_empty() {
            return;
        }
        if let Some(dashboard) = self.put_before(None) {
            self.tell(Told::Run(dashboard, None));
        }
        let why = why.to_owned();
        self.tell(Told::Failed { why, is_stopped });
    }

    fn notices(&self) -> MutexGuard<'_, Vec<String>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_before(&self, dashboard: Option<Box<Dashboard>>) -> Option<Box<Dashboard>> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        mem::replace(&mut before, dashboard)
    }

    fn tell(&self, told: Told) {
        // Where its thread has panicked, nobody looks any more, and the run goes on.
        let _ = self.to_server.send(told);
    }
}

impl Drop for Ui {
    /// Has the last word sent to whoever looks and takes it, and closes.
    fn drop(&mut self) {
        self.tell(Told::End);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// Listens where it was asked for.
fn bind(settings: &UiSettings) -> Result<TcpListener, UiError> {
    let address = &settings.address;
    let resolved = address.to_socket_addrs();
    let resolved: Vec<SocketAddr> = resolved
        .map_err(|source| UiError::lookup(address, source))?
        .collect();
    let is_public = resolved
        .iter()
        .any(|it| !it.ip().to_canonical().is_loopback());
    if is_public && !settings.insecure {
        return Err(UiError::Insecure {
            address: address.clone(),
        });
    }
    TcpListener::bind(&*resolved).map_err(|source| UiError::bind(address, source))
}

/// The name of this machine, by which others may know it.
fn own_name() -> String {
    let node = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    match node.is_empty() {
        true => "localhost".to_owned(),
        false => node,
    }
}

/// What a person should know of it.
fn notices(address: SocketAddr, is_public: bool, access: &Access) -> Vec<String> {
    let token = access.token();
    let at = match address.ip().is_unspecified() {
        true => format!("{}:{}", own_name(), address.port()),
        false => address.to_string(),
    };
    let mut notices = vec![format!("the run is shown at http://{at}/?token={token}")];
    if is_public {
        notices.push(format!(
            "WARNING: {address} can be reached from other machines and has no TLS: whoever reads along on the way \
             can see this run and steer it"
        ));
    }
    notices
}

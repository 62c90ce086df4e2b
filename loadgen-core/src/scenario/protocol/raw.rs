//! What a scenario and a step may say: one table each, with the fields and actions of all protocols.
//! Which protocol takes which field is in its [`Words`](super::room::Words).

use super::elsewhere::RawElsewhere;
use super::grpc::circuit_breaker::RawCircuitBreaker;
use super::grpc::health_check::RawHealthCheck;
use super::grpc::pick::RawPick;
use super::grpc::raw::{RawCodec, RawGrpc};
use super::grpc::retry::{NO_HEDGING, RawRetry};
use super::http::raw::{RawHttp, RawHttpVersion};
use super::tcp::raw::RawTcp;
use super::websocket::raw::{RawConnectionPer, RawMessageCompression, RawWebsocket};
use super::websocket::value::{Redirects, Subprotocol};
use crate::condition::Threshold;
use crate::scenario::backend::value::BackendName;
use crate::scenario::capacity::RawCapacity;
use crate::scenario::data::RawData;
use crate::scenario::event::raw::RawEvent;
use crate::scenario::expect::RawExpect;
use crate::scenario::identify::RawIdentify;
use crate::scenario::load::RawLoad;
use crate::scenario::reader::{Entries, Entry, List, object};
use crate::scenario::step::{Action, Step};
use crate::scenario::target::RawTarget;
use crate::scenario::think_time::{self, RawThinkTime};
use crate::scenario::tls::RawTls;
use crate::scenario::value::{
    Authority, Bounded, Connections, EachValue, ExpressionText, FilePath, MaxMessage, PositiveSpan,
    RawSource, ScenarioName, SourceAddress, Span, StepName, Streams, TagValue, Times, Weight,
};
use crate::units::Rate;

object! {
    /// A named piece of load.
    RawScenario is "a scenario" {
        /// Unique among the scenarios of its protocol.
        "name" name: ScenarioName,
        /// For people.
        "description" description: String,
        /// Where to send. Left out, flags, environment or the embedded backend decide.
        "targets" targets: List<RawTarget>,
        /// The names of the suite's servers that it is run with; all of them unless given.
        "backends" backends: List<BackendName>,
        /// The version of HTTP that is spoken. `1.1` unless given.
        "http_version" http_version: RawHttpVersion,
        /// Connections over all workers (gRPC, HTTP/2); one per worker and target unless given.
        "connections" connections: Connections,
        /// The most concurrent streams on one connection (gRPC, HTTP/2); what the server allows unless
        /// given.
        "streams_per_connection" streams_per_connection: Streams,
        /// Who speaks HTTP/2 (gRPC): loadgen's `own` code where it makes all of the scenario's calls, or the library
        /// `h2`. `own` unless given.
        "codec" codec: RawCodec,
        /// How long a user keeps its connections (WebSocket, HTTP/1.1, TCP): `user` unless given. gRPC's users
        /// share `connections` unless given.
        "connection_per" connection_per: RawConnectionPer,
        /// The most connections that all users together begin to open (WebSocket, HTTP/1.1, TCP, and gRPC
        /// where each user has its own); as fast as they are needed unless given.
        "connect_rate" connect_rate: Rate,
        /// How iterations come about.
        "load" load: RawLoad,
        /// Wait before anything of this scenario happens. 0s unless given.
        "start_after" start_after: Span,
        /// Load before measuring. 0s unless given.
        "warm_up" warm_up: Span,
        /// How long iterations under way may take after the end. 30s unless given.
        "graceful_stop" graceful_stop: Span,
        /// The longest an iteration may take, pauses left out. 30s unless given.
        "timeout" timeout: PositiveSpan,
        /// The longest that opening a connection may take, name resolution included. 5s unless
        /// given.
        "connect_timeout" connect_timeout: PositiveSpan,
        /// Start lag above this counts as late. 1ms unless given.
        "late_after" late_after: PositiveSpan,
        /// The longest message taken from a server, compressed or not. 64MiB unless given.
        "max_message" max_message: MaxMessage,
        /// How often a ping asks whether a connection on which nothing comes is alive (gRPC, HTTP/2);
        /// only after timeouts unless given.
        "keepalive" keepalive: PositiveSpan,
        /// Whether a call that finds no connection waits for one, as long as its iteration may take
        /// (gRPC). `false` unless given.
        "wait_for_ready" wait_for_ready: bool,
        /// What connections are told whom they are for, in place of the target's host and port:
        /// gRPC's `:authority`, WebSocket's and HTTP's `Host`.
        "authority" authority: Authority,
        /// What tells which server answered, in place of the header `x-loadgen-backend`.
        "identify" identify: RawIdentify,
        /// Transport encryption.
        "tls" tls: RawTls,
        /// gRPC metadata sent with every call.
        "metadata" metadata: Entries<RawSource>,
        /// Header fields of the request that opens a connection (WebSocket), or of every request (HTTP).
        "headers" headers: Entries<RawSource>,
        /// Subprotocols offered when a connection is opened, the preferred one first (WebSocket).
        "subprotocols" subprotocols: List<Subprotocol>,
        /// How messages are compressed (WebSocket); the server must agree. Not at all unless given.
        "compression" compression: RawMessageCompression,
        /// Whether each user keeps the cookies that it is given, and sends them with its next requests:
        /// those that open connections (WebSocket), or all (HTTP). `false` unless given.
        "cookies" cookies: bool,
        /// The most redirections that are followed when a connection is opened (WebSocket), or from one
        /// request (HTTP). 0 unless given.
        "redirects" redirects: Redirects,
        /// Labels for reports and metrics.
        "tags" tags: Entries<TagValue>,
        /// `.proto` files and descriptor sets that describe the services (gRPC), relative to this
        /// file; a folder is a root for imports.
        "protos" protos: List<FilePath>,
        /// Test data: by name, files whose rows are used as `{{ row.NAME }}`.
        "data" data: Entries<RawData>,
        /// Where the steps of `setup`, `begin` and `end` go that speak another protocol than `steps`, by
        /// protocol. Left out, flags, environment or the embedded backend decide.
        "elsewhere" elsewhere: RawElsewhere,
        /// What is done once before the load; what it saves is `setup.NAME` for all users.
        "setup" setup: List<RawStep>,
        /// What each user does first, such as logging in; measured apart from `steps`.
        "begin" begin: List<RawStep>,
        /// What one iteration does.
        "steps" steps: List<RawStep>,
        /// What each user does last, such as logging out; measured apart from `steps`.
        "end" end: List<RawStep>,
        /// What is done during the run: to servers of the suite, or elsewhere.
        "events" events: List<RawEvent>,
        /// Conditions on the results; `error_rate < 1%` unless given.
        "thresholds" thresholds: List<Threshold>,
        /// What is expected of whatever stands between the generator and the servers.
        "expect" expect: RawExpect,
        /// Addresses of this machine that connections to the targets come from, in turn; the system's choice
        /// unless given.
        "bind" bind: List<SourceAddress>,
        /// Writes one scenario for several: for each combination of these values one, whose expressions know
        /// the names, with the values in its name and among its tags.
        "for_each" for_each: Entries<List<EachValue>>,
        /// How calls are made again that failed (gRPC); not at all unless given.
        "retry" retry: RawRetry,
        /// Which of the targets a call goes to (gRPC); the connections have their turns unless given.
        "pick" pick: RawPick,
        /// Asks targets whether they are in health; one that is not gets no new calls (gRPC). Not at all unless
        /// given.
        "health_check" health_check: RawHealthCheck,
        /// Leaves a target alone that fails call after call (gRPC); never unless given.
        "circuit_breaker" circuit_breaker: RawCircuitBreaker,
        /// How often targets that are lists of addresses (`dns:///`, `file:`, `consul://`, `etcd://`) are asked
        /// for theirs, beside when a connection ends. 5s unless given, 100ms at the least.
        "resolve_every" resolve_every: PositiveSpan,
        /// How `loadgen capacity` looks for the highest rate that the service holds.
        "capacity" capacity: RawCapacity,
    }
    hints {
        "expectations" => "that is `expect`",
        "goals" => "they belong to a search: `capacity.goals`",
        "route" => "it belongs to `expect`",
        "failover" => "it belongs to `expect`",
        "version" => "the version of HTTP is `http_version`",
        "subprotocol" => "subprotocols are a list: `subprotocols`",
        "path" => "a path belongs to a step: `websocket.path`",
        "mix" => "a mix is a step: `\"steps\": [{ \"mix\": [...] }]`",
        "matrix" => "a scenario is written for several with `for_each`",
        "teardown" => "what each user does last is `end`",
        "target" => "targets are a list: `targets`",
        "source_addresses" => "addresses that connections come from are `bind`",
        "refresh" => "how often lists of addresses are asked for is `resolve_every`",
        "resolve" => "how often lists of addresses are asked for is `resolve_every`; a name whose addresses are all met is a target: `dns:///NAME:PORT`",
        "include" => "it belongs to the top level, beside `scenarios`",
        "backend" => "what tells which server answered is `identify`",
        "hedging" => NO_HEDGING,
        "balance" => "which target a call goes to is `pick`",
        "load_balancing" => "which target a call goes to is `pick`",
        "lb_policy" => "which target a call goes to is `pick`",
        "health" => "whether targets are asked if they are in health is `health_check`",
        "healthcheck" => "that is `health_check`",
        "breaker" => "that is `circuit_breaker`",
        "outlier_detection" => "a target that fails call after call is left alone by a `circuit_breaker`",
        "hedging_policy" => NO_HEDGING,
        "retry_policy" => "that is `retry`",
        "retries" => "that is `retry`",
        "retry_throttling" => "that is `throttling` in `retry`",
        "users" => "users belong to the load model: `load.closed.users`",
        "duration" => "the duration belongs to the load model: `load.closed.duration` or `load.open.duration`",
    }
}

object! {
    /// One action of an iteration.
    #[schemars(extend("oneOf" = [
        { "required": ["grpc"] },
        { "required": ["websocket"] },
        { "required": ["http"] },
        { "required": ["tcp"] },
        { "required": ["pause"] },
        { "required": ["repeat"] },
        { "required": ["mix"] },
    ]))]
    RawStep is "a step" {
        /// Its series in every report; the method's name (`place_order` for `PlaceOrder`) or the path's last part
        /// unless given.
        "name" name: StepName,
        /// A gRPC call.
        "grpc" grpc: RawGrpc,
        /// An exchange of messages on a WebSocket connection.
        "websocket" websocket: RawWebsocket,
        /// An HTTP request.
        "http" http: RawHttp,
        /// Bytes sent and received over TCP.
        "tcp" tcp: RawTcp,
        /// Wait on purpose, always as long or as long as is drawn; the time counts nowhere.
        "pause" pause: RawThinkTime,
        /// Do several steps a number of times.
        "repeat" repeat: RawRepeat,
        /// Do one of several things, each as often as its weight says.
        "mix" mix: List<RawAlternative>,
        /// An expression; the step is left out where it does not hold.
        "when" when: ExpressionText,
        /// What is kept of the reply for later steps, by name: expressions. Used as `saved.NAME`.
        "save" save: Entries<ExpressionText>,
        /// Expressions that must hold of the reply, or the step fails with the outcome `check`.
        "check" check: List<ExpressionText>,
    }
    hints {
        "ws" => "the action is called `websocket`",
        "expect" => "a call that does not end with OK and an exchange without its reply fail by themselves; what else a reply must hold to is `check`, and what the whole run must hold to are the scenario's `thresholds`",
        "checks" => "expressions on the reply are `check`",
        "if" => "a condition is `when`",
        "loop" => "steps are done several times with `repeat`",
        "weight" => "weights belong to the alternatives of a `mix`",
        "method" => "the method belongs to the call: `grpc.method`",
        "message" => "the message belongs to the call: `grpc.message`",
        "path" => "the path belongs to the exchange: `websocket.path`",
        "send" => "what is sent belongs to the exchange: `websocket.send`",
        "ping" => "a ping is an exchange: `websocket.ping`",
        "stream" => "the stream belongs to the exchange: `websocket.stream`",
    }
}

object! {
    /// Steps that are done several times, one pass after the other.
    RawRepeat is "steps to repeat, such as {\"times\": 3, \"steps\": [...]}" {
        /// How many times.
        "times" [required] times: Times,
        /// What is done each time.
        "steps" [required] steps: List<RawStep>,
    }
    hints {
        "count" => "it is done so many `times`",
    }
}

object! {
    /// One of several things to do.
    RawAlternative is "an alternative, such as {\"weight\": 80, \"steps\": [...]}" {
        /// Its share is this of the sum of all weights. 1 unless given.
        "weight" weight: Weight,
        /// What it does.
        "steps" [required] steps: List<RawStep>,
    }
}

impl RawStep {
    /// The steps of a list as they are written; `print` adds what one says.
    pub(super) fn list<A>(steps: &[Step<A>], print: &impl Fn(&A, &mut Self)) -> List<Self> {
        List::of(steps.iter().map(|step| Self::of(step, print)))
    }

    /// The steps of a part of a life; nothing where there are none.
    pub(super) fn part<A>(steps: &[Step<A>], print: &impl Fn(&A, &mut Self)) -> Entry<List<Self>> {
        match steps.is_empty() {
            true => Entry::Absent,
            false => Entry::Given(Self::list(steps, print)),
        }
    }

    fn of<A>(step: &Step<A>, print: &impl Fn(&A, &mut Self)) -> Self {
        let expression = |text: &String| ExpressionText(text.clone());
        let mut raw = Self {
            when: Entry::from_option(step.when.as_ref().map(expression)),
            save: Entries::of(&step.save, ExpressionText),
            check: List::unless_empty(step.check.iter().map(expression)),
            ..Self::default()
        };
        match &step.action {
            Action::Speak(action) => {
                raw.name = Entry::Given(StepName(step.name.clone()));
                print(action, &mut raw);
            }
            Action::Elsewhere(said) => {
                raw.name = Entry::Given(StepName(step.name.clone()));
                said.print(&mut raw);
            }
            Action::Pause(rest) => raw.pause = Entry::Given(think_time::print(*rest)),
            Action::Repeat { times, steps } => {
                raw.repeat = Entry::Given(RawRepeat {
                    times: Entry::Given(Bounded::of(*times)),
                    steps: Entry::Given(Self::list(steps, print)),
                });
            }
            Action::Mix(alternatives) => {
                let alternatives = alternatives.iter().map(|it| RawAlternative {
                    weight: Entry::Given(Bounded::of(it.weight)),
                    steps: Entry::Given(Self::list(&it.steps, print)),
                });
                raw.mix = Entry::Given(List::of(alternatives));
            }
        }
        raw
    }

    /// What it is made of, with where that is below its own path.
    fn groups(&self) -> impl Iterator<Item = (String, &List<Self>)> {
        let repeated = self.repeat.given().and_then(|it| it.steps.given());
        let repeated = repeated.map(|steps| ("repeat.steps".to_owned(), steps));
        let mixed = self.mix.given().into_iter().flat_map(List::given);
        let mixed = mixed.filter_map(|(index, alternative)| {
            let steps = alternative.steps.given()?;
            Some((format!("mix[{index}].steps"), steps))
        });
        repeated.into_iter().chain(mixed)
    }

    /// All steps of a list that could be read, those within others after these, each with its path.
    pub(in crate::scenario) fn all<'a>(
        list: &'a List<Self>,
        path: &str,
    ) -> Vec<(String, &'a Self)> {
        let mut found = Vec::with_capacity(list.0.len());
        for (index, step) in list.given() {
            let path = format!("{path}[{index}]");
            let within: Vec<_> = step
                .groups()
                .flat_map(|(place, steps)| Self::all(steps, &format!("{path}.{place}")))
                .collect();
            found.push((path, step));
            found.extend(within);
        }
        found
    }
}

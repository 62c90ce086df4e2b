//! Graphite: a mark where a run starts and where it ends, as events that dashboards draw into their
//! panels.
//!
//! Owns what the events say. A thread of its own posts them; a Graphite that does not answer is
//! given up after a while and told, and neither slows nor fails a run.

use std::fmt::Write as _;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::post::{Poster, Url};
use crate::clock::{Clock, nanos};
use crate::record::Names;
use crate::report::{Document, Scenario, Status};

/// How long a mark may take.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// The most characters of an event's sentence that graphite-web's table has room for.
const LONGEST_SENTENCE: usize = 255;
/// What posts to it is below its address.
const PATH: &str = "events/";

/// Marks a run's start and its end in Graphite.
///
/// ```no_run
/// use std::time::SystemTime;
///
/// use loadgen_core::engine::{Event, Options, Run};
/// use loadgen_core::report;
/// use loadgen_core::sink::graphite::{Marks, PATIENCE};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = report::Context::new();
/// let run = Run::new(Options::default());
/// let url = "http://127.0.0.1:8081".parse()?;
/// let mut marks = Marks::new(&url, &context.run_id, "loadgen")?;
/// // To be called when the load starts: `Event::Connected` says so.
/// marks.started(&run.names(), SystemTime::now());
/// let record = run.execute()?;
/// marks.ended(&report::build(&record, context), SystemTime::now());
/// assert_eq!(marks.wait(PATIENCE), Vec::<String>::new());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Marks {
    run: String,
    prefix: String,
    /// With this gone the thread ends.
    posts: Option<mpsc::Sender<Value>>,
    results: Receiver<Result<(), String>>,
    /// Those whose result is still to come.
    open: usize,
}

impl Marks {
    /// Marks for the run of this id, in the Graphite at this address, beside metrics whose names
    /// begin with `prefix`.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn new(url: &Url, run: &str, prefix: &str) -> io::Result<Self> {
        let poster = Poster::new(url.below(PATH), Vec::new());
        let (posts, to_post) = mpsc::channel::<Value>();
        let (done, results) = mpsc::channel();
        thread::Builder::new()
            .name("loadgen-marks".to_owned())
            .spawn(move || {
                for event in to_post {
                    let body = event.to_string();
                    let posted = poster.post("application/json", body.as_bytes(), PATIENCE);
                    // Nobody may be waiting any more.
                    let _ = done.send(posted.map(drop).map_err(|failed| failed.why));
                }
            })?;
        Ok(Self {
            run: run.to_owned(),
            prefix: prefix.to_owned(),
            posts: Some(posts),
            results,
            open: 0,
        })
    }

    /// Marks where the load starts.
    pub fn started(&mut self, scenarios: &[Names], at: SystemTime) {
        let all = scenarios.iter().map(|it| said(&it.scenario, &it.protocol));
        let all = all.collect::<Vec<_>>().join(", ");
        let event = self.event("start", "start", &format!("started: {all}"), &all, at);
        self.post(event);
    }

    /// Marks where it ended, and how.
    pub fn ended(&mut self, document: &Document, at: SystemTime) {
        let verdict = match document.verdict.status {
            Status::Pass => "pass",
            Status::Fail => "fail",
            Status::Invalid => "invalid",
        };
        let scenarios = document.scenarios.iter().map(figures);
        let data = scenarios.collect::<Vec<_>>().join("\n");
        let event = self.event("end", verdict, &format!("ended: {verdict}"), &data, at);
        self.post(event);
    }

    /// Waits until every mark is there or given up, at most so long, and says what went wrong. No
    /// more can be set after that.
    #[must_use]
    pub fn wait(&mut self, at_most: Duration) -> Vec<String> {
        self.posts = None;
        let clock = Clock::start();
        let until = clock.now() + nanos(at_most);
        let mut wrong = Vec::new();
        while self.open > 0 {
            let left = Duration::from_nanos(until.saturating_sub(clock.now()));
            match self.results.recv_timeout(left) {
                Ok(Ok(())) => {}
                Ok(Err(why)) => wrong.push(why),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    wrong.push("no answer".to_owned());
                }
            }
            self.open -= 1;
        }
        wrong
    }

    fn post(&mut self, event: Value) {
        if let Some(posts) = &self.posts
            && posts.send(event).is_ok()
        {
            self.open += 1;
        }
    }

    fn event(&self, end: &str, how: &str, what: &str, data: &str, at: SystemTime) -> Value {
        let first = self.prefix.split('.').next().unwrap_or_default();
        let what = format!("loadgen run {} {what}", self.run);
        let when = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut tags = vec![
            "loadgen".to_owned(),
            format!("run-{end}"),
            self.run.clone(),
            self.prefix.clone(),
        ];
        if end == "end" {
            tags.push(how.to_owned());
        }
        tags.push(format!("{first}:{how}"));
        json!({
            "what": what.chars().take(LONGEST_SENTENCE).collect::<String>(),
            "tags": tags,
            "when": when,
            "data": data,
        })
    }
}

fn said(scenario: &str, protocol: &str) -> String {
    format!("{scenario} ({protocol})")
}

/// A scenario's main figures, in a line.
fn figures(scenario: &Scenario) -> String {
    let ledger = &scenario.ledger;
    let mut line = format!(
        "{}: {} completed, {} failed, {} dropped, {} late, {}/s",
        said(&scenario.name, &scenario.protocol),
        ledger.completed,
        ledger.failed,
        ledger.dropped,
        ledger.late,
        scenario.throughput_per_s,
    );
    let times = &scenario.response_time_us;
    for (name, value) in [("p50", times.p50), ("p99", times.p99), ("max", times.max)] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(line, ", {name} {value} us");
        }
    }
    line
}

#[cfg(test)]
#[cfg(all(feature = "prometheus", feature = "otlp", feature = "graphite"))]
mod tests;

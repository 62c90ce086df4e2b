//! Asking those whom calls go to whether they are in health, each on a connection of its own.
//!
//! Owns the questions and what follows from the answers. Each is asked by one worker of all, whoever met it first, for
//! as long as calls may go to it. What such questions take shows in no figure.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::call::Target;
use super::filled::Kept;
use super::health;
use super::prepare::Prepared;
use super::retry::{Attempt, Lost};
use super::unary::{self, Outgoing, UnaryCall};
use crate::driver::http2::{Met, Pool, Wanted};
use crate::driver::steps::Looks;
use crate::driver::transport::probe::Rounds;
use crate::outcome::{Failure, GrpcCode};
use crate::scenario::{Codec, HealthCheck};
use crate::units::format_duration;
use crate::workload::{Iteration, IterationSeed, Observer, Standing, WorkerContext};

/// How those are asked whom calls go to.
#[derive(Debug)]
pub(super) struct Checking {
    pub(super) check: HealthCheck,
    pub(super) call: UnaryCall,
    /// What is asked, its prefix in front.
    pub(super) question: Bytes,
    pub(super) targets: Vec<Target>,
    pub(super) wanted: Wanted,
}

/// What a server says that has no health service.
const UNIMPLEMENTED: GrpcCode = GrpcCode::new(12);

/// Asks one for its health until it is none of those any more whom calls go to. `asked` is told once it was asked for
/// the first time.
pub(super) async fn watch(
    prepared: Arc<Prepared>,
    met: Met,
    context: WorkerContext,
    asked: oneshot::Sender<()>,
) {
    let Some(checking) = &prepared.checking else {
        return;
    };
    let quietly = WorkerContext {
        observer: Rc::new(Silent),
        ..context.clone()
    };
    let pool = Pool::of_one(&met.endpoint, met.target, &checking.wanted, &quietly);
    // Whether there is somebody is what is asked.
    let _ = pool.open(Rounds::one()).await;
    // Whoever asked it before may be gone.
    let mut answers = Answers {
        stands: met.standing.health(),
        against: 0,
    };
    let tell = |change, why: &str| {
        let now = context.clock.now();
        context
            .observer
            .stands(&met.standing.name, change, now, why);
    };
    let mut asked = Some(asked);
    while !met.is_gone() {
        let next = Instant::now() + checking.check.every;
        let answer = ask(checking, &pool, &context).await;
        let change = answers.one_more(&checking.check, answer);
        met.standing.has_health(answers.stands);
        if let Some((change, why)) = change {
            tell(change, &why);
        }
        if let Some(asked) = asked.take() {
            // Whoever waited may be gone.
            let _ = asked.send(());
        }
        sleep_until(next).await;
    }
    if answers.stands == Standing::NotServing {
        // It may come back, and is not asked until then.
        tell(
            (Standing::NotServing, Standing::Unknown),
            "it left its list",
        );
    }
}

/// Asks once. What was said where it is in health, mostly nothing; why it is not.
async fn ask(
    checking: &Checking,
    pool: &Pool,
    context: &WorkerContext,
) -> Result<Option<String>, String> {
    let iteration = Iteration::new(IterationSeed::new(context.clock, &Silent));
    iteration.listen();
    let mut kept = Kept::of(Looks {
        reply: true,
        ..Looks::default()
    });
    let place = pool.place_for_next_iteration();
    let outgoing = Outgoing {
        headers: &checking.call.headers,
        framed: &checking.question,
    };
    let attempt = unary::attempt(
        (&checking.call, outgoing),
        &checking.targets,
        &place,
        (0, Attempt::default()),
        &iteration,
        &mut kept,
    );
    let limit = checking.check.timeout;
    let result = timeout(limit, attempt).await;
    match result {
        Err(_) => Err(format!("no answer within {}", format_duration(limit))),
        Ok(Ok(())) => match health::check(&kept.message) {
            Ok(()) => Ok(None),
            Err((_, detail)) => Err(detail),
        },
        Ok(Err(Lost { failure, .. })) => {
            let said = iteration.heard(failure);
            let said = said.unwrap_or_else(|| failure.to_string());
            match failure {
                Failure::Grpc(UNIMPLEMENTED) => Ok(Some(format!(
                    "it has no health service, and is taken to be in health: {said}"
                ))),
                _ => Err(said),
            }
        }
    }
}

/// What the answers of one come to.
#[derive(Debug)]
struct Answers {
    stands: Standing,
    /// How many in a row say something else.
    against: u32,
}

impl Answers {
    /// One more: how it stands from now on, and why, if that is not as before. The first decides at once.
    fn one_more(
        &mut self,
        check: &HealthCheck,
        answer: Result<Option<String>, String>,
    ) -> Option<((Standing, Standing), String)> {
        let (says, needed) = match answer {
            Ok(_) => (Standing::Serving, check.healthy_after),
            Err(_) => (Standing::NotServing, check.unhealthy_after),
        };
        if self.stands == says {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let is_first = self.stands == Standing::Unknown;
        if !is_first && self.against < needed {
            return None;
        }
        self.against = 0;
        let change = (std::mem::replace(&mut self.stands, says), says);
        match answer {
            // As everybody took it to be.
            Ok(None) if is_first => None,
            Ok(said) => Some((change, said.unwrap_or_else(|| "it says so".to_owned()))),
            Err(why) => Some((change, why)),
        }
    }
}

/// Hears nothing.
#[derive(Debug)]
struct Silent;

impl Observer for Silent {}

/// The longest that opening the connection for questions may take.
pub(super) fn wanted(check: &HealthCheck, connect_timeout: Duration) -> Wanted {
    Wanted {
        connections: Some(1),
        most_streams: u32::MAX,
        connect_timeout: connect_timeout.min(check.timeout),
        keepalive: None,
        codec: Codec::H2,
        waits_for_ready: false,
        connect_cap: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Result<Option<String>, String> {
        Ok(None)
    }

    fn bad() -> Result<Option<String>, String> {
        Err("NOT_SERVING".to_owned())
    }

    fn changes(
        check: &HealthCheck,
        answers: impl IntoIterator<Item = Result<Option<String>, String>>,
    ) -> Vec<(usize, Standing)> {
        let mut all = Answers {
            stands: Standing::Unknown,
            against: 0,
        };
        let each = answers.into_iter().enumerate();
        let changed = each.filter_map(|(nth, answer)| {
            let ((_, to), _) = all.one_more(check, answer)?;
            Some((nth, to))
        });
        changed.collect()
    }

    #[test]
    fn the_first_answer_decides_and_then_several_in_a_row() {
        let check = HealthCheck {
            healthy_after: 2,
            ..HealthCheck::default()
        };
        let answers = [
            good(), // as taken for granted
            bad(),
            bad(),
            good(),
            bad(),
            bad(),
            bad(), // three in a row
            good(),
            bad(),
            good(),
            good(), // two in a row
        ];
        let expected = [(6, Standing::NotServing), (10, Standing::Serving)];
        assert_eq!(changes(&check, answers), expected);
        let expected = [(0, Standing::NotServing), (2, Standing::Serving)];
        assert_eq!(changes(&check, [bad(), good(), good()]), expected);
    }

    #[test]
    fn one_without_a_health_service_is_told_of_once() {
        let none = || Ok(Some("UNIMPLEMENTED".to_owned()));
        let expected = [(0, Standing::Serving)];
        assert_eq!(changes(&HealthCheck::default(), [none(), none()]), expected);
    }
}

//! From a search that is over to what a document says of it.

use std::time::Duration;

use super::scalability::{Point, Scalability as Law};
use super::{Answer, Bound, Course};
use crate::condition::Threshold;
use crate::report::{
    Breach, BreachCause, Capacity, CapacityEnd, CapacityGoal, Document, Scalability, Status, Trial,
    TrialCount, TrialPurpose, TrialResult, Verdict,
};
use crate::units::Rate;
use crate::units::human::{self, counted, percent};

impl Course {
    /// What was found, of these goals, in so much time; of a search that goes on, what would be were it stopped now.
    #[must_use]
    pub fn found(&self, goals: &[Threshold], took: Duration) -> Capacity {
        let end = self.end();
        let answer = self.answer();
        let lower = answer.as_ref().and_then(|it| it.lower);
        let lower = lower
            .filter(|it| it.held > 0)
            .map(|it| it.rate.per_second());
        let broke_at = answer.as_ref().and_then(|it| it.upper);
        let broke_at = broke_at.map(|it| it.rate.per_second());
        let limit = answer.as_ref().and_then(|it| it.generator_limit);
        let limit = limit.map(Rate::per_second);
        let upper = broke_at.or(limit.filter(|_| end == CapacityEnd::Generator));
        let upper = upper.filter(|it| lower.is_none_or(|lower| lower < *it));
        let budget_s = self.plan().budget.as_secs_f64();
        let wanted_width = self.plan().width;
        let breaks_first = breaks_first(self, answer.as_ref(), goals, broke_at);
        let mut capacity = Capacity {
            lower_per_s: lower,
            upper_per_s: upper,
            conditional_per_s: answer
                .as_ref()
                .and_then(|it| it.conditional)
                .filter(|_| lower.is_some())
                .map(round),
            width: lower
                .zip(upper)
                .map(|(lower, upper)| ((upper - lower) / upper).max(0.0)),
            wanted_width,
            end,
            summary: String::new(),
            notes: Vec::new(),
            at_lower: at(&self.trials, answer.as_ref().and_then(|it| it.lower)),
            at_upper: at(&self.trials, answer.as_ref().and_then(|it| it.upper)),
            confirmed: answer.as_ref().is_some_and(|it| it.is_confirmed),
            breaks_first,
            goals: known_of(goals, answer.as_ref(), &self.trials),
            scalability: scalability(&self.trials),
            shown_trial: None,
            budget_s,
            took_s: round(took.as_secs_f64()),
            trials: self.trials.clone(),
        };
        let mut notes = self.notes.clone();
        if answer.is_some_and(|it| it.is_contradicted) {
            notes.push(
                "a higher rate held where a lower one had not: the service does not do the same all the time, \
                 or more load is not worse for it"
                    .to_owned(),
            );
        }
        if end == CapacityEnd::Generator {
            notes.push(
                "the generator could offer no more: more `--workers` or cores, or several processes and machines \
                 (`--shard`), can; `loadgen doctor` says what holds this machine back"
                    .to_owned(),
            );
        }
        if let Some(limit) = limit.filter(|_| end != CapacityEnd::Generator) {
            notes.push(format!(
                "the generator could not offer {}, twice",
                human::rate(limit)
            ));
        }
        capacity.notes = notes;
        capacity.summary = summary(&capacity, limit);
        capacity
    }
}

/// To three decimals, as figures in documents are.
pub(super) fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// The trials at a bound that count.
fn at(trials: &[Trial], bound: Option<Bound>) -> TrialCount {
    let Some(bound) = bound else {
        return TrialCount::default();
    };
    let rate = Some(bound.rate.per_second());
    let counts = |it: &&Trial| it.rate_per_s == rate && it.result != TrialResult::Invalid;
    let there = trials.iter().filter(counts);
    let held = there.clone().filter(|it| it.result == TrialResult::Held);
    TrialCount {
        held: held.count() as u64,
        of: there.count() as u64,
        settled: bound.is_settled,
    }
}

/// What is known of each goal: by rates or, before there are any, by what one user alone completed.
fn known_of(goals: &[Threshold], answer: Option<&Answer>, trials: &[Trial]) -> Vec<CapacityGoal> {
    let idle = trials
        .iter()
        .rfind(|it| it.purpose == TrialPurpose::Idle && it.result != TrialResult::Invalid);
    let known = goals.iter().enumerate().map(|(index, goal)| {
        let known = answer.and_then(|it| it.goals.get(index));
        let alone = |pass: bool| {
            let idle = idle.filter(|_| answer.is_none())?;
            let is_so = idle.goals.get(index)?.pass == pass;
            is_so.then_some(idle.completed_per_s)
        };
        let lower = known.and_then(|it| it.lower).map(|it| it.rate.per_second());
        let upper = known.and_then(|it| it.upper).map(|it| it.rate.per_second());
        CapacityGoal {
            expression: goal.expression().to_owned(),
            holds_at_per_s: lower.or_else(|| alone(true)),
            breaks_at_per_s: upper.or_else(|| alone(false)),
        }
    });
    known.collect()
}

/// Of the trials that broke, the one that shows why the upper bound is one.
fn breaks_first(
    course: &Course,
    answer: Option<&Answer>,
    goals: &[Threshold],
    broke_at: Option<f64>,
) -> Option<Breach> {
    let decided = answer
        .and_then(|it| it.decided_by)
        .and_then(|it| goals.get(it));
    let is_decided =
        |it: &&Breach| decided.is_none_or(|goal| goal.expression() == it.goal.expression);
    let all = course.breaches.iter();
    if course.end() == CapacityEnd::Idle {
        return all.clone().next_back().cloned();
    }
    let mut there = all.filter(|it| Some(it.at_per_s) == broke_at);
    let last = there.clone().rfind(is_decided);
    last.or_else(|| there.next_back()).cloned()
}

/// What users at once and throughput say: those who came again when they were done, and what rates that held made of
/// the two by Little's law.
fn scalability(trials: &[Trial]) -> Option<Scalability> {
    let points = trials.iter().filter_map(|it| {
        // Who is held to a rate does not come again when done.
        if it.result != TrialResult::Held || it.held_to_per_s.is_some() {
            return None;
        }
        let mean_s = it.response_time_us.mean? / 1e6;
        let users = match it.purpose {
            TrialPurpose::Idle | TrialPurpose::Ramp => it.users? as f64,
            _ => it.completed_per_s * mean_s,
        };
        Some(Point {
            concurrency: users,
            throughput: it.completed_per_s,
        })
    });
    let law = Law::fit(
        &points
            .filter(|it| it.concurrency >= 1.0)
            .collect::<Vec<_>>(),
    )
    .ok()?;
    Some(Scalability {
        lambda_per_s: law.lambda,
        sigma: law.sigma,
        kappa: law.kappa,
        residual: law.residual,
        from_users: law.least,
        to_users: law.most,
        peak_users: law.peak(),
    })
}

/// `response_time.p99 < 20ms breaks first, on backend b2`.
fn breaks(breach: &Breach) -> String {
    let of = |what: &str, name: &Option<String>| {
        name.as_ref()
            .map(|it| format!(", {what} {it}"))
            .unwrap_or_default()
    };
    let step = of("at step", &breach.step);
    let backend = of("on backend", &breach.backend);
    let outcome = of("with", &breach.outcome);
    let want = match breach.cause {
        BreachCause::Users => ", for want of users",
        BreachCause::Streams => ", for want of streams",
        _ => "",
    };
    format!(
        "{} breaks first{step}{backend}{outcome}{want}",
        breach.goal.expression
    )
}

fn summary(capacity: &Capacity, limit: Option<f64>) -> String {
    let known = capacity.bounds();
    let breach = capacity.breaks_first.as_ref();
    let and_breaks = breach
        .map(|it| format!(", {}", breaks(it)))
        .unwrap_or_default();
    // Why the last trial of these was what it was.
    let reason = |is: &dyn Fn(&Trial) -> bool| {
        let trial = capacity.trials.iter().rfind(|it| is(it));
        trial.and_then(|it| it.reason.clone()).unwrap_or_default()
    };
    let is_idle = |it: &Trial| it.purpose == TrialPurpose::Idle;
    let TrialCount { held, of, .. } = capacity.at_lower;
    let width = capacity.width.map(|it| format!(", width {}", percent(it)));
    let width = width.unwrap_or_default();
    match capacity.end {
        CapacityEnd::Settled => {
            format!(
                "capacity {known}{width}, {held} of {} held{and_breaks}",
                counted(of, "trial")
            )
        }
        CapacityEnd::Undecided => format!(
            "capacity {known}{width}: between these some trials held and others did not{and_breaks}"
        ),
        CapacityEnd::Generator => match (capacity.lower_per_s, limit) {
            (Some(_), _) => format!("capacity {known}, the generator's limit"),
            (None, Some(limit)) => format!(
                "no capacity is known: the generator could not offer {}, the lowest rate to be tried",
                human::rate(limit)
            ),
            (None, None) => format!(
                "no capacity is known: one user alone was not offered in time: {}",
                reason(&is_idle)
            ),
        },
        CapacityEnd::To => format!("capacity {known}, the highest rate to be tried"),
        CapacityEnd::From => {
            let broke = reason(&|it| it.rate_per_s.is_some() && it.result == TrialResult::Broke);
            format!("capacity {known}, the lowest rate to be tried: {broke}")
        }
        CapacityEnd::Idle => {
            format!(
                "no capacity: one user alone is too much: {}",
                reason(&is_idle)
            )
        }
        CapacityEnd::Unbounded => {
            let last = capacity
                .trials
                .iter()
                .rev()
                .find(|it| it.rate_per_s.is_some());
            let (offered, completed) = last.map_or((0.0, 0.0), |it| {
                (it.rate_per_s.unwrap_or_default(), it.completed_per_s)
            });
            format!(
                "no capacity: the goals hold at any rate. Of {} the service completed {}, and all of them held; \
                 a goal on `response_time`, or a stricter one on `error_rate`, bounds it",
                human::rate(offered),
                human::rate(completed)
            )
        }
        CapacityEnd::Budget => {
            let invalid =
                reason(&|it| it.rate_per_s.is_some() && it.result == TrialResult::Invalid);
            let in_the_way = match capacity.at_lower.of + capacity.at_upper.of {
                0 if !invalid.is_empty() => {
                    format!(", and the generator was in the way: {invalid}")
                }
                _ => String::new(),
            };
            format!("capacity {known}{width}: the time was used up{in_the_way}{and_breaks}")
        }
        CapacityEnd::Stopped => {
            format!("capacity {known} as far as it was looked for: stopped{and_breaks}")
        }
        CapacityEnd::Died => {
            format!("capacity {known}: the service did not come back{and_breaks}")
        }
        CapacityEnd::Failed => {
            let why = capacity
                .notes
                .first()
                .map_or("an error ended it", String::as_str);
            format!("capacity {known} as far as it was looked for: {why}")
        }
    }
}

/// Puts what was found into the result of the trial that stands for it, which is the one at this place.
pub(super) fn put(mut document: Document, mut capacity: Capacity, trial: usize) -> Document {
    capacity.shown_trial = Some(trial as u64);
    let verdict = &mut document.verdict;
    let sentence = capacity.summary.clone();
    match capacity.end {
        CapacityEnd::Settled | CapacityEnd::To => held(verdict),
        // A short look at a rate is no answer.
        CapacityEnd::Undecided | CapacityEnd::Budget | CapacityEnd::Stopped
            if is_more_than_explored(&capacity) =>
        {
            held(verdict);
            verdict.warnings.insert(0, sentence);
        }
        // The figures of what it could offer are true, and are not what was asked for.
        CapacityEnd::Generator if capacity.lower_per_s.is_some() => {
            verdict.status = Status::Invalid;
            verdict.reasons = vec![sentence];
        }
        end => {
            let is_short = matches!(
                end,
                CapacityEnd::Undecided | CapacityEnd::Budget | CapacityEnd::Stopped
            );
            let doubt = match is_short && capacity.lower_per_s.is_some() {
                true => {
                    "; no more than a short trial held at the lower bound, which is no answer: a longer `--budget` has more"
                }
                false => "",
            };
            verdict.status = Status::Fail;
            verdict.reasons = vec![format!("{sentence}{doubt}")];
        }
    }
    document.run.stopped |= capacity.end == CapacityEnd::Stopped;
    // An error is the reason already.
    let told = usize::from(capacity.end == CapacityEnd::Failed);
    let notes = capacity.notes.iter().skip(told).cloned();
    verdict.warnings.extend(notes);
    document.capacity = Some(capacity);
    document
}

/// Whether a full-length trial held at the lower bound.
fn is_more_than_explored(capacity: &Capacity) -> bool {
    let held = |it: &&Trial| it.rate_per_s.is_some() && it.result == TrialResult::Held;
    let mut there = capacity.trials.iter().filter(held);
    there.any(|it| it.rate_per_s == capacity.lower_per_s && it.purpose != TrialPurpose::Explore)
}

/// The verdict on a trial whose goals hold: what of its times is the generator's is none of the service's, which holds
/// them with that.
fn held(verdict: &mut Verdict) {
    if verdict.status == Status::Invalid {
        verdict.status = Status::Pass;
        let reasons = std::mem::take(&mut verdict.reasons);
        verdict.warnings.splice(0..0, reasons);
    }
}

//! What a search for a capacity found: the answer and why, what was tried, and where that is drawn.

use super::super::super::document::{
    Breach, BreachCause, Capacity, CapacityEnd, Document, Scalability, Trial, TrialCount,
    TrialPurpose, TrialResult,
};
use super::super::{Fact, Tone, observed};
use super::{Block, Cell, Chapter, Column, Figure, Grid, Section};
use crate::units::human;

/// What was found, where something was looked for.
pub(super) fn chapter(document: &Document) -> Option<Chapter> {
    let capacity = document.capacity.as_ref()?;
    let about = "The response times and all else below are of one trial: the longest at the lower bound or, where none \
                 held, the one that says why.";
    let mut blocks: Vec<Block> = Block::facts(found(capacity)).into_iter().collect();
    blocks.extend(capacity.notes.iter().map(Block::sentence));
    blocks.push(Block::sentence(about));
    blocks.extend(goals(capacity));
    let breach = capacity.breaks_first.as_ref().and_then(breach);
    let mut sections = vec![Section::new("", blocks)];
    sections.extend(breach.map(|it| Section::new("What breaks first", vec![it])));
    sections.extend(tried(capacity));
    Some(Chapter::new("capacity", "Capacity", sections))
}

/// What is known while it goes on; `now` says what is being done.
pub(super) fn so_far(capacity: &Capacity, now: String) -> Chapter {
    let facts = [
        Fact::new("known", capacity.bounds()),
        Fact::new("now", now),
        Fact::new("used", used(capacity)),
    ];
    let mut blocks: Vec<Block> = Block::facts(facts).into_iter().collect();
    blocks.extend(capacity.notes.iter().map(Block::sentence));
    blocks.extend(goals(capacity));
    let mut sections = vec![Section::new("", blocks)];
    sections.extend(tried(capacity));
    Chapter::new("capacity", "Capacity as it is known so far", sections)
}

/// What is to be seen first of a search.
pub(super) fn figures(capacity: &Capacity) -> Vec<Figure> {
    let figure = |label, text: String| Figure {
        label,
        text,
        tone: Tone::Plain,
    };
    let rate = |label, rate: Option<f64>| Some(figure(label, human::rate(rate?)));
    let width = capacity.width.map(|it| figure("apart", human::percent(it)));
    let trials = human::count(capacity.trials.len() as u64);
    let figures = [
        rate("holds", capacity.lower_per_s),
        rate(above(capacity), capacity.upper_per_s),
        width,
        Some(figure("trials", trials)),
    ];
    figures.into_iter().flatten().collect()
}

/// What the upper bound is.
fn above(capacity: &Capacity) -> &'static str {
    match capacity.end {
        CapacityEnd::Generator => "beyond the generator",
        _ => "breaks",
    }
}

fn found(capacity: &Capacity) -> Vec<Fact> {
    let tone = match (capacity.end, capacity.lower_per_s) {
        (CapacityEnd::Settled | CapacityEnd::To, _) => Tone::Plain,
        (_, Some(_)) => Tone::Doubtful,
        (_, None) => Tone::Bad,
    };
    let conditional = capacity.conditional_per_s.map(|rate| {
        let text = format!(
            "{} were completed of that in the worst of the trials that had to hold",
            human::rate(rate)
        );
        Fact::new("conditional rate", text)
    });
    let width = capacity.width.map(|width| {
        let (width, wanted) = (human::percent(width), human::percent(capacity.wanted_width));
        Fact::new("width", format!("{width}, {wanted} or less was wanted"))
    });
    let at = |label, count: TrialCount, more: &str| {
        let trials = human::counted(count.of, "trial");
        let doubt = match count.settled {
            true => "",
            false => ", too few to be sure",
        };
        let text = format!("{} of {trials} held{doubt}{more}", count.held);
        (count.of > 0).then(|| Fact::new(label, text))
    };
    let confirmed = match capacity.confirmed {
        true => ", confirmed at the end by one longer than any other",
        false => "",
    };
    let facts = [
        Some(Fact::new("found", &*capacity.summary).toned(tone)),
        conditional,
        width,
        at("lower bound", capacity.at_lower, confirmed),
        at("upper bound", capacity.at_upper, ""),
        Some(Fact::new("took", used(capacity))),
    ];
    facts.into_iter().flatten().collect()
}

/// `95 s of 5 min, 31 trials`.
fn used(capacity: &Capacity) -> String {
    let time = |s: f64| human::micros(s.round().max(0.0) * 1e6);
    let trials = human::counted(capacity.trials.len() as u64, "trial");
    format!(
        "{} of {}, {trials}",
        time(capacity.took_s),
        time(capacity.budget_s)
    )
}

fn goals(capacity: &Capacity) -> Option<Block> {
    let mut grid = Grid::of_figures(
        "Goals: the highest rate that is known to hold each, and the lowest that is known not to",
        "goal",
        &["holds at", "breaks at"],
    );
    let rate = |rate: Option<f64>| Cell::or_nothing(rate.map(human::rate));
    for goal in &capacity.goals {
        let cells = [rate(goal.holds_at_per_s), rate(goal.breaks_at_per_s)];
        grid.row(&*goal.expression, cells);
    }
    grid.block()
}

fn breach(breach: &Breach) -> Option<Block> {
    let (value, remark) = observed(&breach.goal);
    let value = value.map(|it| format!(": {it}{remark}"));
    let cause = match breach.cause {
        BreachCause::Slow => "the service was slow",
        BreachCause::Failing => "requests failed",
        BreachCause::Connections => "connections could not be opened, or were lost",
        BreachCause::Streams => {
            "requests waited for a free stream on their connection: more `connections` may hold more"
        }
        BreachCause::Users => {
            "arrivals waited for a free user: a higher `load.open.users.max` may hold more"
        }
    };
    let goal = format!(
        "{} at {}{}",
        breach.goal.expression,
        human::rate(breach.at_per_s),
        value.unwrap_or_default()
    );
    let named = [
        ("step", &breach.step),
        ("server", &breach.backend),
        ("outcome", &breach.outcome),
    ];
    let named = named
        .into_iter()
        .filter_map(|(label, name)| Some(Fact::new(label, name.as_deref()?)));
    let facts = [
        Fact::new("goal", goal).toned(Tone::Bad),
        Fact::new("in the way", cause),
    ];
    let shown = Fact::new("shown by", &*breach.explanation);
    Block::facts(facts.into_iter().chain(named).chain([shown]))
}

/// What was tried, drawn and as a table.
fn tried(capacity: &Capacity) -> Vec<Section> {
    let trials = &capacity.trials;
    let is_rate = |it: &&Trial| it.rate_per_s.is_some();
    let rates = trials.iter().filter(is_rate).count();
    let by_rate = (rates > 0).then(|| {
        let about = format!(
            "Percentiles of response time and the error rate of {} by the rate that was offered, with the bounds of the \
             capacity and the limits of goals; the table of trials has its figures.",
            human::counted(rates as u64, "trial")
        );
        let caption = "Response time and errors by the rate that was offered";
        Section::new(
            "Rate and response time",
            vec![Block::chart("capacity", 0, caption, about)],
        )
    });
    let by_users = trials.iter().any(|it| it.users.is_some()).then(|| {
        Section::new(
            "Concurrency and throughput",
            scalability(capacity.scalability.as_ref()),
        )
    });
    let table = table(trials).map(|it| Section::new("Trials", vec![it]));
    [by_rate, table, by_users].into_iter().flatten().collect()
}

fn scalability(law: Option<&Scalability>) -> Vec<Block> {
    let about = "What was completed a second by how many requests were under way at once; the table below has its figures.";
    let caption = match law {
        Some(law) => format!(
            "Throughput by how many were under way at once, and the Universal Scalability Law through what held: off by {} \
             (root mean square)",
            human::percent(law.residual)
        ),
        None => "Throughput by how many were under way at once".to_owned(),
    };
    let mut blocks = vec![Block::chart("scalability", 0, caption, about.to_owned())];
    blocks.extend(law.map(|law| Block::sentence(said(law))));
    blocks
}

/// What the law says, in a few sentences.
fn said(law: &Scalability) -> String {
    let users = |it: f64| human::significant(it);
    let peak = match law.peak_users {
        Some(peak) => format!("The most completes with {} at once.", users(peak)),
        None => "Where the most completes is outside of that.".to_owned(),
    };
    format!(
        "By the law one at a time completes {} (λ), {} of the work cannot be done side by side (σ), and each pair costs {} \
         more for keeping in step (κ). It is drawn from {} to {} at once, which were measured, and says nothing beyond. \
         {peak} How many were under way is the number of users or, of a rate, what completed a second times the mean response time.",
        human::rate(law.lambda_per_s),
        human::percent(law.sigma),
        human::percent(law.kappa),
        users(law.from_users),
        users(law.to_users),
    )
}

fn table(trials: &[Trial]) -> Option<Block> {
    let columns = [
        ("offered", Column::Figure),
        ("lasted", Column::Figure),
        ("result", Column::Text),
        ("completed", Column::Figure),
        ("p50", Column::Figure),
        ("p95", Column::Figure),
        ("p99", Column::Figure),
        ("errors", Column::Figure),
        ("rest after", Column::Figure),
        ("why", Column::Remark),
    ];
    let caption = "Trials, in the order in which they were made";
    let mut grid = Grid::new(caption, "trial", &columns);
    for (nth, trial) in (1..).zip(trials) {
        let (word, tone) = match trial.result {
            TrialResult::Held => ("held", Tone::Good),
            TrialResult::Broke => ("broke", Tone::Bad),
            TrialResult::Invalid => ("invalid", Tone::Doubtful),
        };
        let cells = [
            Cell::of(trial.load()),
            Cell::of(lasted(trial)),
            Cell::of(word).toned(tone),
            Cell::of(human::rate(trial.completed_per_s)),
            Cell::time(trial.percentile_us("p50")),
            Cell::time(trial.percentile_us("p95")),
            Cell::time(trial.percentile_us("p99")),
            Cell::or_nothing(trial.error_rate.map(human::percent)),
            Cell::seconds(trial.cool_down_s),
            Cell::or_nothing(trial.reason.as_deref()),
        ];
        grid.row(format!("{nth}, {}", purpose(trial.purpose)), cells);
    }
    let mut grid = grid.without_empty_columns();
    if trials.iter().any(|it| cut_short(it).is_some()) {
        let note = "1 s of 3 s: that a goal could not hold any more was certain after 1 s, and the trial was ended.";
        grid.notes.push(note.to_owned());
    }
    grid.block()
}

/// What a trial is for, in words.
pub(crate) fn purpose(purpose: TrialPurpose) -> &'static str {
    match purpose {
        TrialPurpose::Idle => "one user alone",
        TrialPurpose::Ramp => "where to look",
        TrialPurpose::Explore => "finding bounds",
        TrialPurpose::Refine => "settling a bound",
        TrialPurpose::Confirm => "confirming the lower bound",
    }
}

fn lasted(trial: &Trial) -> String {
    let time = |s: f64| human::micros(s * 1e6);
    let planned = time(trial.duration_s);
    match cut_short(trial) {
        Some(after) => format!("{} of {planned}", time(after)),
        None => planned,
    }
}

/// After how many seconds a trial was ended, where that was before its time.
fn cut_short(trial: &Trial) -> Option<f64> {
    trial.certain_after_s.filter(|it| *it < trial.duration_s)
}

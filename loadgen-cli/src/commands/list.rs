//! `loadgen list`.

use loadgen_core::scenario::{Plan, ScenarioPlan, Suite};
use loadgen_core::schedule::{ClosedModel, Limit, Load, OpenModel};

use super::exit::Exit;
use crate::args::ListArgs;
use crate::backend::said;
use crate::error::Error;
use crate::{flow, human, output, suite, terminal};

/// Prints the scenarios there are.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn run(args: &ListArgs) -> Result<Exit, Error> {
    let file = args.file.as_deref().or(args.config.as_deref());
    let suite = suite::load(suite::Choice {
        file,
        profile: args.profile.as_deref(),
        ..suite::Choice::default()
    })?;
    let protocol = args.protocol.word();
    output::print(&if args.json {
        let spoken = suite
            .scenarios()
            .iter()
            .filter(|it| speaks(it.protocol().as_str(), protocol));
        let spoken: Vec<ScenarioPlan> = spoken.cloned().collect();
        let mut plan = Plan::new(spoken);
        plan.thresholds = suite.thresholds().to_vec();
        plan.backends = suite.backends().to_vec();
        output::suite(plan.judged().to_json(), args.show_secrets)
    } else {
        let columns = terminal::known_columns_of_stdout();
        table(&suite, protocol, columns) + &servers(&suite, protocol, columns)
    })?;
    Ok(Exit::Pass)
}

/// The servers that runs of the suite start, and for which of the scenarios that are listed.
fn servers(suite: &Suite, protocol: Option<&str>, columns: Option<usize>) -> String {
    let lines = suite.backends().iter().flat_map(|server| {
        let of = suite.scenarios().iter();
        let of = of.filter(|it| it.backends.contains(&server.name));
        let of = of.filter(|it| speaks(it.protocol().as_str(), protocol));
        let mut names: Vec<&str> = of.map(|it| it.name.as_str()).collect();
        names.dedup();
        match names.is_empty() {
            true => Vec::new(),
            false => {
                let text = format!("{}, for {}", said(server), names.join(", "));
                flow::hanging("  ", 2 * GAP, &text, columns.unwrap_or(usize::MAX))
            }
        }
    });
    let lines: String = lines.map(|line| line + "\n").collect();
    match lines.is_empty() {
        true => lines,
        false => format!("\nServers that a run starts:\n{lines}"),
    }
}

/// The scenarios as aligned columns: name, protocol, load in words, description. Where it is known in how
/// many columns they are to fit, a long description goes on in further lines, and where too little is left
/// for that, what is said of a scenario stands below its name.
fn table(suite: &Suite, protocol: Option<&str>, columns: Option<usize>) -> String {
    let heading = ["NAME", "PROTOCOL", "LOAD", "DESCRIPTION"].map(str::to_owned);
    let spoken = suite.scenarios().iter();
    let spoken = spoken.filter(|it| speaks(it.protocol().as_str(), protocol));
    let rows: Vec<[String; 4]> = std::iter::once(heading).chain(spoken.map(row)).collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| flow::columns(&row[column]));
        widths.max().unwrap_or_default()
    };
    let [name, protocol, load, description] = [width(0), width(1), width(2), width(3)];
    let before = name + protocol + load + 3 * GAP;
    let columns = columns.unwrap_or(usize::MAX);
    let fits = before.saturating_add(description.min(LEAST_DESCRIPTION)) <= columns;
    let lines = rows.iter().flat_map(|row| {
        let begin = [padded(&row[0], name), padded(&row[1], protocol)].concat();
        if fits {
            let begin = begin + &padded(&row[2], load);
            return flow::hanging(&begin, before, &row[3], columns);
        }
        let below = row[2..].iter().filter(|text| !text.is_empty());
        let below = below.flat_map(|text| flow::hanging("  ", GAP, text, columns));
        let begin = begin.trim_end().to_owned();
        std::iter::once(begin).chain(below).collect()
    });
    lines.map(|line| line + "\n").collect()
}

/// Blanks between two columns.
const GAP: usize = 2;
/// With less room a description is not worth a column.
const LEAST_DESCRIPTION: usize = 20;

fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(flow::columns(text)) + GAP;
    format!("{text}{}", " ".repeat(blanks))
}

fn speaks(word: &str, protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol == word)
}

fn row(plan: &ScenarioPlan) -> [String; 4] {
    [
        plan.name.clone(),
        plan.protocol().to_string(),
        load(&plan.load),
        plan.description.clone().unwrap_or_default(),
    ]
}

/// A load model in words.
fn load(load: &Load) -> String {
    match load {
        Load::Closed(closed) => closed_in_words(closed),
        Load::Open(open) => open_in_words(open),
    }
}

fn closed_in_words(closed: &ClosedModel) -> String {
    let users = users(closed.users);
    let mut words = match &closed.limit {
        Limit::Iterations(all) => format!("{} iterations by {users}", human::count(*all)),
        Limit::IterationsPerUser(each) => {
            format!("{} iterations by each of {users}", human::count(*each))
        }
        Limit::Duration(duration) => format!("{users} for {}", human::duration(*duration)),
        Limit::Stages(stages) => format!(
            "up to {users} in {} stages over {}",
            stages.len(),
            human::duration(stages.iter().map(|it| it.duration).sum())
        ),
    };
    if let Some(most) = closed.max_duration {
        words.push_str(&format!(", for {} at most", human::duration(most)));
    }
    if let Some(cap) = closed.rate_limit {
        words.push_str(&format!(", at most {}", human::rate(cap.per_second())));
    }
    words
}

fn open_in_words(open: &OpenModel) -> String {
    let duration = human::duration(open.stages.iter().map(|it| it.duration).sum());
    let rate = match open.stages.as_slice() {
        [only] if only.from == only.to => human::rate(only.to),
        stages => {
            let peak = stages.iter().flat_map(|it| [it.from, it.to]);
            format!("up to {}", human::rate(peak.fold(0.0, f64::max)))
        }
    };
    format!("{rate} for {duration}, at most {}", users(open.max_users))
}

fn users(count: u32) -> String {
    human::counted(count.into(), "user")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use loadgen_core::scenario;
    use loadgen_core::schedule::{RateStage, UserStage};
    use test_case::test_case;

    use super::*;

    fn closed(users: u32, limit: Limit) -> Load {
        Load::closed(users).limit(limit).into()
    }

    fn within(most: Duration, load: Load) -> Load {
        match load {
            Load::Closed(model) => model.max_duration(most).into(),
            Load::Open(_) => unreachable!("only a closed load has one"),
        }
    }

    fn open(stages: &[(u64, f64, f64)]) -> Load {
        let stage = |(seconds, from, to): &(u64, f64, f64)| {
            RateStage::new(Duration::from_secs(*seconds), *from, *to)
        };
        Load::open_stages(stages.iter().map(stage).collect())
            .max_users(2_000)
            .into()
    }

    const STAGE: UserStage = UserStage::new(Duration::from_secs(60), 10);

    #[test_case(&closed(100, Limit::Iterations(5_000)) => "5,000 iterations by 100 users")]
    #[test_case(&closed(1, Limit::IterationsPerUser(50)) => "50 iterations by each of 1 user")]
    #[test_case(&closed(10, Limit::Duration(Duration::from_secs(30))) => "10 users for 30 s")]
    #[test_case(&closed(10, Limit::Stages(vec![STAGE, STAGE])) => "up to 10 users in 2 stages over 2 min")]
    #[test_case(&open(&[(30, 1_000.0, 1_000.0)]) => "1,000/s for 30 s, at most 2,000 users")]
    #[test_case(&open(&[(30, 0.0, 500.0), (30, 500.0, 0.0)]) => "up to 500/s for 60 s, at most 2,000 users")]
    #[test_case(&within(Duration::from_secs(300), closed(200, Limit::Iterations(10_000)))
        => "10,000 iterations by 200 users, for 5 min at most")]
    fn loads(model: &Load) -> String {
        load(model)
    }

    #[test]
    fn columns_line_up() {
        let table = table(&scenario::shipped(), None, None);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0].find("LOAD"),
            lines[1].find("500 iterations"),
            "{table}"
        );
    }

    /// It had one width, whatever the terminal's.
    #[test_case(40)]
    #[test_case(60)]
    #[test_case(100)]
    #[test_case(200)]
    fn a_table_fits_the_terminal(columns: usize) {
        let suite = scenario::shipped();
        let table = table(&suite, None, Some(columns));
        for line in table.lines() {
            assert!(flow::columns(line) <= columns, "{line}");
        }
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let shown = words(&table);
        for plan in suite.scenarios() {
            let description = words(plan.description.as_deref().unwrap_or_default());
            assert!(
                description.iter().all(|word| shown.contains(word)),
                "{table}"
            );
        }
    }
}

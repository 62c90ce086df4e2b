//! `loadgen list`.

use loadgen_core::scenario::{self, ScenarioPlan, Suite};
use loadgen_core::schedule::{ClosedModel, Limit, Load, OpenModel};

use super::exit::Exit;
use crate::args::ListArgs;
use crate::error::Error;
use crate::{human, output, suite};

/// Prints the scenarios there are.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn run(args: &ListArgs) -> Result<Exit, Error> {
    let file = args.file.as_deref().or(args.config.as_deref());
    let suite = suite::load(file, args.profile.as_deref())?;
    let protocol = args.protocol.word();
    output::print(&if args.json {
        let spoken = suite
            .scenarios()
            .iter()
            .filter(|it| speaks(it.protocol().as_str(), protocol));
        let spoken: Vec<ScenarioPlan> = spoken.cloned().collect();
        output::json(&scenario::to_json(&spoken))
    } else {
        table(&suite, protocol)
    })?;
    Ok(Exit::Pass)
}

/// The scenarios as aligned columns: name, protocol, load in words, description.
pub(crate) fn table(suite: &Suite, protocol: Option<&str>) -> String {
    let heading = ["NAME", "PROTOCOL", "LOAD", "DESCRIPTION"].map(str::to_owned);
    let spoken = suite.scenarios().iter();
    let spoken = spoken.filter(|it| speaks(it.protocol().as_str(), protocol));
    let rows: Vec<[String; 4]> = std::iter::once(heading).chain(spoken.map(row)).collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let (name, protocol, load) = (width(0), width(1), width(2));
    rows.iter()
        .map(|row| {
            let line = format!(
                "{:name$}  {:protocol$}  {:load$}  {}",
                row[0], row[1], row[2], row[3]
            );
            format!("{}\n", line.trim_end())
        })
        .collect()
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
        let table = table(&scenario::shipped(), None);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0].find("LOAD"),
            lines[1].find("500 iterations"),
            "{table}"
        );
    }
}

//! Sentences of one kind, of several scenarios and steps with one cause: many of them are told as one.

/// More sentences of one kind than this are told as one.
const MOST_APART: usize = 2;
/// Of those that are told as one so many are named beside the worst.
const MOST_NAMED: usize = 3;

/// A sentence that others may be like.
#[derive(Debug)]
pub(super) struct Alike {
    /// What it is about: a scenario, or one of its steps.
    pub(super) of: String,
    /// How bad it is, beside others of its kind.
    pub(super) severity: f64,
    /// All of it.
    pub(super) sentence: String,
}

/// All of one kind in as few sentences as it takes: the worst, and what it is so with, too.
pub(super) fn told(mut alike: Vec<Alike>) -> Vec<Alike> {
    if alike.len() <= MOST_APART {
        return alike;
    }
    // Stable, so that the first of those that are as bad leads.
    alike.sort_by(|a, b| b.severity.total_cmp(&a.severity));
    let others = alike.split_off(1);
    let named: Vec<&str> = others
        .iter()
        .map(|it| it.of.as_str())
        .take(MOST_NAMED)
        .collect();
    let more = match others.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let less_so = format!(". Less so: {}{more}", named.join(", "));
    for worst in &mut alike {
        worst.sentence.push_str(&less_so);
    }
    alike
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0 => ""; "none")]
    #[test_case(2 => "step 0 is late\nstep 1 is late"; "few stand apart")]
    #[test_case(3 => "step 2 is late. Less so: step 1, step 0"; "the worst leads")]
    #[test_case(20 => "step 19 is late. Less so: step 18, step 17, step 16 and 16 more"; "many are counted")]
    fn is_told(number: u32) -> String {
        let alike = (0..number).map(|it| Alike {
            of: format!("step {it}"),
            severity: it.into(),
            sentence: format!("step {it} is late"),
        });
        let told = told(alike.collect());
        let told: Vec<String> = told.into_iter().map(|it| it.sentence).collect();
        told.join("\n")
    }
}

//! One scenario written for several: for each combination of values one of its own.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::ScenarioPlan;
use crate::expression;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::reader::{Entries, List};
use crate::scenario::value::{EachValue, MAX_NAME, is_variable_name};

/// The most scenarios that one is written for.
const MOST: usize = 100;

impl ScenarioPlan {
    /// Its name as it is written: without the values that it has of a scenario which was written for several.
    #[must_use]
    pub fn written_name(&self) -> &str {
        let name = self.name.strip_suffix(&suffix(&self.for_each));
        name.unwrap_or(&self.name)
    }

    /// The one of these values.
    fn having(&self, values: Vec<(String, String)>) -> Self {
        let mut plan = self.clone();
        plan.name.push_str(&suffix(&values));
        plan.tags.extend(values.iter().cloned());
        plan.for_each = values;
        plan
    }
}

/// What a scenario's name ends in that has these values.
fn suffix(values: &[(String, String)]) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let safe = |value: &str| -> String {
        let safe = value.chars().map(|c| if fits(c) { c } else { '_' });
        safe.collect()
    };
    let each = values.iter().map(|(_, value)| format!("-{}", safe(value)));
    each.collect()
}

impl Layers<'_> {
    /// The validated scenarios that one is written for, itself where it says nothing of others; none when
    /// something in it is wrong.
    pub(in crate::scenario) fn plans(&self) -> Vec<ScenarioPlan> {
        let plan = self.plan();
        let picked = self.pick("for_each", |raw| &raw.for_each);
        let path = &picked.path;
        let each = picked.entry.or(Some(vec![Vec::new()]), |entries| {
            self.combinations(entries, path)
        });
        let (Some(plan), Some(Some(each))) = (plan, each) else {
            return Vec::new();
        };
        let taken = each
            .first()
            .and_then(|it| it.iter().find(|(key, _)| plan.tags.contains_key(key)));
        if let Some((key, _)) = taken {
            let found = format!("the name `{key}`, which is one of `tags`, too");
            let expected = "names that are no tags: each is one by itself";
            self.problems.add(path, found, expected, None);
            return Vec::new();
        }
        let plans: Vec<_> = each.into_iter().map(|it| plan.having(it)).collect();
        let mut names = BTreeSet::new();
        for plan in &plans {
            let name = &plan.name;
            if name.len() > MAX_NAME {
                let found = format!("values that make the name `{name}`");
                let expected = format!("names of at most {MAX_NAME} characters");
                self.problems.add(path, found, expected, None);
                return Vec::new();
            }
            if !names.insert(name) {
                let found = format!("values that make the name `{name}` twice");
                let expected = "values that make names of their own";
                let help = "what cannot stand in a name is `_` there";
                self.problems
                    .add(path, found, expected, Some(help.to_owned()));
                return Vec::new();
            }
        }
        plans
    }

    /// All combinations of the values, those of the last name changing first.
    fn combinations(
        &self,
        entries: &Entries<List<EachValue>>,
        path: &str,
    ) -> Option<Vec<Vec<(String, String)>>> {
        let holds = Cell::new(true);
        let refuse = |path: String, found: String, expected: &str, help: Option<String>| {
            holds.set(false);
            self.problems.add(path, found, expected, help);
        };
        if entries.0.is_empty() {
            let expected = "names with their values, such as {\"version\": [\"v1\", \"v2\"]}";
            refuse(
                path.to_owned(),
                "an empty object".to_owned(),
                expected,
                None,
            );
        }
        let mut axes = Vec::new();
        for (name, values) in &entries.0 {
            let shown: String = name.chars().take(60).collect();
            if !is_variable_name(name) {
                let expected =
                    "a name that expressions can use: letters, digits and `_`, no digit first";
                refuse(
                    path.to_owned(),
                    format!("the name {shown:?}"),
                    expected,
                    None,
                );
            } else if expression::is_taken(name) {
                let expected = "a name that means nothing in expressions yet";
                let help = format!("`{name}` is one of the language's own");
                refuse(
                    path.to_owned(),
                    format!("the name `{name}`"),
                    expected,
                    Some(help),
                );
            }
            let path = format!("{path}.{shown}");
            let Some(values) = values.given() else {
                holds.set(false);
                continue;
            };
            let Some(values) = values.all(|it| it.0.clone()) else {
                holds.set(false);
                continue;
            };
            if values.is_empty() {
                refuse(
                    path,
                    "an empty array".to_owned(),
                    "at least one value",
                    None,
                );
                continue;
            }
            for (index, value) in values.iter().enumerate() {
                if values[..index].contains(value) {
                    let path = format!("{path}[{index}]");
                    refuse(
                        path,
                        format!("{value:?} once more"),
                        "each value once",
                        None,
                    );
                }
            }
            axes.push((name, values));
        }
        let count = axes.iter().map(|(_, values)| values.len());
        let count = count.fold(1_usize, usize::saturating_mul);
        if count > MOST {
            refuse(
                path.to_owned(),
                format!("{count} combinations"),
                &format!("at most {MOST}"),
                None,
            );
        }
        if !holds.get() {
            return None;
        }
        let mut all = vec![Vec::new()];
        for (name, values) in axes {
            let with = |before: Vec<(String, String)>| {
                let more = values.iter().map(move |value| {
                    let mut values = before.clone();
                    values.push((name.clone(), value.clone()));
                    values
                });
                more.collect::<Vec<_>>()
            };
            all = all.into_iter().flat_map(with).collect();
        }
        Some(all)
    }
}

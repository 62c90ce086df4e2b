//! Whatever is done in whatever order: what was acknowledged is in the file, is served by, and is what GET says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Managed;

#[derive(Debug, Clone)]
enum Step {
    Post(usize, u32),
    Put(usize, u32),
    Patch(usize, u32),
    Delete(usize),
    Default(Option<usize>),
    Reload,
}

const NAMES: [&str; 4] = ["a", "services", "docs", "web"];

/// Weights above 65,535 are refused.
fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    let weight = prop_oneof![4 => 1_u32..10, 1 => Just(0_u32), 1 => Just(70_000_u32)];
    prop_oneof![
        (name.clone(), weight.clone()).prop_map(|(name, weight)| Step::Post(name, weight)),
        (name.clone(), weight.clone()).prop_map(|(name, weight)| Step::Put(name, weight)),
        (name.clone(), weight).prop_map(|(name, weight)| Step::Patch(name, weight)),
        name.clone().prop_map(Step::Delete),
        prop::option::of(name).prop_map(Step::Default),
        Just(Step::Reload),
    ]
}

/// What should be there: weights by name, and the default.
#[derive(Debug, Default)]
struct Model {
    weights: BTreeMap<&'static str, u32>,
    default: Option<&'static str>,
}

fn backends(weight: u32) -> Value {
    json!([{ "address": "b:1", "weight": weight }])
}

impl Model {
    /// The status that a step should have, and what it should do.
    fn expect(&mut self, step: &Step) -> u16 {
        let fits = |weight: u32| (1..=65_535).contains(&weight);
        match *step {
            Step::Post(name, _) if self.weights.contains_key(NAMES[name]) => 409,
            Step::Patch(name, _) | Step::Delete(name)
                if !self.weights.contains_key(NAMES[name]) =>
            {
                404
            }
            Step::Post(_, weight) | Step::Put(_, weight) | Step::Patch(_, weight)
                if !fits(weight) =>
            {
                422
            }
            Step::Post(name, weight) | Step::Put(name, weight) => {
                match self.weights.insert(NAMES[name], weight) {
                    None => 201,
                    Some(_) => 200,
                }
            }
            Step::Patch(name, weight) => {
                self.weights.insert(NAMES[name], weight);
                200
            }
            Step::Delete(name) if self.default == Some(NAMES[name]) => 409,
            Step::Delete(name) => {
                self.weights.remove(NAMES[name]);
                204
            }
            Step::Default(Some(name)) if !self.weights.contains_key(NAMES[name]) => 422,
            Step::Default(name) => {
                self.default = name.map(|it| NAMES[it]);
                200
            }
            Step::Reload => 0,
        }
    }
}

fn make(managed: &Managed, step: &Step) -> u16 {
    let service = |weight: u32| {
        json!({ "routes": [{ "path": "/**" }], "backends": backends(weight) }).to_string()
    };
    let path = |name: usize| format!("/services/{}", NAMES[name]);
    let answer = match *step {
        Step::Post(name, weight) => managed.send("POST", &path(name), &service(weight)),
        Step::Put(name, weight) => managed.send("PUT", &path(name), &service(weight)),
        Step::Patch(name, weight) => {
            let patch = json!({ "backends": backends(weight) });
            managed.send("PATCH", &path(name), &patch.to_string())
        }
        Step::Delete(name) => managed.send("DELETE", &path(name), ""),
        Step::Default(name) => {
            let patch = json!({ "default_service": name.map(|it| NAMES[it]) });
            managed.send("PATCH", "/services", &patch.to_string())
        }
        Step::Reload => {
            managed.store.reload().unwrap();
            return 0;
        }
    };
    answer.status
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn file_memory_and_answers_are_the_same(steps in prop::collection::vec(step(), 1..30)) {
        let managed = Managed::with(r#"{ "services": [] }"#, |_| {});
        let mut model = Model::default();
        for step in &steps {
            let expected = model.expect(step);
            prop_assert_eq!(make(&managed, step), expected, "{:?}", step);
            managed.agrees();
            let document = managed.document();
            let found: BTreeMap<_, _> = document["services"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| (it["name"].as_str().unwrap(), it["backends"][0]["weight"].as_u64().unwrap()))
                .collect();
            let wanted: BTreeMap<_, _> = model.weights.iter().map(|(name, weight)| (*name, u64::from(*weight))).collect();
            prop_assert_eq!(found, wanted);
            let default = document.get("default_service").and_then(Value::as_str);
            prop_assert_eq!(default, model.default);
        }
    }
}

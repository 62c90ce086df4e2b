//! A suite of validated scenarios: reading and printing one, and choosing from it.

mod assign;
mod assignment;
mod compact;
mod include;
mod masked;
pub(in crate::scenario) mod print;
mod raw;
pub(in crate::scenario) mod schema;
pub(in crate::scenario) mod select;
mod source;
pub(in crate::scenario) mod thresholds;
mod to_yaml;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value;

use super::backend::{self, BackendPlan};
use super::expect;
use super::plan::ScenarioPlan;
use super::protocol::Protocol;
use super::protocol::compact::Compact;
use super::protocol::layers::{Layer, Layers};
use super::protocol::raw::RawScenario;
use super::reader::problem::{Problem, Problems, SuiteError};
use super::reader::{Decode, Entry, List, Place, Reader, text};
use super::value::ScenarioName;
use crate::condition::Threshold;
use crate::nearest::did_you_mean;

pub use self::assignment::{Assignment, AssignmentError};
pub(in crate::scenario) use self::raw::RawSuite;
pub use self::source::SuiteSource;
pub use self::to_yaml::to_yaml;

/// Validated scenarios, by name.
#[derive(Debug, Clone, Default)]
pub struct Suite {
    scenarios: Vec<ScenarioPlan>,
    thresholds: Vec<Threshold>,
    backends: Vec<BackendPlan>,
    shared_events: Vec<SharedEvents>,
}

/// Events that several scenarios have from one place: of those, one at a time can be run.
#[derive(Debug, Clone)]
struct SharedEvents {
    /// Where they stand.
    path: String,
    /// The scenarios, as they are written.
    scenarios: Vec<(Protocol, String)>,
}

/// Where events stand is nothing that is printed.
impl PartialEq for Suite {
    fn eq(&self, other: &Self) -> bool {
        self.scenarios == other.scenarios
            && self.thresholds == other.thresholds
            && self.backends == other.backends
    }
}

impl Suite {
    /// Reads a suite, in the full or the compact form, from JSON or YAML.
    ///
    /// `source_name` stands in errors; paths inside the suite are relative to `base_dir`. With a
    /// `profile`, its fields replace those of every scenario.
    ///
    /// # Errors
    /// [`SuiteError`] with the line and column where the text is neither JSON nor YAML, and otherwise with
    /// everything that is wrong with it.
    ///
    /// ```
    /// use loadgen_core::scenario::Suite;
    ///
    /// let text = r#"{ "scenarios": [ {
    ///     "name": "greet",
    ///     "load": { "closed": { "users": 0, "iterations": 100 } },
    ///     "steps": [ { "grpc": { "method": "loadgen.v1.Greeter/Helo" } } ]
    /// } ] }"#;
    /// let error = Suite::parse("greet.json", text, None, None).unwrap_err();
    /// assert_eq!(error.problems().len(), 2);
    /// assert_eq!(error.problems()[0].path, "scenarios[0].load.closed.users");
    /// assert_eq!(
    ///     error.problems()[1].help.as_deref(),
    ///     Some("did you mean `loadgen.v1.Greeter/Hello`?"),
    /// );
    /// ```
    pub fn parse(
        source_name: &str,
        text: &str,
        base_dir: Option<&Path>,
        profile: Option<&str>,
    ) -> Result<Self, SuiteError> {
        let source = SuiteSource::new(source_name, text);
        Self::read(&source.base_dir(base_dir).profile(profile))
    }

    /// Reads a suite with the files that it includes, and with what is set in it.
    ///
    /// # Errors
    /// As for [`Suite::parse`], and for what cannot be included or set.
    pub fn read(source: &SuiteSource<'_>) -> Result<Self, SuiteError> {
        let problems = Problems::default();
        let value = text::parse(source.name, source.text, &problems)?;
        let mut found = problems.into_vec();
        let mut whole = include::join(source, value)?;
        found.append(&mut whole.problems);
        if !whole.is_complete {
            return Err(invalid(source, found));
        }
        let for_shipped = |it: &&Assignment| source.over_shipped && it.is_for_shipped(&whole.value);
        let (theirs, own): (Vec<_>, Vec<_>) = source.set.iter().partition(for_shipped);
        let owned = |set: Vec<&Assignment>| set.into_iter().cloned().collect::<Vec<_>>();
        let (theirs, own) = (owned(theirs), owned(own));
        let mut assigned =
            assign::apply(&mut whole.value, &mut whole.origins, &own, source.profile);
        found.append(&mut assigned.problems);
        let problems = Problems::of(whole.origins);
        let suite = Self::decode(&whole.value, source, &assigned.layers, &problems);
        found.append(&mut problems.into_vec());
        match suite {
            Some(suite) if found.is_empty() && source.over_shipped => {
                Ok(suite.or(super::shipped_with(&theirs)?))
            }
            Some(suite) if found.is_empty() => Ok(suite),
            _ => Err(invalid(source, found)),
        }
    }

    fn decode(
        value: &Value,
        source: &SuiteSource<'_>,
        set: &BTreeMap<usize, Value>,
        problems: &Problems,
    ) -> Option<Self> {
        let SuiteSource {
            base_dir, profile, ..
        } = *source;
        let at = Place {
            path: String::new(),
            problems,
        };
        let root = Reader { value, at };
        masked::refuse(&root);
        let raw = RawSuite::decode(&root)?;
        let profile = choose_profile(&raw, profile, problems);
        for (path, layer) in shared_layers(&raw) {
            if !layer.name.is_absent() {
                problems.add(
                    format!("{path}.name"),
                    "a name for all scenarios",
                    "a name in each scenario",
                    None,
                );
            }
        }
        let compact_form = !raw.grpc_scenarios.is_absent() || !raw.websocket_scenarios.is_absent();
        let mut suite = Self::default();
        if compact_form {
            compact::refuse_full_fields(
                &[
                    ("scenarios", !raw.scenarios.is_absent()),
                    ("defaults", !raw.defaults.is_absent()),
                    ("profiles", !raw.profiles.is_absent()),
                    ("thresholds", !raw.thresholds.is_absent()),
                    ("backends", !raw.backends.is_absent()),
                ],
                problems,
            );
            suite.read_compact(
                Protocol::Grpc,
                "grpc_scenarios",
                &raw.grpc_scenarios,
                problems,
            );
            suite.read_compact(
                Protocol::Websocket,
                "websocket_scenarios",
                &raw.websocket_scenarios,
                problems,
            );
        } else if raw.scenarios.is_absent() {
            problems.add(
                "scenarios",
                "nothing",
                "an array of scenarios",
                Some(
                    "the compact form has `grpc_scenarios` and `websocket_scenarios` instead"
                        .to_owned(),
                ),
            );
        } else if let Some(list) = raw.scenarios.given() {
            if list.0.is_empty() {
                problems.add("scenarios", "an empty array", "at least one scenario", None);
            }
            let backends = raw.backends.or(Some(Vec::new()), |it| {
                backend::validate::backends(it, base_dir, problems)
            });
            let backends = backends.flatten();
            let mut names = Vec::with_capacity(list.0.len());
            let mut is_whole = true;
            let mut expecting: Vec<(String, ScenarioPlan)> = Vec::new();
            let mut shared_events = BTreeMap::<String, Vec<(Protocol, String)>>::new();
            for (index, scenario) in list.given() {
                let own_path = format!("scenarios[{index}]");
                let set_path = assign::layer_path(index);
                let set = set.get(&index).and_then(|value| {
                    RawScenario::decode(&Reader {
                        value,
                        at: Place {
                            path: set_path.clone(),
                            problems,
                        },
                    })
                });
                let set = set.as_ref().map(|raw| Layer {
                    raw,
                    path: set_path,
                });
                let own = Layer {
                    raw: scenario,
                    path: own_path.clone(),
                };
                let defaults = raw.defaults.given().map(|raw| Layer {
                    raw,
                    path: "defaults".to_owned(),
                });
                let layers = Layers {
                    layers: set
                        .into_iter()
                        .chain(profile.iter().cloned())
                        .chain([own])
                        .chain(defaults)
                        .collect(),
                    own_path,
                    base_dir,
                    servers: backends.as_deref(),
                    problems,
                };
                let plans = layers.plans();
                if let (Some(path), Some(first)) = (layers.shared_events(), plans.first()) {
                    let written = (first.protocol(), first.written_name().to_owned());
                    shared_events.entry(path).or_default().push(written);
                }
                let expected_at = layers.pick("expect", |raw| &raw.expect).path;
                // What it is written for several times says the same of all.
                expecting.extend(plans.first().map(|it| (expected_at, it.clone())));
                let protocol = layers.protocol();
                is_whole &= !plans.is_empty();
                match plans.as_slice() {
                    [] => names.push((index, protocol, name_of(&scenario.name))),
                    plans => names.extend(
                        plans
                            .iter()
                            .map(|plan| (index, protocol, Some(plan.name.clone()))),
                    ),
                }
                suite.scenarios.extend(plans);
            }
            let shared = shared_events.into_iter();
            let shared = shared.map(|(path, scenarios)| SharedEvents { path, scenarios });
            suite.shared_events = shared.collect();
            check_unique("scenarios", names, problems);
            is_whole &= list.given().count() == list.0.len();
            // Profiles may have the events; which one is chosen says nothing of what the others are for.
            let profiles = raw.profiles.given().map_or(&[][..], |it| &it.0);
            let mut of_profiles = profiles.iter().filter_map(|(_, it)| it.given());
            let may_have_more = of_profiles.any(|it| !it.events.is_absent());
            for (path, plan) in expecting.iter().filter(|_| is_whole && !may_have_more) {
                expect::nobody::check(plan, path, &suite.scenarios, problems);
            }
            let known = is_whole.then_some(suite.scenarios.as_slice());
            suite.thresholds = thresholds::of(&raw, known, problems);
            suite.backends = backends.unwrap_or_default();
        }
        Some(suite)
    }

    fn read_compact<C: Compact>(
        &mut self,
        protocol: Protocol,
        field: &str,
        list: &Entry<List<C>>,
        problems: &Problems,
    ) {
        let Some(list) = list.given() else { return };
        for (index, compact) in list.given() {
            let path = format!("{field}[{index}]");
            let rewritten = compact.rewritten(&path, problems);
            self.add_compact(rewritten.as_ref(), path, problems);
        }
        let names = list
            .given()
            .map(|(index, compact)| (index, Some(protocol), name_of(compact.name())));
        check_unique(field, names, problems);
    }

    fn add_compact(
        &mut self,
        rewritten: Option<&RawScenario>,
        own_path: String,
        problems: &Problems,
    ) {
        let Some(raw) = rewritten else { return };
        let layers = Layers {
            layers: vec![Layer {
                raw,
                path: own_path.clone(),
            }],
            own_path,
            base_dir: None,
            servers: Some(&[]),
            problems,
        };
        self.scenarios.extend(layers.plan());
    }

    /// The scenarios, in the order of the file.
    #[must_use]
    pub fn scenarios(&self) -> &[ScenarioPlan] {
        &self.scenarios
    }

    /// The conditions on all scenarios with a tag.
    #[must_use]
    pub fn thresholds(&self) -> &[Threshold] {
        &self.thresholds
    }

    /// The servers that its runs start, each after those that stand behind it.
    #[must_use]
    pub fn backends(&self) -> &[BackendPlan] {
        &self.backends
    }

    /// These scenarios, and those of `fallback` whose name, as it is or as it is written, and protocol none of
    /// these has and whose servers are no others of the same name here; the conditions on tags and the
    /// servers of both.
    #[must_use]
    pub fn or(mut self, fallback: Self) -> Self {
        let taken = |name: &String| {
            let of = |all: &[BackendPlan]| all.iter().find(|it| it.name == *name).cloned();
            let own = of(&self.backends);
            own.is_some() && own != of(&fallback.backends)
        };
        let scenarios: Vec<_> = fallback
            .scenarios
            .into_iter()
            .filter(|plan| {
                // Also one that is called as a single one is of those that are written as one.
                let same = |own: &ScenarioPlan| {
                    let is_named = own.name == plan.name;
                    (is_named || own.written_name() == plan.written_name())
                        && own.protocol() == plan.protocol()
                };
                !self.scenarios.iter().any(same) && !plan.backends.iter().any(taken)
            })
            .collect();
        self.scenarios.extend(scenarios);
        self.thresholds.extend(fallback.thresholds);
        self.shared_events.extend(fallback.shared_events);
        let own: Vec<String> = self.backends.iter().map(|it| it.name.clone()).collect();
        let others = fallback.backends.into_iter();
        self.backends
            .extend(others.filter(|it| !own.contains(&it.name)));
        self
    }

    /// Those of its scenarios, and those under which several of them are written.
    pub(in crate::scenario) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.scenarios.iter().map(|plan| plan.name.as_str());
        names.chain(self.scenarios.iter().map(ScenarioPlan::written_name))
    }
}

fn name_of(name: &Entry<ScenarioName>) -> Option<String> {
    name.given().map(|name| name.0.clone())
}

fn invalid(source: &SuiteSource<'_>, problems: Vec<Problem>) -> SuiteError {
    SuiteError::Invalid {
        source_name: source.name.to_owned(),
        problems,
    }
}

fn choose_profile<'a>(
    raw: &'a RawSuite,
    profile: Option<&str>,
    problems: &Problems,
) -> Option<Layer<'a>> {
    let wanted = profile?;
    let profiles = raw.profiles.given().map_or(&[][..], |entries| &entries.0);
    match profiles.iter().find(|(name, _)| name == wanted) {
        Some((name, profile)) => profile.given().map(|raw| Layer {
            raw,
            path: format!("profiles.{name}"),
        }),
        None => {
            let names = profiles.iter().map(|(name, _)| name.as_str());
            let help = did_you_mean(wanted, names.clone()).unwrap_or_else(|| {
                match names.clone().collect::<Vec<_>>().as_slice() {
                    [] => "it has no profiles".to_owned(),
                    names => format!("the profiles are {}", names.join(", ")),
                }
            });
            problems.add(
                "profiles",
                "no such profile",
                format!("the chosen profile `{wanted}`"),
                Some(help),
            );
            None
        }
    }
}

fn shared_layers(raw: &RawSuite) -> Vec<(String, &RawScenario)> {
    let defaults = raw
        .defaults
        .given()
        .map(|layer| ("defaults".to_owned(), layer));
    let profiles = raw
        .profiles
        .given()
        .map_or(&[][..], |entries| &entries.0)
        .iter()
        .filter_map(|(name, layer)| Some((format!("profiles.{name}"), layer.given()?)));
    defaults.into_iter().chain(profiles).collect()
}

/// A name is unique among the scenarios of its protocol.
fn check_unique(
    list: &str,
    names: impl IntoIterator<Item = (usize, Option<Protocol>, Option<String>)>,
    problems: &Problems,
) {
    let mut seen = HashMap::new();
    for (index, protocol, name) in names {
        let Some(name) = name else { continue };
        if let Some(first) = seen.insert((protocol, name.clone()), index) {
            problems.add(
                format!("{list}[{index}].name"),
                format!(
                    "the name `{name}`, which {} has too",
                    problems.named(&format!("{list}[{first}]"))
                ),
                "a name of its own for each scenario of a protocol",
                None,
            );
        }
    }
}

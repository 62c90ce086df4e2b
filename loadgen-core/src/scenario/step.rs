//! One step of an iteration, whatever is spoken in it.

use std::time::Duration;

use super::protocol::Spoken;
use crate::schedule::ThinkTime;

/// One step of an iteration. `A` is what the protocol does in one: a [`GrpcCall`], a
/// [`WebsocketExchange`].
///
/// ```
/// use std::time::Duration;
/// use loadgen_core::scenario::{Action, GrpcCall, Step};
/// use serde_json::json;
///
/// let hello = GrpcCall::new("loadgen.v1.Greeter/Hello", json!({ "name": "world" }));
/// let steps = [Step::from(hello.clone()), Step::pause(Duration::from_millis(100))];
/// assert_eq!(steps[0].name, "hello");
/// assert_eq!(steps[0].action, Action::Speak(hello));
/// ```
///
/// [`GrpcCall`]: crate::scenario::GrpcCall
/// [`WebsocketExchange`]: crate::scenario::WebsocketExchange
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step<A> {
    /// Its series in every report. What has none is named after what it does here: `pause`, `repeat`,
    /// `mix`.
    pub name: String,
    /// What it does.
    pub action: Action<A>,
    /// An expression: the step is left out where it does not hold.
    pub when: Option<String>,
    /// What is kept of the reply for later steps: a name, and an expression.
    pub save: Vec<(String, String)>,
    /// Expressions that must hold of the reply.
    pub check: Vec<String>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action<A> {
    /// Speak the scenario's protocol.
    Speak(A),
    /// Say something that does not go where the scenario's own steps go, mostly in another protocol. In
    /// `setup`, `begin` and `end` only; where it goes is in the scenario's
    /// [`elsewhere`](crate::scenario::ScenarioPlan::elsewhere).
    Elsewhere(Box<Spoken>),
    /// Wait on purpose.
    Pause(ThinkTime),
    /// Do these steps so many times, one pass after the other. At least 1.
    Repeat {
        /// How many times.
        times: u32,
        /// What is done each time.
        steps: Vec<Step<A>>,
    },
    /// Do one of these, each as often as its weight says.
    Mix(Vec<Alternative<A>>),
}

/// One of several things that a [`Mix`](Action::Mix) does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Alternative<A> {
    /// Its share is this of the sum of all weights. At least 1.
    pub weight: u32,
    /// What it does.
    pub steps: Vec<Step<A>>,
}

impl<A> Alternative<A> {
    /// These steps, with this weight.
    #[must_use]
    pub fn new(weight: u32, steps: impl IntoIterator<Item = Step<A>>) -> Self {
        Self {
            weight,
            steps: steps.into_iter().collect(),
        }
    }
}

impl<A> Step<A> {
    /// A step that speaks.
    #[must_use]
    pub fn new(name: impl Into<String>, action: A) -> Self {
        Self::doing(name, Action::Speak(action))
    }

    /// A step of `setup`, `begin` or `end` that speaks another protocol than the scenario, or goes to other
    /// targets.
    ///
    /// ```
    /// use loadgen_core::scenario::{Elsewhere, GrpcCall, GrpcPlan, HttpPlan, HttpRequest, ScenarioPlan, Step};
    /// use loadgen_core::schedule::Load;
    /// use serde_json::json;
    ///
    /// let login = HttpRequest::new("POST", "/login");
    /// let login = Step::elsewhere("login", login).save("token", "reply.token");
    /// let hello = GrpcCall::new("loadgen.v1.Greeter/Hello", json!({ "name": "{{ saved.token }}" }));
    /// let mut grpc = GrpcPlan::new([hello.into()]);
    /// grpc.begin = vec![login];
    /// let mut plan = ScenarioPlan::new("greet", grpc, Load::closed(2).iterations(10));
    /// let mut http = Elsewhere::new(HttpPlan::default());
    /// http.targets = vec!["http://127.0.0.1:8081".parse()?];
    /// plan.elsewhere = vec![http];
    /// let plan = plan.checked()?;
    /// assert!(plan.step_names().eq(["login", "hello"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn elsewhere(name: impl Into<String>, said: impl Into<Spoken>) -> Self {
        Self::doing(name, Action::Elsewhere(Box::new(said.into())))
    }

    /// A step that waits on purpose: always as long, or as long as is drawn.
    #[must_use]
    pub fn pause(rest: impl Into<ThinkTime>) -> Self {
        Self::doing("pause", Action::Pause(rest.into()))
    }

    /// Steps that are done so many times, one pass after the other.
    #[must_use]
    pub fn repeat(times: u32, steps: impl IntoIterator<Item = Self>) -> Self {
        let steps = steps.into_iter().collect();
        Self::doing("repeat", Action::Repeat { times, steps })
    }

    /// One of these, each as often as its weight says.
    #[must_use]
    pub fn mix(alternatives: impl IntoIterator<Item = Alternative<A>>) -> Self {
        let alternatives = alternatives.into_iter().collect();
        Self::doing("mix", Action::Mix(alternatives))
    }

    fn doing(name: impl Into<String>, action: Action<A>) -> Self {
        Self {
            name: name.into(),
            action,
            when: None,
            save: Vec::new(),
            check: Vec::new(),
        }
    }

    /// The same, left out where this expression does not hold: `iteration % 10 == 0`.
    #[must_use]
    pub fn when(mut self, expression: impl Into<String>) -> Self {
        self.when = Some(expression.into());
        self
    }

    /// The same, and what this expression is of the reply is kept as `saved.NAME`.
    #[must_use]
    pub fn save(mut self, name: impl Into<String>, expression: impl Into<String>) -> Self {
        self.save.push((name.into(), expression.into()));
        self
    }

    /// The same, which fails where this expression does not hold of the reply: `reply.total == 3`.
    #[must_use]
    pub fn check(mut self, expression: impl Into<String>) -> Self {
        self.check.push(expression.into());
        self
    }

    /// One that says this, with the same name and the same done with the reply.
    pub(in crate::scenario) fn saying<B>(&self, said: B) -> Step<B> {
        Step {
            save: self.save.clone(),
            check: self.check.clone(),
            ..Step::new(self.name.clone(), said)
        }
    }

    /// Whether it is measured under its name.
    pub(crate) fn is_measured(&self) -> bool {
        matches!(self.action, Action::Speak(_) | Action::Elsewhere(_))
    }

    /// What it says elsewhere; `None` where it does something else.
    #[must_use]
    pub fn spoken_elsewhere(&self) -> Option<&Spoken> {
        match &self.action {
            Action::Elsewhere(said) => Some(said),
            _ => None,
        }
    }

    /// What it says in the scenario's protocol; `None` where it does something else.
    #[must_use]
    pub fn spoken(&self) -> Option<&A> {
        match &self.action {
            Action::Speak(action) => Some(action),
            _ => None,
        }
    }

    /// What it is made of, with where that is below the step's own path; nothing where it is one thing.
    fn groups(&self) -> impl Iterator<Item = (String, &[Self])> {
        let (repeated, mixed) = match &self.action {
            Action::Repeat { steps, .. } => (Some(steps.as_slice()), None),
            Action::Mix(alternatives) => (None, Some(alternatives)),
            _ => (None, None),
        };
        let repeated = repeated.map(|steps| ("repeat.steps".to_owned(), steps));
        let mixed = mixed.into_iter().flatten().enumerate();
        let mixed = mixed.map(|(index, it)| (format!("mix[{index}].steps"), it.steps.as_slice()));
        repeated.into_iter().chain(mixed)
    }
}

/// All steps, those within others after these, each with its path.
pub(crate) fn all<'a, A>(steps: &'a [Step<A>], path: &str) -> Vec<(String, &'a Step<A>)> {
    let mut found = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let within: Vec<_> = step
            .groups()
            .flat_map(|(place, steps)| all(steps, &format!("{path}.{place}")))
            .collect();
        found.push((path, step));
        found.extend(within);
    }
    found
}

/// Whether one of these that says such a thing is among what is done each time, whatever else is.
pub(in crate::scenario) fn always_do<A>(steps: &[Step<A>], is_such: fn(&A) -> bool) -> bool {
    let mut unconditional = steps.iter().filter(|it| it.when.is_none());
    unconditional.any(|step| match &step.action {
        Action::Speak(action) => is_such(action),
        Action::Repeat { steps, .. } => always_do(steps, is_such),
        Action::Mix(alternatives) => alternatives.iter().all(|it| always_do(&it.steps, is_such)),
        Action::Elsewhere(_) | Action::Pause(_) => false,
    })
}

/// The steps that say something elsewhere, one after the other.
pub(in crate::scenario) fn said_elsewhere<A>(steps: &[Step<A>]) -> Vec<Step<Spoken>> {
    let all = all(steps, "").into_iter();
    all.filter_map(|(_, step)| Some(step.saying(step.spoken_elsewhere()?.clone())))
        .collect()
}

/// All steps, those within others after these.
pub(in crate::scenario) fn for_each_mut<A>(
    steps: &mut [Step<A>],
    change: &mut impl FnMut(&mut Step<A>),
) {
    for step in steps {
        change(step);
        match &mut step.action {
            Action::Repeat { steps, .. } => for_each_mut(steps, change),
            Action::Mix(alternatives) => {
                for alternative in alternatives {
                    for_each_mut(&mut alternative.steps, change);
                }
            }
            Action::Speak(_) | Action::Elsewhere(_) | Action::Pause(_) => {}
        }
    }
}

/// When a stream of messages is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// After so many messages, at least 1.
    Messages(u32),
    /// After this time, however many messages came.
    After(Duration),
}

/// The steps that speak, in the order in which reports number them, each with its name, its checks, and
/// whether an iteration may do it several times, or not at all.
pub(in crate::scenario) fn measured<A>(steps: &[Step<A>]) -> Vec<Measured<'_>> {
    let all = all(steps, "").into_iter();
    all.filter(|(_, step)| step.is_measured())
        .map(|(path, step)| {
            // Those within others have a path of several parts.
            let apart = step.when.is_some() || path.contains('.');
            (step.name.as_str(), step.check.as_slice(), apart)
        })
        .collect()
}

/// What is measured under a name of its own.
pub(crate) type Measured<'a> = (&'a str, &'a [String], bool);

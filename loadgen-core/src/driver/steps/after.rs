//! What is done with a reply: what must hold of it, and what is kept.

use std::sync::Arc;

use super::session::{Reply, Session};
use crate::expression::{Expression, Names, Path, Scope, Value};
use crate::outcome::{Failure, Outcome};
use crate::secrets::{Secrets, names_a_secret};
use crate::text;
use crate::workload::Iteration;

/// What of a reply somebody looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::driver) struct Looks {
    /// At the message.
    pub(in crate::driver) reply: bool,
    /// At the status.
    pub(in crate::driver) status: bool,
    /// At what came before the message, under either name.
    pub(in crate::driver) metadata: bool,
    /// At what came after it.
    pub(in crate::driver) trailers: bool,
}

impl Looks {
    /// What these names look at.
    fn of<'a>(all: impl IntoIterator<Item = &'a Names>) -> Self {
        let mut looks = Self::default();
        for names in all {
            looks.reply |= names.uses("reply");
            looks.status |= names.uses("status");
            looks.metadata |= names.uses("metadata") || names.uses("headers");
            looks.trailers |= names.uses("trailers");
        }
        looks
    }

    /// These, too.
    pub(super) fn and(self, also: Self) -> Self {
        Self {
            reply: self.reply || also.reply,
            status: self.status || also.status,
            metadata: self.metadata || also.metadata,
            trailers: self.trailers || also.trailers,
        }
    }
}

/// What is done with the reply of a step.
#[derive(Debug)]
pub(in crate::driver) struct After {
    checks: Vec<Expression>,
    save: Vec<Save>,
    /// Whether it is for a check to say which status is a success.
    judges_status: bool,
    /// Whether checks are of each message of a stream, which is done while it lasts.
    is_of_each: bool,
    pub(super) looks: Looks,
    /// The step's place in the scenario.
    path: String,
}

/// What is kept of a reply under a name.
#[derive(Debug)]
pub(super) struct Save {
    name: Arc<str>,
    expression: Expression,
    /// Whether its name, or one that it uses, is a secret's.
    is_secret: bool,
}

impl Save {
    pub(super) fn new(name: &str, expression: Expression) -> Self {
        let of_secrets = |path: &Path| path.fields.iter().any(|it| names_a_secret(it));
        Self {
            is_secret: names_a_secret(name) || expression.names().paths().any(of_secrets),
            name: name.into(),
            expression,
        }
    }
}

impl After {
    pub(super) fn new(checks: Vec<Expression>, save: Vec<Save>, path: &str) -> Self {
        let of_checks: Vec<Names> = checks.iter().map(Expression::names).collect();
        let of_saves: Vec<Names> = save.iter().map(|it| it.expression.names()).collect();
        Self {
            judges_status: of_checks.iter().any(|names| names.uses("status")),
            is_of_each: false,
            looks: Looks::of(of_checks.iter().chain(&of_saves)),
            checks,
            save,
            path: path.to_owned(),
        }
    }

    /// The same, of each message of a stream.
    pub(super) fn of_each(self) -> Self {
        Self {
            is_of_each: true,
            ..self
        }
    }

    /// Whether checks are of each message of a stream.
    pub(super) fn is_of_each(&self) -> bool {
        self.is_of_each
    }

    /// Whether the checks hold of a message of a stream.
    pub(in crate::driver) fn holds_of(
        &self,
        message: Value,
        step: usize,
        scope: &Scope,
        iteration: &Iteration<'_>,
    ) -> bool {
        let reply = Reply {
            value: message,
            ..Reply::default()
        };
        show(scope, reply);
        let held = self.checked(step, scope, iteration).is_ok();
        show(scope, Reply::default());
        held
    }

    /// The outcome of the step, once the reply was looked at. Where nothing came that could be, or the
    /// service refused and no check is about that, the outcome stays.
    pub(super) fn judge<D>(
        &self,
        outcome: Outcome,
        step: usize,
        session: &mut Session<D>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        let reply = session.reply.take();
        let is_answered = reply.as_ref().is_some_and(|it| !it.status.is_undefined());
        let is_judged_here = self.judges_status && is_answered;
        let has_nothing = self.checks.is_empty() && self.save.is_empty();
        if has_nothing || (!outcome.is_ok() && !is_judged_here) {
            return outcome;
        }
        let scope = session.scope();
        show(scope, reply.unwrap_or_default());
        let judged = match self.is_of_each {
            true => Ok(()),
            false => self.checked(step, scope, iteration),
        };
        let judged = judged.and_then(|()| self.kept(session, iteration));
        show(session.scope(), Reply::default());
        judged.into()
    }

    fn checked(
        &self,
        step: usize,
        scope: &Scope,
        iteration: &Iteration<'_>,
    ) -> Result<(), Failure> {
        let mut result = Ok(());
        for (index, check) in self.checks.iter().enumerate() {
            let held = check.holds(scope).map_err(|error| error.to_string());
            let passed = held == Ok(true);
            let what = || seen(check, held.as_ref().err(), scope);
            iteration.check(step, index, passed, what);
            if !passed {
                if result.is_ok() {
                    iteration.explain(Failure::Check, || {
                        format!("{}: `{}`: {}", self.path, check.source().trim(), what())
                    });
                }
                result = Err(Failure::Check);
            }
        }
        result
    }

    fn kept<D>(&self, session: &Session<D>, iteration: &Iteration<'_>) -> Result<(), Failure> {
        for save in &self.save {
            let Save {
                name, expression, ..
            } = save;
            match expression.evaluate_telling(session.scope()) {
                Ok((value, is_made_of_one)) => {
                    session.save(name, &value, save.is_secret || is_made_of_one);
                }
                Err(error) => {
                    iteration.explain(Failure::Expression, || {
                        let what = seen(expression, Some(&error.to_string()), session.scope());
                        format!(
                            "{}.save.{name}: `{}`: {what}",
                            self.path,
                            expression.source()
                        )
                    });
                    return Err(Failure::Expression);
                }
            }
        }
        Ok(())
    }
}

/// Lets expressions see a reply.
fn show(scope: &Scope, reply: Reply) {
    scope.change(|it| {
        it.reply = reply.value;
        it.status = reply.status;
        it.metadata = reply.metadata;
        it.trailers = reply.trailers;
    });
}

/// What an expression saw that did not hold, or came to nothing.
fn seen(expression: &Expression, error: Option<&String>, scope: &Scope) -> String {
    let names = expression.names();
    let is_seen = |path: &&Path| {
        matches!(
            path.root.as_str(),
            "reply" | "status" | "metadata" | "headers" | "trailers" | "row" | "iteration" | "user"
        )
    };
    let shown = |path: &Path| {
        let value = Expression::parse(&path.to_string()).and_then(|it| it.evaluate(scope));
        match value {
            Ok(_) if path.fields.iter().any(|it| names_a_secret(it)) => format!("{path} is ***"),
            Ok(value) => {
                // Whatever it is, others said it.
                let value = scope.masked_value(&as_json(&value));
                format!("{path} is {}", text::short(&value))
            }
            Err(_) => format!("{path} is not there"),
        }
    };
    let mut parts: Vec<String> = error.cloned().into_iter().collect();
    parts.extend(names.paths().filter(is_seen).map(shown));
    match parts.is_empty() {
        true => "it does not hold".to_owned(),
        false => parts.join("; "),
    }
}

fn as_json(value: &Value) -> String {
    match serde_json::to_value(value) {
        Ok(json) => {
            // Its names are not a plan's.
            let mut all = serde_json::json!({ "message": json });
            Secrets::mask_in(&mut all);
            all["message"].to_string()
        }
        Err(_) => value.to_string(),
    }
}

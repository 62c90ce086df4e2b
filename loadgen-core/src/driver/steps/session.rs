//! What a user keeps between steps and iterations.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::after::After;
use super::guest::{Visitor, Visits};
use crate::driver::intercept::{Interceptor, Watch};
use crate::expression::{Saved, Scope, Value, Variables};
use crate::outcome::Outcome;
use crate::schedule::{Shard, ThinkTime};
use crate::workload::{Iteration, UserId};

/// What names stand for where a scenario has no expressions.
static NOTHING: LazyLock<Scope> = LazyLock::new(|| Scope::new(Variables::default(), 0));

/// What a user keeps between iterations.
///
/// It is the step loop's, and a driver has its own part in it: what one step leaves for another belongs
/// to no protocol.
pub struct Session<D> {
    /// The driver's part, such as the user's connections.
    pub(in crate::driver) own: D,
    pub(super) user: UserId,
    /// Whose users there are here.
    pub(super) part: Shard,
    pub(super) saved: Saved,
    pub(super) scope: Option<Scope>,
    /// What the step under way was answered, where somebody looks at it.
    pub(in crate::driver) reply: Option<Reply>,
    /// What must hold of each message of the stream that comes next.
    pub(in crate::driver) each: Option<Arc<After>>,
    /// Who sees what it does.
    pub(super) interceptor: Option<Arc<dyn Interceptor>>,
    /// What is seen of the step under way, where somebody looks.
    pub(in crate::driver) watch: Option<Watch>,
    /// Where it goes beside the scenario's own servers.
    pub(super) visits: Option<Box<Visits>>,
    random: fastrand::Rng,
}

impl<D: fmt::Debug> fmt::Debug for Session<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("own", &self.own)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What expressions see of a reply. What a protocol has not, or nobody looks at, is undefined.
#[derive(Debug, Clone, Default)]
pub(in crate::driver) struct Reply {
    /// The message: decoded, or JSON.
    pub(in crate::driver) value: Value,
    /// The status by its name.
    pub(in crate::driver) status: Value,
    /// What came before the message: metadata or header fields.
    pub(in crate::driver) metadata: Value,
    /// What came after it.
    pub(in crate::driver) trailers: Value,
}

impl<D> Session<D> {
    /// A user without expressions.
    pub(in crate::driver) fn new(own: D) -> Self {
        Self {
            own,
            user: UserId(0),
            part: Shard::ALL,
            saved: Saved::default(),
            scope: None,
            reply: None,
            each: None,
            interceptor: None,
            watch: None,
            visits: None,
            random: fastrand::Rng::with_seed(0),
        }
    }

    /// The same for this user, with chance that this seed decides.
    pub(super) fn of(self, user: UserId, seed: u64) -> Self {
        Self {
            user,
            random: fastrand::Rng::with_seed(seed),
            ..self
        }
    }

    /// The same for one of these users.
    pub(super) fn in_part(self, part: Shard) -> Self {
        Self { part, ..self }
    }

    /// The same for a user of another scenario.
    pub(super) fn visiting(self, visitor: Visitor) -> Self {
        Self {
            user: visitor.user,
            saved: visitor.saved,
            scope: visitor.scope,
            interceptor: visitor.interceptor,
            ..self
        }
    }

    /// Takes a step that goes elsewhere.
    pub(super) async fn go_elsewhere(
        &mut self,
        to: (usize, usize),
        iteration: &Iteration<'_>,
    ) -> Outcome {
        let Self {
            user,
            saved,
            scope,
            interceptor,
            visits,
            ..
        } = self;
        let visits = visits.as_deref_mut();
        let visits = visits.expect("whoever has such steps has somewhere to go");
        let visitor = || Visitor {
            user: *user,
            saved: saved.clone(),
            scope: scope.clone(),
            interceptor: interceptor.clone(),
        };
        visits.act(to, visitor, iteration).await
    }

    /// A part of the user's life is over: ends what it has elsewhere and does not keep, or all of it where that
    /// was the last.
    pub(super) async fn part_is_over(&mut self, was_last: bool) {
        if let Some(visits) = &mut self.visits {
            visits.part_is_over(was_last).await;
        }
    }

    /// What names stand for at the moment.
    pub(in crate::driver) fn scope(&self) -> &Scope {
        self.scope.as_ref().unwrap_or(&NOTHING)
    }

    /// The driver's part, where a reply is left, what names stand for at the moment, and who looks.
    pub(in crate::driver) fn parts(
        &mut self,
    ) -> (&mut D, &mut Option<Reply>, &Scope, Option<&Watch>) {
        let scope = self.scope.as_ref().unwrap_or(&NOTHING);
        (&mut self.own, &mut self.reply, scope, self.watch.as_ref())
    }

    /// Keeps a value under a name. No output carries it on where it is a secret.
    pub(super) fn save(&self, name: &Arc<str>, value: &Value, is_secret: bool) {
        self.saved.save(name, value.clone(), is_secret);
        if is_secret {
            self.scope().hide(value);
        }
    }

    /// Keeps what was saved elsewhere, as [`Saved::to_json`] tells it.
    ///
    /// # Errors
    /// When it is nothing of that kind.
    pub(super) fn restore(&self, json: &str) -> Result<(), String> {
        let kept = Saved::of_json(json)?;
        for (name, value, is_secret) in kept {
            self.save(&name, &value, is_secret);
        }
        Ok(())
    }

    pub(super) fn draw(&mut self, rest: ThinkTime) -> Duration {
        rest.draw(&mut self.random)
    }
}

//! What a user keeps between steps and iterations.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::driver::intercept::{Interceptor, Watch};
use crate::expression::{Saved, Scope, Value, Variables};
use crate::schedule::ThinkTime;
use crate::workload::UserId;

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
    pub(super) saved: Saved,
    pub(super) scope: Option<Scope>,
    /// What the step under way was answered, where somebody looks at it.
    pub(in crate::driver) reply: Option<Reply>,
    /// Who sees what it does.
    pub(super) interceptor: Option<Arc<dyn Interceptor>>,
    /// What is seen of the step under way, where somebody looks.
    pub(in crate::driver) watch: Option<Watch>,
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
            saved: Saved::default(),
            scope: None,
            reply: None,
            interceptor: None,
            watch: None,
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

    pub(super) fn draw(&mut self, rest: ThinkTime) -> Duration {
        rest.draw(&mut self.random)
    }
}

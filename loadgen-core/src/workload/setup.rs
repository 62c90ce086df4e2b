//! What is set up once for several processes.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

/// How a scenario's `setup` ended: what it saved, as JSON, or why it failed.
type Ended = Result<String, String>;

/// What passes that on.
type Told = Arc<dyn Fn(Result<&str, &str>) + Send + Sync>;

/// Where a scenario's `setup` is done, in a run that several processes make together. Unless told otherwise, here and
/// for nobody else. Cheap to clone.
///
/// What it saved may be a secret, and whoever passes it on has to see to it.
#[derive(Clone, Default)]
pub struct SetUp(Role);

#[derive(Clone, Default)]
enum Role {
    #[default]
    Alone,
    First(Told),
    After(watch::Receiver<Option<Ended>>),
}

/// Says how a setup ended elsewhere. Where it is dropped without a word, it has failed.
#[derive(Debug)]
pub struct SetUpElsewhere(watch::Sender<Option<Ended>>);

impl SetUp {
    /// It is done here, and `told` is called with what others are to have of it: what it saved, as JSON, or why it
    /// failed. Called on a worker, so it must wait for nobody.
    #[must_use]
    pub fn for_others(told: impl Fn(Result<&str, &str>) + Send + Sync + 'static) -> Self {
        Self(Role::First(Arc::new(told)))
    }

    /// It is done elsewhere: workers wait until that is told.
    #[must_use]
    pub fn elsewhere() -> (Self, SetUpElsewhere) {
        let (sender, receiver) = watch::channel(None);
        (Self(Role::After(receiver)), SetUpElsewhere(sender))
    }

    /// How it ended elsewhere, once it has; `None` where it is to be done here.
    pub(crate) async fn ended(&self) -> Option<Ended> {
        let Role::After(ended) = &self.0 else {
            return None;
        };
        let mut ended = ended.clone();
        let told = ended.wait_for(Option::is_some).await;
        let told = told.ok().and_then(|it| it.clone());
        Some(told.unwrap_or_else(|| Err("whoever sets it up is gone".to_owned())))
    }

    /// Whether others are to have what is saved here.
    pub(crate) fn is_for_others(&self) -> bool {
        matches!(self.0, Role::First(_))
    }

    /// It has ended here.
    pub(crate) fn tell(&self, ended: Result<&str, &str>) {
        if let Role::First(told) = &self.0 {
            told(ended);
        }
    }
}

impl SetUpElsewhere {
    /// What was saved, as it was told there, or why it failed.
    pub fn tell(&self, ended: Result<String, String>) {
        self.0.send_replace(Some(ended));
    }
}

impl fmt::Debug for SetUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Role::Alone => "SetUp(alone)",
            Role::First(_) => "SetUp(for others)",
            Role::After(_) => "SetUp(elsewhere)",
        })
    }
}

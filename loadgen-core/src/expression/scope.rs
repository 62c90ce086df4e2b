//! What names stand for while one iteration goes on.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{State, Value};

use super::taint;
use crate::chance::mix;
use crate::secrets::Secrets;

/// The name under which functions find the source of chance. No expression can write it.
const DRAWS: &str = " draws";

/// The names that a scope may know.
pub(super) const NAMES: [&str; 13] = [
    "env",
    "headers",
    "iteration",
    "metadata",
    "reply",
    "row",
    "saved",
    "scenario",
    "setup",
    "status",
    "trailers",
    "user",
    "worker",
];

/// What the names of an iteration stand for. What is not there yet is undefined.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    /// The user's number.
    pub(crate) user: u32,
    /// The iteration's number: the arrival's in an open model, else the user's own count.
    pub(crate) iteration: u64,
    /// The worker's number.
    pub(crate) worker: usize,
    /// The scenario's name.
    pub(crate) scenario: Value,
    /// What else the scenario has names for.
    pub(crate) constants: Value,
    /// The row of data.
    pub(crate) row: Value,
    /// What was saved.
    pub(crate) saved: Value,
    /// What `setup` left.
    pub(crate) setup: Value,
    /// The environment's variables that the scenario names.
    pub(crate) env: Value,
    /// The reply, and what came with it.
    pub(crate) reply: Value,
    pub(crate) status: Value,
    pub(crate) metadata: Value,
    pub(crate) trailers: Value,
}

/// The names of one iteration, ready to be looked up. Cheap to clone; what one says anew all clones see.
#[derive(Clone)]
pub(crate) struct Scope {
    names: Arc<Names>,
    value: Value,
}

impl Scope {
    /// These values, and chance that this seed decides.
    pub(crate) fn new(variables: Variables, seed: u64) -> Self {
        Self::telling(variables, seed, Secrets::default())
    }

    /// The same; `secrets` learns what expressions make of secrets.
    pub(crate) fn telling(variables: Variables, seed: u64, secrets: Secrets) -> Self {
        let names = Arc::new(Names {
            variables: Mutex::new(variables),
            draws: Arc::new(Draws(AtomicU64::new(seed))),
            secrets,
            told: Mutex::default(),
        });
        Self {
            value: Value::from_dyn_object(Arc::clone(&names)),
            names,
        }
    }

    /// Says some of them anew. Chance goes on: what is drawn next is not what was drawn before.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Variables)) {
        change(&mut self.names.lock());
    }

    /// From where chance goes on: with this as its seed, the same comes again.
    pub(super) fn chance(&self) -> u64 {
        self.names.draws.0.load(Ordering::Relaxed)
    }

    /// Has chance begin anew with this seed.
    pub(crate) fn reseed(&self, seed: u64) {
        self.names.draws.0.store(seed, Ordering::Relaxed);
    }

    /// An expression made this of a secret. What was told lately is not told again: it is the same in each
    /// iteration, mostly.
    pub(super) fn derived(&self, secret: &str) {
        self.names.tell(secret);
    }

    /// A text without what expressions have made of secrets.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.names.secrets.masked(text)
    }

    /// The same of a text that others said from its beginning to its end.
    pub(crate) fn masked_value(&self, text: &str) -> String {
        self.names.secrets.masked_value(text)
    }

    /// A value is a secret, and all that is in it.
    pub(crate) fn hide(&self, value: &Value) {
        taint::each_in(value, &mut |text| self.derived(text));
    }

    pub(super) fn value(&self) -> Value {
        self.value.clone()
    }

    /// What a name stands for, where that is something.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        self.names.get(name)
    }

    /// The chance for one call of a function.
    pub(super) fn draw(&self) -> fastrand::Rng {
        self.names.draws.next()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.names).finish()
    }
}

#[derive(Debug)]
struct Names {
    variables: Mutex<Variables>,
    draws: Arc<Draws>,
    secrets: Secrets,
    told: Mutex<Told>,
}

/// What `secrets` was told of last.
#[derive(Debug, Default)]
struct Told {
    /// The time in which it was: what is older may be forgotten.
    age: u64,
    hashes: [u64; 8],
    next: usize,
}

impl Names {
    fn tell(&self, secret: &str) {
        let mut hasher = DefaultHasher::new();
        secret.hash(&mut hasher);
        let (hash, age) = (hasher.finish(), self.secrets.age());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.age != age {
            *told = Told {
                age,
                ..Told::default()
            };
        }
        if told.hashes.contains(&hash) {
            return;
        }
        let next = told.next;
        told.hashes[next] = hash;
        told.next = (next + 1) % told.hashes.len();
        drop(told);
        self.secrets.derive(secret);
    }

    /// What a name stands for, where that is something.
    fn get(&self, name: &str) -> Option<Value> {
        let it = self.lock();
        let value = match name {
            "user" => it.user.into(),
            "iteration" => it.iteration.into(),
            "worker" => it.worker.into(),
            "scenario" => it.scenario.clone(),
            "row" => it.row.clone(),
            "saved" => it.saved.clone(),
            "setup" => it.setup.clone(),
            "env" => it.env.clone(),
            "reply" => it.reply.clone(),
            "status" => it.status.clone(),
            "metadata" | "headers" => it.metadata.clone(),
            "trailers" => it.trailers.clone(),
            other => it.constants.get_attr(other).ok()?,
        };
        (!value.is_undefined()).then_some(value)
    }

    fn lock(&self) -> MutexGuard<'_, Variables> {
        self.variables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object for Names {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            DRAWS => Some(Value::from_dyn_object(Arc::clone(&self.draws))),
            name => self.get(name),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// A source of chance that is the same for the same seed.
#[derive(Debug)]
struct Draws(AtomicU64);

impl Object for Draws {}

impl Draws {
    fn next(&self) -> fastrand::Rng {
        /// An odd number without pattern: the sequence comes to each value once.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let seed = self.0.fetch_add(STEP, Ordering::Relaxed);
        // Seeds that follow each other are mixed, or their first draws would be alike.
        fastrand::Rng::with_seed(mix(seed))
    }
}

/// The chance for one call of a function.
pub(super) fn draw(state: &State<'_, '_>) -> fastrand::Rng {
    let draws = state.lookup(DRAWS).unwrap_or_default();
    let draws = draws.downcast_object_ref::<Draws>();
    draws.map_or_else(|| fastrand::Rng::with_seed(mix(0)), Draws::next)
}

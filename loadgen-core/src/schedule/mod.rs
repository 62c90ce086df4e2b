//! When iterations start: load models and their pure arrival plans.
//!
//! Owns *when*, never *what*: nothing here sleeps, reads a clock or does I/O.

mod arrivals;
mod load;
mod shard;
mod slice;
mod users;

pub(crate) use arrivals::arrivals_of;
pub use arrivals::{Arrivals, Share, rate_at};
pub use load::{
    ClosedModel, DEFAULT_MAX_USERS, Limit, Load, OpenModel, RateStage, Spacing, ThinkTime,
    UserStage, WhenBusy,
};
pub use shard::{Shard, ShardError};
pub use slice::Slice;
pub use users::{needed_at, users_at};

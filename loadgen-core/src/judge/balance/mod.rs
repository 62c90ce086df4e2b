//! How whatever stands between the generator and the servers did its work, and whether that is as expected.
//!
//! | part | owns |
//! |---|---|
//! | [`interval`], [`share`] | how much each server got, and what chance may have to do with it |
//! | [`divided`] | what was divided among whom, from the record |
//! | [`failover`] | what became of the load when a server went away |
//! | [`ejection`] | servers that got nothing although they were up |
//! | [`returning`] | how the load of a server that came back grew |
//! | [`route`] | who answered whom |
//! | [`sticky`] | what stayed with one server, and why something did not |
//! | [`condition`] | these figures as conditions |
//! | [`expected`] | these figures as expectations, each with its answer and a sentence |

mod condition;
mod divided;
mod ejection;
mod expected;
mod failover;
mod interval;
mod returning;
mod route;
mod share;
mod sticky;

pub(crate) use self::condition::{judge_evenness, judge_failover};
pub(crate) use self::ejection::ejections;
pub(crate) use self::expected::{Surroundings, expected};
pub(crate) use self::failover::{Moment, Survivors, failovers};
pub(crate) use self::returning::returns;
pub(crate) use self::share::Answer;
#[cfg(feature = "page")]
pub(crate) use self::share::{Division, Part};
pub(crate) use self::sticky::{Cause, causes, held};

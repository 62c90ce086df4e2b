//! What was expected of a balancer, and what became of the load when a server went away.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scenario::is_zero;
use super::statistics::Statistics;

/// What became of an expectation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Expectation {
    /// What was expected: `distribution even within 10%`, `failover.detected < 1s`.
    pub expression: String,
    /// What was seen, in words; why nothing could be, where that is so.
    pub observed: String,
    /// Whether it is as expected.
    pub verdict: Answer,
    /// Of what is undecided, how many more answers would tell, were they divided as those that came; left out
    /// where no number of them would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
    /// How often somebody changed the load while it was measured: what was seen is of all that together. Left out
    /// where nobody did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spans_changes: u64,
}

/// Whether something is as expected. All but the first fail the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[non_exhaustive]
pub enum Answer {
    /// It is.
    Holds,
    /// It is not, or nothing could be measured.
    Fails,
    /// Chance may have made either of it.
    Undecided,
}

/// A time in which a server got nothing although it was up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Ejection {
    /// The server.
    pub backend: String,
    /// When the time begins, in seconds since the scenario began to be measured.
    pub from_s: f64,
    /// When it ends; left out where it does not, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_s: Option<f64>,
    /// Of the requests given to it in the 5 s before, those that failed or were slow.
    pub bad: u64,
    /// Whether none was bad that was its own, or may have been.
    pub healthy: bool,
}

/// A second of a server that was ready again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Ramp {
    /// When it begins, in seconds since the server was ready again.
    pub t_s: f64,
    /// Requests given to the server over those given to another one on average, as a part of what that was in the 5 s
    /// before it went away: 1 is as before.
    pub part: f64,
}

/// What became of the load when a server went away. Seconds count from when that was done, those of its return
/// from that. What never came is named in `never`; what could not be told is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Failover {
    /// What was done, in words.
    pub event: String,
    /// The server that went away.
    pub backend: String,
    /// Where that is a fault proxy, the servers that answer behind it, which are those that went away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<String>,
    /// When it was done, in seconds since the scenario began to be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_s: Option<f64>,
    /// When the server was ready again, counted likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_s: Option<f64>,
    /// The due time of the last request that was given to it before half a second without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_s: Option<f64>,
    /// Requests that were given to it until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<u64>,
    /// Requests that were given to it after that, before it was back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relapses: Option<u64>,
    /// Requests that failed or never ended, beyond what was usual before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Of these, those that were due before it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_in_flight: Option<u64>,
    /// How many seconds after it requests were counted for `lost` and `slow`; left out where that was until the load
    /// was over or the next event came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_s: Option<f64>,
    /// Requests that were ok and took longer than `expect.failover.ok_within`, beyond what was usual before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<u64>,
    /// The end of the first failure; where there was any, and none before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_error_s: Option<f64>,
    /// The end of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_s: Option<f64>,
    /// The due time of the last request that failed or was slow before half a second without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_s: Option<f64>,
    /// The longest time in which nothing ended ok, to the hundredth of a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_s: Option<f64>,
    /// From its return until it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_s: Option<f64>,
    /// From its return until a second begins in which its share is within 20 % of what it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalanced_s: Option<f64>,
    /// Of a server that was ready again, how its load grew: second by second from then on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ramp: Vec<Ramp>,
    /// What did not come while it could: `detected`, `recovered`, `returned`, `rebalanced`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<String>,
    /// Why some of it could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold: Option<String>,
    /// How long requests took that other servers answered; left out where none did, and where the time before it
    /// tells nothing to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survivors: Option<Survivors>,
    /// How long those that were with the server took to be with another, from its last that was ok.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched: Option<Switched>,
    /// What became of streams on connections that were told good-bye (GOAWAY) after it, up to the next event;
    /// left out where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub farewell: Option<Farewell>,
    /// The most connections in a second that took the place of dropped ones, up to the next event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconnects_per_s: Option<u64>,
    /// The most that a server got over the mean, in whole seconds from when all was as before up to the next
    /// event; of the servers that were there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imbalance_after: Option<f64>,
}

/// How long requests took that other servers answered, failed ones included, from when they were due. Every figure
/// is off by at most 0.4 %.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Survivors {
    /// Those that were due in the 5 s before it, without the last half second of these.
    pub before_us: Statistics,
    /// Those that were due while the server was away, up to the next event or 60 s.
    pub during_us: Statistics,
}

/// What became of streams on connections that were told good-bye.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Farewell {
    /// Connections that were.
    pub connections: u64,
    /// Streams that were open on them when good-bye was heard.
    pub open: u64,
    /// Streams that came to their end, whatever the status.
    pub finished: u64,
    /// Streams above the last that the server looked at.
    pub refused: u64,
    /// Of these, those that were sent again on another connection, by themselves.
    pub sent_again: u64,
    /// Streams that broke, or were given up.
    pub broken: u64,
}

/// How long it took to be with another server: of users' streams, or of what `expect.sticky` names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Switched {
    /// How many were.
    pub count: u64,
    /// Half of them took no longer, in seconds.
    pub p50_s: f64,
    /// Nine of ten.
    pub p90_s: f64,
    /// 99 of 100.
    pub p99_s: f64,
    /// The longest.
    pub max_s: f64,
}

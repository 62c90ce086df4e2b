//! When calls are made again that failed, as gRPC's clients do with a retry policy.
//!
//! Owns whether a call is made again and when. What an attempt is, and where it goes, is the caller's. A request
//! that no server has looked at is sent again within an attempt, whatever the policy says; that is no attempt.
//! Source: gRFC A6, "Client retries".

use std::cell::{Cell, RefCell};
use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderName;

use super::metadata::timeout_value;
use crate::clock::Nanos;
use crate::outcome::{Failure, GrpcCode};
use crate::scenario::Retry;

static PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");
static TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

static PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Which attempt at a call it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempt {
    /// How many came before.
    pub(super) previous: u32,
    /// When the time of all of them is up, since the run's epoch.
    pub(super) until: Nanos,
}

impl Attempt {
    /// Says of a call's further attempt that it is one, and, where the call has a deadline, how much of its time is
    /// left. Of a first attempt nothing is said, and nobody asks what time it is.
    #[inline]
    pub(super) fn put(&self, headers: &mut HeaderMap, now: impl FnOnce() -> Nanos) {
        if self.previous == 0 {
            return;
        }
        headers.insert(&PREVIOUS_ATTEMPTS, self.previous.into());
        if let Some(timeout) = headers.get_mut(&TIMEOUT) {
            // None is sent that is no time at all.
            let left = Duration::from_nanos(self.until.saturating_sub(now()).max(1));
            *timeout = timeout_value(left);
        }
    }
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) failure: Failure,
    /// Whether the head of an answer had come before: then the attempt is the call's last.
    pub(super) is_committed: bool,
    /// What the server says of a further attempt.
    pub(super) pushback: Pushback,
}

impl Lost {
    /// Without an answer.
    pub(super) fn unanswered(failure: Failure) -> Self {
        Self {
            failure,
            is_committed: false,
            pushback: Pushback::Unsaid,
        }
    }

    /// After the head of an answer.
    pub(super) fn committed(failure: Failure) -> Self {
        Self {
            is_committed: true,
            ..Self::unanswered(failure)
        }
    }

    /// By an answer that has nothing but this head.
    pub(super) fn refused(failure: Failure, head: &HeaderMap) -> Self {
        Self {
            pushback: Pushback::of(head),
            ..Self::unanswered(failure)
        }
    }
}

/// What a server says of a further attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pushback {
    #[default]
    Unsaid,
    /// It may be made after so long.
    After(Duration),
    /// It may not be made: it said so, or something that nobody can read.
    Never,
}

impl Pushback {
    pub(super) fn of(head: &HeaderMap) -> Self {
        let mut all = head.get_all(&PUSHBACK).iter();
        match (all.next(), all.next()) {
            (None, _) => Self::Unsaid,
            (Some(only), None) => {
                let ms = only.to_str().ok().and_then(|it| it.parse::<i32>().ok());
                let ms = ms.and_then(|it| u64::try_from(it).ok());
                ms.map_or(Self::Never, |ms| Self::After(Duration::from_millis(ms)))
            }
            (Some(_), Some(_)) => Self::Never,
        }
    }
}

/// Whether and when the calls of one worker are made again.
pub(super) struct Retrying {
    policy: Retry,
    tokens: Cell<f64>,
    random: RefCell<fastrand::Rng>,
}

/// What to do after an attempt failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It was the last.
    GiveUp,
    /// It was the last because too many calls fail.
    Throttled,
    /// The next one comes after this rest.
    Again(Duration),
}

/// How far a call has come.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// Attempts that have failed.
    pub(super) failed: u32,
    /// Of these, those since the server last said when the next may be made.
    since_pushback: u32,
}

impl Retrying {
    pub(super) fn new(policy: &Retry, seed: u64) -> Self {
        Self {
            policy: policy.clone(),
            tokens: Cell::new(policy.throttling.map_or(0.0, |it| f64::from(it.max_tokens))),
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// A call ended ok.
    pub(super) fn succeeded(&self) {
        if let Some(throttling) = self.policy.throttling {
            let most = f64::from(throttling.max_tokens);
            let tokens = self.tokens.get() + throttling.token_ratio;
            self.tokens.set(tokens.min(most));
        }
    }

    /// A call failed: whether it may be made again, as far as others fail.
    fn takes_token(&self) -> bool {
        let Some(throttling) = self.policy.throttling else {
            return true;
        };
        let tokens = (self.tokens.get() - 1.0).max(0.0);
        self.tokens.set(tokens);
        tokens > f64::from(throttling.max_tokens) / 2.0
    }

    /// What to do after an attempt failed.
    pub(super) fn after(&self, lost: &Lost, count: &mut Count) -> Next {
        count.failed += 1;
        if lost.is_committed {
            return Next::GiveUp;
        }
        let policy = &self.policy;
        if lost.pushback == Pushback::Never {
            self.takes_token();
            return Next::GiveUp;
        }
        let status = status_of(lost.failure);
        if !status.is_some_and(|it| policy.retryable_status_codes.contains(&it)) {
            return Next::GiveUp;
        }
        let is_throttled = !self.takes_token();
        if count.failed >= policy.max_attempts {
            return Next::GiveUp;
        }
        if is_throttled {
            return Next::Throttled;
        }
        if let Pushback::After(rest) = lost.pushback {
            count.since_pushback = 0;
            return Next::Again(rest);
        }
        let factor = policy
            .backoff_multiplier
            .powf(f64::from(count.since_pushback));
        count.since_pushback += 1;
        let rest = policy.initial_backoff.as_secs_f64() * factor;
        let rest = rest.min(policy.max_backoff.as_secs_f64());
        let jitter = 0.8 + 0.4 * self.random.borrow_mut().f64();
        Next::Again(Duration::from_secs_f64(rest * jitter))
    }
}

/// The status that gRPC's clients have for a failure: what HTTP/2 and HTTP say in place of one has one, too. `None`
/// is what no attempt mends.
///
/// Source: gRPC's `PROTOCOL-HTTP2.md` and `http-grpc-status-mapping.md`.
fn status_of(failure: Failure) -> Option<GrpcCode> {
    const CANCELLED: u32 = 1;
    const UNKNOWN: u32 = 2;
    const PERMISSION_DENIED: u32 = 7;
    const RESOURCE_EXHAUSTED: u32 = 8;
    const UNIMPLEMENTED: u32 = 12;
    const INTERNAL: u32 = 13;
    const UNAVAILABLE: u32 = 14;
    const UNAUTHENTICATED: u32 = 16;
    Some(GrpcCode::new(match failure {
        Failure::Grpc(code) => return Some(code),
        Failure::Connect | Failure::Connection | Failure::Rejected => UNAVAILABLE,
        Failure::Reset(reason) => match reason {
            "REFUSED_STREAM" => UNAVAILABLE,
            "CANCEL" => CANCELLED,
            "ENHANCE_YOUR_CALM" => RESOURCE_EXHAUSTED,
            "INADEQUATE_SECURITY" => PERMISSION_DENIED,
            "STREAM_CLOSED" | "HTTP_1_1_REQUIRED" | "UNKNOWN" => UNKNOWN,
            _ => INTERNAL,
        },
        Failure::Http(status) => match status {
            400 => INTERNAL,
            401 => UNAUTHENTICATED,
            403 => PERMISSION_DENIED,
            404 => UNIMPLEMENTED,
            429 | 502 | 503 | 504 => UNAVAILABLE,
            _ => UNKNOWN,
        },
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use test_case::test_case;

    use super::*;
    use crate::scenario::RetryThrottling;

    fn unavailable() -> Lost {
        Lost::unanswered(Failure::Grpc(GrpcCode::new(14)))
    }

    fn policy() -> Retry {
        Retry::new(4, [GrpcCode::new(14)])
    }

    fn ms(next: &Next) -> u128 {
        match next {
            Next::Again(rest) => rest.as_millis(),
            other => panic!("no rest: {other:?}"),
        }
    }

    #[test]
    fn rests_double_up_to_the_longest_and_a_pushback_starts_over() {
        let mut retry = policy();
        retry.max_attempts = 5;
        retry.max_backoff = Duration::from_millis(150);
        let retrying = Retrying::new(&retry, 7);
        let mut count = Count::default();
        let pushed = Lost {
            pushback: Pushback::After(Duration::from_millis(700)),
            ..unavailable()
        };
        let rests = [unavailable(), unavailable(), pushed, unavailable()];
        let rests = rests.map(|lost| ms(&retrying.after(&lost, &mut count)));
        let ranges = [80..=120, 120..=180, 700..=700, 80..=120];
        for (rest, range) in rests.iter().zip(ranges) {
            assert!(range.contains(rest), "{rests:?}");
        }
        assert_eq!(retrying.after(&unavailable(), &mut count), Next::GiveUp);
    }

    #[test_case(Lost::committed(Failure::Grpc(GrpcCode::new(14))), false; "its head had come")]
    #[test_case(Lost::unanswered(Failure::Grpc(GrpcCode::new(5))), false; "another status")]
    #[test_case(Lost::unanswered(Failure::Timeout), false; "its time is up")]
    #[test_case(Lost::unanswered(Failure::Expression), false; "what is sent comes to nothing")]
    #[test_case(Lost::unanswered(Failure::Connect), true; "no connection")]
    #[test_case(Lost::unanswered(Failure::Connection), true; "a lost connection")]
    #[test_case(Lost::unanswered(Failure::Reset("REFUSED_STREAM")), true; "a refused stream")]
    #[test_case(Lost::unanswered(Failure::Reset("CANCEL")), false; "a cancelled stream")]
    #[test_case(Lost::unanswered(Failure::Http(503)), true; "a proxy without a server")]
    #[test_case(Lost::unanswered(Failure::Rejected), true; "no target takes it")]
    #[test_case(Lost::unanswered(Failure::Http(500)), false; "a proxy in trouble")]
    #[test_case(Lost { pushback: Pushback::Never, ..unavailable() }, false; "the server does not want it")]
    fn is_made_again(lost: Lost, expected: bool) {
        let retrying = Retrying::new(&policy(), 1);
        let next = retrying.after(&lost, &mut Count::default());
        assert_eq!(matches!(next, Next::Again(_)), expected, "{next:?}");
    }

    #[test_case(0, 7_000_000 => ["2000000u", ""]; "the first")]
    #[test_case(1, 7_000_000 => ["1993000u", "1"]; "the second")]
    #[test_case(2, 2_000_000_000 => ["1n", "2"]; "one whose time is up")]
    #[test_case(2, 2_000_000_009 => ["1n", "2"]; "one that is late")]
    fn says_what_is_left(previous: u32, now: Nanos) -> [String; 2] {
        let until = 2_000_000_000;
        let mut headers = HeaderMap::new();
        headers.insert(&TIMEOUT, timeout_value(Duration::from_secs(2)));
        Attempt { previous, until }.put(&mut headers, || now);
        [&TIMEOUT, &PREVIOUS_ATTEMPTS].map(|name| {
            let value = headers.get(name).map(|it| it.to_str().unwrap());
            value.unwrap_or_default().to_owned()
        })
    }

    #[test]
    fn nothing_is_left_of_what_has_no_end() {
        let mut headers = HeaderMap::new();
        let attempt = Attempt {
            previous: 1,
            until: 5,
        };
        attempt.put(&mut headers, || 3);
        assert_eq!(headers.len(), 1, "{headers:?}");
    }

    #[test_case(&[] => Pushback::Unsaid)]
    #[test_case(&["0"] => Pushback::After(Duration::ZERO))]
    #[test_case(&["250"] => Pushback::After(Duration::from_millis(250)))]
    #[test_case(&["-1"] => Pushback::Never)]
    #[test_case(&["soon"] => Pushback::Never)]
    #[test_case(&["99999999999"] => Pushback::Never; "no number of 32 bits")]
    #[test_case(&["1", "2"] => Pushback::Never; "two words")]
    fn pushbacks(values: &[&'static str]) -> Pushback {
        let mut head = HeaderMap::new();
        for value in values {
            head.append(PUSHBACK.clone(), HeaderValue::from_static(value));
        }
        Pushback::of(&head)
    }

    /// Of four tokens two must be left over: what succeeds gives half of one back.
    #[test]
    fn too_many_failures_stop_further_attempts() {
        let mut retry = policy();
        retry.throttling = Some(RetryThrottling::new(4, 0.5));
        let retrying = Retrying::new(&retry, 1);
        let fails = || retrying.after(&unavailable(), &mut Count::default());
        assert!(matches!(fails(), Next::Again(_)), "3 are left");
        assert_eq!(fails(), Next::Throttled, "2 are left");
        (0..3).for_each(|_| retrying.succeeded());
        assert!(matches!(fails(), Next::Again(_)), "2.5 are left");
        (0..100).for_each(|_| retrying.succeeded());
        assert!(
            matches!(fails(), Next::Again(_)),
            "3 are left: never more than 4"
        );
        assert_eq!(fails(), Next::Throttled, "2 are left");
    }
}

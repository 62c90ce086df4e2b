//! What `expect` may say.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::value::{EvenText, KeyTemplate, LimitText, Pattern, Share, ShareWeight};
use crate::scenario::backend::value::span_between;
use crate::scenario::reader::{
    Check, Decode, Entries, Entry, Place, Reader, Refusal, Rule, choice, object,
};
use crate::scenario::value::{PositiveSpan, text_schema};
use crate::units::{format_duration, parse_duration};

object! {
    /// What is expected of whatever stands between the generator and the servers.
    #[schemars(extend("minProperties" = 1))]
    RawExpect is "expectations" {
        /// How much each server gets.
        "distribution" distribution: RawDistribution,
        /// Which servers answer: by a tag of the scenario, by a pattern of its value.
        "route" route: Entries<Entries<Pattern>>,
        /// What always goes to the same server.
        "sticky" sticky: RawSticky,
        /// What becomes of the load when a server goes away unannounced.
        "failover" failover: RawFailover,
        /// What becomes of the load when a server is asked to go.
        "drain" drain: RawDrain,
        /// How the load of a server that came back grows.
        "slow_start" slow_start: RawSlowStart,
        /// What ejections may be of servers that are up.
        "ejection" ejection: RawEjection,
    }
    hints {
        "distribute" => "that is `distribution`",
        "weights" => "they belong to a distribution: `distribution.weights`",
        "routes" => "that is `route`",
        "routing" => "that is `route`",
        "stickiness" => "that is `sticky`",
        "ok_within" => "it belongs to `failover`",
        "slowstart" => "that is `slow_start`",
        "ejections" => "that is `ejection`",
    }
}

object! {
    /// How much each server gets.
    RawShares is "a distribution such as \"even within 10%\" or {\"weights\": {\"b1\": 70, \"b2\": 30}, \"within\": \"2%\"}" {
        /// What each server gets in proportion to the others, by the name that it gives itself; those that are
        /// not named get nothing. All the same unless given.
        "weights" weights: Entries<ShareWeight>,
        /// How far from that a server's share of all may be.
        "within" [required] within: Share,
        /// What is counted; what the balancer is seen to decide upon unless given.
        "per" per: RawUnit,
    }
    hints {
        "tolerance" => "that is `within`",
        "unit" => "that is `per`",
    }
}

span_between! {
    /// How long a load may take to grow.
    GrowingSpan, "GrowingDuration",
    std::time::Duration::from_secs(2), std::time::Duration::from_secs(59),
    "a duration from 2s to 59s"
}

object! {
    /// What ejections may be, of servers that were up and got nothing for half a second or longer.
    #[schemars(extend("minProperties" = 1))]
    RawEjection is "limits such as {\"bad\": \"<= 20\", \"out\": \"< 40s\", \"healthy\": \"== 0\"}" {
        /// Requests that failed or were slow before a server was out.
        "bad" bad: LimitText,
        /// For how long a server was out.
        "out" out: LimitText,
        /// How often a server was out that had answered nothing badly.
        "healthy" healthy: LimitText,
    }
    hints {
        "errors" => "that is `bad`",
        "time" => "for how long a server is out is `out`",
        "for" => "for how long a server is out is `out`",
    }
}

object! {
    /// How the load of a server that came back grows.
    RawSlowStart is "a slow start such as {\"over\": \"10s\"}" {
        /// How long it takes to grow to that of the others.
        "over" [required] over: GrowingSpan,
    }
    hints {
        "for" => "that is `over`",
        "window" => "that is `over`",
    }
}

choice! {
    /// What is divided among servers.
    RawUnit {
        /// Each request.
        Request = "request",
        /// Each stream, when it opens.
        Stream = "stream",
        /// Each connection.
        Connection = "connection",
    }
}

/// What always goes to the same server.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) enum RawSticky {
    Word(RawStickyWord),
    Key(RawStickyKey),
}

choice! {
    /// What always goes to the same server.
    RawStickyWord {
        /// All of one connection.
        Connection = "connection",
        /// All of one user.
        User = "user",
        /// All that comes from one address of ours.
        Source = "source",
    }
}

object! {
    /// What always goes to the same server: by a key.
    RawStickyKey is "\"connection\", \"user\", \"source\", or a key such as {\"key\": \"{{ row.session }}\"}" {
        /// A template. All iterations for which it comes to the same, as they begin, go to the same server.
        "key" [required] key: KeyTemplate,
    }
    hints {
        "by" => "that is `key`",
        "metadata" => "that is `key`, with the template that the metadata has",
        "header" => "that is `key`, with the template that the header has",
        "cookie" => "cookies are kept by users: `\"sticky\": \"user\"`",
    }
}

/// Why nobody need expect it of a stream.
const STREAM_STAYS: &str = "a stream is with the server that its head names until it ends: HTTP/2 has no way to move \
                            one; the streams that a user opens one after the other are held to \"user\"";

impl Decode for RawSticky {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value {
            Value::String(text) if text == "stream" => {
                let words = "one of \"connection\", \"user\", \"source\"";
                reader.refuse(words, Some(STREAM_STAYS.to_owned()))
            }
            Value::String(_) => RawStickyWord::decode(reader).map(Self::Word),
            _ => RawStickyKey::decode(reader).map(Self::Key),
        }
    }
}

impl Check for RawSticky {
    fn check(&mut self, at: &Place<'_>) -> bool {
        match self {
            Self::Word(word) => word.check(at),
            Self::Key(key) => key.check(at),
        }
    }
}

impl Serialize for RawSticky {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Word(word) => word.serialize(serializer),
            Self::Key(key) => key.serialize(serializer),
        }
    }
}

impl JsonSchema for RawSticky {
    fn schema_name() -> Cow<'static, str> {
        "Sticky".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<RawStickyWord>(),
                generator.subschema_for::<RawStickyKey>(),
            ]
        })
    }
}

/// Declares the figures of a server that goes away, with others before them.
macro_rules! figures {
    (
        $(#[$meta:meta])* $name:ident is $what:literal { $($first:tt)* }
        $( $(#[$more_meta:meta])* $word:literal $more:ident; )*
    ) => {
        object! {
            $(#[$meta])*
            $name is $what {
                /// From when it went until the last request that was given to it, before half a second
                /// without any.
                "detected" detected: LimitText,
                /// Requests that failed, beyond what is usual.
                "lost" lost: LimitText,
                /// Requests that were ok and took longer than `ok_within`, beyond what is usual.
                "slow" slow: LimitText,
                /// From when it went until half a second without a bad request follows.
                "recovered" recovered: LimitText,
                /// The longest time without any ok.
                "silence" silence: LimitText,
                /// Requests given to it after that was over, before it was back.
                "relapses" relapses: LimitText,
                /// From when it was back until it answered.
                "returned" returned: LimitText,
                /// From when it was back until it has its share again.
                "rebalanced" rebalanced: LimitText,
                /// The longest that one took which was with it, from its last that was ok until it was with
                /// another server.
                "switched" switched: LimitText,
                /// The p99 of requests that other servers answered while it was away.
                "survivors_p99" survivors_p99: LimitText,
                $( $(#[$more_meta])* $word $more: LimitText, )*
                $($first)*
            }
            hints {
                "detect" => "that is `detected`",
                "recovery" => "that is `recovered`",
                "errors" => "what fails is `lost`",
                "failed" => "what fails is `lost`",
            }
        }

        impl $name {
            /// The figures by name.
            pub(super) fn limits(&self) -> Vec<(&'static str, &Entry<LimitText>)> {
                vec![
                    ("detected", &self.detected),
                    ("lost", &self.lost),
                    ("slow", &self.slow),
                    ("recovered", &self.recovered),
                    ("silence", &self.silence),
                    ("relapses", &self.relapses),
                    ("returned", &self.returned),
                    ("rebalanced", &self.rebalanced),
                    ("switched", &self.switched),
                    ("survivors_p99", &self.survivors_p99),
                    $( ($word, &self.$more), )*
                ]
            }

            pub(super) fn limit_mut(&mut self, figure: &str) -> Option<&mut Entry<LimitText>> {
                Some(match figure {
                    "detected" => &mut self.detected,
                    "lost" => &mut self.lost,
                    "slow" => &mut self.slow,
                    "recovered" => &mut self.recovered,
                    "silence" => &mut self.silence,
                    "relapses" => &mut self.relapses,
                    "returned" => &mut self.returned,
                    "rebalanced" => &mut self.rebalanced,
                    "switched" => &mut self.switched,
                    "survivors_p99" => &mut self.survivors_p99,
                    $( $word => &mut self.$more, )*
                    _ => return None,
                })
            }
        }
    };
}

figures! {
    /// What becomes of the load when a server goes away unannounced: killed, frozen, restarted, or cut off.
    RawFailover is "limits such as {\"detected\": \"< 1s\", \"lost\": \"<= 200\"}" {
        /// A request that is ok and took longer is bad all the same; none is unless given. It holds for
        /// `drain`, too.
        "ok_within" ok_within: PositiveSpan,
    }
}

figures! {
    /// What becomes of the load when a server is asked to go.
    RawDrain is "limits such as {\"lost\": \"== 0\"}" {}
    /// Streams that came to their end on connections that were told good-bye (GOAWAY).
    "finished" finished;
    /// Streams on such connections above the last that the server looked at.
    "refused" refused;
    /// Of these, those that were sent again on another connection.
    "sent_again" sent_again;
    /// Streams on such connections that broke, or were given up.
    "broken" broken;
    /// The most connections in a second that took the place of dropped ones.
    "reconnects" reconnects;
}

/// A word for it, or all of it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) enum RawDistribution {
    Text(EvenText),
    Shares(RawShares),
}

impl Decode for RawDistribution {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value {
            Value::String(_) => EvenText::decode(reader).map(Self::Text),
            _ => RawShares::decode(reader).map(Self::Shares),
        }
    }
}

impl Check for RawDistribution {
    fn check(&mut self, at: &Place<'_>) -> bool {
        match self {
            Self::Text(text) => text.check(at),
            Self::Shares(shares) => shares.check(at),
        }
    }
}

impl Serialize for RawDistribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Shares(shares) => shares.serialize(serializer),
        }
    }
}

impl JsonSchema for RawDistribution {
    fn schema_name() -> Cow<'static, str> {
        "Distribution".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<EvenText>(),
                generator.subschema_for::<RawShares>(),
            ]
        })
    }
}

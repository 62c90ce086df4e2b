//! What a condition can be about: its words, without where the figures come from.

use crate::workload::MessageFault;

/// What a condition is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Failed and unanswered of completed, failed and unanswered, in percent.
    ErrorRate,
    /// What the service left without an answer, as a count or as a share of what was planned.
    Unanswered,
    /// The longest time in which iterations were under way and none ended ok.
    Silence,
    /// Completed iterations over the measured time, drain included.
    Throughput,
    /// One of the ledger's words, as a count or as a share.
    Ledger(LedgerWord),
    /// A statistic of one of the scenario's series.
    Series(Series, Statistic),
    /// Iterations that ended with this key.
    Outcome(String),
    /// Connections that this happened to.
    Connections(ConnectionWord),
    /// Something of one step.
    Step { name: String, metric: StepMetric },
    /// Something of one server, by the name that it gives itself.
    Backend { name: String, metric: BackendMetric },
    /// How even requests went to those servers that named themselves.
    Balance(BalanceWord),
    /// What came of calls that were made again.
    Retries(RetryWord),
    /// What became of the load when a server went away, where that was worst.
    Failover { left: Left, word: FailoverWord },
}

/// How a server went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Without a word.
    Unannounced,
    /// It was asked to.
    Drained,
}

impl Left {
    /// What a condition on it begins with.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unannounced => "failover",
            Self::Drained => "drain",
        }
    }
}

/// What a condition on one server is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackendMetric {
    /// Requests that it answered.
    Requests,
    /// Its part of all requests.
    Share,
    /// Of its requests, those that it answered with a failure.
    Failed,
    /// The same as a part of its requests.
    ErrorRate,
    ResponseTime(Statistic),
}

impl BackendMetric {
    pub(super) const WORDS: &'static [&'static str] =
        &["requests", "share", "failed", "error_rate", "response_time"];
}

/// What a condition on one step is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepMetric {
    ErrorRate,
    Series(Series, Statistic),
    Outcome(String),
    MessagesSent,
    MessagesReceived,
    MessageFault(FaultWord),
}

/// Declares an enum whose variants are words of the grammar.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident => $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($variant,)+ }

        impl $name {
            pub(crate) const WORDS: &'static [&'static str] = &[$($word,)+];

            pub(crate) fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// The ledger's words.
    LedgerWord {
        Planned => "planned",
        Started => "started",
        Completed => "completed",
        Failed => "failed",
        Interrupted => "interrupted",
        Dropped => "dropped",
        Late => "late",
    }
}

words! {
    /// What can happen to a connection.
    ConnectionWord {
        Opened => "opened",
        Failed => "failed",
        Dropped => "dropped",
    }
}

words! {
    /// What can be wrong with messages.
    FaultWord {
        Missing => "messages_missing",
        OutOfOrder => "messages_out_of_order",
        Unexpected => "messages_unexpected",
        TooLate => "messages_too_late",
    }
}

words! {
    /// Times that are recorded.
    Series {
        ResponseTime => "response_time",
        ServiceTime => "service_time",
        StartLag => "start_lag",
        QueueWait => "queue_wait",
        SendLag => "send_lag",
        ReadLag => "read_lag",
        Generator => "generator",
        ConnectTime => "connect_time",
        TlsTime => "tls_time",
        FirstByte => "first_byte",
        FirstMessage => "first_message",
        MessageGap => "message_gap",
        RoundTrip => "round_trip",
        MessageLag => "message_lag",
        StreamWait => "stream_wait",
    }
}

words! {
    /// What is asked of a series.
    Statistic {
        Mean => "mean",
        Min => "min",
        P50 => "p50",
        P90 => "p90",
        P95 => "p95",
        P99 => "p99",
        P999 => "p999",
        P9999 => "p9999",
        Max => "max",
    }
}

words! {
    /// What can be said of how even something is.
    BalanceWord {
        Imbalance => "imbalance",
        Least => "least",
        Variation => "variation",
        Dispersion => "dispersion",
        Idle => "idle",
    }
}

words! {
    /// What can be said of calls that are made again.
    RetryWord {
        Attempts => "attempts",
        Ok => "ok",
        Failed => "failed",
        Throttled => "throttled",
    }
}

words! {
    /// What can be said of a server that went away.
    FailoverWord {
        Detected => "detected",
        Lost => "lost",
        Slow => "slow",
        Recovered => "recovered",
        Silence => "silence",
        Relapses => "relapses",
        Returned => "returned",
        Rebalanced => "rebalanced",
        Switched => "switched",
        SurvivorsP99 => "survivors_p99",
        Finished => "finished",
        Refused => "refused",
        SentAgain => "sent_again",
        Broken => "broken",
        Reconnects => "reconnects",
    }
}

impl FailoverWord {
    /// Whether it is a time; a number of requests, if not.
    pub(crate) fn is_time(self) -> bool {
        !matches!(
            self,
            Self::Lost
                | Self::Slow
                | Self::Relapses
                | Self::Finished
                | Self::Refused
                | Self::SentAgain
                | Self::Broken
                | Self::Reconnects
        )
    }
}

impl Series {
    /// Those that a step has.
    pub(super) const OF_STEPS: &'static [&'static str] = &[
        "response_time",
        "service_time",
        "start_lag",
        "queue_wait",
        "send_lag",
        "read_lag",
        "generator",
        "first_byte",
        "first_message",
        "message_gap",
        "round_trip",
        "message_lag",
        "stream_wait",
    ];
}

impl FaultWord {
    /// The fault that it is a word for.
    pub(crate) fn fault(self) -> MessageFault {
        match self {
            Self::Missing => MessageFault::Missing,
            Self::OutOfOrder => MessageFault::OutOfOrder,
            Self::Unexpected => MessageFault::Unexpected,
            Self::TooLate => MessageFault::TooLate,
        }
    }
}

impl LedgerWord {
    /// What the word's share is a share of; `planned` is the whole itself.
    pub(crate) fn whole(self) -> Option<Self> {
        match self {
            Self::Planned => None,
            Self::Started | Self::Dropped => Some(Self::Planned),
            Self::Completed | Self::Failed | Self::Interrupted | Self::Late => Some(Self::Started),
        }
    }
}

impl Metric {
    pub(super) fn step(&self) -> Option<&str> {
        match self {
            Self::Step { name, .. } => Some(name),
            _ => None,
        }
    }

    pub(super) fn backend(&self) -> Option<&str> {
        match self {
            Self::Backend { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether it says something of a part of a run too.
    pub(super) fn has_windows(&self) -> bool {
        match self {
            Self::Silence
            | Self::Unanswered
            | Self::Balance(_)
            | Self::Retries(_)
            | Self::Failover { .. } => false,
            // What nobody put its name to is known of the whole only.
            Self::Backend { name, .. } => name != "(unknown)",
            _ => true,
        }
    }

    pub(super) fn needs_open_model(&self) -> bool {
        matches!(self, Self::Series(Series::StartLag | Series::QueueWait, _))
    }
}

//! What a load may say: raw types, one field list each for decoding, printing and the JSON Schema.

use crate::scenario::reader::{List, choice, object};
use crate::scenario::think_time::RawThinkTime;
use crate::scenario::value::{Iterations, PositiveSpan, Span, Users, UsersOrNone};
use crate::units::{Rate, ZeroOrRate};

object! {
    /// How iterations come about: a closed or an open model.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    RawLoad is "a load" {
        /// A fixed number of users, each starting again when done.
        "closed" closed: RawClosed,
        /// Iterations start at a rate, whatever the service does.
        "open" open: RawOpen,
    }
}

object! {
    /// A fixed number of users, for iterations or a time.
    RawClosed is "a closed load" {
        /// How many users.
        "users" users: Users,
        /// Iterations, shared by all users.
        "iterations" iterations: Iterations,
        /// Iterations of each user.
        "iterations_per_user" iterations_per_user: Iterations,
        /// How long users start again.
        "duration" duration: PositiveSpan,
        /// The end in time of `iterations` or `iterations_per_user`, if that comes first.
        "max_duration" max_duration: PositiveSpan,
        /// The number of users over time, in straight lines, from 0.
        "stages" stages: List<RawUserStage>,
        /// How long a user rests between two iterations.
        "think_time" think_time: RawThinkTime,
        /// The most iterations a second that all users together may start.
        "rate_limit" rate_limit: Rate,
    }
    hints {
        "rate" => "a closed model has users; cap it with `rate_limit`, or use `load.open`",
        "arrivals" => "only an open model has arrivals",
        "when_busy" => "only an open model has arrivals that can find all users busy",
    }
}

object! {
    /// A stretch of time over which the number of users goes in a straight line to a new value.
    RawUserStage is "a stage of users" {
        /// How long it lasts; `0s` jumps.
        "for" [required] duration: Span,
        /// Users at its end.
        "users" [required] users: UsersOrNone,
    }
}

object! {
    /// Iterations that start at a rate.
    RawOpen is "an open load" {
        /// The rate, with `duration`.
        "rate" rate: Rate,
        /// How long, with `rate`.
        "duration" duration: PositiveSpan,
        /// The rate over time, in straight lines, from 0.
        "stages" stages: List<RawRateStage>,
        /// How arrivals are spaced. `uniform` unless given.
        "arrivals" arrivals: RawArrivals,
        /// The users there may be.
        "users" users: RawOpenUsers,
        /// What becomes of an arrival that finds all users busy. `queue` unless given.
        "when_busy" when_busy: RawWhenBusy,
    }
    hints {
        "iterations" => "an open model lasts for a time: give `duration`, or `stages`",
        "iterations_per_user" => "an open model lasts for a time: give `duration`, or `stages`",
        "think_time" => "in an open model the rate decides when an iteration starts; a `pause` step rests within one",
        "rate_limit" => "an open model has a `rate`",
    }
}

object! {
    /// A stretch of time over which the rate goes in a straight line to a new value.
    RawRateStage is "a stage of rates" {
        /// How long it lasts; `0s` jumps.
        "for" [required] duration: Span,
        /// The rate at its end.
        "rate" [required] rate: ZeroOrRate,
    }
}

object! {
    /// The users of an open model.
    RawOpenUsers is "the users of an open load, such as {\"max\": 1000}" {
        /// The most at a time. 1000 unless given.
        "max" max: Users,
    }
}

choice! {
    /// How arrivals are spaced.
    RawArrivals {
        /// Evenly.
        Uniform = "uniform",
        /// At random, as from many independent clients.
        Poisson = "poisson",
    }
}

choice! {
    /// What becomes of an arrival that finds all users busy.
    RawWhenBusy {
        /// It waits in line and keeps its due time.
        Queue = "queue",
        /// It is dropped and counted.
        Drop = "drop",
    }
}

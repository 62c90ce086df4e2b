//! What a suite may say.

use crate::condition::Threshold;
use crate::scenario::backend::raw::RawBackends;
use crate::scenario::protocol::grpc::compact::RawCompactGrpc;
use crate::scenario::protocol::raw::RawScenario;
use crate::scenario::protocol::websocket::compact::RawCompactWebsocket;
use crate::scenario::reader::{Entries, List, object};
use crate::scenario::value::FilePath;

object! {
    /// A suite: scenarios that run together or by name.
    RawSuite is "a suite" {
        /// The JSON Schema this file follows, for editors.
        "$schema" schema: String,
        /// Other suites, JSON or YAML, relative to this file. Their `backends`, `defaults`,
        /// `profiles`, `scenarios` and `thresholds` join those of this one, which counts more.
        "include" include: List<FilePath>,
        /// The scenarios.
        "scenarios" scenarios: List<RawScenario>,
        /// Fields for every scenario that does not give them itself.
        "defaults" defaults: RawScenario,
        /// By name, fields that replace those of every scenario when the profile is chosen.
        "profiles" profiles: Entries<RawScenario>,
        /// Servers that the run starts, by name; `serve` beside the names is what they serve unless they say so
        /// themselves.
        "backends" backends: RawBackends,
        /// Conditions on all scenarios with a tag, taken together: `tags.KEY.VALUE.METRIC`.
        "thresholds" thresholds: List<Threshold>,
        /// The compact form of gRPC scenarios; not beside `scenarios`.
        "grpc_scenarios" grpc_scenarios: List<RawCompactGrpc>,
        /// The compact form of WebSocket scenarios; not beside `scenarios`.
        "websocket_scenarios" websocket_scenarios: List<RawCompactWebsocket>,
    }
    hints {
        "events" => "they belong to a scenario: `scenarios[0].events`",
        "servers" => "servers that the run starts are `backends`",
        "protos" => "they belong to a scenario, or to `defaults` for all of them",
        "targets" => "they belong to a scenario, or to `defaults` for all of them",
        "steps" => "they belong to a scenario: `scenarios[0].steps`",
        "identify" => "it belongs to a scenario, or to `defaults` for all of them",
        "load" => "it belongs to a scenario, or to `defaults` for all of them",
    }
}

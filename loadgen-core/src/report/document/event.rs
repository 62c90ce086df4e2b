//! What was done to servers, and what became of requests around it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backend::BackendCount;
use super::scenario::as_listed;
use crate::record::{EventAction, TargetSwitch};

/// What was done to a server, or said. Seconds count from where measuring of the scenario begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Event {
    /// What kind of event it is.
    pub action: EventAction,
    /// What it was, in words.
    pub event: String,
    /// The server that it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// The target that somebody switched off, or on again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched: Option<TargetSwitch>,
    /// When it was to be done; left out where nobody had planned it, or before measuring of the scenario began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_s: Option<f64>,
    /// When it was done, as measured; left out where it never was, or before measuring of the scenario began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_s: Option<f64>,
    /// How long before measuring of the scenario began it was done, where it was and was not over by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_before_s: Option<f64>,
    /// When the server was ready again, as measured; left out where it never was, or was never gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_s: Option<f64>,
    /// Why it could not be done, or not be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A tenth of a second near an event, and what has become of the requests that were due in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Moment {
    /// Seconds from where measuring of the scenario begins until it does.
    pub t_s: f64,
    /// Requests that ended, by the server's name.
    #[serde(serialize_with = "as_listed")]
    pub backends: BTreeMap<String, BackendCount>,
}

//! Where metrics go.

use std::ffi::OsString;

use loadgen_core::scenario::Target;
use loadgen_core::sink::otlp as post;

use crate::args::RunArgs;
use crate::env;
use crate::sinks::OtlpSettings;

/// What is said of a prefix without metrics that could have it.
pub(crate) const IDLE_PREFIX: &str = "--statsd-prefix changes nothing: no metrics are sent without --statsd, STATSD_HOST or STATSD_PORT";

/// Where metrics go: what the flag says, else the environment.
///
/// # Errors
/// For a variable that holds nonsense.
pub(crate) fn statsd(
    given: Option<&Target>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Target>, env::EnvError> {
    match given {
        Some(given) => Ok(Some(given.clone())),
        None => env::statsd(variable),
    }
}

/// Where OTLP is posted: what the flag says, else the environment; the header fields are always the
/// environment's.
pub(super) fn otlp(
    args: &RunArgs,
    variable: impl Fn(&str) -> Option<OsString>,
    notices: &mut Vec<String>,
) -> Result<Option<OtlpSettings>, env::EnvError> {
    let url = match &args.otlp {
        Some(given) if given.has_path() => Some(given.clone()),
        Some(given) => Some(given.below(post::PATH)),
        None => {
            let url = env::otlp(&variable)?;
            if url.is_some()
                && let Some((name, value)) = env::other_otlp_protocol(&variable)?
            {
                notices.push(format!(
                    "{name} is `{value}`; metrics are sent as http/protobuf all the same"
                ));
            }
            url
        }
    };
    let Some(url) = url else {
        return Ok(None);
    };
    let headers = env::otlp_headers(&variable)?;
    Ok(Some(OtlpSettings { url, headers }))
}

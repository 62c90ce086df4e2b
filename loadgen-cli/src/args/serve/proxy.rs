//! Flags of `loadgen serve proxy`.

use std::path::PathBuf;

use loadgen_backends::balance::host_and_port;
use serde_json::{Map, Value, json};

use super::FAULTS;
use crate::args::values::{listen_address, seed};

/// Flags of `loadgen serve proxy`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "  loadgen serve proxy --listen 127.0.0.1:50050 --to 127.0.0.1:50051 --latency 50ms --management 127.0.0.1:8474\n  \
    curl -X PATCH http://127.0.0.1:8474/faults -H 'content-type: application/json' -d '{\"blackhole\": true}'"
)]
pub(crate) struct ServeProxyArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address)]
    pub(crate) listen: String,
    /// The server that connections are passed on to, whatever it speaks
    #[arg(long, value_name = "HOST:PORT", value_parser = server)]
    pub(crate) to: String,
    /// Change faults at this address, over HTTP: /faults, and /connections to see what became of them. Beyond this machine a token is needed
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address)]
    pub(crate) management: Option<String>,
    /// File with the token that who changes them has to send (`authorization: Bearer …`)
    #[arg(
        long,
        value_name = "FILE",
        requires = "management",
        conflicts_with = "management_token_env"
    )]
    pub(crate) management_token_file: Option<PathBuf>,
    /// Variable of the environment with that token
    #[arg(long, value_name = "NAME", requires = "management")]
    pub(crate) management_token_env: Option<String>,
    /// The same seed makes the same choices
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// What goes wrong from the start.
    #[command(flatten)]
    pub(crate) faults: ProxyFaultArgs,
    /// End when standard input does: for a process that must not outlive its parent
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
}

/// Faults that hold from the start.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = FAULTS)]
pub(crate) struct ProxyFaultArgs {
    /// Hold bytes up for this time, each way; or like `up=50ms,down=10ms` on the way to the server and back
    #[arg(long, value_name = "TIME", value_parser = each_way, allow_hyphen_values = true)]
    latency: Option<Value>,
    /// By how much that varies, to both sides, evenly
    #[arg(long, value_name = "TIME", value_parser = each_way, allow_hyphen_values = true)]
    jitter: Option<Value>,
    /// Pass at most so many bytes a second of each connection, each way, like `1MiB/s` or `down=64KiB/s`
    #[arg(long, value_name = "BYTES/s", value_parser = each_way, allow_hyphen_values = true)]
    rate: Option<Value>,
    /// Accept connections and pass nothing on
    #[arg(long, value_name = "WAY", num_args = 0..=1, require_equals = true, default_missing_value = "both", value_parser = ["both", "up", "down"])]
    blackhole: Option<String>,
    /// Reset a connection when so many bytes have been passed, like `64KiB` or `down=10KiB`
    #[arg(long, value_name = "SIZE", value_parser = each_way, allow_hyphen_values = true)]
    cut_after: Option<Value>,
    /// Do not listen: the system refuses connections
    #[arg(long)]
    refuse: bool,
    /// Reset this share of the connections as soon as they are accepted, like `0.1` or `10%`
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    reset_new: Option<String>,
}

impl ProxyFaultArgs {
    /// The same as JSON, as it is said over HTTP.
    pub(crate) fn to_json(&self) -> Value {
        let blackhole = self.blackhole.as_deref().map(|way| match way {
            "both" => json!(true),
            way => json!({ way: true }),
        });
        let fields = [
            ("latency", self.latency.clone()),
            ("jitter", self.jitter.clone()),
            ("rate", self.rate.clone()),
            ("blackhole", blackhole),
            ("cut_after", self.cut_after.clone()),
            ("refuse", self.refuse.then(|| json!(true))),
            ("reset_new", self.reset_new.as_ref().map(|it| json!(it))),
        ];
        let given = fields.into_iter();
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect())
    }
}

/// A value for both ways, or `up=VALUE`, `down=VALUE` or both of these with a comma.
fn each_way(text: &str) -> Result<Value, String> {
    if !text.contains('=') {
        return Ok(json!(text));
    }
    let mut ways = Map::new();
    for part in text.split(',') {
        match part.split_once('=') {
            Some((way @ ("up" | "down"), value))
                if ways.insert(way.to_owned(), json!(value)).is_none() => {}
            _ => {
                return Err(format!(
                    "found `{part}`, expected `up=VALUE` or `down=VALUE`, each once, or one value for both ways"
                ));
            }
        }
    }
    Ok(ways.into())
}

fn server(text: &str) -> Result<String, String> {
    host_and_port(text).map(|_| text.to_owned()).ok_or_else(|| {
        "expected HOST:PORT with a port from 1 to 65535, like `localhost:50051`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("50ms" => Ok(json!("50ms")))]
    #[test_case("up=50ms" => Ok(json!({ "up": "50ms" })))]
    #[test_case("up=50ms,down=1ms" => Ok(json!({ "up": "50ms", "down": "1ms" })))]
    #[test_case("up=1ms,up=2ms" => Err("found `up=2ms`, expected `up=VALUE` or `down=VALUE`, each once, or one value for both ways".to_owned()))]
    #[test_case("left=1ms" => Err("found `left=1ms`, expected `up=VALUE` or `down=VALUE`, each once, or one value for both ways".to_owned()))]
    fn ways(text: &str) -> Result<Value, String> {
        each_way(text)
    }
}

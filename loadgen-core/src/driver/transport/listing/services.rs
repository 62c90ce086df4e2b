//! Lists of addresses from Consul and etcd, over their HTTP APIs.
//!
//! Owns how these are asked and what their answers mean. A token is sent and never told.

use std::env;
use std::fmt;
use std::time::Duration;

use data_encoding::BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use super::entries::{self, Listed, listed};
use crate::secrets::Secrets;
use crate::sink::post::Once;

/// How long an answer may take.
const AT_MOST: Duration = Duration::from_secs(5);
/// How long it may be.
const MOST_BYTES: u64 = 16 << 20;
/// The variable of the environment that has Consul's token, as Consul's own programs take it.
const TOKEN: &str = "CONSUL_HTTP_TOKEN";
/// What stands for itself in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A service's healthy instances, by Consul's word.
pub(crate) struct Consul {
    url: String,
    token: Option<String>,
}

impl fmt::Debug for Consul {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Consul").field(&self.url).finish()
    }
}

/// What Consul says of an instance, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    node: Node,
    service: Service,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(default)]
    address: String,
    port: u16,
}

impl Consul {
    pub(super) fn new(authority: &str, service: &str) -> Self {
        let service = utf8_percent_encode(service, PLAIN);
        let token = env::var(TOKEN).ok().filter(|it| !it.is_empty());
        Self {
            url: format!("http://{authority}/v1/health/service/{service}?passing=true"),
            token,
        }
    }

    pub(super) fn ask(&self) -> Result<Vec<Listed>, String> {
        let mut question = Once::new("GET", &self.url);
        if let Some(token) = &self.token {
            let header = ("X-Consul-Token".to_owned(), token.clone());
            question.headers.push(header);
        }
        let answer = question.answer(AT_MOST, MOST_BYTES);
        let answer = answer.map_err(|problem| {
            let secrets = Secrets::default();
            if let Some(token) = &self.token {
                secrets.learn("", token);
            }
            let problem = secrets.masked(&problem);
            format!("{problem}; is Consul there, and does it answer `GET /v1/health/service/…`?")
        })?;
        Self::read(&answer)
    }

    /// The addresses in an answer.
    fn read(answer: &[u8]) -> Result<Vec<Listed>, String> {
        let instances: Vec<Instance> = serde_json::from_slice(answer).map_err(|error| {
            format!("expected a JSON array of instances with `Node` and `Service`: {error}")
        })?;
        let all = instances.into_iter().map(|Instance { node, service }| {
            let host = match service.address.is_empty() {
                true => node.address,
                false => service.address,
            };
            let port = service.port;
            // Written as whoever reads it needs it.
            listed(&Listed { host, port }.to_string())
        });
        all.collect()
    }
}

/// What stands in etcd below a prefix.
#[derive(Debug)]
pub(crate) struct Etcd {
    url: String,
    question: Vec<u8>,
}

/// What etcd says, as far as it matters here.
#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    kvs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    key: String,
    #[serde(default)]
    value: String,
}

impl Etcd {
    pub(super) fn new(authority: &str, prefix: &str) -> Self {
        let question = json!({
            "key": BASE64.encode(prefix.as_bytes()),
            "range_end": BASE64.encode(&behind(prefix.as_bytes())),
        });
        Self {
            url: format!("http://{authority}/v3/kv/range"),
            question: question.to_string().into_bytes(),
        }
    }

    pub(super) fn ask(&self) -> Result<Vec<Listed>, String> {
        let mut question = Once::new("POST", &self.url);
        let json = "application/json".to_owned();
        question.headers.push(("Content-Type".to_owned(), json));
        question.body.clone_from(&self.question);
        let answer = question.answer(AT_MOST, MOST_BYTES);
        let answer = answer.map_err(|problem| {
            format!("{problem}; is etcd there, and does it answer `POST /v3/kv/range`?")
        })?;
        Self::read(&answer)
    }

    /// The addresses in an answer.
    fn read(answer: &[u8]) -> Result<Vec<Listed>, String> {
        let range: Range = serde_json::from_slice(answer)
            .map_err(|error| format!("expected a JSON object with `kvs`: {error}"))?;
        let text = |base64: &str| {
            let bytes = BASE64.decode(base64.as_bytes());
            let bytes = bytes.map_err(|error| format!("it is not base64: {error}"))?;
            String::from_utf8(bytes).map_err(|_| "it is no text".to_owned())
        };
        let all = range.kvs.iter().map(|pair| {
            let value = text(&pair.value).and_then(|value| entries::of_value(&value));
            value.map_err(|problem| {
                let key = text(&pair.key).unwrap_or_default();
                format!("the value of `{}`: {problem}", crate::text::line(&key))
            })
        });
        all.collect()
    }
}

/// The first key behind all that begin with these bytes.
fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // Nothing is behind: to the end of all keys, as etcd writes it.
    vec![0]
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn told(found: Result<Vec<Listed>, String>) -> String {
        match found {
            Ok(list) => list
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            Err(problem) => problem,
        }
    }

    #[test_case(r#"[{"Node": {"Address": "10.0.0.1"}, "Service": {"Address": "", "Port": 80}, "Checks": []}]"# => "10.0.0.1:80"; "the node's")]
    #[test_case(r#"[{"Node": {"Address": "10.0.0.1"}, "Service": {"Address": "10.1.0.1", "Port": 80}}]"# => "10.1.0.1:80"; "its own")]
    #[test_case(r#"[{"Node": {"Address": "::1"}, "Service": {"Port": 80}}]"# => "[::1]:80"; "of six")]
    #[test_case("[]" => ""; "none")]
    #[test_case(r#"[{"Node": {"Address": "a"}, "Service": {"Port": 0}}]"# => "`a:0` is no `host:port`: the port must be from 1 to 65535"; "no port")]
    #[test_case(r#"{"a": 1}"# => "expected a JSON array of instances with `Node` and `Service`: invalid type: map, expected a sequence at line 1 column 0"; "something else")]
    fn consul(answer: &str) -> String {
        told(Consul::read(answer.as_bytes()))
    }

    /// `c3ZjLzE=` is `svc/1`.
    #[test_case(r#"{"header": {}, "kvs": [{"key": "c3ZjLzE=", "value": "MTI3LjAuMC4xOjgw"}], "count": "1"}"# => "127.0.0.1:80"; "an address")]
    #[test_case(r#"{"kvs": [{"key": "c3ZjLzE=", "value": "eyJPcCI6MCwiQWRkciI6ImE6ODAiLCJNZXRhZGF0YSI6bnVsbH0="}]}"# => "a:80"; "as gRPC keeps it")]
    #[test_case(r#"{"header": {}}"# => ""; "none")]
    #[test_case(r#"{"kvs": [{"key": "c3ZjLzE=", "value": "YQ=="}]}"# => "the value of `svc/1`: `a` is no `host:port`: the port is missing"; "no address")]
    #[test_case(r#"{"kvs": [{"key": "c3ZjLzE="}]}"# => "the value of `svc/1`: `` is no `host:port`: the host is missing"; "nothing")]
    #[test_case("3" => "expected a JSON object with `kvs`: invalid type: integer `3`, expected struct Range at line 1 column 1"; "something else")]
    fn etcd(answer: &str) -> String {
        told(Etcd::read(answer.as_bytes()))
    }

    #[test_case(b"svc/", b"svc0")]
    #[test_case(b"a\xff", b"b")]
    #[test_case(b"\xff\xff", b"\0"; "to the end")]
    fn keys_behind(prefix: &[u8], end: &[u8]) {
        assert_eq!(behind(prefix), end);
    }
}

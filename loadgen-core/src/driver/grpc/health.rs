//! gRPC's health protocol: asking, and what the answer means.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>.

use bytes::Bytes;
use prost::Message;
use prost_reflect::MethodDescriptor;

use super::{framing, protos};
use crate::outcome::Failure;

#[derive(Clone, Copy, PartialEq, Message)]
struct Answer {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

/// Where it is asked.
pub(super) const PATH: &str = "/grpc.health.v1.Health/Check";

/// What describes it.
const PROTO: &str = r#"syntax = "proto3"; package grpc.health.v1;
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse {
  enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
  ServingStatus status = 1;
}
service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
"#;

/// The question about this service, its prefix in front.
pub(super) fn question(service: &str) -> Bytes {
    let question = Question {
        service: service.to_owned(),
    };
    // No name is as long as what a prefix cannot tell.
    framing::with_prefix(false, &question.encode_to_vec()).unwrap_or_default()
}

/// How it is asked.
///
/// # Panics
/// Never: what describes it is always the same, and every test compiles it.
pub(super) fn method() -> MethodDescriptor {
    let pool = protos::compile_source("grpc/health/v1/health.proto", PROTO);
    let service = pool
        .ok()
        .and_then(|pool| pool.get_service_by_name("grpc.health.v1.Health"));
    let method = service.and_then(|service| service.methods().next());
    method.expect("it is described here")
}

const SERVING: i32 = 1;

/// Whether an answer says that a service is in health; if not, what it says instead.
pub(super) fn check(answer: &[u8]) -> Result<(), (Failure, String)> {
    let status = Answer::decode(answer).map(|answer| answer.status);
    let status = match status {
        Ok(SERVING) => return Ok(()),
        Ok(0) => "UNKNOWN",
        Ok(2) => "NOT_SERVING",
        Ok(3) => "SERVICE_UNKNOWN",
        Ok(other) => {
            let detail = format!("the server told the health {other}, a status that has no name");
            return Err((Failure::Protocol, detail));
        }
        Err(error) => {
            let detail = format!("the server's answer about its health cannot be read: {error}");
            return Err((Failure::Protocol, detail));
        }
    };
    let detail = format!("the server told the health {status}");
    Err((Failure::Health(status), detail))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(b"\x08\x01" => "ok"; "in health")]
    #[test_case(b"" => "health.UNKNOWN: the server told the health UNKNOWN"; "nothing said")]
    #[test_case(b"\x08\x02" => "health.NOT_SERVING: the server told the health NOT_SERVING"; "not in health")]
    #[test_case(b"\x08\x03" => "health.SERVICE_UNKNOWN: the server told the health SERVICE_UNKNOWN"; "no such service")]
    #[test_case(b"\x08\x63" => "protocol: the server told the health 99, a status that has no name"; "another number")]
    fn answers(answer: &[u8]) -> String {
        match check(answer) {
            Ok(()) => "ok".to_owned(),
            Err((failure, detail)) => format!("{failure}: {detail}"),
        }
    }

    #[test]
    fn it_is_described() {
        let method = method();
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        assert_eq!(path, PATH);
    }

    #[test]
    fn garbage_breaks_the_protocol() {
        assert!(matches!(check(b"\x0f"), Err((Failure::Protocol, _))));
    }
}

//! What a status says beside its message: `grpc-status-details-bin`.
//!
//! Owns naming and showing the details, however many and whatever they are. Source:
//! `google/rpc/status.proto` and `google/rpc/error_details.proto` of Google's common types.

use data_encoding::{BASE64, BASE64_NOPAD};
use http::HeaderMap;
use http::header::HeaderName;
use prost::Message;
use prost_reflect::prost_types::Any;
use prost_reflect::{DescriptorPool, DynamicMessage};

use super::descriptor::Catalogue;
use super::{protos, status};
use crate::text;

static DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// Details that are shown of one status.
const MOST_SHOWN: usize = 5;

/// A `google.rpc.Status`, so far as it says what the status does not.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// The usual ones of Google's.
const USUAL: &str = r#"syntax = "proto3"; package google.rpc; import "google/protobuf/duration.proto";
message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
message RetryInfo { google.protobuf.Duration retry_delay = 1; }
message DebugInfo { repeated string stack_entries = 1; string detail = 2; }
message QuotaFailure {
  message Violation {
    string subject = 1; string description = 2; string api_service = 3; string quota_metric = 4;
    string quota_id = 5; map<string, string> quota_dimensions = 6; int64 quota_value = 7;
    optional int64 future_quota_value = 8;
  }
  repeated Violation violations = 1;
}
message PreconditionFailure {
  message Violation { string type = 1; string subject = 2; string description = 3; }
  repeated Violation violations = 1;
}
message BadRequest {
  message FieldViolation {
    string field = 1; string description = 2; string reason = 3; LocalizedMessage localized_message = 4;
  }
  repeated FieldViolation field_violations = 1;
}
message RequestInfo { string request_id = 1; string serving_data = 2; }
message ResourceInfo {
  string resource_type = 1; string resource_name = 2; string owner = 3; string description = 4;
}
message Help { message Link { string description = 1; string url = 2; } repeated Link links = 1; }
message LocalizedMessage { string locale = 1; string message = 2; }
"#;

/// The types of details that can be shown.
#[derive(Debug, Default)]
pub(super) struct Details {
    pools: Vec<DescriptorPool>,
}

impl Details {
    /// What the catalogue describes, and the usual ones behind it.
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        let mut pools = catalogue.pools().to_vec();
        // Compiled by every test, so that nobody ever misses it.
        pools.extend(protos::compile_source("google/rpc/error_details.proto", USUAL).ok());
        Self { pools }
    }

    /// An example of what a failed status looked like, its details included.
    pub(super) fn explain(&self, headers: &HeaderMap) -> String {
        status::explain(headers) + &self.shown(headers)
    }

    /// As [`Details::explain`], of a head or trailers of an answer that is not gRPC's.
    pub(super) fn shown(&self, headers: &HeaderMap) -> String {
        let Some(value) = headers.get(&DETAILS) else {
            return String::new();
        };
        let bytes = BASE64
            .decode(value.as_bytes())
            .or_else(|_| BASE64_NOPAD.decode(value.as_bytes()));
        let status = bytes.ok().and_then(|bytes| Status::decode(&bytes[..]).ok());
        let Some(Status { details }) = status else {
            return "; its `grpc-status-details-bin` cannot be read".to_owned();
        };
        let mut shown: String = details
            .iter()
            .take(MOST_SHOWN)
            .map(|detail| format!("; {}", self.detail(detail)))
            .collect();
        if let more @ 1.. = details.len().saturating_sub(MOST_SHOWN) {
            shown += &format!("; and {more} more");
        }
        shown
    }

    fn detail(&self, detail: &Any) -> String {
        let name = detail.type_url.rsplit('/').next().unwrap_or_default();
        let called = name.strip_prefix("google.rpc.").unwrap_or(name);
        let called = text::short(called);
        match self.as_json(name, &detail.value) {
            Ok(json) => format!("{called} {}", text::short(&json)),
            Err(what) => format!("{called}, {} bytes {what}", detail.value.len()),
        }
    }

    fn as_json(&self, name: &str, value: &[u8]) -> Result<String, &'static str> {
        const UNREADABLE: &str = "that are no such message";
        let mut found = self.pools.iter().map(|pool| pool.get_message_by_name(name));
        let descriptor = found.find_map(|it| it).ok_or("that nothing describes")?;
        let message = DynamicMessage::decode(descriptor, value).map_err(|_| UNREADABLE)?;
        serde_json::to_string(&message).map_err(|_| UNREADABLE)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn details() -> Details {
        Details::of(&Catalogue::new(&[]).expect("loadgen's own"))
    }

    fn packed(name: &str, value: &[u8]) -> Any {
        Any {
            type_url: format!("type.googleapis.com/{name}"),
            value: value.to_vec(),
        }
    }

    fn shown(details_bin: &str) -> String {
        let value = HeaderValue::from_str(details_bin).expect("ASCII");
        details().shown(&HeaderMap::from_iter([(DETAILS.clone(), value)]))
    }

    fn shown_of(of: Vec<Any>) -> String {
        shown(&BASE64_NOPAD.encode(&Status { details: of }.encode_to_vec()))
    }

    #[test_case("ErrorInfo", b"\x0a\x05STOCK\x12\x08shop.com\x1a\x06\x0a\x01a\x12\x01b" => r#"; ErrorInfo {"reason":"STOCK","domain":"shop.com","metadata":{"a":"b"}}"#)]
    #[test_case("RetryInfo", b"\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01" => r#"; RetryInfo {"retryDelay":"1.500s"}"#)]
    #[test_case("BadRequest", b"\x0a\x0a\x0a\x03sku\x12\x03odd" => r#"; BadRequest {"fieldViolations":[{"field":"sku","description":"odd"}]}"#)]
    #[test_case("QuotaFailure", b"\x0a\x05\x0a\x03you" => r#"; QuotaFailure {"violations":[{"subject":"you"}]}"#)]
    #[test_case("PreconditionFailure", b"\x0a\x05\x0a\x03TOS" => r#"; PreconditionFailure {"violations":[{"type":"TOS"}]}"#)]
    #[test_case("DebugInfo", b"\x0a\x01f\x12\x01d" => r#"; DebugInfo {"stackEntries":["f"],"detail":"d"}"#)]
    #[test_case("RequestInfo", b"\x0a\x017" => r#"; RequestInfo {"requestId":"7"}"#)]
    #[test_case("ResourceInfo", b"\x0a\x04book\x12\x011" => r#"; ResourceInfo {"resourceType":"book","resourceName":"1"}"#)]
    #[test_case("Help", b"\x0a\x05\x12\x03url" => r#"; Help {"links":[{"url":"url"}]}"#)]
    #[test_case("LocalizedMessage", b"\x0a\x02de\x12\x04nein" => r#"; LocalizedMessage {"locale":"de","message":"nein"}"#)]
    #[test_case("ErrorInfo", b"\x0a\xff" => "; ErrorInfo, 2 bytes that are no such message"; "garbage")]
    #[test_case("Later", b"\x08\x01" => "; Later, 2 bytes that nothing describes"; "an unknown one")]
    fn one(name: &str, value: &[u8]) -> String {
        shown_of(vec![packed(&format!("google.rpc.{name}"), value)])
    }

    #[test]
    fn of_a_type_that_the_scenario_describes() {
        let hello = packed("loadgen.v1.HelloRequest", b"\x0a\x01a");
        let said = shown_of(vec![hello]);
        assert_eq!(said, r#"; loadgen.v1.HelloRequest {"name":"a"}"#);
    }

    #[test]
    fn are_bounded_and_harmless() {
        let long = format!("\x1b[2J{}", "x".repeat(10_000));
        let mut value = Vec::new();
        prost::encoding::string::encode(1, &long, &mut value);
        let said = shown_of(vec![packed("google.rpc.ErrorInfo", &value); 9]);
        assert!(said.ends_with("…; and 4 more"), "{said}");
        assert!(said.len() < 2_000 && !said.contains('\x1b'), "{said}");
        let name = format!("a{}", "b".repeat(10_000));
        assert!(shown_of(vec![packed(&name, b"")]).len() < 1_000);
    }

    #[test_case("" => String::new(); "empty")]
    #[test_case("!!!" => "; its `grpc-status-details-bin` cannot be read"; "no base64")]
    #[test_case("////" => "; its `grpc-status-details-bin` cannot be read"; "no status")]
    #[test_case("CAU=" => String::new(); "padded and without details")]
    fn odd_ones(value: &str) -> String {
        shown(value)
    }

    proptest! {
        #[test]
        fn whatever_comes_is_said_in_a_line(
            name in "(google.rpc.(ErrorInfo|RetryInfo|Help)|google.protobuf.(Any|Duration|Struct)|.{0,9})",
            value in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let said = shown_of(vec![packed(&name, &value)]);
            prop_assert!(!said.contains('\n'));
        }
    }
}

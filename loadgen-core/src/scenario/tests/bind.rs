//! Where connections come from.

use serde_json::{Value, json};
use test_case::test_case;

use super::*;

#[test]
fn addresses_of_both_families() {
    let plan = plan_of(&json!({
        "targets": ["127.0.0.1:1", "[::1]:1", "a.example:1"],
        "bind": ["127.0.0.1", "127.0.0.2", "::1"],
    }));
    let shown: Vec<String> = plan.bind.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["127.0.0.1", "127.0.0.2", "::1"]);
    let printed = crate::scenario::to_json(std::slice::from_ref(&plan));
    assert_eq!(parse(&printed).unwrap().scenarios(), [plan]);
}

#[test_case(&json!({ "bind": [] }), "bind: found an empty array, expected at least one address; leave `bind` out to have the system choose"; "none")]
#[test_case(&json!({ "bind": ["127.0.0.1:80"] }), "bind[0]: found \"127.0.0.1:80\", expected an address of this machine such as \"127.0.0.2\" or \"::1\", without a port; the system chooses the port"; "with a port")]
#[test_case(&json!({ "bind": ["localhost"] }), "bind[0]: found \"localhost\", expected an address of this machine such as \"127.0.0.2\" or \"::1\", without a port"; "a name")]
#[test_case(&json!({ "bind": ["127.0.0.2", "127.0.0.2"] }), "bind[1]: found 127.0.0.2 once more, expected each address once; connections come from all of them in turn"; "twice")]
#[test_case(&json!({ "bind": ["0.0.0.0"] }), "bind[0]: found 0.0.0.0, expected an address that a connection can come from"; "any")]
#[test_case(&json!({ "bind": ["224.0.0.1"] }), "bind[0]: found 224.0.0.1, expected an address that a connection can come from"; "multicast")]
#[test_case(&json!({ "bind": ["127.0.0.1"], "targets": ["[::1]:80"] }), "bind: found no IPv6 address for the target [::1]:80, expected an address of the family of each target"; "another family")]
#[test_case(&json!({ "bind": ["::1"], "targets": ["127.0.0.1:80"] }), "bind: found no IPv4 address for the target 127.0.0.1:80, expected an address of the family of each target"; "the other one")]
#[test_case(&json!({ "bind": ["127.0.0.1"], "targets": ["unix:/a.sock"] }), "bind: found `bind` beside the UNIX socket unix:/a.sock, expected targets over TCP, or no `bind`"; "a socket")]
fn says_of_addresses(fields: &Value, message: &str) {
    let told = problems_of(fields).join("\n");
    assert_eq!(told, format!("scenarios[0].{message}"));
}

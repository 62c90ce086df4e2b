//! The values of an HTTP request: methods, and what a header field may be called.

use crate::scenario::value::{MAX_NAME, checked_text};

checked_text! {
    /// A method.
    Method, "HttpMethod",
    "a method in capitals: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or TRACE",
    is_method, "^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE)$"
}

fn is_method(text: &str) -> bool {
    matches!(
        text,
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE"
    )
}

/// Whether a name may be that of a header field of a request; else what is wrong with it.
pub(crate) fn check_header_name(name: &str) -> Result<(), String> {
    /// What the driver sets itself: how long a request is, and what becomes of its connection.
    const RESERVED: [&str; 9] = [
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    ];
    let is_token = (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if !is_token {
        return Err("1 to 100 letters, digits and any of !#$%&'*+-.^_`|~ make a name".to_owned());
    }
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "host" => Err("it is set by the scenario's `authority`".to_owned()),
        "connection" => Err(
            "how long a connection is kept is for the scenario to say: `connection_per`".to_owned(),
        ),
        lower if RESERVED.contains(&lower) => {
            Err("it belongs to the protocol, which sets it itself".to_owned())
        }
        _ => Ok(()),
    }
}

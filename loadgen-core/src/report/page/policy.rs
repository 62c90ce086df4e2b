//! What a browser lets a page do: run and apply what is its own, and nothing else.

use data_encoding::BASE64;
use ring::digest::{SHA256, digest};

/// The policy of a page with this style and these scripts. Nothing is loaded, sent or framed, and
/// markup that came in with somebody's words would run nothing.
pub(super) fn of<'a>(style: &str, scripts: impl IntoIterator<Item = &'a str>) -> String {
    let scripts: Vec<String> = scripts.into_iter().map(source).collect();
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; \
         form-action 'none'",
        scripts.join(" "),
        source(style),
    )
}

/// The same of a page that is brought its figures: it may ask whoever served it.
pub(super) fn live(policy: &str) -> String {
    format!("{policy}; connect-src 'self'")
}

/// The same as a header field, which can say one thing more: no other page may have it in a frame.
pub(super) fn served(policy: &str) -> String {
    format!("{policy}; frame-ancestors 'none'")
}

/// A text that stands in the page itself.
fn source(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    format!("'sha256-{}'", BASE64.encode(hash.as_ref()))
}

//! Requests as they are sent.

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::super::Written;
use crate::driver::http::request::Filled;

fn request(method: Method, uri: &'static str, body: impl Into<Bytes>) -> Filled {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("a:1"));
    headers.append("x-a", HeaderValue::from_static("1"));
    headers.append("x-a", HeaderValue::from_static("2"));
    Filled {
        method,
        uri: Uri::from_static(uri),
        headers,
        body: body.into(),
    }
}

/// All of it, as a connection takes it that takes so many bytes at once.
fn sent(written: &Written, most: usize) -> String {
    let mut all = Vec::new();
    loop {
        let next = written.unsent(all.len());
        if next.is_empty() {
            return String::from_utf8(all).expect("text");
        }
        all.extend_from_slice(&next[..next.len().min(most)]);
    }
}

#[test]
fn head_and_body() {
    let get = Written::new(&request(Method::GET, "/a?b=c", ""));
    let expected = "GET /a?b=c HTTP/1.1\r\nhost: a:1\r\nx-a: 1\r\nx-a: 2\r\n\r\n";
    assert_eq!(sent(&get, usize::MAX), expected);
    let mut reused = Written::default();
    for body in ["hi".to_owned(), "z".repeat(100_000), String::new()] {
        let post = request(Method::POST, "/", body.clone());
        let length = match body.len() {
            0 => String::new(),
            some => format!("content-length: {some}\r\n"),
        };
        let expected =
            format!("POST / HTTP/1.1\r\nhost: a:1\r\nx-a: 1\r\nx-a: 2\r\n{length}\r\n{body}");
        reused.write(&post);
        assert_eq!(sent(&reused, 7), expected);
        reused.copy(&get);
        reused.copy(&Written::new(&post));
        assert_eq!(sent(&reused, usize::MAX), expected);
    }
}

/// Once a connection kept the body of its last request as long as it was open.
#[test]
fn a_long_body_is_let_go() {
    let body = Bytes::from("z".repeat(100_000));
    let mut written = Written::new(&request(Method::POST, "/", body.clone()));
    assert!(!body.is_unique());
    written.clear();
    assert!(body.is_unique());
    assert_eq!(sent(&written, usize::MAX), "");
}

/// What is short leaves in one piece.
#[test]
fn a_short_body_is_sent_with_its_head() {
    let whole = |len: usize| {
        let post = Written::new(&request(Method::POST, "/", "z".repeat(len)));
        post.unsent(0).ends_with(b"z")
    };
    assert!(whole(16 * 1024));
    assert!(!whole(16 * 1024 + 1));
}

//! Heads, and what they say of the connection and the body.

use test_case::test_case;

use super::super::{MOST_FIELDS, MOST_HEAD, Wrong};
use super::{GET, get, shown, told, whole, wrong};

#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi" => "200 kept \"hi\""; "with a length")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhixyz" => "200 kept \"hi\""; "and more behind it")]
#[test_case("HTTP/1.1 200 OK\r\nContent-Length:2\r\nConnection: Close\r\n\r\nhi" => "200 ended \"hi\""; "and the connection's end")]
#[test_case("HTTP/1.1 200 OK\r\nconnection: a, CLOSE ,b\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n" => "200 ended \"\""; "among others")]
#[test_case("HTTP/1.1 200 OK\r\nconnection: closed\r\ncontent-length: 0\r\n\r\n" => "200 kept \"\""; "another word")]
#[test_case("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi" => "200 ended \"hi\""; "of 1.0")]
#[test_case("HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: Keep-Alive\r\n\r\nhi" => "200 kept \"hi\""; "of 1.0 and kept")]
#[test_case("HTTP/1.1 200 OK\r\n\r\nhi" => "200 ended \"hi\""; "up to the end")]
#[test_case("HTTP/1.1 204 No Content\r\n\r\nhi" => "204 kept \"\""; "none for 204")]
#[test_case("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n" => "204 kept \"\""; "none for 204, as it says")]
#[test_case("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nhi" => "204 ended \"\""; "none for 204, whatever it says")]
#[test_case("HTTP/1.1 204 No Content\r\ncontent-length: x\r\n\r\n" => "204 ended \"\""; "none for 204, and no length")]
#[test_case("HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" => "204 ended \"\""; "none for 204, not in chunks either")]
#[test_case("HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n" => "304 kept \"\""; "none for 304, in chunks")]
#[test_case("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n" => "304 kept \"\""; "none for 304")]
#[test_case("HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n" => "205 kept \"\""; "205")]
#[test_case("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx" => "200 kept \"x\""; "others on the way")]
#[test_case("HTTP/1.1 100 Continue\r\n\r\n" => "no head"; "only one on the way")]
#[test_case("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\r\nxyz" => "101 ended \"\""; "what is spoken no more")]
#[test_case("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n" => "200 kept \"\""; "no reason")]
#[test_case("HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n" => "200 kept \"\""; "an empty one")]
#[test_case("\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" => "200 kept \"\""; "an empty line before it")]
#[test_case("HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n" => "999 kept \"\""; "any status")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 4, 4\r\ncontent-length:4\r\n\r\nabcd" => "200 kept \"abcd\""; "the same length again")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" => "200 ended \"\""; "chunks before a length, which others may go by")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi" => "cut off after \"hi\""; "half a body")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-le" => "no head"; "half a head")]
#[test_case("" => "no head"; "nothing")]
fn answers(bytes: &str) -> String {
    told(&get(bytes))
}

const HTTP: &str = "the answer is not HTTP/1.1's";

#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcd" => "its content-length is `4, 5`"; "two lengths")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 4, 5\r\n\r\nabcd" => "its content-length is `4, 5`"; "in one field")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length: +4\r\n\r\nabcd" => "its content-length is `+4`"; "a sign")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 0x4\r\n\r\nabcd" => "its content-length is `0x4`"; "another base")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nabcd" => "its content-length is ``"; "none said")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 4,\r\n\r\nabcd" => "its content-length is `4,`"; "none said again")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\nabcd" => "its content-length is `18446744073709551616`"; "beyond numbers")]
#[test_case("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" => "it has a transfer coding, and is of HTTP/1.0"; "chunks of 1.0")]
#[test_case("HTTP/1.1 099 Low\r\n\r\n" => "its status is 99"; "a low status")]
#[test_case("HTTP/1.1 20 OK\r\n\r\n" => "invalid response status"; "a short status")]
#[test_case("HTTP/2 200 OK\r\n\r\n" => "invalid HTTP version"; "another version")]
#[test_case("HTTP/1.2 200 OK\r\n\r\n" => "invalid HTTP version"; "one that is none")]
#[test_case("SSH-2.0-OpenSSH_9.6" => "invalid HTTP version"; "something else, before its line ends")]
#[test_case("HTTP/1.1 200 OK\r\na b: c\r\n\r\n" => "invalid header name"; "a name with a blank")]
#[test_case("HTTP/1.1 200 OK\r\na : c\r\n\r\n" => "invalid header name"; "a blank before the colon")]
#[test_case("HTTP/1.1 200 OK\r\n: c\r\n\r\n" => "invalid header name"; "no name")]
#[test_case("HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n" => "invalid header value"; "CR alone")]
#[test_case("HTTP/1.1 200 OK\r\na: b\x00\r\n\r\n" => "invalid header value"; "NUL")]
#[test_case("HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n" => "invalid header name"; "a folded line")]
#[test_case("HTTP/1.1 200 O\rK\r\n\r\n" => "invalid response status"; "CR alone in a reason")]
fn refused(bytes: &str) -> String {
    let said = wrong(bytes).expect("it is refused").to_string();
    let said = said.strip_prefix(HTTP).and_then(|it| it.strip_prefix(": "));
    said.expect("why").to_owned()
}

/// What a head alone would have is no matter, and what is wrong with it neither.
#[test_case("content-length: 9"; "a length")]
#[test_case("transfer-encoding: gzip, chunked"; "codings")]
#[test_case("x: y"; "nothing")]
fn the_answer_to_head_has_no_body(field: &str) {
    let asked = super::Asked {
        is_for_head: true,
        wants_fields: false,
        identity: None,
    };
    let bytes = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n");
    let read = whole::read(bytes.as_bytes(), &[], asked);
    assert_eq!(told(&read), "200 kept \"\"");
}

#[test]
fn fields_are_there_for_those_who_look() {
    let quiet = super::Asked {
        wants_fields: false,
        ..GET
    };
    let of = |status: &str, kind: &str, asked| {
        let bytes = format!(
            "HTTP/1.1 {status}\r\nX-A: 1\r\nContent-Type: {kind}\r\nx-a:  2 \r\nX-Loadgen-Backend: b7\r\n\
             x-loadgen-backend: b8\r\ncontent-length: 0\r\n\r\n"
        );
        let read = whole::read(bytes.as_bytes(), &[7], asked);
        let (_, fields) = read.head.expect("a head");
        assert_eq!(read.identity.as_deref(), Some(b"b7".as_slice()));
        shown(&fields)
    };
    let all = "x-a: 1, x-a: 2, content-type: text/html, x-loadgen-backend: b7, x-loadgen-backend: b8, \
               content-length: 0";
    assert_eq!(of("200 OK", "text/html", GET), all);
    assert_eq!(of("200 OK", "text/html", quiet), "");
    assert_eq!(of("404 Not Found", "text/html", quiet), all);
    assert_ne!(of("200 OK", "Text/Event-Stream; x=y", quiet), "");
}

#[test_case(Some("x-served-by") => Some("b9".to_owned()))]
#[test_case(Some("x-served") => None)]
#[test_case(None => None)]
fn servers_name_themselves_where_they_are_said_to(identity: Option<&str>) -> Option<String> {
    let asked = super::Asked { identity, ..GET };
    let bytes =
        b"HTTP/1.1 200 OK\r\nX-Loadgen-Backend: b7\r\nX-Served-By: b9\r\ncontent-length: 0\r\n\r\n";
    let name = whole::read(bytes, &[], asked).identity?;
    Some(String::from_utf8(name).expect("a text"))
}

/// A head with so many bytes.
fn long(len: usize) -> String {
    let (begin, end) = ("HTTP/1.1 200 OK\r\nx: ", "\r\ncontent-length: 0\r\n\r\n");
    let filler = "y".repeat(len - begin.len() - end.len());
    format!("{begin}{filler}{end}")
}

#[test]
fn heads_are_bounded() {
    assert_eq!(told(&get(long(MOST_HEAD))), "200 kept \"\"");
    assert_eq!(wrong(long(MOST_HEAD + 1)), Some(Wrong::LongHead));
    // Nobody waits for its end.
    assert_eq!(
        wrong(&long(MOST_HEAD + 9)[..MOST_HEAD]),
        Some(Wrong::LongHead)
    );
    let fields = |count: usize| {
        let fields = "x: y\r\n".repeat(count);
        get(format!("HTTP/1.1 204 No Content\r\n{fields}\r\n"))
    };
    assert_eq!(told(&fields(MOST_FIELDS)), "204 kept \"\"");
    assert_eq!(fields(MOST_FIELDS + 1).wrong, Some(Wrong::LongHead));
}

/// One after the other, they are as long as they like.
#[test]
fn any_number_may_be_on_the_way() {
    let mut bytes = format!("HTTP/1.1 103 Hints\r\nx: {}\r\n\r\n", "y".repeat(999)).repeat(200);
    bytes.push_str("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(told(&get(bytes)), "204 kept \"\"");
}

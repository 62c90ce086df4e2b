//! Answers as they may come, whole and broken: in any pieces they read the same.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::Asked;
use super::{get, told, whole};

/// The lines of a head: its status, and fields that say something of the body and some that do not.
fn heads() -> impl Strategy<Value = String> {
    let status = select(vec![
        "HTTP/1.1 200 OK",
        "HTTP/1.1 204 No Content",
        "HTTP/1.1 304 Not Modified",
        "HTTP/1.1 404 Not Found",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 503",
    ]);
    let field = select(vec![
        "content-length: 5",
        "content-length: 5",
        "content-length: 7",
        "Content-Length: 5, 5",
        "content-length: 10000",
        "transfer-encoding: chunked",
        "Transfer-Encoding: Chunked ",
        "transfer-encoding: gzip, chunked",
        "connection: close",
        "connection: keep-alive",
        "content-type: text/event-stream",
        "x-loadgen-backend: b",
        "x: \u{fc}",
        "x:",
        "x: y\r\nx: z",
    ]);
    (status, vec(field, 0..4)).prop_map(|(status, fields)| {
        let lines = std::iter::once(status).chain(fields);
        lines.map(|line| format!("{line}\r\n")).collect::<String>() + "\r\n"
    })
}

/// Bodies that fit some heads.
fn bodies() -> impl Strategy<Value = String> {
    let chunk = (
        "[a-z]{1,20}",
        select(vec!["", ";x", ";x=\"y\"", " ", "\t;"]),
    )
        .prop_map(|(data, behind)| format!("{:x}{behind}\r\n{data}\r\n", data.len()));
    let chunks = (
        vec(chunk, 0..5),
        select(vec!["", "", "x: y\r\n", "x: y\r\nZ: \r\n"]),
    )
        .prop_map(|(chunks, trailers)| format!("{}0\r\n{trailers}\r\n", chunks.concat()));
    prop_oneof![
        2 => Just("hello".to_owned()),
        2 => "[a-z]{0,12}",
        5 => chunks,
        // More than there is room for at first.
        1 => "[a-z]{4000,9000}",
    ]
}

/// A change of one place.
fn damages() -> impl Strategy<Value = (usize, usize, Vec<u8>)> {
    let put = select(vec![
        "",
        "\r",
        "\n",
        "\r\n",
        " ",
        ":",
        "0",
        "f",
        ";",
        "\0",
        "\u{ff}",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ]);
    (
        0_usize..400,
        0_usize..3,
        put.prop_map(|it| it.as_bytes().to_vec()),
    )
}

/// Some that are right, and some that are not.
pub(super) fn answers() -> impl Strategy<Value = Vec<u8>> {
    let interim = select(vec![
        "",
        "",
        "",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 X\r\na: b\r\n\r\n",
    ]);
    let whole =
        (interim, heads(), bodies()).prop_map(|(a, b, c)| [a, &b, &c].concat().into_bytes());
    (whole, vec(damages(), 0..3)).prop_map(|(mut bytes, damages)| {
        for (at, out, put) in damages {
            let at = at.min(bytes.len());
            let end = (at + out).min(bytes.len());
            bytes.splice(at..end, put);
        }
        bytes
    })
}

pub(super) fn asked() -> impl Strategy<Value = Asked<'static>> {
    (prop::bool::weighted(0.1), any::<bool>()).prop_map(|(is_for_head, wants_fields)| Asked {
        is_for_head,
        wants_fields,
        identity: Some("x-loadgen-backend"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_pieces_read_the_same(bytes in answers(), pieces in vec(1_usize..40, 1..6), asked in asked()) {
        let at_once = whole::read(&bytes, &[], asked);
        prop_assert_eq!(&whole::read(&bytes, &pieces, asked), &at_once);
        prop_assert_eq!(&whole::read(&bytes, &[1], asked), &at_once);
    }

    /// Nothing that comes is worth a panic, and what is read is never more than came.
    #[test]
    fn anything_may_come(bytes in vec(any::<u8>(), 0..300), asked in asked()) {
        let read = whole::read(&bytes, &[3], asked);
        prop_assert!(read.body.len() + read.left.len() <= bytes.len());
    }

    /// Where one is cut off, that is seen.
    #[test]
    fn what_is_cut_off_is_not_complete(body in "[a-z]{1,30}", at in 0_usize..1_000, in_chunks in any::<bool>()) {
        let whole = match in_chunks {
            true => format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            false => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        };
        prop_assert_eq!(told(&get(&whole)), format!("200 kept {body:?}"));
        let cut = &whole[..at % whole.len()];
        let read = get(cut);
        prop_assert!(!read.is_complete && read.wrong.is_none(), "{}", told(&read));
    }
}

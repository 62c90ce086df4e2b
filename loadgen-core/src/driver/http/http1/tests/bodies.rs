//! Bodies in chunks.

use test_case::test_case;

use super::super::{MOST_BETWEEN_CHUNKS, MOST_FIELDS, MOST_TRAILERS, Wrong};
use super::{get, shown, told};

const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunks(body: &str) -> super::Whole {
    get(format!("{HEAD}{body}"))
}

#[test_case("0\r\n\r\n" => "200 kept \"\""; "none")]
#[test_case("2\r\nhi\r\n3\r\n yo\r\n0\r\n\r\n" => "200 kept \"hi yo\""; "two")]
#[test_case("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n" => "200 kept \"01234567890123456789\""; "in capitals")]
#[test_case("2;a=b;c=\"d\"\r\nhi\r\n0 ; x\r\n\r\n" => "200 kept \"hi\""; "extensions")]
#[test_case("2 \t\r\nhi\r\n000\r\n\r\n" => "200 kept \"hi\""; "blanks and zeros")]
#[test_case("2\r\nhi\r\n0\r\n\r\n2\r\nyo\r\n" => "200 kept \"hi\""; "and more behind it")]
#[test_case("5\r\nhi" => "cut off after \"hi\""; "half a chunk")]
#[test_case("2\r\nhi\r\n" => "cut off after \"hi\""; "no last one")]
#[test_case("2\r\nhi\r\n0\r\n" => "cut off after \"hi\""; "half a last one")]
#[test_case("ffffffffffffffff\r\nhi" => "cut off after \"hi\""; "the longest")]
fn read(body: &str) -> String {
    told(&chunks(body))
}

const CRLF: &str = "a chunk, or a line between two, ends with something else than CR and LF";

#[test_case("zz\r\n" => "a chunk has no size"; "letters")]
#[test_case("\r\n" => "a chunk has no size"; "nothing")]
#[test_case(" 2\r\nhi\r\n" => "a chunk has no size"; "a blank before it")]
#[test_case("-2\r\nhi\r\n" => "a chunk has no size"; "a sign")]
#[test_case("0x2\r\nhi\r\n" => "a chunk's size is no number"; "another base")]
#[test_case("2 2\r\nhi\r\n" => "a chunk's size is no number"; "two sizes")]
#[test_case("2\nhi\r\n" => "a chunk's size is no number"; "LF alone")]
#[test_case("2\rhi\r\n" => CRLF; "CR alone")]
#[test_case("2;a\nhi\r\n" => "a chunk's extension has the end of a line in it"; "LF alone behind an extension")]
#[test_case("2\r\nhix\r\n" => CRLF; "more than it says")]
#[test_case("2\r\nhi\n0\r\n\r\n" => CRLF; "LF alone behind a chunk")]
#[test_case("2\r\nhi\rx" => CRLF; "CR alone behind a chunk")]
#[test_case("0\r\n\rx" => CRLF; "CR alone at the end")]
#[test_case("0\r\n\n" => "behind its last chunk is no header field: invalid new line"; "LF alone at the end")]
#[test_case("0\r\na: b\nc: d\r\n\r\n" => "behind its last chunk is no header field: invalid new line"; "LF alone between fields")]
#[test_case("0\r\n\na: b\r\n\r\n" => "behind its last chunk is no header field: invalid new line"; "LF alone before a field")]
#[test_case("0\r\na: b\rc: d\r\n\r\n" => CRLF; "CR alone between fields")]
#[test_case("10000000000000000\r\nhi" => "a chunk is longer than anything"; "beyond numbers")]
#[test_case("0\r\na b: c\r\n\r\n" => "behind its last chunk is no header field: invalid header name"; "no field")]
fn refused(body: &str) -> String {
    let wrong = chunks(body).wrong.expect("it is refused").to_string();
    let why = wrong.strip_prefix("the answer cannot be read: ");
    why.expect("why").to_owned()
}

#[test]
fn fields_may_follow_the_last_chunk() {
    let read = chunks("2\r\nhi\r\n0\r\nX-Sum: 7\r\nx-more: a b \r\n\r\nrest");
    assert_eq!(told(&read), "200 kept \"hi\"");
    let trailers = read.trailers.expect("they are there");
    assert_eq!(shown(&trailers), "x-sum: 7, x-more: a b");
    assert_eq!(read.left, b"rest");
}

#[test]
fn what_stands_between_chunks_is_bounded() {
    let most = MOST_BETWEEN_CHUNKS as usize;
    let between = |idle: &str, times: usize| {
        let body = format!("1{idle}\r\nx\r\n").repeat(times);
        chunks(&format!("{body}0\r\n\r\n"))
            .wrong
            .map(|it| it.to_string())
    };
    let last = |len: usize| {
        let read = chunks(&format!("1\r\nx\r\n0;{}\r\n\r\n", "e".repeat(len)));
        read.wrong.map(|it| it.to_string())
    };
    assert_eq!(between(&format!(";{}", "e".repeat(most)), 1), None);
    // The last chunk's zero is one.
    assert_eq!(last(most - 1), None);
    let refused = Some(
        "the answer cannot be read: there are more than 16384 bytes of extensions, blanks and zeros between two \
         chunks"
            .to_owned(),
    );
    assert_eq!(between(&format!(";{}", "e".repeat(most + 1)), 1), refused);
    assert_eq!(last(most), refused);
    assert_eq!(between(";12345678", most / 8), None, "each by itself");
    let zeros = chunks(&"0".repeat(most + 1));
    assert_eq!(zeros.wrong.map(|it| it.to_string()), refused);
}

/// Once the zeros of all chunks were counted together, and those of the 2,341st were too many.
#[test]
fn any_number_of_sizes_may_be_padded() {
    let body = "00000001\r\nx\r\n".repeat(5_000);
    let read = chunks(&format!("{body}00000000\r\n\r\n"));
    assert_eq!(told(&read), format!("200 kept {:?}", "x".repeat(5_000)));
}

#[test]
fn fields_behind_the_last_chunk_are_bounded() {
    let behind = |fields: String| chunks(&format!("0\r\n{fields}\r\n")).wrong;
    let one = |len: usize| format!("x: {}\r\n", "y".repeat(len - 3));
    assert_eq!(behind(one(MOST_TRAILERS)), None);
    assert_eq!(behind(one(MOST_TRAILERS + 1)), Some(Wrong::LongTrailers));
    assert_eq!(behind("x: y\r\n".repeat(MOST_FIELDS)), None);
    let more = behind("x: y\r\n".repeat(MOST_FIELDS + 1));
    assert_eq!(more, Some(Wrong::LongTrailers));
}

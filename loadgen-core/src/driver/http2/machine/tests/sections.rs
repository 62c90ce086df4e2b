//! Which test holds what RFC 9113 and RFC 7541 ask of a client, section by section, and those tests that only a look
//! at the sections one by one asks for.
//!
//! Behind a colon stands the case of a table; `what_ends_the_connection` and the like have their sections in the
//! names of their cases.
//!
//! | RFC 9113 | what a client must do | held by |
//! |---|---|---|
//! | 3.4 | begin with the preface and its settings | `flow::a_connection_begins_with_its_preface` |
//! | 3.4 | have nothing of a server that does not begin with settings | `bad_server::what_comes_before_settings_ends_the_connection` |
//! | 4.1 | ignore the reserved bit, and flags that mean nothing | `sections::what_has_no_meaning_changes_none` |
//! | 4.1, 5.5 | ignore frames of unknown types | `bad_server::what_nobody_knows_is_ignored` |
//! | 4.2 | take no frame longer than it has allowed, and one that is as long | `bad_server::what_ends_the_connection_by_its_size`, `flow::the_server_is_told_of_what_was_read_in_batches` |
//! | 4.3 | end the connection where a block cannot be decoded | `bad_server::what_ends_the_connection_as_nothing_can_be_decoded_any_more`, `sections::a_block_that_is_cut_anywhere_ends_the_connection` |
//! | 4.3 | decode each block, whatever becomes of its stream | `interop::a_call_is_given_up`, `sections::a_block_that_is_wrong_is_decoded_all_the_same` |
//! | 4.3.1 | confirm another table size at the beginning of the next block | `flow::the_head_of_requests_that_are_the_same_is_indexed`, `sections::a_table_that_was_smaller_for_a_while_is_emptied` |
//! | 5.1 | have nothing but PRIORITY on streams that are idle | `bad_server::what_ends_the_connection`, `bad_server::what_comes_on_a_stream_that_waits_ends_the_connection`, `sections::priorities_are_nobodys_business` |
//! | 5.1 | have nothing behind the end of an answer | `bad_server::what_is_wrong_behind_a_whole_answer_ends_the_request` |
//! | 5.1 | bear with what was on its way when it reset a stream | `interop::a_call_is_given_up`, `bad_server::what_ends_a_call` |
//! | 5.1 | send nothing more on a stream that was reset | `sections::what_was_reset_hears_nothing_more` |
//! | 5.1.1 | number its streams upwards, odd, each once | `flow::a_stream_that_lasts_keeps_its_place`, `flow::numbers_of_streams_run_out` |
//! | 5.1.1 | have no streams that the server opens | `bad_server::what_ends_the_connection` |
//! | 5.1.2 | keep to the most streams that the server allows | `interop::the_limit_of_streams_falls_and_rises` |
//! | 5.2 | keep to the windows, and give room back | `flow::a_message_over_several_windows_is_sent_as_there_is_room`, `flow::the_server_is_told_of_what_was_read_in_batches` |
//! | 5.4.1 | say good-bye with the error's code, and take nothing more | `bad_server::what_ends_the_connection` |
//! | 5.4.2 | reset a stream with the error's code, and none that was reset | `bad_server::what_ends_a_call_otherwise`, `interop::a_reset_ends_the_call_with_what_has_come` |
//! | 6.1 | take padding off and count it; have no more of it than there is | `interop::padding_is_no_data`, `bad_server::what_ends_the_connection`, `sections::all_of_a_frame_may_be_padding_but_its_length` |
//! | 6.2 | look past padding and priority of a head | `interop::padding_is_no_data`, `bad_server::what_ends_the_connection_by_its_size`, `sections::priorities_are_nobodys_business` |
//! | 6.3 | hold a priority's length against its stream | `bad_server::what_ends_a_call_otherwise` |
//! | 6.4 | have no reset of no stream, of an idle one, or of another length | `bad_server::what_ends_the_connection`, `bad_server::what_ends_the_connection_by_its_size` |
//! | 6.5 | have settings whole, on no stream, and confirmations empty | `bad_server::what_ends_the_connection`, `bad_server::what_ends_the_connection_by_its_size` |
//! | 6.5.2 | refuse values that are none, ignore settings it does not know | `bad_server::what_ends_the_connection`, `bad_server::what_ends_the_connection_otherwise`, `bad_server::what_nobody_knows_is_ignored` |
//! | 6.5.3 | take the values in their order, and confirm each frame of them once | `flow::a_message_without_room_does_not_stand_in_line`, `sections::settings_are_confirmed_once_each` |
//! | 6.6, 8.4 | refuse pushes, as it allows none | `bad_server::what_ends_the_connection` |
//! | 6.7 | answer a ping with what it carries, and no answer | `interop::pings_are_answered`, `bad_server::what_ends_the_connection_by_its_size` |
//! | 6.8 | open nothing behind a good-bye, end what is below its stream and send again what is above | `interop::a_good_bye_ends_what_it_is_above`, `interop::a_good_bye_ends_what_waits`, `bad_server::what_ends_the_connection_otherwise` |
//! | 6.9 | have no room of nothing; ignore the reserved bit of an increment | `bad_server::what_ends_the_connection`, `bad_server::what_ends_a_call`, `sections::what_has_no_meaning_changes_none` |
//! | 6.9.1 | have no window above the most; send what is empty without any | `bad_server::what_ends_the_connection_otherwise`, `bad_server::what_ends_a_call_otherwise`, `flow::messages_that_wait_take_turns` |
//! | 6.9.2 | move the windows of open streams, below nothing too, and not the connection's | `flow::a_window_that_shrinks_is_below_nothing_for_a_while`, `sections::settings_do_not_move_the_connections_window` |
//! | 6.10 | have a block's frames behind each other, of one stream | `bad_server::what_ends_the_connection`, `interop::a_head_may_go_on_and_may_be_all`, `sections::a_block_goes_on_where_it_began` |
//! | 7 | take a code that it does not know as it comes | `bad_server::what_ends_a_call_otherwise`, `sections::codes_that_nobody_knows_are_told` |
//! | 8.1 | have one head, data, and trailers that end; interim heads before it | `bad_server::what_ends_a_call`, `interop::a_head_may_go_on_and_may_be_all` |
//! | 8.1 | keep an answer that ends before the request has, and is reset then | `flow::when_an_answer_came` |
//! | 8.1.1 | hold data against `content-length` | `bad_server::what_ends_a_call`, `bad_server::what_ends_a_call_otherwise`, `sections::a_length_says_nothing_where_there_is_no_data` |
//! | 8.2.1 | take no name in capitals, none with what is not allowed, and no value either | `sections::what_no_field_may_be_ends_the_call` |
//! | 8.2.2 | take no field of a connection | `sections::what_no_field_may_be_ends_the_call` |
//! | 8.3 | have `:status` first, once, and no other, and none in trailers | `bad_server::what_ends_a_call` |
//! | 10.5.1 | bound how long a head may be | `bad_server::a_head_that_is_too_long_ends_its_call`, `bad_server::a_head_that_is_much_too_long_ends_the_connection`, `bad_server::floods_are_bounded` |
//!
//! | RFC 7541 | what a client must do | held by |
//! |---|---|---|
//! | 2.3.3, 6.1 | have no index that is none | `appendix_c::what_is_no_block` |
//! | 4.2, 6.3 | have sizes first in a block, and none above what it allows | `appendix_c::what_is_no_block`, `stories::stories_say_what_they_said` |
//! | 4.3, 4.4 | push out what has no room, all of it for what has none at all | `appendix_c::responses_with_a_small_table`, `sections::a_field_beyond_the_table_empties_it` |
//! | 5.1 | have no number without end | `appendix_c::numbers` |
//! | 5.2 | have no end in Huffman's code, and padding of ones below a byte | `appendix_c::what_is_no_block` |
//! | 6.2 | have a name's index in the tables, too | `appendix_c::what_is_no_block` |
//! | 7.1.3 | put what is secret into no table, and say that nobody may | `sections::secrets_are_in_no_table` |
//!
//! One thing is taken that section 8.2.1 does not allow, as other clients take it: a value that begins or ends with
//! a blank. What such a value means is for its reader to say, and gRPC's does.

use test_case::test_case;

use super::super::decoder::Decoder;
use super::super::fault::Fault;
use super::super::frame::{
    ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HAS_PRIORITY,
    HEADERS, PADDED, PRIORITY, PROTOCOL_ERROR, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use super::super::hpack::put_number;
use super::appendix_c::{bytes, decoded, table};
use super::script::{
    HEAD, OK, REPLY, Talk, answer, block, frame, headers, is_whole, request, settings,
};

/// The tables of the header name tests that there are.
#[test]
fn what_holds_a_section_is_there() {
    let sources = [
        ("appendix_c", include_str!("appendix_c.rs")),
        ("bad_server", include_str!("bad_server.rs")),
        ("flow", include_str!("flow.rs")),
        ("interop", include_str!("interop.rs")),
        ("sections", include_str!("sections.rs")),
        ("stories", include_str!("stories.rs")),
    ];
    let rows = sources[4].1.lines().filter(|it| it.starts_with("//! | "));
    let mut held = 0;
    for row in rows {
        let by = row.rsplit(" | ").next().expect("a column");
        for test in by.split('`').filter(|it| it.contains("::")) {
            let (module, name) = test.split_once("::").expect("a test");
            let source = sources.iter().find(|it| it.0 == module).expect(module).1;
            assert!(source.contains(&format!("\nfn {name}(")), "{test}");
            held += 1;
        }
    }
    assert!(held > 70, "{held}");
}

#[test]
fn what_has_no_meaning_changes_none() {
    let mut talk = Talk::new(&[(4, 1)]);
    let id = talk.asks(b"xy");
    talk.hears();
    let meant = END_STREAM | END_HEADERS | PADDED | HAS_PRIORITY;
    let mut bytes = Vec::new();
    // More room, for the connection as for the stream.
    for id in [0, id] {
        bytes.extend(frame(WINDOW_UPDATE, 0xff, id, &[0x80, 0, 0, 5]));
    }
    bytes.extend(frame(HEADERS, END_HEADERS | !meant, id, &block(&HEAD)));
    bytes.extend(frame(DATA, !(END_STREAM | PADDED), id, REPLY));
    let flags = END_HEADERS | END_STREAM | !meant;
    bytes.extend(frame(HEADERS, flags, id, &block(&OK)));
    bytes.extend(frame(SETTINGS, !ACK, 0, &[]));
    // All of them with the reserved bit.
    let mut at = 0;
    while at < bytes.len() {
        let len = usize::from(bytes[at + 1]) << 8 | usize::from(bytes[at + 2]);
        bytes[at + 5] |= 0x80;
        at += 9 + len;
    }
    talk.says(&bytes);
    assert!(is_whole(&talk.sees(id)));
    assert_eq!(talk.client.window, 65_535 - 2 + 5);
    let heard = talk.hears();
    let kinds: Vec<_> = heard.iter().map(|it| (it.0.kind, it.1.len())).collect();
    assert_eq!(kinds, [(DATA, 1), (SETTINGS, 0)]);
    // A good-bye's stream has that bit, too.
    talk.says(&frame(GOAWAY, 0, 0, &[0x80, 0, 0, 1, 0, 0, 0, 0]));
    talk.says(&frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
    assert!(!talk.client.is_over());
}

#[test]
fn a_block_that_is_cut_anywhere_ends_the_connection() {
    let fields = [&[0x88][..], b"\x40\x01a\x82\x1c\x7f", b"\x5f\x03xyz"];
    let whole = fields.concat();
    for cut in 1..=whole.len() {
        let mut talk = Talk::new(&[]);
        let id = talk.asks(REPLY);
        talk.says(&frame(HEADERS, END_HEADERS, id, &whole[..cut]));
        // Where a field ends, what would follow is not missed.
        let is_block = [1, 7, whole.len()].contains(&cut);
        let fault = Fault::of_connection(COMPRESSION_ERROR);
        let ended = talk.client.farewell();
        assert_eq!(ended, (!is_block).then_some(fault), "{cut}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// What ends a call is in the table that the others share.
#[test]
fn a_block_that_is_wrong_is_decoded_all_the_same() {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    // A name in capitals, and something behind it.
    let wrong = [&[0x88][..], b"\x40\x01A\x01b", b"\x40\x01c\x01d"].concat();
    talk.says(&frame(HEADERS, END_HEADERS, first, &wrong));
    let fault = talk.sees(first).fault;
    assert_eq!(fault, Some(Fault::BadStream(PROTOCOL_ERROR)));
    talk.says(&frame(HEADERS, END_HEADERS, second, &[0x88, 0xbe]));
    let (status, fields) = talk.sees(second).head.expect("it came");
    assert_eq!(
        (status, &fields["c"], fields.len()),
        (200, &"d".parse().unwrap(), 1)
    );
}

#[test]
fn a_table_that_was_smaller_for_a_while_is_emptied() {
    let mut talk = Talk::new(&[]);
    talk.asks(REPLY);
    let first = talk.hears()[0].1.clone();
    talk.says(&[settings(&[(1, 0)]), settings(&[(1, 4096)])].concat());
    talk.hears();
    talk.asks(REPLY);
    let again = talk.hears()[0].1.clone();
    // The smallest there was, the size that counts, and all that was there before.
    assert_eq!(again[..4], [0x20, 0x3f, 0xe1, 0x1f]);
    assert_eq!(again[4..], first);
}

/// On whatever stream (sections 5.1 and 5.3).
#[test]
fn priorities_are_nobodys_business() {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.client.forget(first);
    talk.hears();
    for id in [first, second, 2, 99] {
        talk.says(&frame(PRIORITY, 0, id, &[0x80, 0, 0, 77, 255]));
    }
    // In a head it is the same, and no part of the block.
    let flags = END_HEADERS | HAS_PRIORITY | PADDED;
    let head = [&[3, 0x80, 0, 0, 77, 255][..], &block(&HEAD), &[0; 3]].concat();
    talk.says(&frame(HEADERS, flags, second, &head));
    talk.says(&[frame(DATA, 0, second, REPLY), headers(second, true, &OK)].concat());
    assert!(is_whole(&talk.sees(second)));
    assert!(talk.hears().is_empty());
}

#[test]
fn what_was_reset_hears_nothing_more() {
    let mut talk = Talk::new(&[(4, 10)]);
    let (first, second) = (talk.asks(&[7; 100]), talk.asks(&[7; 100]));
    assert_eq!(talk.hears().len(), 4);
    talk.says(&frame(RST_STREAM, 0, first, &[0; 4]));
    for id in [first, second] {
        talk.says(&frame(WINDOW_UPDATE, 0, id, &[0, 0, 0, 5]));
    }
    talk.says(&settings(&[(4, 20)]));
    let heard = talk.hears();
    let of_first = heard.iter().filter(|it| it.0.stream == first);
    assert_eq!(of_first.count(), 0);
    let sent = heard.iter().filter(|it| it.0.kind == DATA);
    assert_eq!(sent.map(|it| it.1.len()).sum::<usize>(), 15);
    talk.client.forget(first);
    assert!(talk.hears().is_empty());
}

#[test]
fn all_of_a_frame_may_be_padding_but_its_length() {
    let mut talk = Talk::new(&[]);
    let id = talk.asks(REPLY);
    talk.says(&headers(id, false, &HEAD));
    talk.says(&frame(DATA, PADDED, id, b"\x02\0\0"));
    talk.says(&[frame(DATA, PADDED, id, b"\0"), frame(DATA, 0, id, REPLY)].concat());
    talk.says(&headers(id, true, &OK));
    assert!(is_whole(&talk.sees(id)));
    let id = talk.asks(REPLY);
    talk.says(&headers(id, false, &HEAD));
    talk.says(&frame(DATA, PADDED, id, b"\x03\0\0"));
    let fault = Fault::of_connection(PROTOCOL_ERROR);
    assert_eq!(talk.client.farewell(), Some(fault));
}

#[test]
fn settings_are_confirmed_once_each() {
    let mut talk = Talk::new(&[(4, 1)]);
    let id = talk.asks(b"xy");
    talk.hears();
    talk.says(&[settings(&[(4, 2)]), settings(&[]), settings(&[(99, 1)])].concat());
    let heard = talk.hears();
    let acks = heard.iter().filter(|(header, payload)| {
        header.kind == SETTINGS && header.flags == ACK && header.stream == 0 && payload.is_empty()
    });
    assert_eq!(acks.count(), 3);
    // What they say holds by then.
    let data = heard.iter().find(|it| it.0.kind == DATA);
    assert_eq!(data.map(|it| it.0.stream), Some(id));
}

#[test]
fn settings_do_not_move_the_connections_window() {
    let mut talk = Talk::new(&[(4, 100_000)]);
    let id = talk.asks(&[7; 100_000]);
    talk.says(&settings(&[(4, 0x7fff_ffff)]));
    let heard = talk.hears();
    let sent = heard.iter().filter(|it| it.0.kind == DATA);
    assert_eq!(sent.map(|it| it.1.len()).sum::<usize>(), 65_535);
    talk.says(&frame(WINDOW_UPDATE, 0, 0, &[0, 1, 0, 0]));
    assert!(
        talk.hears()
            .iter()
            .any(|it| it.0.stream == id && it.0.has(END_STREAM))
    );
}

#[test]
fn a_block_goes_on_where_it_began() {
    for wrong in [
        // On no stream, behind a block that is over, and another head in between.
        frame(CONTINUATION, END_HEADERS, 0, &[]),
        [
            headers(1, false, &HEAD),
            frame(CONTINUATION, END_HEADERS, 1, &[]),
        ]
        .concat(),
        [frame(HEADERS, 0, 1, &[0x88]), headers(1, false, &HEAD)].concat(),
        [frame(HEADERS, 0, 1, &[0x88]), frame(DATA, 0, 1, b"x")].concat(),
        [frame(HEADERS, 0, 1, &[0x88]), settings(&[])].concat(),
    ] {
        let mut talk = Talk::new(&[]);
        talk.asks(REPLY);
        talk.says(&wrong);
        let fault = Fault::of_connection(PROTOCOL_ERROR);
        assert_eq!(talk.client.farewell(), Some(fault), "{wrong:?}");
    }
}

#[test]
fn codes_that_nobody_knows_are_told() {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    let code = 0xdead_beef_u32;
    talk.says(&frame(RST_STREAM, 0, first, &code.to_be_bytes()));
    assert_eq!(talk.sees(first).fault, Some(Fault::Reset(code)));
    let payload = [&first.to_be_bytes()[..], &code.to_be_bytes()].concat();
    talk.says(&frame(GOAWAY, 0, 0, &payload));
    let said = [][..].into();
    assert_eq!(talk.sees(second).fault, Some(Fault::GoAway { code, said }));
}

/// Some answers say how long they would be, and have no data.
#[test]
fn a_length_says_nothing_where_there_is_no_data() {
    for status in ["204", "304"] {
        let mut talk = Talk::new(&[]);
        let id = talk.asks(REPLY);
        talk.says(&headers(
            id,
            true,
            &[(":status", status), ("content-length", "5")],
        ));
        let seen = talk.sees(id);
        assert_eq!((seen.fault, seen.end), (None, Some(None)), "{status}");
    }
    // Of several that are the same each says the same.
    let length = ("content-length", "9");
    for (other, is_right) in [(length, true), (("content-length", "8"), false)] {
        let mut talk = Talk::new(&[]);
        let id = talk.asks(REPLY);
        talk.says(&headers(id, false, &[HEAD[0], length, other]));
        let seen = talk.sees(id);
        assert_eq!(
            (seen.head.is_some(), seen.fault.is_none()),
            (is_right, is_right)
        );
    }
}

#[test_case("", "x"; "8_2_1 a name of nothing")]
#[test_case("Big", "x"; "8_2_1 a capital")]
#[test_case("a b", "x"; "8_2_1 a blank in a name")]
#[test_case("a:b", "x"; "8_2_1 a colon in a name")]
#[test_case("a\0", "x"; "8_2_1 a zero in a name")]
#[test_case("a\x7f", "x"; "8_2_1 a control character in a name")]
#[test_case("a\u{e9}", "x"; "8_2_1 a name beyond ASCII")]
#[test_case("a", "b\0c"; "8_2_1 a zero in a value")]
#[test_case("a", "b\nc"; "8_2_1 a line feed in a value")]
#[test_case("a", "b\rc"; "8_2_1 a carriage return in a value")]
#[test_case("connection", "keep-alive"; "8_2_2 connection")]
#[test_case("proxy-connection", "x"; "8_2_2 proxy connection")]
#[test_case("keep-alive", "timeout=5"; "8_2_2 keep alive")]
#[test_case("transfer-encoding", "chunked"; "8_2_2 transfer encoding")]
#[test_case("upgrade", "h2c"; "8_2_2 upgrade")]
fn what_no_field_may_be_ends_the_call(name: &str, value: &str) {
    for in_trailers in [false, true] {
        let mut talk = Talk::new(&[]);
        let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
        talk.hears();
        if in_trailers {
            talk.says(&headers(first, false, &HEAD));
            talk.says(&headers(first, true, &[OK[0], (name, value)]));
        } else {
            talk.says(&headers(first, false, &[HEAD[0], HEAD[1], (name, value)]));
        }
        let fault = talk.sees(first).fault;
        assert_eq!(fault, Some(Fault::BadStream(PROTOCOL_ERROR)));
        // What both have ended needs no reset.
        let reset = talk.hears().iter().any(|it| it.0.kind == RST_STREAM);
        assert_eq!(reset, !in_trailers);
        talk.client.forget(first);
        talk.says(&answer(second));
        assert!(is_whole(&talk.sees(second)));
    }
}

#[test]
fn a_field_beyond_the_table_empties_it() {
    let mut decoder = Decoder::new();
    decoded(&mut decoder, "40016101 62").expect("a field");
    assert_eq!(table(&mut decoder), ["a: b"]);
    // 4,096 with its name and what a field takes beside: it is all there is. With a byte more nothing is.
    for (len, held) in [(4096 - 32 - 1, 1), (4096 - 32, 0)] {
        let mut field = vec![0x40, 1, b'c'];
        put_number(&mut field, 0, 7, len);
        field.extend(vec![b'd'; len]);
        decoded(&mut decoder, &hex(&field)).expect("a field");
        assert_eq!(table(&mut decoder).len(), held, "{len}");
    }
    // It works as before then.
    decoded(&mut decoder, "40016101 62").expect("a field");
    assert_eq!(table(&mut decoder), ["a: b"]);
}

#[test]
fn secrets_are_in_no_table() {
    let mut talk = Talk::new(&[]);
    let secret = || {
        let mut request = request();
        let mut value: http::HeaderValue = "Bearer x".parse().expect("a value");
        value.set_sensitive(true);
        request.headers_mut().insert("authorization", value);
        request
    };
    // With a name of the static table's: 23, with the bits of what is never to be indexed.
    let begins = bytes("1f08");
    for nth in 0..3 {
        let constant = super::script::constant(0);
        let id = talk.client.open(constant, secret).expect("open");
        talk.client.send(id, &bytes::Bytes::new());
        let head = talk.hears()[0].1.clone();
        let found = head.windows(2).any(|it| it == begins);
        assert!(found, "{nth}: {head:02x?}");
    }
}

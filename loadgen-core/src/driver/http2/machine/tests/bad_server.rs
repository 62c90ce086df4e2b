//! What a server must not send, by section of RFC 9113, and what it may send too much of.

use test_case::test_case;

use super::super::client::Client;
use super::super::fault::Fault;
use super::super::frame::{
    ACK, CANCEL, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HAS_PRIORITY, HEADERS, PADDED, PING, PRIORITY,
    PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, number,
};
use super::script::{
    HEAD, LIMITS, OK, REPLY, Talk, answer, block, frame, headers, is_whole, settings,
};

/// With the code that the server is told.
fn ends_the_connection(bytes: &[u8], code: u32) {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.hears();
    talk.says(bytes);
    assert!(talk.client.is_over());
    let fault = talk.client.farewell().expect("it is over");
    assert!(
        matches!(fault, Fault::BadConnection { code: its, .. } if its == code),
        "{fault:?}"
    );
    for id in [first, second] {
        assert_eq!(talk.sees(id).fault.as_ref(), Some(&fault));
    }
    let said = talk.hears();
    let (last, payload) = said.last().expect("a last word");
    assert_eq!((last.kind, number(&payload[4..8])), (GOAWAY, Some(code)));
    // Nothing more is taken.
    talk.says(&answer(1));
    assert!(talk.client.open(None, super::script::request).is_err());
    assert!(talk.hears().is_empty());
}

#[test_case(&frame(DATA, 0, 0, b"x"); "6_1 data on no stream")]
#[test_case(&frame(DATA, PADDED, 1, b"\x05x"); "6_1 more padding than payload")]
#[test_case(&frame(DATA, 0, 99, b"x"); "5_1 data on a stream that was never opened")]
#[test_case(&frame(HEADERS, END_HEADERS, 0, &block(&HEAD)); "6_2 headers on no stream")]
#[test_case(&headers(2, false, &HEAD); "5_1_1 headers on a stream of the server's own")]
#[test_case(&headers(99, false, &HEAD); "5_1 headers on a stream that was never opened")]
#[test_case(&frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09\x88"); "6_2 more padding than block")]
#[test_case(&frame(PRIORITY, 0, 0, &[0; 5]); "6_3 priority of no stream")]
#[test_case(&frame(RST_STREAM, 0, 0, &[0; 4]); "6_4 a reset of no stream")]
#[test_case(&frame(RST_STREAM, 0, 99, &[0; 4]); "6_4 a reset of a stream that was never opened")]
#[test_case(&frame(SETTINGS, 0, 1, &[]); "6_5 settings of a stream")]
#[test_case(&frame(SETTINGS, ACK, 0, &[]); "6_5 an acknowledgement of nothing")]
#[test_case(&settings(&[(2, 1)]); "6_5_2 push that a server allows")]
#[test_case(&settings(&[(2, 2)]); "6_5_2 push that is neither on nor off")]
#[test_case(&settings(&[(5, 16_383)]); "6_5_2 frames too small")]
#[test_case(&settings(&[(5, 1 << 24)]); "6_5_2 frames too large")]
#[test_case(&frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]); "8_4 a push")]
#[test_case(&frame(PING, 0, 1, &[0; 8]); "6_7 a ping on a stream")]
#[test_case(&frame(GOAWAY, 0, 1, &[0; 8]); "6_8 a good-bye on a stream")]
#[test_case(&frame(WINDOW_UPDATE, 0, 0, &[0; 4]); "6_9 room for nothing")]
#[test_case(&frame(WINDOW_UPDATE, 0, 99, &[0, 0, 0, 1]); "6_9 room on a stream that was never opened")]
#[test_case(&frame(CONTINUATION, END_HEADERS, 1, &[]); "6_10 a continuation of nothing")]
#[test_case(&[frame(HEADERS, 0, 1, &[0x88]), frame(CONTINUATION, END_HEADERS, 3, &[])].concat(); "6_10 of another's block")]
#[test_case(&[frame(HEADERS, 0, 1, &[0x88]), frame(PING, 0, 0, &[0; 8])].concat(); "6_10 a block interrupted")]
#[test_case(&[frame(HEADERS, 0, 1, &[0x88]), frame(99, 0, 0, &[])].concat(); "6_10 by something unknown")]
fn what_ends_the_connection(bytes: &[u8]) {
    ends_the_connection(bytes, PROTOCOL_ERROR);
}

#[test_case(&[0, 0x40, 1, 0, 0, 0, 0, 0, 1]; "4_2 a frame too long")]
#[test_case(&frame(DATA, PADDED, 1, b""); "6_1 padding without a length")]
#[test_case(&frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, b"\0\0\0"); "6_2 half a priority")]
#[test_case(&frame(RST_STREAM, 0, 1, &[0; 3]); "6_4 half a reset")]
#[test_case(&frame(SETTINGS, 0, 0, &[0; 5]); "6_5 half a setting")]
#[test_case(&frame(SETTINGS, ACK, 0, &[0; 6]); "6_5 an acknowledgement of settings with settings")]
#[test_case(&frame(PING, 0, 0, &[0; 7]); "6_7 a ping too short")]
#[test_case(&frame(GOAWAY, 0, 0, &[0; 7]); "6_8 half a good-bye")]
#[test_case(&frame(WINDOW_UPDATE, 0, 0, &[0; 3]); "6_9 half a window")]
fn what_ends_the_connection_by_its_size(bytes: &[u8]) {
    ends_the_connection(bytes, FRAME_SIZE_ERROR);
}

#[test_case(&frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"); "4_3 a block that is none")]
#[test_case(&frame(HEADERS, END_HEADERS, 1, b"\x88\x80"); "4_3 an index that is none")]
fn what_ends_the_connection_as_nothing_can_be_decoded_any_more(bytes: &[u8]) {
    ends_the_connection(bytes, COMPRESSION_ERROR);
}

#[test]
fn what_ends_the_connection_otherwise() {
    ends_the_connection(&settings(&[(4, 1 << 31)]), FLOW_CONTROL_ERROR);
    let most = frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]);
    ends_the_connection(&most, FLOW_CONTROL_ERROR);
    let grown = [
        frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0, 0, 0]),
        settings(&[(4, 0x7fff_ffff)]),
    ];
    ends_the_connection(&grown.concat(), FLOW_CONTROL_ERROR);
    // A last stream above the one before.
    let good_byes = [3, 5].map(|last| frame(GOAWAY, 0, 0, &[0, 0, 0, last, 0, 0, 0, 0]));
    ends_the_connection(&good_byes.concat(), PROTOCOL_ERROR);
}

/// A connection begins with settings (section 3.4).
#[test]
fn what_comes_before_settings_ends_the_connection() {
    for bytes in [
        frame(PING, 0, 0, &[0; 8]),
        frame(GOAWAY, 0, 0, &[0; 8]),
        frame(SETTINGS, ACK, 0, &[]),
        frame(99, 0, 0, &[]),
    ] {
        let mut client = Client::new(LIMITS);
        client.receive(&bytes, None, None);
        assert_eq!(
            client.farewell(),
            Some(Fault::of_connection(PROTOCOL_ERROR))
        );
    }
}

/// Section 5.1, "idle": of a stream that waits here the server cannot know.
#[test]
fn what_comes_on_a_stream_that_waits_ends_the_connection() {
    for frame in [
        headers(3, true, &HEAD),
        frame(DATA, 0, 3, b"x"),
        frame(RST_STREAM, 0, 3, &[0; 4]),
        frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1]),
    ] {
        let mut talk = Talk::new(&[(3, 1)]);
        let _ids = [0; 2].map(|_| talk.asks(REPLY));
        talk.says(&frame);
        let fault = Fault::of_connection(PROTOCOL_ERROR);
        assert_eq!(talk.client.farewell(), Some(fault), "{frame:?}");
    }
}

/// The call ends, and the next one on the connection is answered.
fn ends_the_call(bytes: &[u8], fault: &Fault) {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.hears();
    talk.says(bytes);
    assert_eq!(talk.sees(first).fault.as_ref(), Some(fault));
    let resets: Vec<_> = talk
        .hears()
        .into_iter()
        .filter(|it| it.0.kind == RST_STREAM)
        .collect();
    match fault {
        Fault::BadStream(code) => {
            let (header, payload) = &resets[0];
            assert_eq!(
                (resets.len(), header.stream, number(payload)),
                (1, first, Some(*code))
            );
        }
        _ => assert!(resets.is_empty()),
    }
    talk.client.forget(first);
    talk.says(&answer(second));
    assert!(is_whole(&talk.sees(second)));
}

#[test_case(&frame(DATA, 0, 1, b"x"); "8_1 data before a head")]
#[test_case(&frame(HEADERS, END_HEADERS, 1, &block(&[(":status", "200"), ("Big", "x")])); "8_2 a capital")]
#[test_case(&frame(HEADERS, END_HEADERS, 1, &block(&[(":status", "200"), ("a", "b\nc")])); "8_2 a line in a value")]
#[test_case(&frame(HEADERS, END_HEADERS, 1, &block(&[(":status", "20")])); "8_3_2 a status of two digits")]
#[test_case(&frame(HEADERS, END_HEADERS, 1, &block(&[(":other", "20")])); "8_3 a pseudo-field nobody knows")]
#[test_case(&frame(WINDOW_UPDATE, 0, 1, &[0; 4]); "6_9 room for nothing on a stream")]
#[test_case(&headers(1, false, &[(":method", "GET"), (":status", "200")]); "8_3 a pseudo-field of requests")]
#[test_case(&[headers(1, false, &HEAD), headers(1, true, &[(":status", "200"), OK[0]])].concat(); "8_1 a pseudo-field in trailers")]
#[test_case(&headers(1, false, &[("content-type", "application/grpc")]); "8_3_2 a head without a status")]
#[test_case(&headers(1, false, &[(":status", "200"), ("connection", "close")]); "8_2_2 connection")]
#[test_case(&headers(1, false, &[(":status", "200"), ("te", "gzip")]); "8_2_2 te")]
#[test_case(&headers(1, false, &[("a", "b"), (":status", "200")]); "8_3 a pseudo-field behind another")]
#[test_case(&headers(1, false, &[(":status", "200"), (":status", "200")]); "8_3 a pseudo-field twice")]
#[test_case(&headers(1, true, &[(":status", "103")]); "8_1 an interim head that is the last")]
#[test_case(&[headers(1, false, &HEAD), headers(1, false, &OK)].concat(); "8_1 trailers that are not the last")]
#[test_case(&headers(1, false, &[(":status", "200"), ("content-length", "x")]); "8_1_1 a length that is none")]
#[test_case(&headers(1, true, &[(":status", "200"), ("content-length", "5")]); "8_1_1 less than was said")]
#[test_case(&frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]); "5_3_1 a stream that depends on itself")]
fn what_ends_a_call(bytes: &[u8]) {
    // What the server has ended it does not hear of.
    let ended = super::script::sent(bytes)
        .iter()
        .any(|it| it.0.kind == HEADERS && it.0.has(END_STREAM));
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.hears();
    talk.says(bytes);
    assert_eq!(
        talk.sees(first).fault,
        Some(Fault::BadStream(PROTOCOL_ERROR))
    );
    let resets = talk
        .hears()
        .iter()
        .filter(|it| it.0.kind == RST_STREAM)
        .count();
    assert_eq!(resets, usize::from(!ended));
    talk.client.forget(first);
    // Whatever was on its way.
    talk.says(&frame(DATA, END_STREAM, first, b"late"));
    talk.says(&answer(second));
    assert!(is_whole(&talk.sees(second)));
}

/// Section 5.1, "idle": a stream that waits for its turn is none yet, and nothing is said on it.
#[test_case(&[0, 0, 0, 3, 0]; "that depends on itself")]
#[test_case(&[0; 4]; "that is too short")]
fn a_wrong_priority_is_of_no_call_that_waits(payload: &[u8]) {
    let mut talk = Talk::new(&[(3, 1)]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.hears();
    talk.says(&frame(PRIORITY, 0, second, payload));
    assert_eq!(talk.sees(second).fault, None);
    assert!(talk.hears().is_empty());
    talk.says(&answer(first));
    talk.client.forget(first);
    let heads = talk.hears();
    let streams: Vec<_> = heads.iter().map(|it| (it.0.kind, it.0.stream)).collect();
    assert_eq!(streams[0], (HEADERS, second));
    talk.says(&answer(second));
    assert!(is_whole(&talk.sees(second)));
}

#[test]
fn what_ends_a_call_otherwise() {
    let lengths = [headers(
        1,
        false,
        &[(":status", "200"), ("content-length", "3")],
    )];
    let too_much = [lengths[0].clone(), frame(DATA, 0, 1, b"four")].concat();
    ends_the_call(&too_much, &Fault::BadStream(PROTOCOL_ERROR));
    let reset = frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    ends_the_call(&reset, &Fault::Reset(CANCEL));
    ends_the_call(&frame(RST_STREAM, 0, 1, &[0, 0, 1, 0]), &Fault::Reset(256));
    ends_the_call(
        &frame(PRIORITY, 0, 1, &[0; 4]),
        &Fault::BadStream(FRAME_SIZE_ERROR),
    );
    let most = frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]);
    ends_the_call(&most, &Fault::BadStream(FLOW_CONTROL_ERROR));
    let mut too_much = headers(1, false, &HEAD);
    (0..65).for_each(|_| too_much.extend(frame(DATA, 0, 1, &[0; 16_384])));
    let mut talk = Talk::new(&[]);
    let first = talk.asks(REPLY);
    talk.says(&too_much);
    let seen = talk.sees(first);
    assert_eq!(
        seen.data.len(),
        1 << 20,
        "what came within the window is there"
    );
    assert_eq!(seen.fault, Some(Fault::BadStream(FLOW_CONTROL_ERROR)));
}

/// Sections 5.1, "half-closed (remote)", and 6.9. The answer is whole, and stays so.
#[test_case(&headers(1, true, &OK), STREAM_CLOSED; "trailers again")]
#[test_case(&frame(DATA, 0, 1, b"more"), STREAM_CLOSED; "data behind trailers")]
#[test_case(&frame(WINDOW_UPDATE, 0, 1, &[0; 4]), PROTOCOL_ERROR; "room for nothing")]
fn what_is_wrong_behind_a_whole_answer_ends_the_request(bytes: &[u8], code: u32) {
    let mut talk = Talk::new(&[(4, 1)]);
    let (first, second) = (talk.asks(REPLY), talk.asks(b"x"));
    talk.hears();
    talk.says(&answer(first));
    talk.says(bytes);
    let heard = talk.hears();
    let (header, payload) = &heard[0];
    assert_eq!(
        (heard.len(), header.kind, header.stream, number(payload)),
        (1, RST_STREAM, first, Some(code))
    );
    assert!(is_whole(&talk.sees(first)));
    talk.client.forget(first);
    assert!(talk.hears().is_empty());
    talk.says(&answer(second));
    assert!(is_whole(&talk.sees(second)));
}

fn in_frames(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let pieces: Vec<_> = block.chunks(16_384).collect();
    let mut bytes = Vec::new();
    for (nth, piece) in pieces.iter().enumerate() {
        let last = if nth + 1 == pieces.len() {
            END_HEADERS
        } else {
            0
        };
        let (kind, flags) = if nth == 0 {
            (HEADERS, flags | last)
        } else {
            (CONTINUATION, last)
        };
        bytes.extend(frame(kind, flags, stream, piece));
    }
    bytes
}

/// These fields, and behind them so many of about a thousand bytes.
fn long_block(first: (&str, &str), more: usize) -> Vec<u8> {
    let value = "y".repeat(1000);
    let names: Vec<_> = (0..more).map(|nth| format!("x-{nth}")).collect();
    let mut fields = vec![first];
    fields.extend(names.iter().map(|name| (name.as_str(), value.as_str())));
    block(&fields)
}

#[test]
fn a_head_that_is_too_long_ends_its_call() {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.says(&in_frames(first, 0, &long_block(HEAD[0], 60)));
    assert_eq!(talk.sees(first).head.expect("it is taken").1.len(), 60);
    talk.says(&in_frames(second, 0, &long_block(HEAD[0], 70)));
    assert_eq!(
        talk.sees(second).fault,
        Some(Fault::BadStream(PROTOCOL_ERROR))
    );
    // Of trailers what is too much is left out.
    let third = talk.asks(REPLY);
    talk.says(&headers(third, false, &HEAD));
    talk.says(&in_frames(third, END_STREAM, &long_block(OK[0], 70)));
    let trailers = talk
        .sees(third)
        .end
        .expect("they came")
        .expect("they are some");
    assert!(trailers["grpc-status"] == "0" && trailers.len() < 65);
}

#[test]
fn a_head_that_is_much_too_long_ends_the_connection() {
    // A field of 256 bytes, and a byte for each time that it is meant again. What is not allowed counts, too.
    for name in ["a", "connection", ":status", "A"] {
        let mut bomb = vec![0x88, 0x40, name.len() as u8];
        bomb.extend(name.as_bytes());
        bomb.extend([0x7f, 0x81, 0x01]);
        bomb.extend([b'b'; 256]);
        bomb.extend([0xbe; 1000]);
        let mut talk = Talk::new(&[]);
        let first = talk.asks(REPLY);
        talk.says(&frame(HEADERS, END_HEADERS, first, &bomb));
        let (code, said) = (ENHANCE_YOUR_CALM, "header_list_way_too_large");
        let fault = talk.sees(first).fault;
        assert_eq!(fault, Some(Fault::BadConnection { code, said }), "{name}");
    }
}

#[test]
fn floods_are_bounded() {
    // Continuations without end.
    let mut talk = Talk::new(&[]);
    let first = talk.asks(REPLY);
    talk.says(&frame(HEADERS, 0, first, &[0x88]));
    for nth in 1..=6 {
        assert!(!talk.client.is_over(), "{nth}");
        talk.says(&frame(CONTINUATION, 0, first, &[0x88]));
    }
    let said = "too_many_continuations";
    let code = ENHANCE_YOUR_CALM;
    assert_eq!(
        talk.client.farewell(),
        Some(Fault::BadConnection { code, said })
    );

    // Data without any.
    let mut talk = Talk::new(&[]);
    let first = talk.asks(REPLY);
    talk.says(&headers(first, false, &HEAD));
    (0..1000).for_each(|_| talk.says(&frame(DATA, 0, first, &[])));
    assert!(!talk.client.is_over());
    talk.says(&frame(DATA, 0, first, b"x"));
    (0..1000).for_each(|_| talk.says(&frame(DATA, 0, first, &[])));
    assert!(!talk.client.is_over());
    talk.says(&frame(DATA, 0, first, &[]));
    let said = "too_many_data_frames";
    assert_eq!(
        talk.client.farewell(),
        Some(Fault::BadConnection { code, said })
    );

    // Of those each call may have some.
    let mut talk = Talk::new(&[]);
    for _ in 0..1001 {
        let id = talk.asks(REPLY);
        talk.says(&headers(id, false, &HEAD));
        talk.says(&frame(DATA, 0, id, &[]));
        talk.says(&headers(id, true, &OK));
        talk.client.forget(id);
    }
    assert!(!talk.client.is_over());

    // What the server does not read the answers to.
    for flood in [frame(PING, 0, 0, &[0; 8]), settings(&[])] {
        let mut talk = Talk::new(&[]);
        let mut taken = 0;
        while talk.client.takes_more() {
            talk.says(&flood);
            taken += 1;
        }
        assert!(taken <= 1000 && talk.client.due().len() < 20_000);
        talk.hears();
        assert!(talk.client.takes_more());
    }

    // Resets, of streams that are gone.
    let mut talk = Talk::new(&[]);
    let first = talk.asks(REPLY);
    talk.client.forget(first);
    talk.hears();
    (0..10_000).for_each(|_| talk.says(&frame(RST_STREAM, 0, first, &[0; 4])));
    assert!(talk.hears().is_empty() && !talk.client.is_over());
}

#[test]
fn what_nobody_knows_is_ignored() {
    let mut talk = Talk::new(&[(99, 7), (0x10, 1)]);
    let first = talk.asks(REPLY);
    for kind in [10, 16, 99, 255] {
        talk.says(&frame(kind, 0xff, first, b"whatever"));
        talk.says(&frame(kind, 0, 2, &[]));
    }
    talk.says(&[headers(first, false, &[(":status", "103")]), answer(first)].concat());
    assert!(is_whole(&talk.sees(first)));
}

//! What gRPC's HTTP/2 interoperability tests have a server do (`doc/http2-interop-test-descriptions.md` of
//! gRPC), and what else servers do that is allowed.

use super::super::fault::Fault;
use super::super::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, GOAWAY, HEADERS,
    NO_ERROR, PADDED, PING, RST_STREAM, WINDOW_UPDATE,
};
use super::script::{
    HEAD, OK, REPLY, Seen, Talk, answer, block, frame, headers, is_whole, settings,
};

fn good_bye(last: u32, code: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    frame(GOAWAY, 0, 0, &payload)
}

/// `goaway`: a call that the server still looks at ends in its own time, one above it was never looked at.
#[test]
fn a_good_bye_ends_what_it_is_above() {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.hears();
    let announced = good_bye(0x7fff_ffff, NO_ERROR);
    talk.says(&announced);
    assert!(talk.client.farewell().is_some() && !talk.client.is_done());
    assert_eq!(
        (talk.sees(first).fault, talk.sees(second).fault),
        (None, None)
    );
    talk.says(&good_bye(first, NO_ERROR));
    let untouched = Fault::GoAway {
        code: NO_ERROR,
        said: [][..].into(),
    };
    assert_eq!(talk.sees(second).fault, Some(untouched.clone()));
    assert_eq!(
        talk.client.open(None, super::script::request),
        Err(untouched)
    );
    assert!(!talk.client.is_done());
    talk.says(&answer(first));
    assert!(is_whole(&talk.sees(first)));
    assert!(talk.client.is_done());
    talk.client.say_good_bye();
    assert_eq!(talk.hears()[0].0.kind, GOAWAY);
    assert_eq!(talk.client.outcome(), Ok(()));
}

#[test]
fn a_good_bye_with_an_error_is_one() {
    let mut talk = Talk::new(&[]);
    let first = talk.asks(REPLY);
    let said = [good_bye(0, 11), b"slower".to_vec()].concat();
    let mut said = said;
    said[2] += 6;
    talk.says(&said);
    let fault = Fault::GoAway {
        code: 11,
        said: b"slower"[..].into(),
    };
    assert_eq!(talk.sees(first).fault, Some(fault.clone()));
    assert_eq!(talk.client.outcome(), Err(fault));
}

/// `rst_after_header`, `rst_during_data`, `rst_after_data`
#[test]
fn a_reset_ends_the_call_with_what_has_come() {
    let reset = |id| frame(RST_STREAM, 0, id, &NO_ERROR.to_be_bytes());
    for (data, has_trailers) in [
        (&REPLY[..0], false),
        (&REPLY[..7], false),
        (REPLY, false),
        (REPLY, true),
    ] {
        let mut talk = Talk::new(&[]);
        let id = talk.asks(REPLY);
        talk.says(&headers(id, false, &HEAD));
        talk.says(&frame(DATA, 0, id, data));
        if has_trailers {
            talk.says(&headers(id, true, &OK));
        }
        talk.says(&reset(id));
        let seen = talk.sees(id);
        assert!(seen.head.is_some() && seen.data == data);
        let expected = (!has_trailers).then_some(Fault::Reset(NO_ERROR));
        assert_eq!(
            (seen.fault.clone(), is_whole(&seen)),
            (expected, has_trailers)
        );
        talk.client.forget(id);
        assert!(talk.hears().iter().all(|it| it.0.kind != RST_STREAM));
    }
}

/// `ping`: each is answered with what it carries.
#[test]
fn pings_are_answered() {
    let mut talk = Talk::new(&[]);
    let id = talk.asks(REPLY);
    talk.hears();
    let ping = frame(PING, 0, 0, b"whatever");
    talk.says(&[ping.clone(), headers(id, false, &HEAD), ping].concat());
    talk.says(&frame(PING, ACK, 0, b"not ours"));
    let heard = talk.hears();
    assert!(
        heard.len() == 2
            && heard.iter().all(|(header, payload)| {
                (header.kind, header.flags, &payload[..]) == (PING, ACK, b"whatever")
            })
    );
}

/// `max_streams`: as many at a time as the server allows at the moment.
#[test]
fn the_limit_of_streams_falls_and_rises() {
    let mut talk = Talk::new(&[(3, 2)]);
    let ids = [0; 4].map(|_| talk.asks(REPLY));
    let opened = |heard: Vec<(super::super::frame::Header, Vec<u8>)>| -> Vec<u32> {
        let heads = heard.iter().filter(|it| it.0.kind == HEADERS);
        heads.map(|it| it.0.stream).collect()
    };
    assert_eq!(opened(talk.hears()), ids[..2]);
    talk.says(&settings(&[(3, 1)]));
    assert_eq!(talk.client.most_streams(), 1);
    talk.says(&answer(ids[0]));
    assert!(is_whole(&talk.sees(ids[0])));
    talk.client.forget(ids[0]);
    assert!(opened(talk.hears()).is_empty());
    // One that waits is given up: the server never hears of it.
    talk.client.forget(ids[2]);
    assert!(opened(talk.hears()).is_empty());
    talk.says(&settings(&[(3, 0)]));
    talk.says(&answer(ids[1]));
    talk.client.forget(ids[1]);
    assert!(opened(talk.hears()).is_empty());
    talk.says(&settings(&[(3, 10)]));
    assert_eq!(opened(talk.hears()), [ids[3]]);
    talk.says(&answer(ids[3]));
    assert!(is_whole(&talk.sees(ids[3])));
    // Who says nothing of it later changes nothing.
    talk.says(&settings(&[(4, 10)]));
    assert_eq!(talk.client.most_streams(), 10);
    assert_eq!(Talk::new(&[]).client.most_streams(), usize::MAX);
}

/// `data_frame_padding` and `no_df_padding_sanity_test`: padding is no data, and is counted all the same.
#[test]
fn padding_is_no_data() {
    let mut talk = Talk::new(&[]);
    let id = talk.asks(REPLY);
    talk.says(&headers(id, false, &HEAD));
    for byte in REPLY {
        talk.says(&padded(id, *byte));
    }
    let head_of_padding = [&[3][..], &block(&OK), &[0; 3]].concat();
    let flags = END_HEADERS | END_STREAM | PADDED;
    talk.says(&frame(HEADERS, flags, id, &head_of_padding));
    assert!(is_whole(&talk.sees(id)));
    // Room for padding is given back with the data that it is beside, and not before.
    let id = talk.asks(REPLY);
    talk.says(&headers(id, false, &HEAD));
    let mut seen = Seen::default();
    for _ in 0..5000 {
        talk.says(&padded(id, 7));
        seen.look(&mut talk.client, id);
        talk.hears();
    }
    assert_eq!((seen.data.len(), seen.fault), (5000, None));
    (0..5000).for_each(|_| talk.says(&padded(id, 7)));
    assert_eq!(
        talk.sees(id).fault,
        Some(Fault::BadStream(FLOW_CONTROL_ERROR))
    );
}

/// Data of one byte, and as much padding as there may be.
fn padded(id: u32, byte: u8) -> Vec<u8> {
    let payload = [&[255, byte][..], &[0; 255]].concat();
    frame(DATA, PADDED, id, &payload)
}

#[test]
fn a_head_may_go_on_and_may_be_all() {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    let block = block(&[HEAD[0], HEAD[1], ("grpc-status", "5")]);
    let (a, b) = block.split_at(7);
    talk.says(&frame(HEADERS, END_STREAM, first, a));
    talk.says(&frame(CONTINUATION, 0, first, b));
    assert_eq!(talk.sees(first).head, None);
    talk.says(&frame(CONTINUATION, END_HEADERS, first, &[]));
    let seen = talk.sees(first);
    assert_eq!(
        (seen.head.expect("it is whole").0, seen.end),
        (200, Some(None))
    );
    // Interim ones are left out, however many there are.
    (0..50).for_each(|_| {
        talk.says(&headers(
            second,
            false,
            &[(":status", "103"), ("link", "</a>")],
        ));
    });
    talk.says(&answer(second));
    assert!(is_whole(&talk.sees(second)));
}

/// Blocks that come again, and blocks that change what is in the table.
#[test]
fn a_block_that_came_before_does_to_the_table_what_it_did() {
    let mut talk = Talk::new(&[]);
    // A new field each time, as some servers send them: the second one is the first but one of the table then.
    let inserts = [&[0x88][..], b"\x40\x01a\x01b", b"\x40\x01c\x01d"].concat();
    for nth in 0..10 {
        // Whatever is in the table before it.
        let between = talk.asks(REPLY);
        let other = [&[0x88][..], b"\x40\x01e\x01", &[b'0' + nth]].concat();
        talk.says(&frame(HEADERS, END_HEADERS | END_STREAM, between, &other));
        talk.client.forget(between);
        let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
        talk.says(&frame(HEADERS, END_HEADERS | END_STREAM, first, &inserts));
        talk.says(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            second,
            &[0x88, 0xbe, 0xbf],
        ));
        let fields = |seen: Seen| {
            let fields = seen.head.expect("it came").1;
            (fields["a"].clone(), fields["c"].clone())
        };
        let expected = ("b".parse().unwrap(), "d".parse().unwrap());
        assert_eq!(fields(talk.sees(first)), expected);
        assert_eq!(fields(talk.sees(second)), expected);
        talk.client.forget(first);
        talk.client.forget(second);
    }
    // The table is emptied: what is in it was meant by its place, and a block that came before is none now.
    let third = talk.asks(REPLY);
    talk.says(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        third,
        &[0x20, 0x88],
    ));
    let fourth = talk.asks(REPLY);
    talk.says(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        fourth,
        &[0x88, 0xbe, 0xbf],
    ));
    assert!(talk.client.is_over());
}

/// A call that is given up leaves the connection as it is, whatever comes of it yet.
#[test]
fn a_call_is_given_up() {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.hears();
    talk.says(&headers(first, false, &HEAD));
    talk.client.forget(first);
    let heard = talk.hears();
    assert_eq!(
        (heard[0].0.kind, heard[0].0.stream, &heard[0].1[..]),
        (RST_STREAM, first, &[0, 0, 0, 8][..])
    );
    // Its table changes are everybody's.
    let trailers = b"\x40\x0bgrpc-status\x010";
    talk.says(&frame(DATA, 0, first, REPLY));
    talk.says(&frame(WINDOW_UPDATE, 0, first, &[0, 0, 0, 1]));
    talk.says(&frame(HEADERS, END_HEADERS | END_STREAM, first, trailers));
    talk.says(&headers(second, false, &HEAD));
    talk.says(&frame(DATA, 0, second, REPLY));
    talk.says(&frame(HEADERS, END_HEADERS | END_STREAM, second, &[0xbe]));
    assert!(is_whole(&talk.sees(second)));
    assert!(!talk.client.is_over());
}

/// What broke off is told with what has come before.
#[test]
fn a_connection_that_ends_ends_what_is_not_over() {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.says(&answer(first));
    talk.says(&headers(second, false, &HEAD));
    talk.client.closed();
    assert!(is_whole(&talk.sees(first)));
    assert_eq!(talk.sees(second).fault, Some(Fault::Closed("stream")));
    assert!(talk.client.farewell().is_some() && talk.client.outcome().is_ok());
}

/// What is told of it is the good-bye, and not what came of the connection then.
#[test]
fn a_good_bye_stands_when_the_connection_breaks() {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.says(&good_bye(first, NO_ERROR));
    // Half a frame is under way.
    talk.says(&[0, 0]);
    talk.client.closed();
    let said = [][..].into();
    let untouched = Fault::GoAway {
        code: NO_ERROR,
        said,
    };
    assert_eq!(talk.client.farewell(), Some(untouched.clone()));
    assert_eq!(talk.sees(second).fault, Some(untouched));
    let text = "bytes remaining on stream";
    let broken = Fault::Broken(std::io::ErrorKind::Other, Some(text.into()));
    assert_eq!(talk.sees(first).fault, Some(broken));
    // Where it is we who end it, nothing was to come.
    let mut talk = Talk::new(&[]);
    let first = talk.asks(REPLY);
    talk.says(&[0, 0]);
    talk.client.ended();
    assert_eq!(talk.sees(first).fault, Some(Fault::Closed("stream")));
}

/// A call that was not opened yet is nothing that the server looks at, whatever its number.
#[test]
fn a_good_bye_ends_what_waits() {
    let mut talk = Talk::new(&[(3, 1)]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.hears();
    talk.says(&good_bye(0x7fff_ffff, NO_ERROR));
    let fault = talk.sees(second).fault;
    assert!(matches!(fault, Some(Fault::GoAway { code: NO_ERROR, .. })));
    talk.says(&answer(first));
    assert!(is_whole(&talk.sees(first)));
    talk.client.forget(first);
    assert!(talk.hears().is_empty());
    assert!(talk.client.is_done());
}

/// What came before a write failed is taken, and nothing is opened any more.
#[test]
fn what_came_before_a_connection_broke_is_taken() {
    let mut talk = Talk::new(&[]);
    let (first, second) = (talk.asks(REPLY), talk.asks(REPLY));
    talk.client
        .sends_no_more(std::io::ErrorKind::BrokenPipe, None);
    let broken = Fault::Broken(std::io::ErrorKind::BrokenPipe, None);
    assert_eq!(talk.client.farewell(), Some(broken));
    talk.says(&answer(first));
    talk.says(&good_bye(first, NO_ERROR));
    assert!(is_whole(&talk.sees(first)));
    let fault = talk.sees(second).fault;
    assert!(matches!(fault, Some(Fault::GoAway { code: NO_ERROR, .. })));
}

//! What may be sent and when, and when what was sent had left.

use bytes::Bytes;

use super::super::client::{Client, Constant};
use super::super::decoder::Decoder;
use super::super::fault::Fault;
use super::super::frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Header, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, number,
};
use super::script::{
    HEAD, LIMITS, OK, REPLY, Seen, Talk, answer, constant, frame, headers, is_whole, request,
    settings,
};
use crate::workload::Receipt;

fn data(heard: &[(Header, Vec<u8>)], id: u32) -> (usize, bool) {
    let frames = heard
        .iter()
        .filter(|it| (it.0.kind, it.0.stream) == (DATA, id));
    let ends = frames.clone().any(|it| it.0.has(END_STREAM));
    (frames.map(|it| it.1.len()).sum(), ends)
}

fn room(id: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, id, &more.to_be_bytes())
}

#[test]
fn a_connection_begins_with_its_preface() {
    let client = Client::new(LIMITS);
    assert!(
        client
            .due()
            .starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    );
    let frames = super::script::sent(client.due());
    let [(first, said), (second, more)] = &frames[..] else {
        panic!("two frames: {frames:?}");
    };
    assert_eq!((first.kind, second.kind), (SETTINGS, WINDOW_UPDATE));
    let expected = settings(&[(2, 0), (4, 1 << 20), (6, 64 << 10)]);
    assert_eq!(said, &expected[9..]);
    assert_eq!(number(more), Some((8 << 20) - 65_535));
}

#[test]
fn the_head_of_requests_that_are_the_same_is_indexed() {
    let mut talk = Talk::new(&[]);
    let lengths: Vec<_> = (0..4)
        .map(|_| {
            talk.asks(REPLY);
            talk.hears()[0].1.len()
        })
        .collect();
    assert!(lengths[0] > 40 && lengths[1..] == [6, 6, 6], "{lengths:?}");
    // Another size of the table comes with the next block, which begins anew.
    talk.says(&settings(&[(1, 0)]));
    talk.hears();
    talk.asks(REPLY);
    let block = talk.hears()[0].1.clone();
    assert_eq!(block[0], 0x20);
    talk.asks(REPLY);
    let again = talk.hears()[0].1.clone();
    assert_eq!(again, block[1..], "and holds nothing");
    talk.says(&settings(&[(1, 100_000)]));
    talk.hears();
    talk.asks(REPLY);
    assert_eq!(
        talk.hears()[0].1[..4],
        [0x20, 0x3f, 0xe1, 0x1f],
        "no more than 4096 bytes of it"
    );
    talk.asks(REPLY);
    assert_eq!(talk.hears()[0].1.len(), 6);
}

/// What one head puts into the table moves what another one has there.
#[test]
fn heads_that_take_turns_are_what_they_were() {
    let requests = ["/a.B/C", "/a.B/D", "/a.B/E"].map(|path| {
        let mut request = request();
        *request.uri_mut() = format!("http://localhost:1{path}").parse().expect("a URI");
        (path, request)
    });
    let mut talk = Talk::new(&[]);
    let mut decoder = Decoder::new();
    for (round, nth) in [0, 0, 1, 0, 1, 0, 2, 1, 0, 2, 2, 1, 0, 2, 0]
        .into_iter()
        .enumerate()
    {
        let (path, request) = &requests[nth];
        // The third one's is what it is from file, and is read anew once.
        let version = u64::from(nth == 2 && round > 8);
        let constant = Constant {
            number: nth,
            version,
        };
        let opened = talk.client.open(Some(constant), || request.clone());
        let id = opened.expect("open");
        talk.client.send(id, &Bytes::new());
        let mut fields = Vec::new();
        let block = talk.hears()[0].1.clone();
        // It empties the table then.
        assert_eq!(block[0] == 0x20, round == 9, "{round}");
        let decoded = decoder.decode(&block, |name, value| {
            fields.push((name.to_vec(), value.to_vec()));
            Ok(())
        });
        decoded.expect("a block");
        let expected = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "localhost:1"),
            (":path", *path),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ];
        let expected = expected.map(|(name, value)| (Vec::from(name), Vec::from(value)));
        assert_eq!(fields, expected);
    }
}

#[test]
fn a_head_that_is_longer_than_a_frame_goes_on() {
    let mut talk = Talk::new(&[]);
    let long = || {
        let mut request = request();
        let value = "y".repeat(40_000).parse().expect("a value");
        request.headers_mut().insert("x", value);
        request
    };
    let id = talk.client.open(constant(1), long).expect("open");
    let kinds: Vec<_> = talk
        .hears()
        .iter()
        .map(|it| (it.0.kind, it.0.flags, it.0.stream))
        .collect();
    assert_eq!(
        kinds,
        [
            (HEADERS, 0, id),
            (CONTINUATION, 0, id),
            (CONTINUATION, END_HEADERS, id)
        ]
    );
}

#[test]
fn a_message_over_several_windows_is_sent_as_there_is_room() {
    let mut talk = Talk::new(&[(4, 20_000)]);
    let id = talk.asks(&[7; 100_000]);
    assert_eq!(data(&talk.hears(), id), (20_000, false));
    talk.says(&room(0, 1));
    assert_eq!(data(&talk.hears(), id), (0, false));
    talk.says(&room(id, 10_000));
    assert_eq!(data(&talk.hears(), id), (10_000, false));
    // The connection's window holds it back, then.
    talk.says(&room(id, 100_000));
    assert_eq!(data(&talk.hears(), id), (65_536 - 30_000, false));
    talk.says(&room(0, 100_000));
    assert_eq!(data(&talk.hears(), id), (100_000 - 65_536, true));
    talk.says(&answer(id));
    assert!(is_whole(&talk.sees(id)));
}

#[test]
fn a_window_that_shrinks_is_below_nothing_for_a_while() {
    let mut talk = Talk::new(&[(4, 100)]);
    let id = talk.asks(&[7; 300]);
    assert_eq!(data(&talk.hears(), id), (100, false));
    talk.says(&settings(&[(4, 50)]));
    talk.says(&room(id, 50));
    assert_eq!(data(&talk.hears(), id), (0, false), "50 below");
    talk.says(&settings(&[(4, 160)]));
    assert_eq!(data(&talk.hears(), id), (110, false));
    talk.says(&settings(&[(4, 1000)]));
    assert_eq!(data(&talk.hears(), id), (90, true));
}

#[test]
fn frames_are_as_long_as_they_may_be() {
    let mut talk = Talk::new(&[(4, 1 << 20), (5, 20_000)]);
    let id = talk.asks(&[7; 50_000]);
    let lengths: Vec<_> = talk
        .hears()
        .iter()
        .filter(|it| it.0.kind == DATA)
        .map(|it| it.0.len)
        .collect();
    assert_eq!(lengths, [20_000, 20_000, 10_000]);
    talk.client.forget(id);
}

#[test]
fn messages_that_wait_take_turns() {
    let mut talk = Talk::new(&[(4, 1 << 20)]);
    let (first, second) = (talk.asks(&[7; 100_000]), talk.asks(&[7; 100_000]));
    let third = talk.asks(b"");
    let heard = talk.hears();
    assert_eq!(data(&heard, first).0 + data(&heard, second).0, 65_535);
    assert_eq!(
        data(&heard, third),
        (0, true),
        "what is empty needs no room"
    );
    talk.says(&room(0, 60_000));
    let heard = talk.hears();
    assert!(data(&heard, first).0 > 20_000 && data(&heard, second).0 > 20_000);
    // One that is given up leaves its room to the other.
    talk.client.forget(first);
    talk.says(&room(0, 200_000));
    assert!(data(&talk.hears(), second).1);
}

/// One that its own window holds back is in nobody's way.
#[test]
fn a_message_without_room_does_not_stand_in_line() {
    let mut talk = Talk::new(&[(4, 50)]);
    let first = talk.asks(&[7; 100]);
    assert_eq!(data(&talk.hears(), first), (50, false));
    assert!(talk.client.held.is_empty());
    let second = talk.asks(&[7; 40]);
    assert_eq!(data(&talk.hears(), second), (40, true));
    // Of several sizes of a window the last one counts, and it goes on once.
    talk.says(&settings(&[(4, 60), (4, 90)]));
    talk.says(&room(first, 0x1000));
    let heard = talk.hears();
    let lengths: Vec<_> = heard
        .iter()
        .filter(|it| it.0.kind == DATA)
        .map(|it| it.0.len)
        .collect();
    assert_eq!(lengths, [40, 10]);
}

/// Nothing is said of a message before it is there, whatever lets its head go.
#[test]
fn a_stream_that_waited_is_opened_without_its_message() {
    let mut talk = Talk::new(&[(3, 1)]);
    let first = talk.asks(REPLY);
    let second = talk.client.open(constant(0), request).expect("open");
    talk.says(&answer(first));
    talk.client.forget(first);
    let heard = talk.hears();
    assert!(
        heard
            .iter()
            .any(|it| (it.0.kind, it.0.stream) == (HEADERS, second))
    );
    assert_eq!(data(&heard, second), (0, false));
    talk.client.send(second, &Bytes::from_static(REPLY));
    assert_eq!(data(&talk.hears(), second), (REPLY.len(), true));
}

/// As many as are under way at a time, and not as there are places.
#[test]
fn room_for_data_is_kept_once() {
    let mut talk = Talk::new(&[]);
    let lasting = [0; 100].map(|_| talk.asks(REPLY));
    for _ in 0..1000 {
        let id = talk.asks(REPLY);
        talk.says(&headers(id, false, &HEAD));
        talk.says(&frame(DATA, END_STREAM, id, &[7; 4000]));
        assert_eq!(talk.sees(id).data.len(), 4000);
        talk.client.forget(id);
    }
    lasting.into_iter().for_each(|id| talk.client.forget(id));
    assert!((4000..8000).contains(&talk.client.spare.bytes()));
}

#[test]
fn what_is_due_is_never_much() {
    let mut talk = Talk::new(&[(4, 0x7fff_ffff)]);
    talk.says(&room(0, 0x7fff_0000 - 65_535));
    let ids = [0; 8].map(|_| talk.asks(&vec![7; 1 << 20]));
    assert!(
        talk.client.due().len() < 200_000,
        "{}",
        talk.client.due().len()
    );
    let heard = talk.hears();
    assert!(ids.iter().all(|&id| data(&heard, id) == (1 << 20, true)));
}

#[test]
fn the_server_is_told_of_what_was_read_in_batches() {
    let mut talk = Talk::new(&[]);
    let id = talk.asks(REPLY);
    talk.says(&headers(id, false, &HEAD));
    talk.hears();
    let mut told = Vec::new();
    let mut seen = Seen::default();
    for nth in 0..1024 {
        talk.says(&frame(DATA, 0, id, &[0; 16_384]));
        assert_eq!(talk.hears().len(), 0, "nothing is read");
        seen.look(&mut talk.client, id);
        assert_eq!(std::mem::take(&mut seen.data).len(), 16_384, "{nth}");
        let heard = talk.hears();
        told.extend(
            heard
                .iter()
                .map(|it| (it.0.kind, it.0.stream, number(&it.1).expect("room"))),
        );
    }
    let of = |stream| {
        let of_it = told
            .iter()
            .filter(move |it| (it.0, it.1) == (WINDOW_UPDATE, stream));
        (of_it.clone().count(), of_it.map(|it| it.2).sum::<u32>())
    };
    assert_eq!(of(id), (32, 16 << 20));
    assert_eq!(of(0), (4, 16 << 20));
    assert_eq!(told.len(), 36);
    // What nobody read is made room for when it is thrown away, and what comes then at once.
    let (half, ids) = (
        LIMITS.connection_window / 2,
        [0; 4].map(|_| talk.asks(REPLY)),
    );
    for id in ids {
        talk.says(&headers(id, false, &HEAD));
        (0..32).for_each(|_| talk.says(&frame(DATA, 0, id, &[0; 16_384])));
        talk.client.forget(id);
        (0..31).for_each(|_| talk.says(&frame(DATA, 0, id, &[0; 16_384])));
    }
    assert!(talk.hears().iter().all(|it| it.0.kind != WINDOW_UPDATE));
    (0..4).for_each(|_| talk.says(&frame(DATA, 0, ids[0], &[0; 16_384])));
    let heard = talk.hears();
    assert_eq!((heard[0].0.kind, heard[0].0.stream), (WINDOW_UPDATE, 0));
    assert_eq!(number(&heard[0].1), Some(half));
}

#[test]
fn a_server_that_sends_more_than_it_may_ends_the_connection() {
    let mut talk = Talk::new(&[]);
    let ids = [0; 9].map(|_| talk.asks(REPLY));
    for id in ids {
        talk.says(&headers(id, false, &HEAD));
        (0..64).for_each(|_| talk.says(&frame(DATA, 0, id, &[0; 16_384])));
    }
    assert_eq!(talk.client.farewell(), Some(Fault::of_connection(3)));
}

#[test]
fn a_stream_that_lasts_keeps_its_place() {
    let mut talk = Talk::new(&[]);
    let lasting = talk.asks(REPLY);
    let mut last = 0;
    for _ in 0..1000 {
        let id = talk.asks(REPLY);
        assert!(id > last && id % 2 == 1);
        last = id;
        talk.says(&answer(id));
        assert!(is_whole(&talk.sees(id)));
        talk.client.forget(id);
    }
    talk.says(&answer(lasting));
    assert!(is_whole(&talk.sees(lasting)));
}

#[test]
fn numbers_of_streams_run_out() {
    let mut talk = Talk::new(&[]);
    talk.client.streams = super::super::stream::Streams::up_to(5);
    for id in [1, 3, 5] {
        assert_eq!(talk.client.farewell(), None);
        assert_eq!(talk.asks(REPLY), id);
    }
    assert_eq!(talk.client.farewell(), Some(Fault::UsedUp));
    assert_eq!(talk.client.open(None, request), Err(Fault::UsedUp));
    talk.says(&[answer(1), answer(3), answer(5)].concat());
    assert!([1, 3, 5].into_iter().all(|id| is_whole(&talk.sees(id))));
}

/// A request has left with the write that takes its last byte, unless the other side held it back.
#[test]
fn when_a_request_left() {
    let mut client = Client::new(LIMITS);
    client.receive(&settings(&[(4, 100)]), None, None);
    client.turn();
    client.wrote(client.due().len(), 1);
    let asks = |client: &mut Client, len: usize| {
        let id = client.open(constant(0), request).expect("open");
        client.send(id, &Bytes::from(vec![7; len]));
        id
    };
    let sent_at = |client: &mut Client, id| client.moments(id).sent_at;
    // Two in one write.
    let (first, second) = (asks(&mut client, 10), asks(&mut client, 10));
    client.turn();
    let due = client.due().len();
    assert_eq!(sent_at(&mut client, first), None);
    client.wrote(due - 1, 5);
    assert_eq!(
        (sent_at(&mut client, first), sent_at(&mut client, second)),
        (Some(5), None)
    );
    // In the same turn it is the last write, in another one the one that took the head.
    client.wrote(1, 6);
    assert_eq!(sent_at(&mut client, second), Some(6));
    let third = asks(&mut client, 10);
    client.turn();
    client.wrote(client.due().len() - 1, 10);
    client.turn();
    client.wrote(1, 20);
    assert_eq!(sent_at(&mut client, third), Some(10));
    // Held back by its window.
    let fourth = asks(&mut client, 150);
    client.turn();
    client.wrote(client.due().len(), 30);
    assert_eq!(sent_at(&mut client, fourth), None);
    client.receive(&room(fourth, 100), None, None);
    client.turn();
    client.wrote(client.due().len(), 40);
    assert_eq!(sent_at(&mut client, fourth), Some(30));
}

/// Of several answers in one read only what ends with it came when the kernel says.
#[test]
fn when_an_answer_came() {
    let mut talk = Talk::new(&[]);
    let ids = [0; 3].map(|_| talk.asks(REPLY));
    let (last, earlier) = (Some(Receipt::at(9)), Some(Receipt { since: 5, at: 9 }));
    let two = [answer(ids[0]), answer(ids[1])].concat();
    let mut third = answer(ids[2]);
    let end = third.split_off(third.len() - 3);
    talk.client.receive(&two, last, earlier);
    assert_eq!(talk.client.moments(ids[0]).received, earlier);
    assert_eq!(talk.client.moments(ids[1]).received, last);
    talk.client.receive(&third, Some(Receipt::at(11)), None);
    assert_eq!(talk.client.moments(ids[2]).received, None);
    talk.client
        .receive(&[&end[..], &[0]].concat(), Some(Receipt::at(12)), earlier);
    assert_eq!(
        talk.client.moments(ids[2]).received,
        earlier,
        "half a header follows"
    );
    // One that goes on ends with its last frame, and a reset is an end.
    let ids = [0; 2].map(|_| talk.asks(REPLY));
    let mut talk2 = Talk::new(&[]);
    let ids2 = ids.map(|_| talk2.asks(REPLY));
    talk2.says(&headers(ids2[0], false, &HEAD));
    talk2
        .client
        .receive(&frame(HEADERS, END_STREAM, ids2[0], &[]), last, None);
    assert_eq!(talk2.client.moments(ids2[0]).received, None);
    talk2.client.receive(
        &frame(
            CONTINUATION,
            END_HEADERS,
            ids2[0],
            &super::script::block(&OK),
        ),
        last,
        None,
    );
    assert_eq!(talk2.client.moments(ids2[0]).received, last);
    talk2
        .client
        .receive(&frame(RST_STREAM, 0, ids2[1], &[0; 4]), last, None);
    assert_eq!(talk2.client.moments(ids2[1]).received, last);
    // A whole answer came when it did, whatever follows.
    let later = Some(Receipt::at(20));
    let reset = frame(RST_STREAM, 0, ids2[0], &[0; 4]);
    talk2.client.receive(&reset, later, None);
    assert_eq!(talk2.client.moments(ids2[0]).received, last);
    let mut talk = Talk::new(&[(4, 1)]);
    let id = talk.asks(REPLY);
    talk.client.receive(&answer(id), last, None);
    talk.client
        .receive(&frame(RST_STREAM, 0, id, &[0; 4]), later, None);
    assert_eq!(talk.client.moments(id).received, last);
    assert!(is_whole(&talk.sees(id)));
}

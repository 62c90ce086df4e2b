//! Header compression against the library's, in both directions: heads arrive as they left.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use fastrand::Rng;
use h2::server;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, DuplexStream, ReadBuf};

use super::super::client::{Client, Constant};
use super::script::{LIMITS, Seen, request};

/// Fields of any bytes that may be in one.
fn fields(rng: &mut Rng) -> HeaderMap {
    let names = ["accept", "grpc-status", "x-a", "x-b", "x-long-name"];
    let mut fields = HeaderMap::new();
    for _ in 0..rng.usize(0..6) {
        let name = HeaderName::from_static(names[rng.usize(0..names.len())]);
        let bytes: Vec<u8> = match rng.usize(0..3) {
            0 => vec![rng.u8(b'0'..=b'9')],
            1 => (0..rng.usize(0..40)).map(|_| rng.u8(b' '..=b'~')).collect(),
            _ => (0..rng.usize(0..300)).map(|_| rng.u8(128..)).collect(),
        };
        let mut value = HeaderValue::from_bytes(&bytes).expect("it may");
        value.set_sensitive(rng.u8(0..10) == 0);
        fields.append(name, value);
    }
    fields
}

pub(super) fn made_up(rng: &mut Rng) -> Request<()> {
    let mut made = request();
    let uri = format!("http://localhost:1/a.B/{}", rng.u8(0..5));
    *made.uri_mut() = uri.parse().expect("a URI");
    made.headers_mut().extend(fields(rng));
    made
}

/// What the library has to say.
fn read(far: &mut DuplexStream) -> Vec<u8> {
    let (mut all, mut room) = (Vec::new(), vec![0; 1 << 16]);
    let cx = &mut Context::from_waker(Waker::noop());
    loop {
        let mut buf = ReadBuf::new(&mut room);
        match Pin::new(&mut *far).poll_read(cx, &mut buf) {
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => all.extend_from_slice(buf.filled()),
            _ => return all,
        }
    }
}

#[test]
fn heads_arrive_as_they_left() {
    (0..100).for_each(talk);
}

fn talk(seed: u64) {
    let rng = &mut Rng::with_seed(seed);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut client = Client::new(LIMITS);
    let (near, mut far) = tokio::io::duplex(1 << 22);
    let hand_over = |client: &mut Client, far: &mut DuplexStream| {
        let due = client.due().to_vec();
        assert!(
            pin!(far.write_all(&due))
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
        );
        client.wrote(due.len(), 0);
    };
    hand_over(&mut client, &mut far);
    let mut shaking = pin!(server::handshake(near));
    let Poll::Ready(Ok(mut server)) = shaking.as_mut().poll(cx) else {
        panic!("seed {seed}: the preface is there");
    };
    let mut constant: Vec<_> = (0..4).map(|_| (0, made_up(rng))).collect();
    for round in 0..40 {
        if rng.u8(0..10) == 0 {
            client.allow_table(rng.usize(0..5000));
        }
        let number = rng.usize(0..6);
        let (known, sent) = match constant.get_mut(number) {
            None => (None, made_up(rng)),
            Some((version, sent)) => {
                if rng.u8(0..15) == 0 {
                    (*version, *sent) = (*version + 1, made_up(rng));
                }
                let version = *version;
                (Some(Constant { number, version }), sent.clone())
            }
        };
        let id = client.open(known, || sent.clone()).expect("it is open");
        client.send(id, &Bytes::new());
        hand_over(&mut client, &mut far);
        let Poll::Ready(Some(Ok((came, mut respond)))) = server.poll_accept(cx) else {
            panic!("seed {seed}, round {round}: no request");
        };
        assert_eq!(came.uri(), sent.uri());
        assert_eq!(came.headers(), sent.headers(), "seed {seed}, round {round}");

        let answer = fields(rng);
        let mut response = Response::new(());
        *response.headers_mut() = answer.clone();
        respond.send_response(response, true).expect("it is open");
        assert!(server.poll_accept(cx).is_pending());
        client.receive(&read(&mut far), None, None);
        let mut seen = Seen::default();
        seen.look(&mut client, id);
        assert_eq!(seen.head, Some((200, answer)), "seed {seed}, round {round}");
        client.forget(id);
    }
}

//! The same bytes to the library `h2` and to us: the same becomes of every call and of the connection.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, DuplexStream, ReadBuf};

use super::super::client::Client;
use super::super::fault::Fault;
use super::super::frame::{HEADERS, Header, PROTOCOL_ERROR};
use super::pieces::STREAMS;
use super::script::{LIMITS, Seen, request};
use super::server::Server;

/// What is said of a failure.
fn told(error: &h2::Error) -> Fault {
    let code = error.reason().map(u32::from);
    match code {
        Some(code) if error.is_go_away() && error.is_remote() => Fault::GoAway {
            code,
            said: [][..].into(),
        },
        Some(_) if error.is_go_away() => Fault::of_connection(PROTOCOL_ERROR),
        Some(code) if error.is_reset() && error.is_remote() => Fault::Reset(code),
        Some(code) => Fault::BadStream(code),
        None => Fault::Broken(std::io::ErrorKind::Other, Some(error.to_string().into())),
    }
}

/// Without what words there were, which `h2` gives only within others.
fn plain(fault: Fault) -> Fault {
    match fault {
        Fault::GoAway { code, .. } => Fault::GoAway {
            code,
            said: [][..].into(),
        },
        // The library decodes a block as it comes, and of two mistakes sees the other one first.
        Fault::BadConnection { .. } => Fault::of_connection(PROTOCOL_ERROR),
        Fault::Broken(_, text) => Fault::Broken(std::io::ErrorKind::Other, text),
        other => other,
    }
}

type End = (Vec<Seen>, Option<Fault>);

/// And whether a block of headers is not whole.
fn ours(begin: &[u8], rest: &[u8]) -> (End, bool) {
    let mut client = Client::new(LIMITS);
    client.receive(begin, None, None);
    let open = |_| {
        let id = client.open(Some(0), request).expect("it has begun well");
        client.send(id, Bytes::from_static(b"\0\0\0\0\0"));
        id
    };
    let ids: Vec<_> = (0..STREAMS).map(open).collect();
    for piece in rest.chunks(9) {
        client.receive(piece, None, None);
        if client.is_done() {
            client.say_good_bye();
        }
    }
    let mut seen = vec![Seen::default(); ids.len()];
    let (farewell, is_amid_block) = (client.farewell().map(plain), client.is_amid_block());
    client.closed();
    for (seen, id) in seen.iter_mut().zip(&ids) {
        seen.look(&mut client, *id);
        seen.fault = seen.fault.take().map(plain);
    }
    ((seen, farewell), is_amid_block)
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Reads what was sent to nowhere.
fn drain(other: &mut DuplexStream) {
    let mut room = vec![0; 1 << 16];
    loop {
        let mut buf = ReadBuf::new(&mut room);
        let cx = &mut Context::from_waker(Waker::noop());
        match Pin::new(&mut *other).poll_read(cx, &mut buf) {
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
            _ => return,
        }
    }
}

fn theirs(begin: &[u8], rest: &[u8]) -> End {
    let (near, mut far) = tokio::io::duplex(1 << 22);
    let mut shaking = pin!(
        client::Builder::new()
            .initial_window_size(LIMITS.stream_window)
            .initial_connection_window_size(LIMITS.connection_window)
            .max_header_list_size(LIMITS.head_bytes)
            .max_concurrent_reset_streams(1 << 16)
            .max_local_error_reset_streams(None)
            .enable_push(false)
            .handshake::<_, Bytes>(near)
    );
    let Poll::Ready(Ok((mut sender, mut connection))) = poll(shaking.as_mut()) else {
        panic!("the preface is written at once");
    };
    let says = |far: &mut DuplexStream, bytes: &[u8]| {
        // Whoever has closed takes nothing more.
        assert!(poll(pin!(far.write_all(bytes))).is_ready());
    };
    says(&mut far, begin);
    assert!(poll(Pin::new(&mut connection)).is_pending());
    let mut calls = Vec::new();
    for _ in 0..STREAMS {
        let (response, mut stream) = sender.clone().send_request(request(), false).expect("open");
        stream
            .send_data(Bytes::from_static(b"\0\0\0\0\0"), true)
            .expect("open");
        calls.push((response, stream));
    }
    assert!(poll(Pin::new(&mut connection)).is_pending());
    drain(&mut far);
    let mut is_over = false;
    // A frame at a time: of two that come together it forgets what the first one did.
    for piece in rest.chunks(9) {
        says(&mut far, piece);
        is_over = is_over || poll(Pin::new(&mut connection)).is_ready();
    }
    drain(&mut far);
    let cx = &mut Context::from_waker(Waker::noop());
    let farewell = match sender.poll_ready(cx) {
        Poll::Ready(Err(error)) => Some(told(&error)),
        _ => None,
    };
    assert!(poll(pin!(far.shutdown())).is_ready());
    for _ in 0..3 {
        is_over = is_over || poll(Pin::new(&mut connection)).is_ready();
    }
    drop(connection);
    let look = |(mut response, _stream): (client::ResponseFuture, _)| {
        let mut seen = Seen::default();
        let (head, mut body) = match poll(Pin::new(&mut response)) {
            Poll::Ready(Ok(response)) => response.into_parts(),
            Poll::Ready(Err(error)) => {
                seen.fault = Some(told(&error));
                return seen;
            }
            Poll::Pending => return seen,
        };
        seen.head = Some((head.status.as_u16(), head.headers));
        loop {
            match body.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => seen.data.extend_from_slice(&data),
                Poll::Ready(Some(Err(error))) => {
                    seen.fault = Some(told(&error));
                    return seen;
                }
                Poll::Ready(None) => break,
                Poll::Pending => return seen,
            }
        }
        match body.poll_trailers(cx) {
            Poll::Ready(Ok(trailers)) => seen.end = Some(trailers),
            Poll::Ready(Err(error)) => seen.fault = Some(told(&error)),
            Poll::Pending => {}
        }
        seen
    };
    (calls.into_iter().map(look).collect(), farewell)
}

/// Whether there are headers on a stream that was never opened.
fn has_head_of_nobody(mut bytes: &[u8]) -> bool {
    while let Some(header) = Header::of(bytes) {
        if header.kind == HEADERS && (header.stream % 2 == 0 || header.stream > 2 * STREAMS) {
            return true;
        }
        bytes = bytes.get(9 + header.len..).unwrap_or_default();
    }
    false
}

/// The frames of what a server said.
fn shown(mut bytes: &[u8]) -> String {
    let mut shown = String::new();
    while let Some(header) = Header::of(bytes) {
        let (frame, rest) = bytes.split_at(bytes.len().min(9 + header.len));
        shown += &format!("\n{header:?} {}", frame[9..].escape_ascii());
        bytes = rest;
    }
    shown
}

fn agree(seed: u64, is_spoiled: bool) {
    let mut server = Server::new(seed);
    // The library decodes each piece of a block as if it were one, and none that depends on itself.
    server.is_odd = !is_spoiled;
    // One that allows every stream, since what is sent before is not the same.
    let begin = super::script::settings(&[(3, 100)]);
    let mut rest = server.answers(STREAMS);
    if is_spoiled {
        server.spoil(&mut rest);
    }
    let ((ours, is_amid_block), theirs) = (ours(&begin, &rest), theirs(&begin, &rest));
    if is_amid_block && matches!(theirs.1, Some(Fault::BadConnection { .. })) {
        // The library has decoded what is there of it.
        return;
    }
    if is_spoiled && has_head_of_nobody(&rest) {
        // The library lets one that is not allowed on any stream pass.
        return;
    }
    let [ours, theirs] = [ours, theirs].map(|(mut seen, farewell)| {
        // Which of two mistakes ended a call is nobody's concern where both end the connection.
        if let Some(fault @ Fault::BadConnection { .. }) = &farewell {
            let faults = seen.iter_mut().filter_map(|it| it.fault.as_mut());
            faults.for_each(|it| *it = fault.clone());
        }
        (seen, farewell)
    });
    assert_eq!(ours, theirs, "seed {seed}: {}", shown(&rest));
}

#[test]
fn what_a_server_says_well_is_the_same_to_both() {
    for seed in 0..500 {
        agree(seed, false);
    }
}

#[test]
#[ignore = "takes minutes"]
fn what_a_server_says_badly_is_the_same_to_both_in_many_ways() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|it| it.parse().ok());
    for seed in 0..rounds.unwrap_or(50_000) {
        agree(seed, seed % 4 > 0);
    }
}

#[test]
fn what_a_server_says_badly_is_the_same_to_both() {
    for seed in 0..1500 {
        agree(seed, true);
    }
}

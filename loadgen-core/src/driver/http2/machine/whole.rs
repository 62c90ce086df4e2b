//! Whole talks of made-up servers, for tests and fuzzing.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};

use super::client::{Client, Constant, Limits};
use super::fault::Fault;

pub(super) const LIMITS: Limits = Limits {
    stream_window: 1 << 20,
    connection_window: 8 << 20,
    head_bytes: 64 << 10,
};

pub(super) fn request() -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "http://localhost:1/a.B/C".parse().expect("a URI");
    let fields = request.headers_mut();
    fields.insert("te", "trailers".parse().expect("a value"));
    fields.insert("content-type", "application/grpc".parse().expect("a value"));
    request
}

/// A head that never changes.
pub(super) fn constant(number: usize) -> Option<Constant> {
    Some(Constant { number, version: 0 })
}

/// What is known of a stream's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) head: Option<(u16, HeaderMap)>,
    pub(super) data: Vec<u8>,
    /// Whether it ended, with which trailers.
    pub(super) end: Option<Option<HeaderMap>>,
    pub(super) fault: Option<Fault>,
}

impl Seen {
    /// Asks on.
    pub(super) fn look(&mut self, client: &mut Client, id: u32) {
        let cx = &mut Context::from_waker(Waker::noop());
        if self.fault.is_some() || self.end.is_some() {
            return;
        }
        if self.head.is_none() {
            match client.poll_head(id, cx) {
                Poll::Ready(Ok(head)) => {
                    let status = head.status.expect("a head has one").as_u16();
                    self.head = Some((status, head.fields.clone()));
                }
                Poll::Ready(Err(fault)) => self.fault = Some(fault),
                Poll::Pending => {}
            }
        }
        while self.head.is_some() && self.fault.is_none() {
            match client.poll_data(id, cx) {
                Poll::Ready(Some(Ok(data))) => {
                    self.data.extend(&data);
                    client.give_back(data);
                }
                Poll::Ready(Some(Err(fault))) => self.fault = Some(fault),
                Poll::Ready(None) => break,
                Poll::Pending => return,
            }
        }
        if self.head.is_some() && self.fault.is_none() {
            match client.poll_trailers(id, cx) {
                Poll::Ready(Ok(trailers)) => self.end = Some(trailers.map(|it| it.fields.clone())),
                Poll::Ready(Err(fault)) => self.fault = Some(fault),
                Poll::Pending => {}
            }
        }
    }
}

/// What became of the calls and the connection, and what the server was sent.
pub(super) type End = (Vec<Seen>, Option<Fault>, Vec<u8>);

/// Makes calls once the server has begun with these bytes, and takes the rest in pieces of these sizes, over and
/// over; without any in one.
pub(super) fn read(begin: &[u8], rest: &[u8], calls: usize, pieces: &[usize]) -> End {
    let mut client = Client::new(LIMITS);
    client.receive(begin, None, None);
    let mut ids = Vec::new();
    for nth in 0..calls {
        let Ok(id) = client.open(constant(0).filter(|_| nth % 2 == 0), request) else {
            break;
        };
        client.send(id, &Bytes::from(vec![7; nth * 30]));
        ids.push(id);
    }
    let mut sizes = pieces.iter().cycle();
    let mut left = rest;
    while !left.is_empty() {
        let size = sizes.next().map_or(left.len(), |it| (*it).max(1));
        let (piece, more) = left.split_at(size.min(left.len()));
        client.receive(piece, None, None);
        left = more;
    }
    let mut seen = vec![Seen::default(); ids.len()];
    for (seen, id) in seen.iter_mut().zip(&ids) {
        seen.look(&mut client, *id);
        client.forget(*id);
    }
    // Whatever came, all room for it was given back, and is known to be there.
    let room = client.room + i64::from(client.untold);
    assert!(client.is_over() || room == i64::from(LIMITS.connection_window));
    (seen, client.farewell(), client.due().to_vec())
}

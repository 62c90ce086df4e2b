//! hyper has read the answers of many servers for many years. What it reads, we read the same way; what it
//! refuses, we refuse; and what it sends, we understand.

use std::convert::Infallible;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::super::{Asked, Wrong};
use super::{pieces, shown, whole};

/// More than any of these answers has.
const ROOM: usize = 1 << 20;

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.build().expect("a runtime").block_on(future)
}

/// Status, fields, body and trailers of an answer.
type Read = (StatusCode, HeaderMap, Vec<u8>, Option<HeaderMap>);

/// What hyper makes of these bytes and the end of the connection behind them.
async fn by_hyper(bytes: &[u8], method: Method) -> Result<Read, hyper::Error> {
    let (ours, mut theirs) = duplex(ROOM);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(ours)).await?;
    let serving = async move {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            theirs.read_buf(&mut asked).await.expect("open");
        }
        theirs.write_all(bytes).await.expect("open");
    };
    let asking = async move {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        Ok((
            head.status,
            head.headers,
            body.to_bytes().to_vec(),
            trailers,
        ))
    };
    let (read, ..) = futures::join!(asking, connection, serving);
    read
}

/// What we make of them.
fn by_us(bytes: &[u8], method: &Method, pieces: &[usize]) -> Result<Option<Read>, Wrong> {
    let asked = Asked {
        is_for_head: *method == Method::HEAD,
        wants_fields: true,
        identity: None,
    };
    let read = whole::read(bytes, pieces, asked);
    match (read.wrong, read.head) {
        (Some(wrong), _) => Err(wrong),
        (None, Some((status, fields))) if read.is_complete => {
            Ok(Some((status, fields, read.body, read.trailers)))
        }
        (None, _) => Ok(None),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_it_reads_we_read(bytes in pieces::answers(), is_head in prop::bool::weighted(0.1)) {
        let method = if is_head { Method::HEAD } else { Method::GET };
        let theirs = run(by_hyper(&bytes, method.clone()));
        match (by_us(&bytes, &method, &[]), theirs) {
            // It takes any coding before the last, and what it does not know for all there is.
            (Err(Wrong::Coding(_)), _) => {}
            // It takes LF alone for a part of what follows the last chunk.
            (Err(Wrong::Trailers(httparse::Error::NewLine)), _) => {}
            (Ok(Some(ours)), Ok(theirs)) => prop_assert_eq!(ours, theirs),
            (Ok(None) | Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(
                false,
                "{:?}: {:?}, and hyper: {:?}", String::from_utf8_lossy(&bytes), ours, theirs
            ),
        }
    }

    #[test]
    fn what_it_sends_we_read(
        status in prop::sample::select(vec![200_u16, 201, 204, 206, 304, 404, 500]),
        fields in vec(("x-[a-z]{1,8}", "[ -~]{0,20}"), 0..8),
        chunks in vec("[a-z]{1,3000}", 0..6),
        form in 0_u8..3,
        is_head in prop::bool::weighted(0.1),
        sizes in vec(1_usize..2_000, 0..5),
    ) {
        let method = if is_head { Method::HEAD } else { Method::GET };
        let mut fields_sent = HeaderMap::new();
        for (name, value) in &fields {
            let name: http::HeaderName = name.parse().expect("a name");
            fields_sent.append(name, value.trim().parse().expect("a value"));
        }
        let body = chunks.concat();
        let bytes = run(sent_by_hyper(status, &fields_sent, chunks, form, &method));
        let read = by_us(&bytes, &method, &sizes);
        let (read_status, read_fields, read_body, trailers) = read.expect("right").expect("all of it");
        prop_assert_eq!(read_status.as_u16(), status);
        for name in fields_sent.keys() {
            let ours: Vec<_> = read_fields.get_all(name).iter().collect();
            let theirs: Vec<_> = fields_sent.get_all(name).iter().collect();
            prop_assert_eq!(ours, theirs);
        }
        let has_none = is_head || status == 204 || status == 304;
        let body = if has_none { String::new() } else { body };
        prop_assert_eq!(String::from_utf8_lossy(&read_body), body);
        let expected = (form == 2 && !has_none).then(|| "x-sum: 7".to_owned());
        prop_assert_eq!(trailers.map(|it| shown(&it)), expected);
    }
}

/// What hyper's server sends as this answer: with a length, in chunks, or with trailers behind them.
async fn sent_by_hyper(
    status: u16,
    fields: &HeaderMap,
    chunks: Vec<String>,
    form: u8,
    method: &Method,
) -> Vec<u8> {
    let (ours, mut theirs) = duplex(ROOM);
    let service = hyper::service::service_fn(|_| {
        let chunks = chunks.clone();
        let mut response = Response::new(match form {
            0 => BoxBody::new(Full::new(Bytes::from(chunks.concat()))),
            _ => {
                let data = chunks.into_iter().map(|it| Frame::data(Bytes::from(it)));
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", http::HeaderValue::from_static("7"));
                let last = (form == 2).then(|| Frame::trailers(trailers));
                let all: Vec<_> = data.chain(last).map(Ok::<_, Infallible>).collect();
                BoxBody::new(StreamBody::new(futures::stream::iter(all).fuse()))
            }
        });
        *response.status_mut() = StatusCode::from_u16(status).expect("one of them");
        *response.headers_mut() = fields.clone();
        if form == 2 {
            let named = http::HeaderValue::from_static("x-sum");
            response.headers_mut().insert(http::header::TRAILER, named);
        }
        async { Ok::<_, Infallible>(response) }
    });
    let serving =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(ours), service);
    let asking = async {
        let request =
            format!("{method} / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close\r\n\r\n");
        theirs.write_all(request.as_bytes()).await.expect("open");
        let mut bytes = Vec::new();
        theirs.read_to_end(&mut bytes).await.expect("open");
        bytes
    };
    let (bytes, served) = futures::join!(asking, serving);
    served.expect("it serves");
    bytes
}

//! What tests write as a server, and how they ask what became of it.

use bytes::Bytes;

use super::super::client::Client;
use super::super::frame::{END_HEADERS, END_STREAM, HEADERS, Header, SETTINGS, put_header};
pub(super) use super::super::whole::{LIMITS, Seen, constant, request};
use crate::workload::Receipt;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_header(&mut bytes, payload.len(), kind, flags, stream);
    bytes.extend(payload);
    bytes
}

pub(super) fn settings(all: &[(u16, u32)]) -> Vec<u8> {
    let payload = all.iter().flat_map(|(name, value)| {
        let name = name.to_be_bytes();
        name.into_iter().chain(value.to_be_bytes())
    });
    frame(SETTINGS, 0, 0, &payload.collect::<Vec<_>>())
}

/// A block of literals that are not indexed.
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            super::super::hpack::put_string(&mut bytes, text.as_bytes());
        }
    }
    bytes
}

pub(super) const HEAD: [(&str, &str); 2] =
    [(":status", "200"), ("content-type", "application/grpc")];
pub(super) const OK: [(&str, &str); 1] = [("grpc-status", "0")];
pub(super) const REPLY: &[u8] = b"\0\0\0\0\x05hello";

pub(super) fn headers(stream: u32, is_last: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    let flags = END_HEADERS | if is_last { END_STREAM } else { 0 };
    frame(HEADERS, flags, stream, &block(fields))
}

/// A whole answer as gRPC gives it.
pub(super) fn answer(stream: u32) -> Vec<u8> {
    [
        headers(stream, false, &HEAD),
        frame(0, 0, stream, REPLY),
        headers(stream, true, &OK),
    ]
    .concat()
}

/// The frames of what was sent, behind the preface where that is there.
pub(super) fn sent(mut bytes: &[u8]) -> Vec<(Header, Vec<u8>)> {
    bytes = bytes
        .strip_prefix(super::super::frame::PREFACE)
        .unwrap_or(bytes);
    let mut frames = Vec::new();
    while let Some(header) = Header::of(bytes) {
        let (frame, rest) = bytes[9..].split_at(header.len);
        frames.push((header, frame.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty());
    frames
}

/// Whether it is [`answer`].
pub(super) fn is_whole(seen: &Seen) -> bool {
    let status = |fields: &http::HeaderMap| fields.get("grpc-status").is_some_and(|it| it == "0");
    let end = seen.end.as_ref();
    seen.fault.is_none()
        && seen.data == REPLY
        && end.is_some_and(|it| it.as_ref().is_some_and(status))
}

/// A connection and its server.
pub(super) struct Talk {
    pub(super) client: Client,
    now: u64,
}

impl Talk {
    /// After these settings.
    pub(super) fn new(all: &[(u16, u32)]) -> Self {
        let client = Client::new(LIMITS);
        let mut talk = Self { client, now: 0 };
        talk.client.turn();
        talk.says(&settings(all));
        talk.says(&frame(SETTINGS, 1, 0, &[]));
        talk.hears();
        talk
    }

    pub(super) fn says(&mut self, bytes: &[u8]) {
        self.now += 1;
        self.client
            .receive(bytes, Some(Receipt::at(self.now)), None);
    }

    /// What the server reads then.
    pub(super) fn hears(&mut self) -> Vec<(Header, Vec<u8>)> {
        let mut all = Vec::new();
        while !self.client.due().is_empty() {
            self.now += 1;
            all.extend_from_slice(self.client.due());
            let len = self.client.due().len();
            self.client.wrote(len, self.now);
        }
        self.client.turn();
        sent(&all)
    }

    pub(super) fn asks(&mut self, message: &[u8]) -> u32 {
        let id = self.client.open(constant(0), request).expect("it is open");
        self.client.send(id, &Bytes::copy_from_slice(message));
        id
    }

    pub(super) fn sees(&mut self, id: u32) -> Seen {
        let mut seen = Seen::default();
        seen.look(&mut self.client, id);
        seen
    }
}

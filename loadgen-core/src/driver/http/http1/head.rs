//! The head of an answer.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use httparse::{Header, ParserConfig, Response, Status};

use super::{MOST_FIELDS, MOST_HEAD, Wrong};

/// What an answer answers, and what is looked at of its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::driver::http) struct Asked<'a> {
    /// Whether for the head alone, so that no body comes whatever that says.
    pub(in crate::driver::http) is_for_head: bool,
    /// Whether somebody looks at its header fields.
    pub(in crate::driver::http) wants_fields: bool,
    /// The field with which servers name themselves, where they do so in one.
    pub(in crate::driver::http) identity: Option<&'a str>,
}

/// How far an answer's body goes, as its head says (RFC 9112, 6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::driver::http) enum Extent {
    /// So many bytes.
    Bytes(u64),
    /// In chunks, the last of which says so.
    Chunks,
    /// Up to the end of the connection.
    UntilTheEnd,
    /// In these transfer codings.
    Coded(String),
}

/// The head of an answer.
#[derive(Debug)]
pub(in crate::driver::http) struct Head {
    pub(in crate::driver::http) status: StatusCode,
    pub(in crate::driver::http) extent: Extent,
    /// Whether the connection can be used again when the body has come.
    pub(in crate::driver::http) is_kept: bool,
    /// All its fields where somebody looks at them; none where nobody does.
    pub(in crate::driver::http) fields: HeaderMap,
    /// Where among the bytes the server names itself.
    pub(super) identity: Option<Range<usize>>,
    /// How many bytes it has.
    pub(super) len: usize,
}

/// Reads the head that these bytes begin with, once all of it is there.
pub(super) fn read(bytes: &[u8], asked: Asked<'_>) -> Result<Option<Head>, Wrong> {
    // Anything that is longer is refused, in however many pieces it comes.
    let is_all = bytes.len() < MOST_HEAD;
    let bytes = &bytes[..bytes.len().min(MOST_HEAD)];
    let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_FIELDS];
    let mut response = Response::new(&mut []);
    let read = ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut fields,
    );
    let len = match read {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) if is_all => return Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Err(Wrong::LongHead),
        Err(error) => return Err(Wrong::Head(error)),
    };
    let code = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| Wrong::Status(code))?;
    let said = Said::of(bytes, response.headers, asked.identity);
    let is_of_10 = response.version == Some(0);
    let extent = said.extent(response.headers, status, is_of_10, asked)?;
    // RFC 9112, 9.3. What it switches to (101) is not what is spoken here.
    let is_kept = !said.closes
        && (!is_of_10 || said.keeps_alive)
        && matches!(extent, Extent::Bytes(_) | Extent::Chunks)
        && status != StatusCode::SWITCHING_PROTOCOLS
        && !said.contradicts_itself(response.headers, status);
    let is_looked_at =
        asked.wants_fields || status.as_u16() >= 400 || (said.is_of_events && status.is_success());
    Ok(Some(Head {
        status,
        extent,
        is_kept,
        fields: match is_looked_at {
            true => map(&bytes[..len], response.headers)?,
            false => HeaderMap::new(),
        },
        identity: said.identity,
        len,
    }))
}

impl Head {
    /// Whether another one follows that is the answer's (RFC 9110, 15.2): nobody has asked to go on (100) or
    /// to be told how it goes, and a server may say so all the same.
    #[inline]
    pub(in crate::driver::http) fn is_on_the_way(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// What the fields say of the answer's form.
#[derive(Debug, Default)]
struct Said {
    has_length: bool,
    has_coding: bool,
    closes: bool,
    keeps_alive: bool,
    is_of_events: bool,
    identity: Option<Range<usize>>,
}

impl Said {
    #[inline]
    fn of(bytes: &[u8], fields: &[Header<'_>], identity: Option<&str>) -> Self {
        let mut said = Self::default();
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            // The first, as it is among all fields.
            if said.identity.is_none() && identity.is_some_and(is) {
                said.identity = Some(range(bytes, field.value));
            }
            // Most fields are told apart by their length.
            match field.name.len() {
                10 if is("connection") => {
                    said.closes |= has_word(field.value, b"close");
                    said.keeps_alive |= has_word(field.value, b"keep-alive");
                }
                12 if is("content-type") => {
                    let events = b"text/event-stream";
                    let kind = field.value.get(..events.len());
                    said.is_of_events |= kind.is_some_and(|it| it.eq_ignore_ascii_case(events));
                }
                14 if is("content-length") => said.has_length = true,
                17 if is("transfer-encoding") => said.has_coding = true,
                _ => {}
            }
        }
        said
    }

    /// Whether it says that the body ends elsewhere than it does: whoever sent it may go on there, and what
    /// came next would be taken for something else (RFC 9112, 6.1 and 6.3; RFC 9110, 8.6).
    #[inline]
    fn contradicts_itself(&self, fields: &[Header<'_>], status: StatusCode) -> bool {
        match status {
            StatusCode::NO_CONTENT => {
                self.has_coding || (self.has_length && length(fields) != Ok(0))
            }
            _ => self.has_coding && self.has_length,
        }
    }

    /// Where the body ends (RFC 9112, 6.3).
    #[inline]
    fn extent(
        &self,
        fields: &[Header<'_>],
        status: StatusCode,
        is_of_10: bool,
        asked: Asked<'_>,
    ) -> Result<Extent, Wrong> {
        let has_none = asked.is_for_head
            || status.is_informational()
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        Ok(match (self.has_coding, self.has_length) {
            _ if has_none => Extent::Bytes(0),
            (true, _) if is_of_10 => return Err(Wrong::CodingOf10),
            (true, _) => coding(fields),
            (false, true) => Extent::Bytes(length(fields)?),
            (false, false) => Extent::UntilTheEnd,
        })
    }
}

/// All values of fields with this name.
fn values<'a>(fields: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let those = fields
        .iter()
        .filter(move |it| it.name.eq_ignore_ascii_case(name));
    those.map(|it| it.value)
}

fn joined(fields: &[Header<'_>], name: &str) -> String {
    let texts: Vec<_> = values(fields, name).map(String::from_utf8_lossy).collect();
    texts.join(", ")
}

/// Only `chunked`, and only by itself, is a coding that is read (RFC 9112, 6.1 and 7).
#[inline]
fn coding(fields: &[Header<'_>]) -> Extent {
    let name = "transfer-encoding";
    let mut all = values(fields, name);
    match (all.next(), all.next()) {
        (Some(only), None) if only.eq_ignore_ascii_case(b"chunked") => Extent::Chunks,
        _ => Extent::Coded(joined(fields, name)),
    }
}

/// The length that is said, maybe several times, but the same each time (RFC 9110, 8.6).
#[inline]
fn length(fields: &[Header<'_>]) -> Result<u64, Wrong> {
    let name = "content-length";
    let mut all = values(fields, name).flat_map(|it| it.split(|&byte| byte == b','));
    let first = all.next().and_then(number);
    match first {
        Some(first) if all.all(|other| number(other) == Some(first)) => Ok(first),
        _ => Err(Wrong::Length(joined(fields, name))),
    }
}

/// Digits, and no sign before them.
#[inline]
fn number(text: &[u8]) -> Option<u64> {
    let digits = text.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        sum.checked_mul(10)?.checked_add(digit.into())
    })
}

fn has_word(list: &[u8], word: &[u8]) -> bool {
    let mut words = list.split(|&byte| byte == b',');
    words.any(|it| it.trim_ascii().eq_ignore_ascii_case(word))
}

/// Where among these bytes that part of them is.
fn range(bytes: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - bytes.as_ptr().addr();
    start..start + part.len()
}

/// The fields of a head for those that look at them. Their values share one copy of it.
fn map(head: &[u8], fields: &[Header<'_>]) -> Result<HeaderMap, Wrong> {
    let copy = Bytes::copy_from_slice(head);
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| Wrong::Head(httparse::Error::HeaderName))?;
        let value = copy.slice(range(head, field.value));
        let value = HeaderValue::from_maybe_shared(value);
        let value = value.map_err(|_| Wrong::Head(httparse::Error::HeaderValue))?;
        map.append(name, value);
    }
    Ok(map)
}

/// The fields behind the last chunk of a body (RFC 9112, 7.1.2), and the empty line after them.
pub(super) fn trailers(bytes: &[u8]) -> Result<HeaderMap, Wrong> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    match httparse::parse_headers(bytes, &mut fields) {
        Ok(Status::Complete((len, fields))) if len == bytes.len() => map(bytes, fields),
        Err(httparse::Error::TooManyHeaders) => Err(Wrong::LongTrailers),
        Err(error) => Err(Wrong::Trailers(error)),
        Ok(_) => Err(Wrong::Trailers(httparse::Error::NewLine)),
    }
}

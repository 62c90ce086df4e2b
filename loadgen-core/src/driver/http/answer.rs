//! An answer: its body read to the end, counted, kept as far as somebody looks at it, and what it comes to.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};

use super::prepare::Asking;
use super::trouble::Trouble;
use crate::driver::header_values::header_values;
use crate::driver::steps::{Looks, Reply};
use crate::driver::transport::excerpt;
use crate::driver::web::redirect;
use crate::expression::{Value, text_value};
use crate::outcome::{Failure, Outcome};
use crate::secrets;
use crate::workload::Iteration;

/// What came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// As much of the body as is looked at; of events, the last one's data.
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
}

impl Answer {
    pub(super) fn new(status: StatusCode, headers: HeaderMap) -> Self {
        Self {
            status,
            headers,
            body: Vec::new(),
            trailers: None,
        }
    }

    /// Whether it is a success that comes as events.
    pub(super) fn is_of_events(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).map(|it| it.as_bytes());
        let events = b"text/event-stream";
        self.status.is_success()
            && kind.is_some_and(|kind| {
                kind.get(..events.len())
                    .is_some_and(|it| it.eq_ignore_ascii_case(events))
            })
    }

    /// How many bytes of the body are kept.
    pub(super) fn room(&self, looks: Looks, most: u32) -> usize {
        match looks.reply {
            true => most as usize,
            false if self.status.as_u16() >= 400 => excerpt::ENOUGH_BYTES,
            false => 0,
        }
    }

    /// Unpacks the body, where it is looked at.
    pub(super) fn unpack(&mut self, most: u32) -> Result<(), Trouble> {
        let Some(coding) = self.headers.get(CONTENT_ENCODING) else {
            return Ok(());
        };
        let coding = String::from_utf8_lossy(coding.as_bytes())
            .trim()
            .to_ascii_lowercase();
        if coding == "identity" || self.body.is_empty() {
            return Ok(());
        }
        let packed = self.body.as_slice();
        let unpacked = match coding.as_str() {
            "gzip" | "x-gzip" => read_up_to(MultiGzDecoder::new(packed), most),
            "deflate" => read_up_to(ZlibDecoder::new(packed), most),
            "zstd" => zstd::stream::read::Decoder::new(packed).and_then(|it| read_up_to(it, most)),
            other => {
                return Err(Trouble::protocol(format!(
                    "the answer is compressed with {other:?}, and what is looked at can be gzip, \
                     deflate or zstd; is it asked for in `accept-encoding`?"
                )));
            }
        };
        let unpacked = unpacked.map_err(|error| {
            Trouble::protocol(format!(
                "the answer is not the {coding} that it says: {error}"
            ))
        })?;
        if unpacked.len() > most as usize {
            return Err(Trouble::protocol(format!(
                "the answer unpacks to more than {most} bytes (`max_message`)"
            )));
        }
        self.body = unpacked;
        Ok(())
    }

    /// What it comes to; expressions see it in `reply`.
    pub(super) fn outcome(
        mut self,
        asking: &Asking,
        followed: u32,
        most: u32,
        reply: &mut Option<Reply>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        let failed = |trouble: &Trouble| {
            iteration.explain(trouble.failure, || {
                format!("{}: {}", asking.shown, trouble.detail)
            });
            Outcome::from(trouble.failure)
        };
        // What leads on where no more is followed; a 304 answers what was asked, however far that was led.
        let leads_on = followed > 0 && redirect::redirects(self.status);
        let is_failure = self.status.as_u16() >= 400 || leads_on;
        if is_failure && !asking.looks.reply {
            // It is but for people, and may be cut off in the middle.
            let is_packed = self.headers.contains_key(CONTENT_ENCODING);
            self.body = if is_packed { Vec::new() } else { self.body };
        } else if asking.looks.reply
            && let Err(trouble) = self.unpack(most)
        {
            if asking.checked.reply {
                return failed(&trouble);
            }
            // It was for the name alone, which nobody finds then.
            self.body = Vec::new();
        }
        let outcome = match is_failure {
            false => Outcome::Ok,
            true => {
                let failure = Failure::Http(self.status.as_u16());
                let detail = self.told(followed);
                failed(&Trouble {
                    failure,
                    ..Trouble::protocol(detail)
                })
            }
        };
        if asking.looks != Looks::default() {
            let by = asking.identity.in_bytes(&self.body);
            let seen = self.reply(asking.looks);
            if let Some(identity) = by.or_else(|| asking.identity.in_reply(&seen)) {
                iteration.answered_by(identity.as_bytes());
            }
            *reply = Some(seen);
        }
        outcome
    }

    fn told(&self, followed: u32) -> String {
        let said = excerpt::said(&excerpt::of(&self.body));
        let location = self.headers.get(LOCATION).and_then(|it| it.to_str().ok());
        let leads = match (followed, location) {
            (0, _) => String::new(),
            (_, Some(to)) => format!(
                "; it redirects to {}, and {followed} redirections have been followed \
                 (`redirects`): does it go round in circles?",
                secrets::address(to)
            ),
            (_, None) => String::new(),
        };
        format!("the server answered {}{said}{leads}", self.status)
    }

    fn reply(self, looks: Looks) -> Reply {
        let value = match looks.reply {
            false => Value::UNDEFINED,
            true => match String::from_utf8(self.body) {
                Ok(text) => text_value(&text),
                Err(bytes) => Value::from_bytes(bytes.into_bytes()),
            },
        };
        Reply {
            value,
            status: Value::from(self.status.as_u16()),
            metadata: match looks.metadata {
                true => header_values(self.headers),
                false => Value::UNDEFINED,
            },
            trailers: self.trailers.map(header_values).unwrap_or_default(),
        }
    }
}

/// All there is, or one byte more than may be.
fn read_up_to(reader: impl Read, most: u32) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(u64::from(most) + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

//! HTTP scenarios as they are written.

use super::plan::{HttpBody, HttpPlan, HttpRequest, HttpVersion};
use super::raw::{RawBody, RawEventsEnd, RawHttp, RawHttpVersion};
use super::value::Method;
use crate::scenario::protocol::raw::{RawScenario, RawStep};
use crate::scenario::protocol::websocket::raw::RawConnectionPer;
use crate::scenario::protocol::websocket::value::{
    JsonMessage, MessageSize, Path, Redirects, TextMessage,
};
use crate::scenario::reader::{Entries, Entry};
use crate::scenario::step::StreamEnd;
use crate::scenario::value::{Bounded, PositiveSpan, RawSource};

impl HttpPlan {
    pub(in crate::scenario::protocol) fn print(&self, raw: &mut RawScenario) {
        match self.version {
            HttpVersion::Http1 => {
                raw.http_version = Entry::Given(RawHttpVersion::Http1);
                raw.connection_per = Entry::Given(RawConnectionPer::of(self.connection_per));
                raw.connect_rate = Entry::from_option(self.connect_rate);
            }
            HttpVersion::Http2 => {
                raw.http_version = Entry::Given(RawHttpVersion::Http2);
                raw.connections = Entry::from_option(self.connections.map(Bounded::of));
                raw.streams_per_connection =
                    Entry::from_option(self.streams_per_connection.map(Bounded::of));
                raw.keepalive = Entry::from_option(self.keepalive.map(PositiveSpan));
            }
        }
        raw.headers = Entries::of(&self.headers, RawSource::of);
        raw.cookies = Entry::from_option(self.cookies.then_some(true));
        raw.redirects = match self.redirects {
            0 => Entry::Absent,
            most => Entry::Given(Redirects::of(most)),
        };
        let print = |request: &HttpRequest, raw: &mut RawStep| {
            raw.http = Entry::Given(http(request));
        };
        raw.setup = RawStep::part(&self.setup, &print);
        raw.begin = RawStep::part(&self.begin, &print);
        raw.steps = Entry::Given(RawStep::list(&self.steps, &print));
        raw.end = RawStep::part(&self.end, &print);
    }
}

pub(in crate::scenario::protocol) fn http(request: &HttpRequest) -> RawHttp {
    RawHttp {
        method: Entry::Given(Method(request.method.clone())),
        path: Entry::Given(Path(request.path.clone())),
        query: Entries::of(&request.query, TextMessage),
        headers: Entries::of(&request.headers, RawSource::of),
        body: Entry::from_option(request.body.as_ref().map(|body| match body {
            HttpBody::Json(value) => RawBody {
                json: Entry::Given(JsonMessage(value.clone())),
                ..RawBody::default()
            },
            HttpBody::Form(fields) => RawBody {
                form: Entries::of(fields, TextMessage),
                ..RawBody::default()
            },
            HttpBody::Text(text) => RawBody {
                text: Entry::Given(TextMessage(text.clone())),
                ..RawBody::default()
            },
            HttpBody::Sized(bytes) => RawBody {
                size: Entry::Given(MessageSize(*bytes)),
                ..RawBody::default()
            },
        })),
        stream: Entry::from_option(request.stream.map(|until| match until {
            StreamEnd::Messages(count) => RawEventsEnd {
                messages: Entry::Given(Bounded::of(count)),
                ..RawEventsEnd::default()
            },
            StreamEnd::After(duration) => RawEventsEnd {
                duration: Entry::Given(PositiveSpan(duration)),
                ..RawEventsEnd::default()
            },
        })),
        timeout: Entry::from_option(request.timeout.map(PositiveSpan)),
    }
}

//! Connections and messages under the eyes of an interceptor.
//!
//! Owns how an upgrade and messages are shown, and what is sent in their place. What goes over a connection
//! is shown with the upgrade that opened it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request as HttpRequest, StatusCode};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::driver::intercept::{
    Content, ContentError, Dialect, Direction, Form, Interceptor, Request, Watch,
};
use crate::expression::Scope;
use crate::scenario::check_header_name;
use crate::workload::{Iteration, UserId};

/// HTTP's fields, as far as they are WebSocket's.
static HEADERS: Dialect = Dialect {
    fields: "headers",
    is_own: |name| {
        matches!(
            name,
            "connection"
                | "host"
                | "sec-websocket-accept"
                | "sec-websocket-key"
                | "sec-websocket-version"
                | "upgrade"
        )
    },
    is_reserved: |name| check_header_name(name).is_err(),
};

const MESSAGE: &str = "message";

/// What the messages of a step are made with, and who sees them.
#[derive(Debug, Clone, Copy)]
pub(super) struct With<'a> {
    /// What names stand for in what is sent.
    pub(super) scope: &'a Scope,
    pub(super) watch: Option<&'a Watch>,
}

/// How a connection was opened, or was not.
#[derive(Debug)]
pub(super) struct Upgrade {
    request: Request,
    status: RefCell<Option<String>>,
    fields: RefCell<HeaderMap>,
}

impl Upgrade {
    /// The server answered.
    pub(super) fn answered(&self, status: StatusCode, fields: &HeaderMap) {
        self.status.replace(Some(status.to_string()));
        self.fields.replace(fields.clone());
    }
}

/// The upgrade of the connection at a user's place, where somebody looks.
#[derive(Debug)]
pub(super) struct Upgrades {
    user: UserId,
    /// The iteration that opens the next one.
    pub(super) iteration: Cell<u64>,
    last: RefCell<Option<Rc<Upgrade>>>,
}

impl Upgrades {
    /// Those of this user.
    pub(super) fn of(user: UserId) -> Self {
        Self {
            user,
            iteration: Cell::new(0),
            last: RefCell::new(None),
        }
    }

    /// Of one that has not been asked for yet nothing is known.
    pub(super) fn forget(&self) {
        self.last.replace(None);
    }

    /// A request is about to be sent to `target`: what is sent in its place.
    pub(super) fn ask(
        &self,
        interceptor: &dyn Interceptor,
        request: &mut HttpRequest<()>,
        target: String,
    ) -> Rc<Upgrade> {
        let path = request.uri().path_and_query();
        let path = path.map_or("/", |it| it.as_str()).to_owned();
        let fields = std::mem::take(request.headers_mut());
        let mut shown = self.request(path, target, fields);
        interceptor.request(&mut shown);
        request.headers_mut().clone_from(shown.all_fields());
        let upgrade = Rc::new(Upgrade {
            request: shown,
            status: RefCell::default(),
            fields: RefCell::default(),
        });
        self.last.replace(Some(Rc::clone(&upgrade)));
        upgrade
    }

    fn request(&self, path: String, target: String, fields: HeaderMap) -> Request {
        let whose = (self.user, self.iteration.get());
        Request::new(&HEADERS, path, target, whose, fields)
    }

    /// Shows what an iteration's messages go over; where nothing could be asked for, only whom that
    /// would have been.
    pub(super) fn show(
        &self,
        watch: &Watch,
        iteration: &Iteration<'_>,
        asked: impl FnOnce() -> (String, String),
    ) {
        let last = self.last.borrow();
        let request = match last.as_deref() {
            Some(upgrade) => upgrade.request.clone(),
            None => {
                let (path, target) = asked();
                self.request(path, target, HeaderMap::new())
            }
        };
        watch.belongs_to(&Arc::new(request.in_iteration(iteration.number())));
        if let Some(upgrade) = last.as_deref() {
            let (status, fields) = (&upgrade.status, &upgrade.fields);
            watch.head(status.borrow().clone(), fields.borrow().clone());
        }
    }
}

/// A message on its way out, and whether it is another than it was.
pub(super) fn sends(watch: &Watch, message: Message) -> (Message, bool) {
    let kind = match &message {
        Message::Ping(_) => "ping",
        _ => MESSAGE,
    };
    let write = |content: &Content| match content {
        _ if kind != MESSAGE => {
            let problem = "a ping carries its number, and cannot be another";
            Err(ContentError(problem.to_owned()))
        }
        Content::Json(value) => Ok((value.to_string().into(), Form::Text)),
        Content::Text(text) => Ok((text.clone().into(), Form::Text)),
        Content::Binary(bytes) => Ok((bytes.clone(), Form::Binary)),
    };
    let (bytes, form, is_changed) = watch.sends(kind, parts(&message), &write);
    if !is_changed {
        return (message, false);
    }
    let changed = match (form, Utf8Bytes::try_from(bytes.clone())) {
        (Form::Text, Ok(text)) => Message::Text(text),
        _ => Message::Binary(bytes),
    };
    (changed, true)
}

/// Something came in, and whether it is what the step waits for.
pub(super) fn came(watch: &Watch, message: &Message, is_reply: bool) {
    let (bytes, form) = parts(message);
    watch.received(direction(is_reply), MESSAGE, &bytes, &form);
}

/// A pong came.
pub(super) fn ponged(watch: &Watch, payload: &Bytes, is_reply: bool) {
    watch.received(direction(is_reply), "pong", payload, &Form::Binary);
}

fn direction(is_reply: bool) -> Direction {
    match is_reply {
        true => Direction::Reply,
        false => Direction::Stray,
    }
}

fn parts(message: &Message) -> (Bytes, Form) {
    let form = match message {
        Message::Text(_) => Form::Text,
        _ => Form::Binary,
    };
    (message.clone().into_data(), form)
}

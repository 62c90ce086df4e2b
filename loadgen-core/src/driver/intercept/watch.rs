//! What is seen of one exchange while it is under way.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderMap;

use super::{Direction, Draft, Exchange, Form, Interceptor, Message, Request, Write};
use crate::outcome::{Failure, Outcome};
use crate::workload::Iteration;

/// Bytes of messages that are kept, and the one that goes beyond.
const MOST_KEPT: usize = 256 << 10;

/// An interceptor's eyes on one exchange. Clones see the same; a client library may want one `Send`.
#[derive(Clone)]
pub(in crate::driver) struct Watch {
    interceptor: Arc<dyn Interceptor>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Once it is known.
    request: Option<Arc<Request>>,
    seen: Seen,
}

/// What is seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) status: Option<String>,
    pub(super) fields: HeaderMap,
    /// How many messages were kept when the answer began.
    pub(super) before_answer: usize,
    pub(super) messages: Vec<Message>,
    kept: usize,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) trailers: HeaderMap,
    pub(super) detail: Option<String>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    pub(in crate::driver) fn new(interceptor: &Arc<dyn Interceptor>) -> Self {
        Self {
            interceptor: Arc::clone(interceptor),
            inner: Arc::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request, which the interceptor may change. Messages belong to it from now on.
    pub(in crate::driver) fn request(&self, mut request: Request) -> Arc<Request> {
        self.interceptor.request(&mut request);
        let request = Arc::new(request);
        self.belongs_to(&request);
        request
    }

    /// The request that messages belong to, which the interceptor has been shown.
    pub(in crate::driver) fn belongs_to(&self, request: &Arc<Request>) {
        self.inner().request = Some(Arc::clone(request));
    }

    /// Another attempt begins.
    pub(in crate::driver) fn begin(&self) {
        self.inner().seen = Seen::default();
    }

    /// A message on its way out, and whether it is another than it was.
    pub(in crate::driver) fn sends(
        &self,
        kind: &'static str,
        (bytes, form): (Bytes, Form),
        write: Write<'_>,
    ) -> (Bytes, Form, bool) {
        let mut draft = Draft {
            kind,
            bytes,
            form,
            write,
            is_changed: false,
        };
        // Not under the lock: who intercepts may take its time.
        let request = self.inner().request.clone();
        if let Some(request) = &request {
            self.interceptor.message(request, &mut draft);
        }
        let Draft {
            bytes,
            form,
            is_changed,
            ..
        } = draft;
        self.keep(Direction::Sent, kind, &bytes, &form);
        (bytes, form, is_changed)
    }

    /// How the answer begins.
    pub(in crate::driver) fn head(&self, status: Option<String>, fields: HeaderMap) {
        let seen = &mut self.inner().seen;
        (seen.status, seen.fields) = (status, fields);
        seen.before_answer = seen.messages.len();
    }

    /// A message came.
    pub(in crate::driver) fn received(
        &self,
        direction: Direction,
        kind: &'static str,
        bytes: &Bytes,
        form: &Form,
    ) {
        self.keep(direction, kind, bytes, form);
    }

    fn keep(&self, direction: Direction, kind: &'static str, bytes: &Bytes, form: &Form) {
        let seen = &mut self.inner().seen;
        match direction {
            Direction::Sent => seen.sent += 1,
            Direction::Reply | Direction::Stray => seen.received += 1,
        }
        if seen.kept <= MOST_KEPT {
            // Empty ones take room, too.
            seen.kept += bytes.len() + size_of::<Message>();
            seen.messages.push(Message {
                direction,
                kind,
                bytes: bytes.clone(),
                form: form.clone(),
            });
        }
    }

    pub(in crate::driver) fn trailers(&self, trailers: HeaderMap) {
        self.inner().seen.trailers = trailers;
    }

    /// It is over, and recorded so. Told of once, and where there was a request.
    pub(in crate::driver) fn over(&self, outcome: Outcome, iteration: &Iteration<'_>) {
        let Inner { request, mut seen } = std::mem::take(&mut *self.inner());
        let Some(request) = request else {
            return;
        };
        if let Outcome::Failed(failure) = outcome {
            seen.detail = iteration.heard(failure);
        }
        self.interceptor.exchange(&Exchange {
            request: &request,
            seen: &seen,
            outcome,
            times: iteration.so_far(),
        });
    }

    /// Has the exchange told of where the result is dropped because the iteration's time was up.
    ///
    /// What the iteration is explained with from now on is seen.
    pub(in crate::driver) fn until_cut_off<'a, 'b>(
        &self,
        iteration: &'a Iteration<'b>,
    ) -> UntilCutOff<'a, 'b> {
        iteration.listen();
        UntilCutOff(self.clone(), iteration)
    }
}

/// See [`Watch::until_cut_off`]. Where the exchange came to an end, it does nothing.
pub(in crate::driver) struct UntilCutOff<'a, 'b>(Watch, &'a Iteration<'b>);

impl Drop for UntilCutOff<'_, '_> {
    fn drop(&mut self) {
        // What is over has been taken.
        if self.1.has_timed_out() {
            self.0.over(Failure::Timeout.into(), self.1);
        }
    }
}

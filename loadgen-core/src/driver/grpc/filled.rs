//! A unary call that depends on what expressions come to, or whose answer they look at.
//!
//! Owns what is evaluated before such a call, and what is kept of its answer. The call itself is `unary`'s.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use prost_reflect::MessageDescriptor;

use super::call::Target;
use super::calls::CallsOn;
use super::framed::Framed;
use super::framing::Keep;
use super::metadata::Metadata;
use super::own::UserConnection;
use super::reply;
use super::unary::{self, Outgoing, UnaryCall, Witness};
use crate::driver::header_fields::Fields;
use crate::driver::header_values::header_values;
use crate::driver::http2::Place;
use crate::driver::identity::Identity;
use crate::driver::steps::{Looks, Reply, Session};
use crate::expression::{ExpressionError, Scope, Value};
use crate::outcome::{Failure, Outcome};
use crate::workload::Iteration;

/// What is sent and what is looked at.
#[derive(Debug)]
pub(super) struct FilledCall {
    pub(super) metadata: Metadata,
    /// What is the same each time.
    pub(super) unary: UnaryCall,
    pub(super) message: Framed,
    pub(super) answer: Answer,
}

/// What is looked at in answers.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) looks: Looks,
    /// What of them a step is judged by: without that, it fails.
    pub(super) checked: Looks,
    /// Where they say whose they are.
    pub(super) identity: Identity,
    /// What they are.
    pub(super) descriptor: MessageDescriptor,
}

/// Makes the call.
pub(super) async fn run(
    call: &FilledCall,
    targets: &[Target],
    calls: &CallsOn<'_>,
    step: usize,
    session: &mut Session<UserConnection>,
    iteration: &Iteration<'_>,
) -> Outcome {
    let filled = match call.fill(session.scope()) {
        Ok(filled) => filled,
        Err(error) => return came_to_nothing(&error, iteration),
    };
    let (headers, framed) = &filled;
    let outgoing = Outgoing { headers, framed };
    let mut kept = Kept::of(call.answer.looks);
    let attempt = async |place: &Rc<Place>, nth, _: &dyn Fn()| {
        let (what, nth) = ((&call.unary, outgoing), (step, nth));
        unary::attempt(what, targets, place, nth, iteration, &mut kept).await
    };
    let outcome = calls.make(iteration, attempt).await;
    call.answer.hand_over(kept, outcome, session, iteration)
}

/// An expression in what is sent came to nothing that can be.
pub(super) fn came_to_nothing(error: &ExpressionError, iteration: &Iteration<'_>) -> Outcome {
    iteration.explain(Failure::Expression, || error.to_string());
    Failure::Expression.into()
}

impl FilledCall {
    /// What is sent at the moment: headers, and the message with its prefix.
    ///
    /// # Errors
    /// The place of what came to nothing that can be sent, and why.
    pub(super) fn fill(
        &self,
        scope: &Scope,
    ) -> Result<(Arc<Fields>, Cow<'_, Bytes>), ExpressionError> {
        let headers = self.metadata.filled(scope)?;
        let framed = self.message.now(self.unary.compression, scope)?;
        Ok((headers, framed))
    }
}

/// What was seen of an answer.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) looks: Looks,
    /// The message, or the last of several.
    pub(super) message: Bytes,
    /// The pieces of the message that is not whole.
    pieces: Vec<u8>,
    pub(super) metadata: Option<HeaderMap>,
    pub(super) trailers: Option<HeaderMap>,
}

impl Kept {
    pub(super) fn of(looks: Looks) -> Self {
        Self {
            looks,
            ..Self::default()
        }
    }
}

impl Keep for Kept {
    fn piece(&mut self, piece: &[u8]) {
        if self.looks.reply {
            self.pieces.extend_from_slice(piece);
        }
    }

    fn end(&mut self) {
        self.message = std::mem::take(&mut self.pieces).into();
    }
}

impl Witness for Kept {
    fn head(&mut self, headers: &HeaderMap) {
        // Of an attempt before this nothing is left.
        self.pieces.clear();
        self.metadata = self.looks.metadata.then(|| headers.clone());
    }

    fn last(&mut self, headers: &HeaderMap) {
        self.trailers = self.looks.trailers.then(|| headers.clone());
    }
}

impl Answer {
    /// Leaves in the session what expressions see of an answer. One that cannot be read is a failure.
    pub(super) fn hand_over(
        &self,
        kept: Kept,
        outcome: Outcome,
        session: &mut Session<UserConnection>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        if self.looks == Looks::default() {
            return outcome;
        }
        let status = match outcome {
            Outcome::Ok => Value::from("OK"),
            Outcome::Failed(Failure::Grpc(code)) => Value::from(code.to_string()),
            Outcome::Failed(_) => return outcome,
        };
        let value = match outcome.is_ok() && self.looks.reply {
            false => Ok(Value::UNDEFINED),
            true => reply::decode(&self.descriptor, kept.message),
        };
        let value = match value {
            Ok(value) => value,
            // It was for the name alone, which nobody finds then.
            Err(_) if !self.checked.reply => Value::UNDEFINED,
            Err(problem) => {
                iteration.explain(Failure::Protocol, || problem.clone());
                return Failure::Protocol.into();
            }
        };
        let seen = Reply {
            value,
            status,
            metadata: kept.metadata.map(header_values).unwrap_or_default(),
            trailers: kept.trailers.map(header_values).unwrap_or_default(),
        };
        if let Some(identity) = self.identity.in_reply(&seen) {
            iteration.answered_by(identity.as_bytes());
        }
        session.reply = Some(seen);
        outcome
    }
}

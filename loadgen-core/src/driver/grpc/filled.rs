//! A unary call that depends on what expressions come to, or whose answer they look at.
//!
//! Owns what is evaluated before such a call, and what is kept of its answer. The call itself is `unary`'s.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use prost_reflect::MessageDescriptor;

use super::call::Target;
use super::calls::CallsOn;
use super::compression;
use super::framing::{self, Keep};
use super::metadata::Metadata;
use super::own::UserConnection;
use super::reply;
use super::template::MessageTemplate;
use super::unary::{self, UnaryCall, Witness};
use crate::driver::header_values::header_values;
use crate::driver::http2::Place;
use crate::driver::identity::Identity;
use crate::driver::steps::{Looks, Reply, Session};
use crate::expression::{ExpressionError, Scope, Value};
use crate::outcome::{Failure, Outcome};
use crate::scenario::Compression;
use crate::workload::Iteration;

/// What is sent and what is looked at.
#[derive(Debug)]
pub(super) struct FilledCall {
    pub(super) metadata: Metadata,
    /// What was prepared once; empty where it is evaluated each time.
    pub(super) constant: UnaryCall,
    /// The message, where it is evaluated.
    pub(super) message: Option<MessageTemplate>,
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
    let mut kept = Kept::of(call.answer.looks);
    let attempt = async |place: &Rc<Place>, nth, _: &dyn Fn()| {
        let nth = (step, nth);
        unary::attempt(&filled, targets, place, nth, iteration, &mut kept).await
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
    /// The call as it is at the moment.
    ///
    /// # Errors
    /// The place of what came to nothing that can be sent, and why.
    pub(super) fn fill(&self, scope: &Scope) -> Result<UnaryCall, ExpressionError> {
        let constant = &self.constant;
        let framed = match &self.message {
            Some(message) => framed(message, constant.compression, scope)?,
            None => constant.framed.clone(),
        };
        Ok(UnaryCall {
            number: constant.number,
            headers: self.metadata.filled(scope)?,
            identity: constant.identity.clone(),
            framed,
            compression: constant.compression,
            max_message: constant.max_message,
            details: Arc::clone(&constant.details),
        })
    }
}

/// A message with its prefix, as it is at the moment.
fn framed(
    message: &MessageTemplate,
    compression: Option<Compression>,
    scope: &Scope,
) -> Result<Bytes, ExpressionError> {
    let too_long =
        || ExpressionError::new("the message is longer than 4 GiB, which gRPC cannot carry");
    if let Some(how) = compression {
        let packed = compression::packed(how, &message.encode(scope)?)?;
        return framing::with_prefix(true, &packed).ok_or_else(too_long);
    }
    let mut encoded = Vec::with_capacity(framing::PREFIX_LEN + message.usual_len());
    encoded.extend_from_slice(&[0; framing::PREFIX_LEN]);
    message.encode_into(scope, &mut encoded)?;
    framing::put_prefix(&mut encoded).ok_or_else(too_long)?;
    Ok(encoded.into())
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
        let status = match outcome {
            Outcome::Ok => Value::from("OK"),
            Outcome::Failed(Failure::Grpc(code)) => Value::from(code.to_string()),
            Outcome::Failed(_) => return outcome,
        };
        if self.looks == Looks::default() {
            return outcome;
        }
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

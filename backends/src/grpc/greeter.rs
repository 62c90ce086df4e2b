//! The reference service's six calls.
//!
//! Owns what they answer; they refuse what is beyond [`limits`]. The identity in the metadata, and the
//! faults, are `service`'s.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

use super::peer::Peer;
use super::proto;
use super::proto::greeter_server::Greeter as Service;
use crate::serve::identity::Identity;
use crate::serve::pace::Pace;
use crate::serve::{compute, limits};

/// Answers the reference service's calls.
#[derive(Debug)]
pub(super) struct Greeter {
    identity: Arc<proto::Identity>,
    stream_log: Option<fn(&str)>,
}

impl Greeter {
    pub(super) fn new(identity: &Identity, stream_log: Option<fn(&str)>) -> Self {
        Self {
            stream_log,
            identity: Arc::new(proto::Identity {
                id: identity.id().to_owned(),
                host: identity.host().to_owned(),
                version: identity.version().to_owned(),
            }),
        }
    }

    fn backend(&self) -> Option<proto::Identity> {
        Some(proto::Identity::clone(&self.identity))
    }
}

#[tonic::async_trait]
impl Service for Greeter {
    type StreamStream = Messages;
    type ChatStream = Echoes;

    async fn hello(
        &self,
        request: Request<proto::HelloRequest>,
    ) -> Result<Response<proto::HelloReply>, Status> {
        let name = request.into_inner().name;
        Ok(Response::new(proto::HelloReply {
            message: ["Hello, ", &name, "!"].concat(),
            backend: self.backend(),
        }))
    }

    async fn compute(
        &self,
        request: Request<proto::ComputeRequest>,
    ) -> Result<Response<proto::ComputeReply>, Status> {
        let rounds = within("rounds", request.get_ref().rounds, limits::COMPUTE_ROUNDS)?;
        let started = Instant::now();
        let result = compute::work(rounds).await;
        Ok(Response::new(proto::ComputeReply {
            result,
            elapsed_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            backend: self.backend(),
        }))
    }

    async fn echo(
        &self,
        request: Request<proto::EchoRequest>,
    ) -> Result<Response<proto::EchoReply>, Status> {
        Ok(Response::new(proto::EchoReply {
            payload: request.into_inner().payload,
            backend: self.backend(),
        }))
    }

    async fn stream(
        &self,
        request: Request<proto::StreamRequest>,
    ) -> Result<Response<Messages>, Status> {
        let asked = request.get_ref();
        let count = within("count", asked.count, limits::STREAM_MESSAGES)?;
        let interval_us = within("interval_us", asked.interval_us, limits::STREAM_INTERVAL_US)?;
        let payload_bytes = within(
            "payload_bytes",
            asked.payload_bytes,
            limits::STREAM_PAYLOAD_BYTES,
        )?;
        Ok(Response::new(Messages {
            sequence: 0,
            count,
            payload: vec![b'x'; payload_bytes as usize].into(),
            identity: Arc::clone(&self.identity),
            pace: Pace::new(interval_us),
        }))
    }

    async fn collect(
        &self,
        request: Request<Streaming<proto::EchoRequest>>,
    ) -> Result<Response<proto::CollectReply>, Status> {
        let mut incoming = request.into_inner();
        let (mut messages, mut bytes) = (0, 0);
        while let Some(message) = incoming.message().await? {
            messages += 1;
            bytes += message.payload.len() as u64;
        }
        Ok(Response::new(proto::CollectReply {
            messages,
            bytes,
            backend: self.backend(),
        }))
    }

    async fn chat(
        &self,
        request: Request<Streaming<proto::ChatMessage>>,
    ) -> Result<Response<Echoes>, Status> {
        let peer = self.stream_log.map(|log| {
            let peer = Peer::of(request.metadata(), &self.identity, log);
            peer.says("Stream opened from", "");
            peer
        });
        Ok(Response::new(Echoes {
            peer,
            incoming: request.into_inner(),
            identity: Arc::clone(&self.identity),
        }))
    }
}

fn within(field: &str, asked: u32, most: u32) -> Result<u32, Status> {
    limits::within(field, asked, most).map_err(Status::invalid_argument)
}

/// What `Stream` sends.
#[derive(Debug)]
pub(super) struct Messages {
    sequence: u32,
    count: u32,
    payload: Bytes,
    identity: Arc<proto::Identity>,
    pace: Option<Pace>,
}

impl Stream for Messages {
    type Item = Result<proto::StreamReply, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.sequence == this.count {
            return Poll::Ready(None);
        }
        if let Some(pace) = &mut this.pace {
            ready!(pace.poll_due(context));
        }
        let sequence = this.sequence;
        this.sequence += 1;
        Poll::Ready(Some(Ok(proto::StreamReply {
            sequence,
            payload: this.payload.clone(),
            backend: Some(proto::Identity::clone(&this.identity)),
        })))
    }
}

/// What `Chat` answers.
#[derive(Debug)]
pub(super) struct Echoes {
    peer: Option<Peer>,
    incoming: Streaming<proto::ChatMessage>,
    identity: Arc<proto::Identity>,
}

impl Stream for Echoes {
    type Item = Result<proto::ChatMessage, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(message) = ready!(Pin::new(&mut self.incoming).poll_next(context)) else {
            return Poll::Ready(None);
        };
        if let (Some(peer), Ok(message)) = (&self.peer, &message) {
            peer.says("Received ping from", &message.text);
            peer.answered();
        }
        Poll::Ready(Some(message.map(|message| proto::ChatMessage {
            backend: Some(proto::Identity::clone(&self.identity)),
            ..message
        })))
    }
}

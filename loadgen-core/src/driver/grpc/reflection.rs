//! Asking a server what its services look like (gRPC server reflection).
//!
//! Owns the few messages of the protocol that this needs, v1 and v1alpha, which are alike on the
//! wire. Source: `grpc/reflection/v1/reflection.proto` of the gRPC project.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use h2::client::SendRequest;
use http::uri::PathAndQuery;
use prost::{Message, Oneof};
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::FileDescriptorProto;
use tonic::Request;
use tonic::client::Grpc;

use super::codec::Bytewise;
use super::handshake;
use super::outgoing::SendLog;
use super::service::{Passage, StreamError, StreamService};
use super::tap::Tap;
use crate::clock::{Clock, StampClock};
use crate::driver::connect_error::ConnectError;
use crate::driver::net::Endpoint;
use crate::outcome::{Failure, GrpcCode};
use crate::text;

const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(oneof = "Ask", tags = "3, 4, 7")]
    ask: Option<Ask>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Ask {
    #[prost(string, tag = "3")]
    FileByName(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    #[prost(string, tag = "7")]
    ListServices(String),
}

#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(oneof = "Told", tags = "4, 6, 7")]
    told: Option<Told>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Told {
    #[prost(message, tag = "4")]
    Files(Files),
    #[prost(message, tag = "6")]
    Services(Services),
    #[prost(message, tag = "7")]
    Refused(Refused),
}

#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file_descriptor_proto: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Services {
    #[prost(message, repeated, tag = "1")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Refused {
    #[prost(int32, tag = "1")]
    error_code: i32,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// What became of asking.
pub(super) enum Reflected {
    /// The services asked for that the server describes, and all the names it has.
    Described {
        pool: DescriptorPool,
        services: Vec<String>,
    },
    /// A server answered, and this is why it did not help.
    NotHelpful(String),
}

/// Asks the first endpoint that can be reached for these services. `limit` bounds each endpoint.
pub(super) async fn ask(
    endpoints: &[Endpoint],
    services: &BTreeSet<String>,
    limit: Duration,
) -> Result<Reflected, ConnectError> {
    let mut first_error = None;
    // Nothing is measured here; the connection keeps its times all the same.
    let stamps = Rc::new(StampClock::new(Clock::start()));
    for endpoint in endpoints {
        let resolving = endpoint.resolve();
        let mut opened = match handshake::open(endpoint, resolving, 0, limit, &stamps).await {
            Ok(opened) => opened,
            Err(error) => {
                first_error.get_or_insert(error);
                continue;
            }
        };
        let origin = format!("{}://{}", endpoint.scheme(), endpoint.authority);
        let asking = async {
            tokio::select! {
                described = describe(&opened.sender, &opened.tap, &origin, services) => described,
                _ = &mut opened.connection => {
                    Err("the server closed the connection".to_owned())
                }
            }
        };
        let described = tokio::time::timeout(limit, asking)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {limit:?}")));
        return Ok(described.unwrap_or_else(|problem| {
            Reflected::NotHelpful(format!(
                "{} was asked by reflection: {}",
                endpoint.authority,
                text::line(&problem)
            ))
        }));
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(Reflected::NotHelpful(
            "there is no server to ask".to_owned(),
        )),
    }
}

async fn describe(
    sender: &SendRequest<Bytes>,
    tap: &Rc<Tap>,
    origin: &str,
    services: &BTreeSet<String>,
) -> Result<Reflected, String> {
    let mut server = Server {
        sender,
        tap,
        origin,
        version: 0,
    };
    let listed = match server.ask(Ask::ListServices("*".to_owned())).await? {
        Told::Services(services) => services
            .service
            .iter()
            .map(|it| text::line(&it.name))
            .collect(),
        _ => Vec::new(),
    };
    let mut files = BTreeMap::new();
    let mut wanted: Vec<Ask> = services
        .iter()
        .map(|name| Ask::FileContainingSymbol(name.clone()))
        .collect();
    while let Some(ask) = wanted.pop() {
        if matches!(&ask, Ask::FileByName(name) if files.contains_key(name)) {
            continue;
        }
        let is_symbol = matches!(ask, Ask::FileContainingSymbol(_));
        let answer = match server.ask(ask).await? {
            Told::Files(files) => files,
            // A service that the server does not have is reported with the nearest names.
            Told::Refused(_) if is_symbol => continue,
            Told::Refused(refused) => return Err(refused.error_message),
            Told::Services(_) => return Err("it answers another question".to_owned()),
        };
        for encoded in answer.file_descriptor_proto {
            let file = FileDescriptorProto::decode(encoded)
                .map_err(|error| format!("it sent a file that is none: {error}"))?;
            wanted.extend(file.dependency.iter().cloned().map(Ask::FileByName));
            files.insert(file.name().to_owned(), file);
        }
    }
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_protos(files.into_values())
        .map_err(|error| format!("its files do not fit together: {error}"))?;
    Ok(Reflected::Described {
        pool,
        services: listed,
    })
}

struct Server<'a> {
    sender: &'a SendRequest<Bytes>,
    tap: &'a Rc<Tap>,
    origin: &'a str,
    /// Which of [`PATHS`] it answers on.
    version: usize,
}

impl Server<'_> {
    /// One question, one answer. Falls back to the older version when there is no newer one.
    async fn ask(&mut self, ask: Ask) -> Result<Told, String> {
        let question = Bytes::from(Question { ask: Some(ask) }.encode_to_vec());
        loop {
            match self.exchange(question.clone()).await {
                Ok(answer) => {
                    let answer = Answer::decode(answer)
                        .map_err(|error| format!("its answer cannot be read: {error}"))?;
                    return answer.told.ok_or_else(|| "its answer is empty".to_owned());
                }
                Err(error) if error.failure == UNIMPLEMENTED => {
                    self.version += 1;
                    if self.version == PATHS.len() {
                        return Err("it does not offer reflection".to_owned());
                    }
                }
                Err(error) => return Err(error.detail),
            }
        }
    }

    async fn exchange(&self, question: Bytes) -> Result<Bytes, StreamError> {
        let service = StreamService {
            sender: self.sender.clone(),
            sends_one: true,
            passage: Passage::new(self.tap, false),
            log: SendLog::default(),
            clock: Clock::start(),
        };
        let origin = self.origin.parse().expect("checked with the targets");
        let codec = Bytewise {
            message_len: question.len(),
        };
        let path = PathAndQuery::from_static(PATHS[self.version]);
        let request = Request::new(stream::iter([question]));
        let behind = |status: tonic::Status| StreamError::behind(&status);
        let mut answers = Grpc::with_origin(service, origin)
            .max_decoding_message_size(usize::MAX)
            .streaming(request, path, codec)
            .await
            .map_err(behind)?
            .into_inner();
        answers
            .message()
            .await
            .map_err(behind)?
            .ok_or_else(|| StreamError::protocol("it ended without an answer"))
    }
}

const UNIMPLEMENTED: Failure = Failure::Grpc(GrpcCode::new(12));

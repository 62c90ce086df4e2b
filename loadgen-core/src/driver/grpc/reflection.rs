//! Asking a server what its services look like (gRPC server reflection).
//!
//! Owns the few messages of the protocol that this needs, v1 and v1alpha, which are alike on the
//! wire. Source: `grpc/reflection/v1/reflection.proto` of the gRPC project.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::uri::PathAndQuery;
use prost::{Message, Oneof};
use prost_reflect::DescriptorPool;
use tonic::Request;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;

use super::codec::Bytewise;
use super::described::{self, MOST_BYTES, MOST_PARTS, Wanted};
use super::outgoing::SendLog;
use super::protos::built_in;
use super::service::{Passage, StreamError, StreamService, Taking};
use crate::clock::{Clock, StampClock};
use crate::driver::http2::{self, ConnectError, Sender, Tap};
use crate::driver::transport::net::Endpoint;
use crate::driver::transport::probe;
use crate::outcome::{Failure, GrpcCode};
use crate::text;
use crate::workload::PrepareError;

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

/// Names of services that are kept, to say which one is like the one that was asked for.
const MOST_SERVICES: usize = 10_000;

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

/// Asks the first endpoint that can be reached for these services, with the scenario's metadata.
/// `limit` bounds each endpoint, `max_message` each of its messages.
pub(super) async fn ask(
    endpoints: &[Endpoint],
    services: &BTreeSet<String>,
    metadata: &MetadataMap,
    limit: Duration,
    max_message: u32,
) -> Result<Reflected, PrepareError> {
    let mut first_error: Option<ConnectError> = None;
    // Nothing is measured here; the connection keeps its times all the same.
    let stamps = Rc::new(StampClock::new(Clock::start()));
    let mut all = Vec::new();
    for endpoint in endpoints {
        match endpoint.each(limit).await {
            Ok(each) => all.extend(each),
            Err(problem) => {
                first_error.get_or_insert(endpoint.failed(problem.into()));
            }
        }
    }
    let unlisted = first_error.map(|error| PrepareError::new(error.to_string()));
    if all.is_empty() {
        let nobody = "there is no server to ask".to_owned();
        return unlisted.map_or(Ok(Reflected::NotHelpful(nobody)), Err);
    }
    let opened = probe::first_to_take(0, all.len(), async |nth| {
        http2::open(&all[nth], all[nth].resolve(), 0, limit, &stamps).await
    });
    let (nth, mut opened) = opened.await.map_err(|error| unlisted.unwrap_or(error))?;
    let endpoint = &all[nth];
    let origin = format!("{}://{}", endpoint.scheme(), endpoint.authority);
    let asking = async {
        let sender = opened.sender.library().map_err(|error| error.to_string())?;
        tokio::select! {
            described = describe(
                sender, &opened.tap, &origin, metadata, services, max_message,
            ) => described,
            _ = &mut opened.connection => {
                Err("the server closed the connection".to_owned())
            }
        }
    };
    let described = tokio::time::timeout(limit, asking)
        .await
        .unwrap_or_else(|_| Err(format!("it had not answered everything within {limit:?}")));
    Ok(described.unwrap_or_else(|problem| {
        Reflected::NotHelpful(format!(
            "{} was asked by reflection: {}",
            endpoint.name,
            text::line(&problem)
        ))
    }))
}

async fn describe(
    sender: &Sender,
    tap: &Rc<Tap>,
    origin: &str,
    metadata: &MetadataMap,
    services: &BTreeSet<String>,
    max_message: u32,
) -> Result<Reflected, String> {
    let mut server = Server {
        sender,
        tap,
        origin,
        metadata,
        version: 0,
        bytes_left: MOST_BYTES,
        max_message,
    };
    let listed = match server.ask(Ask::ListServices("*".to_owned())).await? {
        Told::Services(services) => services
            .service
            .into_iter()
            .take(MOST_SERVICES)
            .map(|it| text::short(&it.name))
            .collect(),
        _ => Vec::new(),
    };
    let mut files = described::Files::new();
    let mut wanted = Wanted::new();
    let mut symbols = services.iter();
    let mut parts_left = MOST_PARTS;
    loop {
        let (ask, importer) = if let Some((name, importer)) = wanted.pop_first() {
            if files.contains_key(&name) {
                continue;
            }
            if let Some(file) = built_in(&name) {
                described::add(file, &mut files, &mut wanted)?;
                continue;
            }
            (Ask::FileByName(name.clone()), Some((name, importer)))
        } else if let Some(name) = symbols.next() {
            (Ask::FileContainingSymbol(name.clone()), None)
        } else {
            break;
        };
        let answer = match (server.ask(ask).await?, &importer) {
            (Told::Files(files), _) => files,
            (Told::Services(_), _) => return Err("it answers another question".to_owned()),
            // A service that the server does not have is reported with the nearest names.
            (Told::Refused(_), None) => continue,
            (Told::Refused(refused), Some((name, importer))) => {
                return Err(described::lacks(name, importer, &refused.error_message));
            }
        };
        for encoded in answer.file_descriptor_proto {
            let file = described::read(&encoded, &mut parts_left, MOST_PARTS)?;
            described::add(file, &mut files, &mut wanted)?;
        }
        // Some servers answer with what the file imports and not with the file.
        if let Some((name, importer)) = importer
            && !files.contains_key(&name)
        {
            return Err(described::lacks(&name, &importer, "it sent others"));
        }
    }
    Ok(Reflected::Described {
        pool: described::pool(files)?,
        services: listed,
    })
}

struct Server<'a> {
    sender: &'a Sender,
    tap: &'a Rc<Tap>,
    origin: &'a str,
    metadata: &'a MetadataMap,
    /// Bytes of answers that are still taken.
    bytes_left: usize,
    /// Which of [`PATHS`] it answers on.
    version: usize,
    max_message: u32,
}

impl Server<'_> {
    /// One question, one answer. Falls back to the older version when there is no newer one.
    async fn ask(&mut self, ask: Ask) -> Result<Told, String> {
        let question = Bytes::from(Question { ask: Some(ask) }.encode_to_vec());
        loop {
            match self.exchange(question.clone()).await {
                Ok(answer) => {
                    self.bytes_left =
                        self.bytes_left.checked_sub(answer.len()).ok_or_else(|| {
                            format!("its answers are longer than {} MiB", MOST_BYTES >> 20)
                        })?;
                    return told(&answer);
                }
                // To gRPC both are the same; gateways that do not know a service answer with 404.
                Err(error) if [UNIMPLEMENTED, NOT_FOUND].contains(&error.failure) => {
                    self.version += 1;
                    if self.version == PATHS.len() {
                        return Err("it does not offer reflection".to_owned());
                    }
                }
                Err(error) => {
                    let advice = if WHO_ARE_YOU.contains(&error.failure) {
                        "; the scenario's `metadata` goes with the question, and is where a token \
                         belongs"
                    } else {
                        ""
                    };
                    return Err(text::short(&error.detail) + advice);
                }
            }
        }
    }

    async fn exchange(&self, question: Bytes) -> Result<Bytes, StreamError> {
        let service = StreamService {
            sender: self.sender.clone(),
            sends_one: true,
            passage: Passage::new(self.tap, false),
            taking: Taking {
                max_message: self.max_message,
                contents: true,
            },
            identity: None,
            is_packed: false,
            details: Arc::default(),
            log: SendLog::default(),
            clock: Clock::start(),
        };
        let origin = self.origin.parse().expect("checked with the targets");
        let codec = Bytewise {
            message_len: question.len(),
        };
        let path = PathAndQuery::from_static(PATHS[self.version]);
        let mut request = Request::new(stream::iter([question]));
        *request.metadata_mut() = self.metadata.clone();
        let behind = |status: tonic::Status| StreamError::behind(&status);
        let mut answers = Grpc::with_origin(service, origin)
            .max_decoding_message_size(MOST_BYTES)
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

/// The files of an answer, which may be any bytes.
#[cfg(fuzzing)]
pub(super) fn files_in(answer: &[u8]) -> Result<Vec<Bytes>, String> {
    match told(answer)? {
        Told::Files(files) => Ok(files.file_descriptor_proto),
        Told::Services(_) | Told::Refused(_) => Ok(Vec::new()),
    }
}

/// What an answer says.
fn told(answer: &[u8]) -> Result<Told, String> {
    let answer =
        Answer::decode(answer).map_err(|error| format!("its answer cannot be read: {error}"))?;
    answer.told.ok_or_else(|| "its answer is empty".to_owned())
}

const UNIMPLEMENTED: Failure = Failure::Grpc(GrpcCode::new(12));
const NOT_FOUND: Failure = Failure::Http(404);
/// Permission denied and unauthenticated, in gRPC's words and in HTTP's.
const WHO_ARE_YOU: [Failure; 4] = [
    Failure::Grpc(GrpcCode::new(7)),
    Failure::Grpc(GrpcCode::new(16)),
    Failure::Http(401),
    Failure::Http(403),
];

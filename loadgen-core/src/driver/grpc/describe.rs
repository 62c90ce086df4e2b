//! What a server or `.proto` files offer, for people: services, methods, messages, and a message as an
//! example.
//!
//! Owns the words for types and finding a symbol. Where descriptions come from is as for a run, but that
//! loadgen's own services are named only where the server has them.

mod example;

use std::collections::BTreeSet;

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};
use serde::Serialize;
use serde_json::Value;

use super::call::Shape;
use super::error::DriverError;
use super::prepare;
use super::protos::compile_files;
use super::reflection::Reflected;
use crate::driver::header_fields::Sources;
use crate::driver::transport::endpoints;
use crate::nearest::nearest;
use crate::scenario::{GrpcPlan, ScenarioPlan};

/// Why there is no description.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescribeError {
    /// A target, a file, or a server that cannot be reached.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A server answered and did not help: it has no reflection, or wants to know who asks.
    #[error(
        "{0}; name the .proto files that describe its services in `protos`, or turn on reflection at the server"
    )]
    NotHelpful(String),
    /// Nothing has this name.
    #[error("there is no `{symbol}`{}", hint(nearest.as_deref(), services))]
    Unknown {
        /// What was asked for.
        symbol: String,
        /// The name most like it, if any is like it.
        nearest: Option<String>,
        /// The services there are.
        services: Box<[String]>,
    },
}

fn hint(nearest: Option<&str>, services: &[String]) -> String {
    match (nearest, services) {
        (Some(nearest), _) => format!("; did you mean `{nearest}`?"),
        (None, []) => String::new(),
        (None, services) => format!("; the services are {}", services.join(", ")),
    }
}

/// What stands behind a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Described {
    /// A service.
    Service(ServiceDescription),
    /// A method.
    Method(MethodDescription),
    /// A message.
    Message(MessageDescription),
    /// An enum.
    Enum(EnumDescription),
}

/// A service.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ServiceDescription {
    /// `package.Service`.
    pub name: String,
    /// Its methods, as they are declared. None where only the name is known: a server may name services
    /// that it does not describe.
    pub methods: Vec<MethodSummary>,
}

/// A method in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MethodSummary {
    /// `package.Service/Method`.
    pub name: String,
    /// Who sends one message, and who several.
    pub kind: CallKind,
    /// The message that is sent.
    pub request: String,
    /// The message that answers.
    pub reply: String,
}

/// The four kinds of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// One message, and one that answers.
    Unary,
    /// One message, and several that answer.
    ServerStream,
    /// Several messages, and one that answers.
    ClientStream,
    /// Several messages both ways.
    Bidirectional,
}

impl CallKind {
    /// Its name for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server stream",
            Self::ClientStream => "client stream",
            Self::Bidirectional => "bidirectional",
        }
    }
}

/// A method, with all that it takes to call it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MethodDescription {
    /// The method.
    #[serde(flatten)]
    pub summary: MethodSummary,
    /// The message that is sent.
    pub request_message: MessageDescription,
    /// The message that answers.
    pub reply_message: MessageDescription,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MessageDescription {
    /// `package.Message`.
    pub name: String,
    /// Its fields, by number.
    pub fields: Vec<FieldDescription>,
    /// A message of the type in protobuf's JSON form, which can be sent as it is: every field once, of a
    /// oneof the first, enums by name. What nests in itself is left out.
    pub example: Value,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FieldDescription {
    /// Its name, as it is declared.
    pub name: String,
    /// Its number.
    pub number: u32,
    /// Its type in the words of `.proto` files: `string`, `repeated shop.v1.Item`, `map<string, int64>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The oneof that it is of, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oneof: Option<String>,
}

/// An enum.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EnumDescription {
    /// `package.Enum`.
    pub name: String,
    /// The names of its values with their numbers, as they are declared.
    pub values: Vec<(String, i32)>,
}

/// What a scenario's server offers, or the `.proto` files that it names; sorted by name. The steps of the
/// scenario are not looked at. Blocks as [`GrpcFactory::new`](super::GrpcFactory::new) does.
///
/// # Errors
/// [`DescribeError`]; it is never [`DescribeError::Unknown`].
pub fn services(
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
) -> Result<Vec<ServiceDescription>, DescribeError> {
    let source = Source::new(scenario, plan)?;
    let (pool, mut named) = source.all()?;
    let of_pool = pool.services().map(|it| it.full_name().to_owned());
    named.extend(of_pool);
    let service = |name: String| match pool.get_service_by_name(&name) {
        Some(service) => service_of(&service),
        None => ServiceDescription {
            name,
            methods: Vec::new(),
        },
    };
    Ok(named.into_iter().map(service).collect())
}

/// What stands behind the name of a service, a method (`package.Service/Method` or with a dot), a message
/// or an enum. Blocks as [`GrpcFactory::new`](super::GrpcFactory::new) does.
///
/// # Errors
/// [`DescribeError`]; [`DescribeError::Unknown`] with the nearest name where nothing has it.
pub fn describe(
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
    symbol: &str,
) -> Result<Described, DescribeError> {
    let source = Source::new(scenario, plan)?;
    let name = symbol.trim_start_matches(['/', '.']).replace('/', ".");
    let (_, services) = source.described(&BTreeSet::new())?;
    // A method is known by its service. Only what is there is asked about: some servers end the
    // conversation over a name that they do not know.
    let service = name.rsplit_once('.').map(|(service, _)| service);
    let is_meant = |it: &&String| *it == &name || Some(it.as_str()) == service;
    if let Some(service) = services.iter().find(is_meant)
        && let Some(found) = find(&source.described(&[service.clone()].into())?.0, &name)
    {
        return Ok(found);
    }
    let (pool, _) = source.described(&services)?;
    if let Some(found) = find(&pool, &name) {
        return Ok(found);
    }
    // A message of which no service speaks.
    if let Ok((pool, _)) = source.described(&[name.clone()].into())
        && let Some(found) = find(&pool, &name)
    {
        return Ok(found);
    }
    let names = names(&pool);
    Err(DescribeError::Unknown {
        symbol: crate::text::short(symbol),
        nearest: nearest(&name, names.iter().map(String::as_str)).map(str::to_owned),
        services: services.into_iter().collect(),
    })
}

/// Where descriptions come from.
enum Source<'a> {
    Files(DescriptorPool),
    Server {
        scenario: &'a ScenarioPlan,
        plan: &'a GrpcPlan,
    },
}

impl<'a> Source<'a> {
    fn new(scenario: &'a ScenarioPlan, plan: &'a GrpcPlan) -> Result<Self, DescribeError> {
        Ok(if plan.protos.is_empty() {
            Self::Server { scenario, plan }
        } else {
            Self::Files(compile_files(&plan.protos)?)
        })
    }

    /// What describes these symbols, as far as anything does, and the names of the services there are.
    fn described(
        &self,
        symbols: &BTreeSet<String>,
    ) -> Result<(DescriptorPool, BTreeSet<String>), DescribeError> {
        match self {
            Self::Files(pool) => {
                let services = pool.services().map(|it| it.full_name().to_owned());
                Ok((pool.clone(), services.collect()))
            }
            Self::Server { scenario, plan } => {
                let endpoints =
                    endpoints::of(scenario, &super::HTTP2).map_err(DriverError::from)?;
                let sources = &mut Sources::default();
                match prepare::reflect(scenario, plan, &endpoints, symbols, sources)? {
                    Reflected::NotHelpful(problem) => Err(DescribeError::NotHelpful(problem)),
                    Reflected::Described { pool, services } => {
                        Ok((pool, services.into_iter().collect()))
                    }
                }
            }
        }
    }

    /// What describes all services there are, and their names.
    fn all(&self) -> Result<(DescriptorPool, BTreeSet<String>), DescribeError> {
        let (pool, services) = self.described(&BTreeSet::new())?;
        match self {
            Self::Files(_) => Ok((pool, services)),
            Self::Server { .. } => self.described(&services),
        }
    }
}

fn find(pool: &DescriptorPool, name: &str) -> Option<Described> {
    if let Some(service) = pool.get_service_by_name(name) {
        return Some(Described::Service(service_of(&service)));
    }
    if let Some(message) = pool.get_message_by_name(name) {
        return Some(Described::Message(message_of(&message)));
    }
    if let Some(values) = pool.get_enum_by_name(name) {
        return Some(Described::Enum(enum_of(&values)));
    }
    let (service, method) = name.rsplit_once('.')?;
    let service = pool.get_service_by_name(service)?;
    let method = service.methods().find(|it| it.name() == method)?;
    Some(Described::Method(MethodDescription {
        summary: summary_of(&method),
        request_message: message_of(&method.input()),
        reply_message: message_of(&method.output()),
    }))
}

/// All names that there are, methods with a slash.
fn names(pool: &DescriptorPool) -> Vec<String> {
    let services = pool.services().flat_map(|service| {
        let methods: Vec<_> = service.methods().map(|it| full_name(&it)).collect();
        methods.into_iter().chain([service.full_name().to_owned()])
    });
    let messages = pool.all_messages().map(|it| it.full_name().to_owned());
    let enums = pool.all_enums().map(|it| it.full_name().to_owned());
    services.chain(messages).chain(enums).collect()
}

fn service_of(service: &ServiceDescriptor) -> ServiceDescription {
    ServiceDescription {
        name: service.full_name().to_owned(),
        methods: service.methods().map(|it| summary_of(&it)).collect(),
    }
}

fn full_name(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

fn summary_of(method: &MethodDescriptor) -> MethodSummary {
    MethodSummary {
        name: full_name(method),
        kind: match Shape::of(method.is_client_streaming(), method.is_server_streaming()) {
            Shape::Unary => CallKind::Unary,
            Shape::ServerStream => CallKind::ServerStream,
            Shape::ClientStream => CallKind::ClientStream,
            Shape::Bidirectional => CallKind::Bidirectional,
        },
        request: method.input().full_name().to_owned(),
        reply: method.output().full_name().to_owned(),
    }
}

fn message_of(message: &MessageDescriptor) -> MessageDescription {
    MessageDescription {
        name: message.full_name().to_owned(),
        fields: message.fields().map(|it| field_of(&it)).collect(),
        example: example::of(message),
    }
}

fn field_of(field: &FieldDescriptor) -> FieldDescription {
    let is_optional = field.field_descriptor_proto().proto3_optional();
    let oneof = field.containing_oneof().filter(|_| !is_optional);
    FieldDescription {
        name: field.name().to_owned(),
        number: field.number(),
        kind: type_of(field),
        oneof: oneof.map(|it| it.name().to_owned()),
    }
}

fn enum_of(values: &EnumDescriptor) -> EnumDescription {
    let each = values.values();
    EnumDescription {
        name: values.full_name().to_owned(),
        values: each.map(|it| (it.name().to_owned(), it.number())).collect(),
    }
}

fn type_of(field: &FieldDescriptor) -> String {
    let kind = field.kind();
    if field.is_map()
        && let Kind::Message(entry) = &kind
    {
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        return format!("map<{}, {}>", name_of(&key.kind()), name_of(&value.kind()));
    }
    let label = match field.cardinality() {
        Cardinality::Repeated => "repeated ",
        Cardinality::Required => "required ",
        Cardinality::Optional if field.field_descriptor_proto().proto3_optional() => "optional ",
        Cardinality::Optional => "",
    };
    format!("{label}{}", name_of(&kind))
}

fn name_of(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(values) => values.full_name().to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Float => "float".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Uint32 => "uint32".to_owned(),
        Kind::Uint64 => "uint64".to_owned(),
        Kind::Sint32 => "sint32".to_owned(),
        Kind::Sint64 => "sint64".to_owned(),
        Kind::Fixed32 => "fixed32".to_owned(),
        Kind::Fixed64 => "fixed64".to_owned(),
        Kind::Sfixed32 => "sfixed32".to_owned(),
        Kind::Sfixed64 => "sfixed64".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
    }
}

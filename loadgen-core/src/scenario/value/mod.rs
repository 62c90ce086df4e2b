//! The single values of a scenario that are of no protocol alone: each with its bounds, its form and
//! its JSON Schema.

pub(in crate::scenario) mod address_list;
pub(in crate::scenario) mod base64;
mod number;
mod source;
pub(in crate::scenario) mod target;
pub(in crate::scenario) mod template;
mod text;
mod threshold;
mod unit;

pub(in crate::scenario) use self::number::{
    Bounded, Connections, Iterations, MAX_ITERATIONS, MAX_MESSAGES, Messages, MessagesOrNone,
    Streams, Times, Users, UsersOrNone, Weight,
};
pub(in crate::scenario) use self::source::RawSource;
pub use self::source::Source;
pub(in crate::scenario) use self::target::TargetText;
pub(in crate::scenario) use self::template::{ExpressionText, is_variable_name};
pub(in crate::scenario) use self::text::{
    Authority, EachValue, FieldPath, FilePath, MAX_NAME, ScenarioName, ServerName, SourceAddress,
    StepName, TagValue, checked_text, is_step_name, text_schema,
};
pub(in crate::scenario) use self::unit::{MaxMessage, PositiveSpan, Span, unit};

//! What a scenario expects of a balancer: how it is written.

pub(in crate::scenario) mod nobody;
mod print;
mod raw;
mod validate;
mod value;

pub(in crate::scenario) use self::print::print;
pub(in crate::scenario) use self::raw::RawExpect;
pub(in crate::scenario) use self::value::Share;

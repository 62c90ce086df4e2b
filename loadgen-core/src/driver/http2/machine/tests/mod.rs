//! The state machine against what a server may send it.

mod appendix_c;
mod bad_server;
mod compression;
mod flow;
mod interop;
mod oracle;
mod other_codec;
mod pieces;
mod script;
mod sections;
mod server;
mod stories;

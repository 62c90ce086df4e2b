//! What clients of the web share: where a redirection leads, and the cookies of a user.
//!
//! Opens nothing and sends nothing.

mod cookie_date;
pub(super) mod cookies;
pub(super) mod redirect;

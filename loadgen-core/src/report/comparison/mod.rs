//! A comparison for pages.
//!
//! Owns the forms; what is in them, and in which order, is [the view](super::view)'s.

mod html;

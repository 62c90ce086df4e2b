//! A result in forms that others read: tables, logs of histograms, test reports, pages.
//!
//! Made from the document alone, so that each can be made again from a stored one. Owns these forms and
//! how names are written in them; no figures but those of the document.

mod comparison;
mod csv;
mod hlog;
mod junit;
mod markdown;

#[cfg(test)]
mod tests;

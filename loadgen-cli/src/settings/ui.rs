//! Where a run is shown.

use crate::args::RunArgs;

/// Where a run is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UiSettings {
    /// Host and port to listen on.
    pub(crate) address: String,
    /// Whether others may reach it, without TLS.
    pub(crate) insecure: bool,
}

impl UiSettings {
    /// What the flags say; nothing where nobody is to look.
    pub(super) fn resolve(args: &RunArgs) -> Option<Self> {
        args.ui.clone().map(|address| Self {
            address,
            insecure: args.ui_insecure,
        })
    }
}

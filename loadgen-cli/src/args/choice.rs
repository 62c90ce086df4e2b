//! Which protocol is asked for.

use std::sync::LazyLock;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use loadgen_core::scenario::Protocol;

use crate::protocols;

/// What `--target` takes: where to send or, as in the framework that this one follows, a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetChoice {
    /// Only scenarios that speak it.
    Protocol(ProtocolChoice),
    /// One address, or several with commas.
    At(String),
}

/// The protocols that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ProtocolChoice {
    /// Every protocol there is.
    #[default]
    All,
    /// This one.
    Only(Protocol),
}

static CHOICES: LazyLock<Vec<ProtocolChoice>> = LazyLock::new(|| {
    let each = protocols::ALL.into_iter();
    let each = each.map(|it| ProtocolChoice::Only(it.protocol));
    [ProtocolChoice::All].into_iter().chain(each).collect()
});

impl ProtocolChoice {
    /// The word to select scenarios by; `None` is all of them.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::All => None,
            Self::Only(protocol) => Some(protocol.as_str()),
        }
    }
}

impl ValueEnum for ProtocolChoice {
    fn value_variants<'a>() -> &'a [Self] {
        &CHOICES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::All => PossibleValue::new("all")
                .alias("both")
                .help("Every protocol there is"),
            Self::Only(protocol) => {
                let row = protocols::of(*protocol)?;
                PossibleValue::new(protocol.as_str()).help(row.name)
            }
        })
    }
}

/// One of the protocols that a first scenario can be made for, by its word.
pub(super) fn protocol(text: &str) -> Result<Protocol, String> {
    let mut known = protocols::ALL.iter().map(|row| row.protocol);
    let known = known.find(|it| it.as_str() == text);
    known.ok_or_else(|| "expected grpc, websocket, http or tcp".to_owned())
}

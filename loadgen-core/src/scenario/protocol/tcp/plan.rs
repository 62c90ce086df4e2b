//! What a plan says of TCP.

use std::time::Duration;

use crate::scenario::protocol::websocket::plan::ConnectionPer;
use crate::scenario::step::Step;
use crate::units::Rate;

/// What a scenario says of TCP: its connections, and what an iteration exchanges.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct TcpPlan {
    /// How long a user keeps its connection.
    pub connection_per: ConnectionPer,
    /// The most connections that all users together begin to open.
    pub connect_rate: Option<Rate>,
    /// What is done once before the load. What it saves is `setup.NAME` for all users.
    pub setup: Vec<Step<TcpExchange>>,
    /// What each user does first.
    pub begin: Vec<Step<TcpExchange>>,
    /// What one iteration does.
    pub steps: Vec<Step<TcpExchange>>,
    /// What each user does last.
    pub end: Vec<Step<TcpExchange>>,
}

impl TcpPlan {
    /// These steps, and everything else as in a file that says nothing of it: each user keeps its
    /// connection.
    ///
    /// ```
    /// use loadgen_core::scenario::{ScenarioPlan, Step, TcpExchange, TcpPayload, TcpPlan, TcpReceive};
    /// use loadgen_core::schedule::Load;
    ///
    /// let mut ping = TcpExchange::send(TcpPayload::Text("PING\r\n".to_owned()));
    /// ping.receive = Some(TcpReceive::Until(b"\r\n".to_vec()));
    /// let tcp = TcpPlan::new([Step::new("ping", ping)]);
    /// let plan = ScenarioPlan::new("ask", tcp, Load::closed(10).iterations(1000)).checked()?;
    /// assert!(plan.step_names().eq(["ping"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step<TcpExchange>>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    /// `--connections`.
    pub(in crate::scenario::protocol) fn set_connections(
        &mut self,
        connections: u32,
    ) -> Option<String> {
        Some(format!(
            "--connections {connections} is for gRPC; a TCP user has a connection of its own"
        ))
    }
}

/// What a step does on a user's TCP connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TcpExchange {
    /// What is sent; `None` only receives. One of the two is there.
    pub send: Option<TcpPayload>,
    /// What comes back for each message sent, or by itself; `None` waits for nothing.
    pub receive: Option<TcpReceive>,
    /// Whether our side of the connection ends (a FIN) once all is sent. The connection is closed when
    /// the step is over.
    pub shutdown: bool,
    /// How many times it is sent, and received. At least 1, which 0 counts as.
    pub repeat: u32,
    /// The longest the step may take, opening its connection included. `None` is as long as the
    /// iteration may take.
    pub timeout: Option<Duration>,
    /// Time between two messages sent; `None` sends them as fast as `in_flight` allows.
    pub every: Option<Duration>,
    /// The most unanswered messages. At least 1, which 0 counts as.
    pub in_flight: u32,
}

/// What is sent over TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpPayload {
    /// This text, in which templates are filled in.
    Text(String),
    /// These bytes.
    Bytes(Vec<u8>),
    /// The bytes that this template comes to, in hexadecimal.
    HexTemplate(String),
    /// The bytes that this template comes to, in base64.
    Base64Template(String),
    /// So many bytes, 1 to 64 MiB, that look like nothing in particular.
    Sized(u32),
}

/// Where a reply over TCP ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpReceive {
    /// After so many bytes, at least 1.
    Bytes(u32),
    /// Where this stands, which is no part of the reply. At least one byte.
    Until(Vec<u8>),
    /// After as many bytes as a number in front of it says.
    LengthPrefix(LengthPrefix),
    /// With the first match of this regular expression, on bytes.
    Regex(String),
    /// When the server ends its side of the connection.
    End,
}

/// A number in front of a reply that says how long it is. It is no part of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthPrefix {
    /// How many bytes the number has: 1, 2, 4 or 8.
    pub bytes: u8,
    /// Which of them comes first.
    pub endian: Endian,
    /// Whether the number counts its own bytes, too.
    pub includes_itself: bool,
}

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Endian {
    /// The most significant one, as is usual in networks.
    #[default]
    Big,
    /// The least significant one.
    Little,
}

impl TcpExchange {
    /// What a step without a name is called.
    pub(crate) const SHORT_NAME: &'static str = "tcp";

    /// This once, and nothing that is waited for.
    #[must_use]
    pub fn send(payload: TcpPayload) -> Self {
        Self {
            send: Some(payload),
            ..Self::once()
        }
    }

    /// One reply that comes by itself.
    #[must_use]
    pub fn receive(receive: TcpReceive) -> Self {
        Self {
            receive: Some(receive),
            ..Self::once()
        }
    }

    fn once() -> Self {
        Self {
            repeat: 1,
            in_flight: 1,
            ..Self::default()
        }
    }
}

impl From<TcpExchange> for Step<TcpExchange> {
    /// A step called `tcp`.
    fn from(exchange: TcpExchange) -> Self {
        Self::new(TcpExchange::SHORT_NAME, exchange)
    }
}

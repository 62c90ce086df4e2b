//! The request that opens a WebSocket connection, and what its answer must be.
//!
//! Owns the rules for the answer (RFC 6455, 4.1). The library has them too, but takes `Connection` for
//! one word where HTTP has a list: proxies answer `keep-alive, Upgrade`.

use std::rc::Rc;

use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{
    CapacityError, Error, ProtocolError, SubProtocolError,
};
use tokio_tungstenite::tungstenite::handshake::client::generate_request;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::refusal;
use super::watch::{Watch, Watched};
use crate::driver::transport::net::Transport;
use crate::driver::transport::traffic::Traffic;

/// The longest head of an answer that is taken.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// A server's answer.
pub(super) struct Answered {
    head: Response<()>,
    transport: Transport,
    /// What came after the head.
    rest: Vec<u8>,
    /// The key that it answers.
    key: String,
}

/// Asks for the upgrade.
pub(super) async fn ask(request: Request<()>, mut transport: Transport) -> Result<Answered, Error> {
    let (request, key) = generate_request(request)?;
    transport.write_all(&request).await?;
    transport.flush().await?;
    let mut came = Vec::new();
    let (head_len, response) = loop {
        if transport.read_buf(&mut came).await? == 0 {
            return Err(ProtocolError::HandshakeIncomplete.into());
        }
        if let Some(parsed) = Response::try_parse(&came)? {
            break parsed;
        }
        if came.len() >= MOST_HEAD_BYTES {
            return Err(CapacityError::TooManyHeaders.into());
        }
    };
    Ok(Answered {
        head: response.map(|_| ()),
        transport,
        rest: came.split_off(head_len),
        key,
    })
}

impl Answered {
    pub(super) fn status(&self) -> StatusCode {
        self.head.status()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// The answer must be an upgrade. `offered` are the subprotocols of the request. One that refuses is
    /// read on for a while to see what it says, and not beyond `deadline`.
    pub(super) async fn accepts(mut self, offered: &str, deadline: Instant) -> Result<Self, Error> {
        if self.status() != StatusCode::SWITCHING_PROTOCOLS {
            let transport = &mut self.transport;
            let body = refusal::beginning(&self.head, self.rest, transport, deadline).await;
            return Err(Error::Http(Box::new(self.head.map(|()| Some(body)))));
        }
        check(self.headers(), &self.key, offered)?;
        Ok(self)
    }

    /// The connection that it is the beginning of. `deflates` is whether messages may be compressed.
    pub(super) async fn into_socket(
        mut self,
        config: WebSocketConfig,
        deflates: bool,
        traffic: &Rc<Traffic>,
    ) -> WebSocketStream<Watched> {
        let watch = Watch::new(traffic, &mut self.rest, deflates);
        let watched = Watched::new(self.transport, &watch);
        WebSocketStream::from_partially_read(watched, self.rest, Role::Client, Some(config)).await
    }
}

fn check(headers: &HeaderMap, key: &str, offered: &str) -> Result<(), ProtocolError> {
    if !has_token(headers, &UPGRADE, "websocket") {
        return Err(ProtocolError::MissingUpgradeWebSocketHeader);
    }
    if !has_token(headers, &CONNECTION, "upgrade") {
        return Err(ProtocolError::MissingConnectionUpgradeHeader);
    }
    let accepted = derive_accept_key(key.as_bytes());
    if headers
        .get(SEC_WEBSOCKET_ACCEPT)
        .is_none_or(|it| it != accepted.as_str())
    {
        return Err(ProtocolError::SecWebSocketAcceptKeyMismatch);
    }
    let problem = match (headers.get(SEC_WEBSOCKET_PROTOCOL), offered.is_empty()) {
        (None, true) => return Ok(()),
        (None, false) => SubProtocolError::NoSubProtocol,
        (Some(_), true) => SubProtocolError::ServerSentSubProtocolNoneRequested,
        (Some(chosen), false) => {
            if offered.split(", ").any(|it| chosen == it) {
                return Ok(());
            }
            SubProtocolError::InvalidSubProtocol
        }
    };
    Err(ProtocolError::SecWebSocketSubProtocolError(problem))
}

/// Whether a header field, a list of tokens over one line or several, has this one.
pub(super) fn has_token(headers: &HeaderMap, name: &http::HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|it| it.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use test_case::test_case;

    use super::*;

    #[test_case(&["Upgrade"] => true)]
    #[test_case(&["keep-alive, upgrade"] => true; "a list")]
    #[test_case(&["keep-alive", "Upgrade"] => true; "two lines")]
    #[test_case(&["keep-alive ,Upgrade ,x"] => true; "blanks")]
    #[test_case(&["upgrades"] => false; "another word")]
    #[test_case(&[] => false; "none")]
    fn tokens(lines: &[&'static str]) -> bool {
        let lines = lines
            .iter()
            .map(|line| (CONNECTION, HeaderValue::from_static(line)));
        has_token(&lines.collect(), &CONNECTION, "upgrade")
    }
}

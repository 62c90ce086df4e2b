//! `permessage-deflate` offered and agreed on (RFC 7692, 5 and 7.1).
//!
//! Owns the parameters: what is offered, and what an answer may say to that. What is done with the
//! messages is `deflate`'s.

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_EXTENSIONS;

use super::problem::UpgradeProblem;
use crate::driver::transport::excerpt;
use crate::scenario::PerMessageDeflate;

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";
/// The largest window, and the one where nothing is said of it.
pub(super) const MOST_BITS: u8 = 15;

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    /// Whether what comes may refer to the messages before it.
    pub(super) server_takes_over: bool,
    /// The bits of our window, 8 to 15.
    pub(super) client_bits: u8,
}

/// The value of the header field that offers it.
pub(super) fn offer(offered: &PerMessageDeflate) -> String {
    let mut offer = NAME.to_owned();
    let mut add = |name: &str, value: Option<u8>| {
        offer.push_str("; ");
        offer.push_str(name);
        if let Some(bits) = value {
            offer.push_str(&format!("={bits}"));
        }
    };
    if offered.server_no_context_takeover {
        add(SERVER_NO_CONTEXT, None);
    }
    if offered.client_no_context_takeover {
        add(CLIENT_NO_CONTEXT, None);
    }
    if let Some(bits) = offered.server_max_window_bits {
        add(SERVER_WINDOW, Some(bits));
    }
    // Without a value it says that the server may ask for one.
    add(CLIENT_WINDOW, offered.client_max_window_bits);
    offer
}

/// What the answer with these headers agrees on.
pub(super) fn agreed(
    offered: Option<&PerMessageDeflate>,
    headers: &HeaderMap,
) -> Result<Option<Agreed>, UpgradeProblem> {
    let mut extensions = Vec::new();
    for line in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
        let foreign = || UpgradeProblem::UnaskedExtension(excerpt::of(line.as_bytes()));
        let said = line.to_str().map_err(|_| foreign())?.split(',');
        let said = said.map(str::trim).filter(|it| !it.is_empty());
        for extension in said {
            let name = extension.split(';').next().unwrap_or_default().trim();
            if offered.is_none() || !name.eq_ignore_ascii_case(NAME) {
                return Err(foreign());
            }
            extensions.push(extension);
        }
    }
    let Some(offered) = offered else {
        return Ok(None);
    };
    match extensions.as_slice() {
        [] => Err(UpgradeProblem::NoCompression),
        [answer] => {
            let answer_is = |what| UpgradeProblem::Compression {
                answer: excerpt::of(answer.as_bytes()),
                what,
            };
            read(offered, answer).map(Some).map_err(answer_is)
        }
        [first, ..] => Err(UpgradeProblem::Compression {
            answer: excerpt::of(first.as_bytes()),
            what: "it takes one offer several times".to_owned(),
        }),
    }
}

/// What one answer means. An error says what is wrong with it.
fn read(offered: &PerMessageDeflate, answer: &str) -> Result<Agreed, String> {
    let mut seen: Vec<String> = Vec::new();
    let (mut server_bits, mut client_bits) = (None, None);
    for parameter in answer.split(';').skip(1) {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(unquoted(value.trim()))),
            None => (parameter, None),
        };
        let name = name.trim().to_ascii_lowercase();
        if seen.contains(&name) {
            return Err(format!("`{name}` stands there twice"));
        }
        match (name.as_str(), value) {
            (SERVER_NO_CONTEXT | CLIENT_NO_CONTEXT, None) => {}
            (SERVER_NO_CONTEXT | CLIENT_NO_CONTEXT, Some(_)) => {
                return Err(format!("`{name}` has no value"));
            }
            (SERVER_WINDOW, value) => server_bits = Some(bits(&name, value)?),
            (CLIENT_WINDOW, value) => client_bits = Some(bits(&name, value)?),
            _ => return Err(format!("there is no parameter `{name}`")),
        }
        seen.push(name);
    }
    let has = |name: &str| seen.iter().any(|seen| seen == name);
    if offered.server_no_context_takeover && !has(SERVER_NO_CONTEXT) {
        return Err(format!("`{SERVER_NO_CONTEXT}` was asked for"));
    }
    if let Some(most) = offered.server_max_window_bits
        && server_bits.is_none_or(|bits| bits > most)
    {
        return Err(format!(
            "`{SERVER_WINDOW}` of {most} at the most was asked for"
        ));
    }
    let most = offered.client_max_window_bits.unwrap_or(MOST_BITS);
    if client_bits.is_some_and(|bits| bits > most) {
        return Err(format!(
            "`{CLIENT_WINDOW}` of {most} at the most was offered"
        ));
    }
    Ok(Agreed {
        server_takes_over: !has(SERVER_NO_CONTEXT),
        client_bits: client_bits.unwrap_or(most),
    })
}

/// What a value says that may stand in quotes.
fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(value)
}

fn bits(name: &str, value: Option<&str>) -> Result<u8, String> {
    let bits = value.filter(|it| !it.starts_with(['0', '+']));
    let bits = bits.and_then(|it| it.parse().ok());
    bits.filter(|bits| (8..=MOST_BITS).contains(bits))
        .ok_or_else(|| format!("`{name}` is a whole number from 8 to {MOST_BITS}"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use test_case::test_case;

    use super::*;

    fn asking(server: bool, client: bool, bits: [Option<u8>; 2]) -> PerMessageDeflate {
        let [server_max_window_bits, client_max_window_bits] = bits;
        PerMessageDeflate {
            server_no_context_takeover: server,
            client_no_context_takeover: client,
            server_max_window_bits,
            client_max_window_bits,
        }
    }

    #[test_case(asking(false, false, [None, None])
        => "permessage-deflate; client_max_window_bits"; "as browsers do")]
    #[test_case(asking(true, true, [Some(9), Some(12)])
        => "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
            server_max_window_bits=9; client_max_window_bits=12"; "all there is")]
    fn offers(offered: PerMessageDeflate) -> String {
        offer(&offered)
    }

    fn answered(offered: Option<PerMessageDeflate>, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_str(line).expect("a value");
            headers.append(SEC_WEBSOCKET_EXTENSIONS, line);
        }
        match agreed(offered.as_ref(), &headers) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(agreed)) => format!("{} {}", agreed.server_takes_over, agreed.client_bits),
            Err(problem) => problem.to_string(),
        }
    }

    #[test_case(&[] => "nothing")]
    #[test_case(&[""] => "nothing"; "an empty line")]
    #[test_case(&["permessage-deflate"]
        => "the server turned on permessage-deflate, which was not offered")]
    fn where_nothing_was_offered(lines: &[&str]) -> String {
        answered(None, lines)
    }

    #[test_case(&["permessage-deflate"] => "true 15")]
    #[test_case(&["PerMessage-Deflate ; SERVER_no_context_takeover"] => "false 15"; "case")]
    #[test_case(&["permessage-deflate; client_max_window_bits=9"] => "true 9")]
    #[test_case(&["permessage-deflate;client_max_window_bits=\"8\""] => "true 8"; "in quotes")]
    #[test_case(&["", "permessage-deflate; server_max_window_bits=8; client_no_context_takeover"]
        => "true 15"; "what a server may say unasked")]
    #[test_case(&[] => "the server did not agree to `permessage-deflate`, which `compression` \
        offers: leave that out to do without")]
    #[test_case(&["x-webkit-deflate-frame"]
        => "the server turned on x-webkit-deflate-frame, which was not offered")]
    #[test_case(&["permessage-deflate, permessage-deflate"]
        => "the server answered the offer of compression with \"permessage-deflate\": it takes one \
            offer several times")]
    #[test_case(&["permessage-deflate; x=1"]
        => "the server answered the offer of compression with \"permessage-deflate; x=1\": there is \
            no parameter `x`")]
    #[test_case(&["permessage-deflate; server_no_context_takeover=1"]
        => "the server answered the offer of compression with \"permessage-deflate; \
            server_no_context_takeover=1\": `server_no_context_takeover` has no value")]
    #[test_case(&["permessage-deflate; client_max_window_bits"]
        => "the server answered the offer of compression with \"permessage-deflate; \
            client_max_window_bits\": `client_max_window_bits` is a whole number from 8 to 15")]
    #[test_case(&["permessage-deflate; server_max_window_bits=16"]
        => "the server answered the offer of compression with \"permessage-deflate; \
            server_max_window_bits=16\": `server_max_window_bits` is a whole number from 8 to 15")]
    #[test_case(&["permessage-deflate; server_max_window_bits=09"]
        => "the server answered the offer of compression with \"permessage-deflate; \
            server_max_window_bits=09\": `server_max_window_bits` is a whole number from 8 to 15")]
    #[test_case(&["permessage-deflate; client_max_window_bits=9; client_max_window_bits=9"]
        => "the server answered the offer of compression with \"permessage-deflate; \
            client_max_window_bits=9; client_max_window_bits=9\": `client_max_window_bits` stands \
            there twice")]
    fn where_it_was_offered_as_browsers_do(lines: &[&str]) -> String {
        answered(Some(PerMessageDeflate::default()), lines)
    }

    #[test_case("permessage-deflate; server_no_context_takeover; server_max_window_bits=9"
        => "false 12"; "all that was asked for")]
    #[test_case("permessage-deflate; server_max_window_bits=9"
        => "the server answered the offer of compression with \"permessage-deflate; \
            server_max_window_bits=9\": `server_no_context_takeover` was asked for")]
    #[test_case("permessage-deflate; server_no_context_takeover"
        => "the server answered the offer of compression with \"permessage-deflate; \
            server_no_context_takeover\": `server_max_window_bits` of 9 at the most was asked for")]
    #[test_case("permessage-deflate; server_no_context_takeover; server_max_window_bits=9; \
        client_max_window_bits=13"
        => "the server answered the offer of compression with \"permessage-deflate; \
            server_no_context_takeover; server_max_window_bits=9; client…\": \
            `client_max_window_bits` of 12 at the most was offered")]
    fn where_more_was_asked_for(line: &str) -> String {
        let offered = asking(true, false, [Some(9), Some(12)]);
        answered(Some(offered), &[line])
    }
}

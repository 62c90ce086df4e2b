//! Secrets of a plan: what a document must not carry on.
//!
//! A document is passed around, put on pages and into tickets, and a plan holds tokens. They are told by
//! the names of what they are values of; the book has the rule. The suite file, from which a run is
//! repeated, has them still.

use serde_json::Value;

/// What stands in place of a secret.
const MASK: &str = "***";
/// Words that a secret's name has somewhere in it, in whatever case.
const ANYWHERE: [&str; 11] = [
    "authorization",
    "authentication",
    "cookie",
    "credential",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "session",
    "token",
];
/// Words that a secret's name has as a part of its own, as in `x-api-key` or `auth_data`.
const AS_A_PART: [&str; 8] = [
    "apikey",
    "auth",
    "key",
    "pass",
    "pwd",
    "sid",
    "sig",
    "signature",
];
/// Shorter ones are not looked for in other texts: they would be found in words.
const SHORTEST: usize = 5;

/// The secrets of a plan.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// The longest first, so that none is masked in part.
    values: Vec<String>,
}

impl Secrets {
    /// Masks the secrets of a plan, and keeps what they were.
    pub(super) fn mask_in(plan: &mut Value) -> Self {
        let mut secrets = Self::default();
        secrets.walk(plan);
        secrets.values.sort_by_key(|it| std::cmp::Reverse(it.len()));
        secrets.values.dedup();
        secrets
    }

    /// The text without these secrets: a server may say what it was sent.
    pub(super) fn mask_text(&self, text: &mut String) {
        for secret in &self.values {
            if text.contains(secret) {
                *text = text.replace(secret, MASK);
            }
        }
    }

    fn walk(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if names_a_secret(name) {
                        self.take_all(value);
                    } else {
                        self.walk(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            Value::String(text) => self.address(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Masks all that is in a secret's value. Its form stays.
    fn take_all(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => fields.values_mut().for_each(|it| self.take_all(it)),
            Value::Array(items) => items.iter_mut().for_each(|it| self.take_all(it)),
            Value::String(text) => {
                let secret = std::mem::replace(text, MASK.to_owned());
                self.keep(&secret);
            }
            Value::Number(_) => *value = Value::String(MASK.to_owned()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn keep(&mut self, secret: &str) {
        // `Bearer` is none, and what follows may be told without it.
        let parts = secret.split([' ', ';', ',']).filter_map(|part| {
            let of_pair = part.split_once('=').map_or(part, |(_, value)| value);
            (of_pair != secret).then_some(of_pair)
        });
        let all = parts.chain([secret]);
        let long = all.filter(|it| it.len() >= SHORTEST && !SCHEMES.contains(it));
        self.values.extend(long.map(str::to_owned));
    }

    /// Masks user and password before a host, and the values of a query.
    fn address(&mut self, text: &mut String) {
        if let Some(start) = text.find("://").map(|at| at + 3)
            && let end = text[start..]
                .find(['/', '?', '#'])
                .map_or(text.len(), |at| start + at)
            && let Some(at) = text[start..end].rfind('@')
        {
            let user = text[start..start + at].to_owned();
            for part in user.split(':') {
                self.keep(part);
            }
            text.replace_range(start..start + at, MASK);
        }
        if text.starts_with(['/', 'h', 'w'])
            && let Some((path, query)) = text.split_once('?')
        {
            let masked = query.split('&').map(|pair| match pair.split_once('=') {
                Some((name, value)) if names_a_secret(name) => {
                    self.keep(value);
                    format!("{name}={MASK}")
                }
                _ => pair.to_owned(),
            });
            let masked = masked.collect::<Vec<_>>().join("&");
            if masked != query {
                *text = format!("{path}?{masked}");
            }
        }
    }
}

/// The words before what is secret in `authorization`.
const SCHEMES: [&str; 4] = ["Bearer", "bearer", "Digest", "Negotiate"];

/// Whether what has this name is a secret.
fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let parts = || name.split(|it: char| !it.is_ascii_alphanumeric());
    ANYWHERE.iter().any(|word| name.contains(word))
        || parts().any(|part| AS_A_PART.contains(&part))
        || name.ends_with("apikey")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    #[test_case("Authorization" => true)]
    #[test_case("proxy-authorization" => true)]
    #[test_case("x-api-key" => true)]
    #[test_case("X_API_KEY" => true)]
    #[test_case("xApiKey" => true)]
    #[test_case("set-cookie" => true)]
    #[test_case("access_token" => true)]
    #[test_case("clientSecret" => true)]
    #[test_case("password" => true)]
    #[test_case("x-session-id" => true)]
    #[test_case("x-version" => false)]
    #[test_case("author" => false; "auth is not a part of its own")]
    #[test_case("authority" => false)]
    #[test_case("monkey" => false)]
    #[test_case("keyboard" => false)]
    #[test_case("name" => false)]
    fn names(name: &str) -> bool {
        names_a_secret(name)
    }

    #[test]
    fn a_plan_is_masked_wherever_it_has_secrets() {
        let mut plan = json!({"scenarios": [{
            "name": "authorization",
            "targets": ["wss://user:pass-word@example.com/", "example.com:443"],
            "metadata": {"authorization": "Bearer SECRET-META", "x-version": "v2"},
            "headers": {"cookie": "sid=SECRET-COOKIE; lang=de"},
            "steps": [
                {"grpc": {"method": "a.B/C", "metadata": {"x-api-key": ["SECRET-STEP"]},
                          "message": {"token": 12345, "name": "what?token=is&not=one"}}},
                {"websocket": {"path": "/echo?lang=de&token=SECRET-URL",
                               "send": {"json": {"password": {"plain": "SECRET-BODY"}}}}},
            ],
        }]});
        let secrets = Secrets::mask_in(&mut plan);
        assert_eq!(
            plan,
            json!({"scenarios": [{
                "name": "authorization",
                "targets": ["wss://***@example.com/", "example.com:443"],
                "metadata": {"authorization": "***", "x-version": "v2"},
                "headers": {"cookie": "***"},
                "steps": [
                    {"grpc": {"method": "a.B/C", "metadata": {"x-api-key": ["***"]},
                              "message": {"token": "***", "name": "what?token=***&not=one"}}},
                    {"websocket": {"path": "/echo?lang=de&token=***",
                                   "send": {"json": {"password": {"plain": "***"}}}}},
                ],
            }]})
        );
        let mut said = "denied: Bearer SECRET-META, (SECRET-META) SECRET-COOKIE, SECRET-STEP, \
                        SECRET-URL, SECRET-BODY; pass-word, Bearer, de"
            .to_owned();
        secrets.mask_text(&mut said);
        assert_eq!(
            said,
            "denied: ***, (***) ***, ***, ***, ***; ***, Bearer, de"
        );
    }

    #[test]
    fn a_plan_without_secrets_stays_as_it_is() {
        let plan =
            json!({"metadata": {"x-a": "b"}, "path": "/a?b=c", "timeout": "1s", "n": [1, null]});
        let mut masked = plan.clone();
        let secrets = Secrets::mask_in(&mut masked);
        assert_eq!(masked, plan);
        assert!(secrets.values.is_empty());
    }
}

//! Secrets: what a plan has that no output must carry on.
//!
//! A document is passed around, put on pages and into tickets; a terminal is recorded by whatever runs
//! the command. Owns which fields of a plan are secret, what of them is known afterwards, and how a text
//! that may repeat them is masked; the book has the rule. The suite file, from which a run is repeated,
//! has them still. Knows nothing of where a text goes.

mod derived;
mod forms;
mod template;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use self::derived::Derived;
use self::forms::{decoded, password_of_basic};

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
/// The fields of a plan below which the names are the user's own. The plan's own names, `key_file` among
/// them, are no secrets'.
const NAMED_BY_THE_USER: [&str; 6] = ["metadata", "headers", "message", "json", "form", "query"];
/// The fields that say where a value stands and what goes before it.
const PLACE: [&str; 3] = ["env", "file", "prefix"];
/// Shorter ones are looked for as words of their own: they would be found in others.
const SHORTEST: usize = 5;
/// Shorter ones are not looked for at all: they would be found everywhere, and are soon guessed.
pub(crate) const SHORTEST_WORD: usize = 3;
/// The most secrets from elsewhere that are looked for: a token may be renewed all day long.
const MOST_LEARNED: usize = 256;
/// The words before what is secret in `authorization`, in whatever case.
const SCHEMES: [&str; 8] = [
    "apikey",
    "basic",
    "bearer",
    "digest",
    "dpop",
    "negotiate",
    "ntlm",
    "token",
];

/// The secrets of a plan, to be masked in what others say. Cheap to clone.
///
/// ```
/// use loadgen_core::secrets::Secrets;
/// use serde_json::json;
///
/// let secrets = Secrets::of(&json!({"metadata": {"authorization": "Bearer s3cr3t-1"}}));
/// assert_eq!(secrets.masked("the server answered: s3cr3t-1 is too old"),
///            "the server answered: *** is too old");
/// ```
#[derive(Clone, Default)]
pub struct Secrets {
    /// Clones share them: what one learns all know.
    known: Arc<Mutex<Known>>,
    derived: Arc<Derived>,
}

/// Secrets, in all the forms that they are looked for in.
#[derive(Default)]
struct Known {
    /// Those of the plan.
    planned: Vec<String>,
    /// Those from elsewhere, the latest last.
    learned: VecDeque<Vec<String>>,
    /// All of them, the longest first, so that none is masked in part.
    forms: Vec<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// The secrets of a plan in its JSON form, or of a part of one.
    #[must_use]
    pub fn of(plan: &Value) -> Self {
        Self::mask_in(&mut plan.clone())
    }

    /// Masks the secrets of a plan, and keeps what they were.
    pub fn mask_in(plan: &mut Value) -> Self {
        let mut found = Found::default();
        found.in_plan(plan);
        Self {
            known: Arc::new(Mutex::new(Known::of(found.forms()))),
            derived: Arc::default(),
        }
    }

    /// One more secret, from elsewhere: all clones mask it from now on, and its parts. `before` is what is
    /// sent in front of it, `Bearer ` say. Of those that were learned the last 256 are kept.
    pub fn learn(&self, before: &str, secret: &str) {
        let mut found = Found::default();
        found.keep(secret);
        let whole = format!("{before}{secret}");
        found.0.extend(password_of_basic(&whole));
        found.0.push(whole);
        self.known().learn(found.forms());
    }

    /// One more secret, which a user's expression read or came to. There may be one for each user and each
    /// iteration: the latest are kept, at least 16,384 forms of them as long as they are short.
    pub(crate) fn derive(&self, secret: &str) {
        if (SHORTEST_WORD..=derived::LONGEST).contains(&secret.len()) {
            let mut found = Found::default();
            found.keep(secret);
            self.derived.keep(found.forms().into_iter());
        }
    }

    /// Grows when what was derived long ago is forgotten: whoever uses it still says so again.
    pub(crate) fn age(&self) -> u64 {
        self.derived.age()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text without these secrets: a server may say what it was sent. Where a text was cut, what is
    /// left of a secret at its end is masked, too.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        self.masked_where(text, false)
    }

    /// The same of a text that others said from its beginning to its end: a value in a message, say, or a number
    /// as a text. Short secrets and plain words are masked in it without a colon or a quote before them.
    ///
    /// ```
    /// use loadgen_core::secrets::Secrets;
    /// use serde_json::json;
    ///
    /// let secrets = Secrets::of(&json!({"message": {"password": "open"}}));
    /// assert_eq!(secrets.masked_value("open"), "***");
    /// assert_eq!(secrets.masked("open"), "open", "it may be a word of ours");
    /// ```
    #[must_use]
    pub fn masked_value(&self, text: &str) -> String {
        self.masked_where(text, true)
    }

    fn masked_where(&self, text: &str, others_said_it: bool) -> String {
        let known = self.known();
        let derived = self.derived.lock();
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(next) = text[at..].chars().next() {
            let len = |secret: &str| said_at(text, at, secret, others_said_it);
            let found = known.forms.iter().find_map(|secret| len(secret));
            let found = found.max(derived.like(&text[at..]).filter_map(len).max());
            match found {
                Some(len) => {
                    masked.push_str(MASK);
                    at += len;
                }
                None => {
                    masked.push(next);
                    at += next.len_utf8();
                }
            }
        }
        masked
    }
}

impl Known {
    fn of(planned: Vec<String>) -> Self {
        Self {
            forms: planned.clone(),
            planned,
            learned: VecDeque::new(),
        }
    }

    fn learn(&mut self, forms: Vec<String>) {
        if self.learned.contains(&forms) {
            return;
        }
        self.learned.push_back(forms);
        if self.learned.len() > MOST_LEARNED {
            self.learned.pop_front();
        }
        let learned = self.learned.iter().flatten();
        self.forms = self.planned.iter().chain(learned).cloned().collect();
        sort(&mut self.forms);
    }
}

/// How much of a secret is said there.
fn said_at(text: &str, at: usize, secret: &str, others_said_it: bool) -> Option<usize> {
    let rest = &text[at..];
    let len = match rest.starts_with(secret) {
        true => secret.len(),
        false => cut_off(rest, secret)?,
    };
    is_said(text, at, len, secret, others_said_it).then_some(len)
}

/// How much of a secret the text begins with, where it ends within it or was cut there.
fn cut_off(text: &str, secret: &str) -> Option<usize> {
    let same = text.bytes().zip(secret.bytes());
    let mut len = same.take_while(|(a, b)| a == b).count();
    // An ellipsis begins with the same bytes as a dash does.
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    let rest = &text[len..];
    // A text that is quoted ends before its quote.
    let is_end = rest.is_empty() || rest.starts_with(['…', '"']);
    (len >= SHORTEST && is_end).then_some(len)
}

/// Whether what stands there is the secret, and not a word that it is like: a secret that is short or a plain
/// word is one only as a word of its own, and in what somebody else said. Where the text is not theirs as a
/// whole, that stands behind a colon or in quotes, and what stands before is our own.
fn is_said(text: &str, at: usize, len: usize, secret: &str, others_said_it: bool) -> bool {
    let is_of_a_word = match secret.len() < SHORTEST {
        true => |c: char| c.is_alphanumeric(),
        false => |c: char| c.is_alphabetic(),
    };
    if !secret.chars().all(char::is_alphabetic) && secret.len() >= SHORTEST {
        return true;
    }
    let (before, after) = (&text[..at], &text[at + len..]);
    !before.ends_with(is_of_a_word)
        && !after.starts_with(is_of_a_word)
        && (others_said_it || before.contains(": ") || before.contains('"'))
}

/// The secrets as they stand in a plan.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    /// Looks where the names are the user's own, and in the query of a path.
    fn in_plan(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("path", Value::String(path)) => self.in_query(path),
                        ("text", Value::String(text)) => self.in_json(text),
                        // Labels go with every metric, and hold none.
                        ("tags", _) => {}
                        ("metadata" | "headers", Value::Object(fields)) => self.sent(fields),
                        (name, value) if NAMED_BY_THE_USER.contains(&name) => self.named(value),
                        (_, value) => self.in_plan(value),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|it| self.in_plan(it)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Looks for what has a secret's name in a text that is JSON.
    fn in_json(&mut self, text: &mut String) {
        let before = self.0.len();
        let Ok(mut json @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) else {
            return;
        };
        self.named(&mut json);
        if self.0.len() > before {
            *text = json.to_string();
        }
    }

    /// Looks for what has a secret's name in metadata or header fields. Of a value that stands elsewhere
    /// the place is no secret.
    fn sent(&mut self, fields: &mut Map<String, Value>) {
        for (name, value) in fields {
            match value {
                _ if !names_a_secret(name) => {}
                Value::Object(parts) if parts.contains_key("env") || parts.contains_key("file") => {
                    let others = parts.iter_mut();
                    let others = others.filter(|(part, _)| !PLACE.contains(&part.as_str()));
                    others.for_each(|(_, value)| self.all(value));
                }
                value => self.all(value),
            }
        }
    }

    /// Looks for what has a secret's name.
    fn named(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if names_a_secret(name) {
                        self.all(value);
                    } else {
                        self.named(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|it| self.named(it)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Masks all that is in a secret's value. Its form stays.
    fn all(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => fields.values_mut().for_each(|it| self.all(it)),
            Value::Array(items) => items.iter_mut().for_each(|it| self.all(it)),
            Value::String(text) if template::is_one(text) => {
                *text = template::masked(text, |secret| self.keep(secret));
            }
            Value::String(_) | Value::Number(_) => {
                match std::mem::replace(value, Value::String(MASK.to_owned())) {
                    Value::String(secret) => self.keep(&secret),
                    other => self.keep(&other.to_string()),
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn in_query(&mut self, path: &mut String) {
        let masked = without_query(path, |secret| {
            if template::is_one(secret) {
                template::masked(secret, |secret| self.keep(secret));
                return;
            }
            self.keep(secret);
            self.keep(&percent_decode_str(secret).decode_utf8_lossy());
        });
        if let Cow::Owned(masked) = masked {
            *path = masked;
        }
    }

    /// Keeps a secret, and its parts: they may be told without what stands before them.
    fn keep(&mut self, secret: &str) {
        self.0.push(secret.to_owned());
        self.0.extend(password_of_basic(secret));
        self.0.extend(decoded(secret));
        let is_long = |part: &&str| part.len() >= SHORTEST;
        for part in secret.split([' ', ';', ',']).filter(is_long) {
            self.0.push(part.to_owned());
            // Of `sid=…` the second is the secret; `=` at the end is no pair but base64's.
            if let Some((_, value)) = part.split_once('=') {
                self.0.push(value.trim_matches('"').to_owned());
            }
            self.0.push(part.trim_end_matches('=').to_owned());
        }
    }

    /// All that is looked for: what is long enough, as it is and as it looks once it is quoted or made fit
    /// to be shown.
    fn forms(self) -> Vec<String> {
        let is_scheme = |it: &str| SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(it));
        let mut forms: Vec<String> = self
            .0
            .into_iter()
            .filter(|it| it.len() >= SHORTEST_WORD && !is_scheme(it))
            .flat_map(forms::of)
            .collect();
        sort(&mut forms);
        forms
    }
}

/// The longest first, each once.
fn sort(forms: &mut Vec<String>) {
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
}

/// Whether what has this name is a secret.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let parts = || name.split(|it: char| !it.is_ascii_alphanumeric());
    ANYWHERE.iter().any(|word| name.contains(word))
        || parts().any(|part| AS_A_PART.contains(&part))
        || name.ends_with("apikey")
}

/// Whether what stands at this JSON path of a suite is a secret: `scenarios[0].metadata.authorization`.
pub(crate) fn is_at(path: &str) -> bool {
    let mut names = path.split(['.', '[', ']']);
    names.any(|name| NAMED_BY_THE_USER.contains(&name)) && names.any(names_a_secret)
}

/// Whether what stands at this JSON path of a suite is the mask of a secret, and not the secret: it was
/// printed, and is not to be sent.
pub(crate) fn is_masked_at(path: &str, text: &str) -> bool {
    let has_mask_of_its_own = text == MASK || (template::is_one(text) && text.contains(MASK));
    let mut is_masked = is_at(path) && has_mask_of_its_own;
    match path.rsplit('.').next() {
        Some("path") => {
            without_query(text, |secret| is_masked |= secret == MASK);
        }
        Some("text") => is_masked |= serde_json::from_str(text).is_ok_and(|it| has_mask(&it)),
        _ => {}
    }
    is_masked
}

/// Whether the mask of a secret stands in a secret's place.
fn has_mask(json: &Value) -> bool {
    match json {
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| has_mask(value) || (names_a_secret(name) && value == MASK)),
        Value::Array(items) => items.iter().any(has_mask),
        _ => false,
    }
}

/// An address or a path without what no message may repeat: a user's name and password before the host,
/// and secrets of the query.
///
/// ```
/// use loadgen_core::secrets::address;
///
/// assert_eq!(address("http://me:pass@host/?token=abc&lang=de"),
///            "http://***@host/?token=***&lang=de");
/// ```
#[must_use]
pub fn address(text: &str) -> String {
    let text = without_query(text, |_| {});
    let Some((before, after)) = text.rsplit_once('@') else {
        return text.into_owned();
    };
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{MASK}@{after}")
}

/// The text with the secrets of its query masked, each of which is told.
fn without_query(text: &str, mut tell: impl FnMut(&str)) -> Cow<'_, str> {
    let Some((path, query)) = text.split_once('?') else {
        return text.into();
    };
    let mut is_masked = false;
    let masked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if names_a_secret(name) => {
            is_masked = true;
            tell(value);
            format!("{name}={MASK}")
        }
        _ => pair.to_owned(),
    });
    let masked = masked.collect::<Vec<_>>().join("&");
    if is_masked {
        format!("{path}?{masked}").into()
    } else {
        text.into()
    }
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
            "metadata": {"authorization": "Bearer SECRET-META", "x-version": "v2"},
            "headers": {"cookie": "sid=SECRET-COOKIE; lang=de"},
            "steps": [
                {"grpc": {"method": "a.B/C", "metadata": {"x-api-key": ["SECRET-STEP"]},
                          "message": {"token": 12345, "name": "what?token=is&not=one"}}},
                {"websocket": {"path": "/echo?lang=de&token=SECRET%2DURL",
                               "send": {"json": {"password": {"plain": "SECRET-BODY"}}}}},
                {"websocket": {"send": {"text": "{\"n\": 1, \"password\": \"SECRET-TEXT\"}"}}},
                {"http": {"path": "/login", "query": {"token": "SECRET-QUERY", "lang": "de"},
                          "body": {"form": {"user": "ann", "password": "SECRET FORM!"}}}},
            ],
        }]});
        let secrets = Secrets::mask_in(&mut plan);
        assert_eq!(
            plan,
            json!({"scenarios": [{
                "name": "authorization",
                "metadata": {"authorization": "***", "x-version": "v2"},
                "headers": {"cookie": "***"},
                "steps": [
                    {"grpc": {"method": "a.B/C", "metadata": {"x-api-key": ["***"]},
                              "message": {"token": "***", "name": "what?token=is&not=one"}}},
                    {"websocket": {"path": "/echo?lang=de&token=***",
                                   "send": {"json": {"password": {"plain": "***"}}}}},
                    {"websocket": {"send": {"text": "{\"n\":1,\"password\":\"***\"}"}}},
                    {"http": {"path": "/login", "query": {"token": "***", "lang": "de"},
                              "body": {"form": {"user": "ann", "password": "***"}}}},
                ],
            }]})
        );
        let said = "denied: Bearer SECRET-META, (SECRET-META) SECRET-COOKIE, SECRET-STEP, 12345, \
                    SECRET-URL, SECRET%2DURL, SECRET-BODY, SECRET-TEXT, SECRET-QUERY, \
                    SECRET+FORM%21; Bearer, de";
        assert_eq!(
            secrets.masked(said),
            "denied: ***, (***) ***, ***, ***, ***, ***, ***, ***, ***, ***; Bearer, de"
        );
    }

    /// The plan's own names are not the user's, and a text is no address because it begins like one.
    #[test_case(json!({"tls": {"cert_file": "/etc/own.pem", "key_file": "/etc/own.key"}}); "files of a key")]
    #[test_case(json!({"tags": {"session": "morning", "path": "/?token=abcdef"}}); "tags")]
    #[test_case(json!({"steps": [{"websocket": {"path": "/a?b=c", "send": {"text": "https://u:password@h/?token=abcdef"}}}]}); "a text that is sent")]
    #[test_case(json!({"steps": [{"websocket": {"send": {"text": "{\"a\":  1}"}}}]}); "a text that is JSON")]
    #[test_case(json!({"steps": [{"name": "token", "websocket": {"reply": {"equals": "/?token=abcdef"}}}]}); "names and marks")]
    #[test_case(json!({"metadata": {"x-a": "b"}, "timeout": "1s", "n": [1, null]}); "no secret")]
    fn a_plan_without_secrets_stays_as_it_is(mut plan: Value) {
        let before = plan.clone();
        let secrets = Secrets::mask_in(&mut plan);
        assert_eq!(plan, before);
        let known = secrets.known();
        assert!(known.forms.is_empty(), "{:?}", known.forms);
    }

    /// Where a secret stands is none; what it is without its variable is.
    #[test]
    fn where_a_secret_stands_is_shown() {
        let mut plan = json!({
            "metadata": {
                "authorization": {"env": "TOKEN", "default": "SECRET-1", "prefix": "Bearer "},
                "x-api-key": {"file": "/run/secrets/key"},
                "x-tenant": {"env": "TENANT", "default": "blue"},
                "x-token": {"plain": "SECRET-2"},
            },
        });
        let secrets = Secrets::mask_in(&mut plan);
        assert_eq!(
            plan,
            json!({
                "metadata": {
                    "authorization": {"env": "TOKEN", "default": "***", "prefix": "Bearer "},
                    "x-api-key": {"file": "/run/secrets/key"},
                    "x-tenant": {"env": "TENANT", "default": "blue"},
                    "x-token": {"plain": "***"},
                },
            })
        );
        let said = "no SECRET-1, SECRET-2, TOKEN, /run/secrets/key";
        assert_eq!(secrets.masked(said), "no ***, ***, TOKEN, /run/secrets/key");
    }

    #[test_case("Bearer ", "s3cr3t-1" => "bad: ***, ***, s3cr3t-2, Bearer."; "a token")]
    #[test_case("ApiKey:", "s3cr3t-1" => "bad: Bearer ***, ***, s3cr3t-2, Bearer."; "with another word before it")]
    #[test_case("Basic ", "dXNlcjpzM2NyM3QtMg==" => "bad: Bearer s3cr3t-1, s3cr3t-1, ***, Bearer."; "a password in base64")]
    #[test_case("", "1" => "bad: Bearer s3cr3t-1, s3cr3t-1, s3cr3t-2, Bearer."; "too short")]
    fn what_is_learned_is_masked_by_all(before: &str, secret: &str) -> String {
        let secrets = Secrets::default();
        let other = secrets.clone();
        secrets.learn(before, secret);
        other.masked("bad: Bearer s3cr3t-1, s3cr3t-1, s3cr3t-2, Bearer.")
    }

    #[test]
    fn what_is_learned_is_bounded() {
        let secrets = Secrets::default();
        for nth in 0..=MOST_LEARNED {
            secrets.learn("Bearer ", &format!("token-{nth}"));
        }
        let said = format!("token-0 token-{MOST_LEARNED}");
        assert_eq!(secrets.masked(&said), "token-0 ***");
    }

    #[test]
    fn what_is_derived_is_masked_and_bounded() {
        let secrets = Secrets::default();
        let other = secrets.clone();
        secrets.derive("Bearer abcdef-0");
        secrets.derive("1234");
        secrets.derive("12");
        let said = r#"no Bearer abcdef-0: "abcdef-0", 1234, 12345, 12"#;
        let expected = r#"no ***: "***", ***, 12345, 12"#;
        assert_eq!(other.masked(said), expected);
        let age = secrets.age();
        for nth in 0..derived::MOST {
            secrets.derive(&format!("secret-{nth}"));
        }
        assert_ne!(secrets.age(), age);
        // Whoever uses it still says so again, and until then the time before goes on.
        assert_eq!(other.masked(said), expected);
        for nth in 0..derived::MOST {
            secrets.derive(&format!("later-{nth}"));
        }
        assert_eq!(other.masked(said), said);
        let last = format!("later-{} and later-12, la", derived::MOST - 1);
        assert_eq!(other.masked(&last), "*** and ***, la");
    }

    /// A value in a message is what others said, whatever it looks like.
    #[test_case("open", "open" => "***"; "a word")]
    #[test_case("a1b", "a1b" => "***"; "a short one")]
    #[test_case(4711, "4711" => "***"; "a number")]
    #[test_case("true", "true" => "***"; "what is a boolean elsewhere")]
    #[test_case("open", "opened, reopen" => "opened, reopen"; "a part of a word")]
    #[test_case("open", "it is open." => "it is ***."; "a word among others")]
    #[test_case("ab", "ab" => "ab"; "too short to be looked for")]
    fn a_value_that_others_said(secret: impl Into<Value>, said: &str) -> String {
        Secrets::of(&json!({"metadata": {"authorization": secret.into()}})).masked_value(said)
    }

    fn masked(secret: impl Into<Value>, said: &str) -> String {
        Secrets::of(&json!({"metadata": {"authorization": secret.into()}})).masked(said)
    }

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fw";

    #[test_case("Basic dXNlcjpwYXNzd29yZA==", "bad: dXNlcjpwYXNzd29yZA== (use Basic)" => "bad: *** (use Basic)"; "base64 with its padding")]
    #[test_case("Basic dXNlcjpwYXNzd29yZA==", "bad: dXNlcjpwYXNzd29yZA." => "bad: ***."; "base64 without it")]
    #[test_case("Basic dXNlcjpwYXNzd29yZA==", "user has another password: password" => "user has another password: ***"; "the password within")]
    #[test_case("bearer abcdef==", "bad: Bearer abcdef==" => "bad: Bearer ***"; "the scheme stays, in whatever case")]
    #[test_case("Digest response=\"abcdef\"", "bad: abcdef" => "bad: ***"; "quotes of a pair")]
    #[test_case("pa\"ss-wo\\rd", r#"it says "bad: pa\"ss-wo\\rd""# => r#"it says "bad: ***""#; "quoted")]
    #[test_case("pa\"ss-wo\\rd", r#"bad: pa"ss-wo\rd"# => "bad: ***"; "as it is")]
    #[test_case("pass\u{200b}word-1", "bad: pass\u{fffd}word-1" => "bad: ***"; "made fit to be shown")]
    #[test_case("pass\u{200b}word-1", r#"it says "pass\u{200b}word-1""# => r#"it says "***""#; "hidden characters, quoted")]
    #[test_case("pa'ss-wörd", r#"it says {"is":"pa'ss-w\u00f6rd"} and "pa\'ss-wörd""# => r#"it says {"is":"***"} and "***""#; "quoted as JSON, in ASCII or not")]
    #[test_case("p&ss-<wörd>", r#"bad: p\u0026ss-\u003cwörd\u003e"# => "bad: ***"; "JSON that may stand in a page")]
    #[test_case("p&ss-'w\"örd+", r#"bad: p\u0026ss-\u0027w\u0022\u00F6rd\u002B"# => "bad: ***"; "JSON with all that is special as numbers")]
    #[test_case("top-\u{1f511}-1", r#"bad: top-\ud83d\udd11-1"# => "bad: ***"; "a character of two units")]
    #[test_case("b3Blbi1zZXNhbWU=", "bad: open-sesame, b3Blbi1zZXNhbWU" => "bad: ***, ***"; "base64 that others decoded")]
    #[test_case("6f70656E2d736573616d65", "bad: open-sesame" => "bad: ***"; "hexadecimal digits that others decoded")]
    #[test_case("ab", "bad: ab" => "bad: ab"; "too short to be looked for")]
    #[test_case("1234", "bad: 1234, \"1234\", 12345, x1234, 1234." => "bad: ***, \"***\", 12345, x1234, ***."; "a short one, as a word of its own")]
    #[test_case("a1b", "a1b: no a1b" => "a1b: no ***"; "a short one, in what others said")]
    #[test_case("server", "the server answered UNAUTHENTICATED: no server" => "the server answered UNAUTHENTICATED: no ***"; "a word of ours")]
    #[test_case("server", "it says: servers, webserver, server." => "it says: servers, webserver, ***."; "a part of a word")]
    #[test_case("abcde1", "xabcde1x" => "x***x"; "what is no word, within one")]
    #[test_case("abcdefgh-1", "abcdefgh-1abcdefgh-1" => "******"; "twice")]
    #[test_case(8_675_309_123_u64, "no such pin: 8675309123" => "no such pin: ***"; "a number")]
    #[test_case(JWT, "" => ""; "nothing")]
    fn what_a_server_repeats(secret: impl Into<Value>, said: &str) -> String {
        masked(secret, said)
    }

    /// Texts are cut in several places, by servers as well.
    #[test_case("" => "bad token: ***"; "at its end")]
    #[test_case("…" => "bad token: ***…"; "with dots")]
    #[test_case("\")" => "bad token: ***\")"; "in quotes")]
    #[test_case(" and more" => format!("bad token: {} and more", &JWT[..30]); "something else")]
    fn what_is_cut_is_masked_too(end: &str) -> String {
        masked(
            format!("Bearer {JWT}"),
            &format!("bad token: {}{end}", &JWT[..30]),
        )
    }

    #[test_case("scenarios[0].metadata.authorization" => true)]
    #[test_case("scenarios[0].steps[1].grpc.message.user.password" => true)]
    #[test_case("scenarios[0].steps[1].websocket.send.json.tokens[2]" => true)]
    #[test_case("scenarios[0].metadata.x-version" => false)]
    #[test_case("scenarios[0].tls.key_file" => false)]
    #[test_case("" => false; "the whole file")]
    fn places(path: &str) -> bool {
        is_at(path)
    }

    #[test_case("me:secret@a:1" => "***@a:1"; "no scheme")]
    #[test_case("https://h:1/?token=SECRET" => "https://h:1/?token=***"; "a query")]
    #[test_case("https://h:1/?a=b" => "https://h:1/?a=b"; "nothing secret")]
    #[test_case("http://me:p@ss@h" => "http://***@h"; "an at sign in the password")]
    fn addresses(text: &str) -> String {
        address(text)
    }
}

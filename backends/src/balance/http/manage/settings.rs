//! Where services are managed, and by whom: `management` of a configuration.

use std::net::SocketAddr;
use std::path::Path;

use http::Uri;

use super::token::TokenSource;
use crate::balance::config::Problems;
use crate::balance::config::reader::Field;
use crate::balance::config::shared::{listen_address, path, tls_files as tls};
use crate::serve::tls::TlsFiles;

/// Where it is, unless told: for this machine alone.
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 8081);
const ORIGIN: &str = "an origin as browsers send it, like \"https://tools.example.com\" or \"http://localhost:3000\"";
const TOKEN: &str = "{\"env\": \"NAME\"} or {\"file\": \"PATH\"}";

/// Where and by whom services are managed. Not changed by a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementSettings {
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What has to be known to manage. Needed where other machines can reach it.
    pub token: Option<TokenSource>,
    /// Pages from elsewhere that may manage, each as `SCHEME://HOST[:PORT]`.
    pub allowed_origins: Vec<String>,
    /// The certificate and key for TLS.
    pub tls: Option<TlsFiles>,
}

impl Default for ManagementSettings {
    fn default() -> Self {
        Self {
            listen: LISTEN.into(),
            token: None,
            allowed_origins: Vec::new(),
            tls: None,
        }
    }
}

impl ManagementSettings {
    /// Reads `management`.
    pub(crate) fn read(field: &Field<'_>, problems: &Problems) -> Option<Self> {
        let default = Self::default();
        let object = field.object(&["listen", "token", "allowed_origins", "tls"])?;
        let listen = match object.get("listen") {
            Some(field) => listen_address(&field),
            None => Some(default.listen),
        };
        let token = match object.get("token") {
            Some(field) => token(&field, problems).map(Some),
            None => Some(None),
        };
        let allowed_origins = match object.get("allowed_origins") {
            Some(field) => origins(&field),
            None => Some(Vec::new()),
        };
        let tls = match object.get("tls") {
            Some(field) => tls(&field).map(Some),
            None => Some(None),
        };
        Some(Self {
            listen: listen?,
            token: token?,
            allowed_origins: allowed_origins?,
            tls: tls?,
        })
    }

    /// The same with its files looked for in `folder`, where their paths are relative.
    #[must_use]
    pub fn relative_to(mut self, folder: &Path) -> Self {
        if let Some(TokenSource::File(file)) = &mut self.token {
            *file = folder.join(&file);
        }
        if let Some(tls) = &mut self.tls {
            tls.certificate = folder.join(&tls.certificate);
            tls.key = folder.join(&tls.key);
        }
        self
    }
}

fn token(field: &Field<'_>, problems: &Problems) -> Option<TokenSource> {
    if !field.is_object() {
        // Whatever stands there may be the token: it is not shown.
        let help = "a token stands in the environment or in a file of its own".to_owned();
        problems.add(field.path(), "a value", TOKEN, Some(help));
        return None;
    }
    let object = field.object(&["env", "file"])?;
    match (object.get("env"), object.get("file")) {
        (Some(env), None) => {
            let expected = "the name of a variable of the environment";
            let fits = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
            env.read(expected, |name| {
                fits(name).then(|| TokenSource::Env(name.to_owned()))
            })
        }
        (None, Some(file)) => path(&file).map(TokenSource::File),
        _ => {
            field.refuse(format!("one of {TOKEN}"), None);
            None
        }
    }
}

fn origins(field: &Field<'_>) -> Option<Vec<String>> {
    let read = |it: &Field<'_>| it.read(ORIGIN, |text| is_origin(text).then(|| text.to_owned()));
    let read: Vec<_> = field.list()?.iter().map(read).collect();
    read.into_iter().collect()
}

/// Whether a browser could send this as `origin`; `*` and `null` are nobody in particular.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    let is_whole = format!("{scheme}://{authority}") == text && !text.contains('@');
    is_whole && matches!(scheme, "http" | "https") && *text == text.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::balance::config::parse;

    fn read(text: &str) -> Result<ManagementSettings, String> {
        let made = parse("m.json", text, ManagementSettings::read);
        made.map_err(|error| error.to_string())
    }

    #[test]
    fn everything_can_be_said() {
        let text = r#"{ "listen": "0.0.0.0:9000", "token": { "file": "token" },
            "allowed_origins": ["https://a.example", "http://localhost:3000"],
            "tls": { "cert_file": "/certs/me.pem", "key_file": "me.key" } }"#;
        let settings = read(text).unwrap().relative_to(Path::new("/etc/lb"));
        assert_eq!(
            settings.token,
            Some(TokenSource::File("/etc/lb/token".into()))
        );
        assert_eq!(settings.allowed_origins.len(), 2);
        let tls = settings.tls.unwrap();
        assert_eq!(tls.certificate, Path::new("/certs/me.pem"));
        assert_eq!(tls.key, Path::new("/etc/lb/me.key"));
        assert_eq!(read("{}").unwrap(), ManagementSettings::default());
    }

    #[test_case(r#""token": "s3cr3t""#, "token: found a value, expected {\"env\": \"NAME\"} or {\"file\": \"PATH\"}; a token stands in the environment or in a file of its own"; "the token itself")]
    #[test_case(r#""token": {}"#, "token: found an object, expected one of {\"env\": \"NAME\"} or {\"file\": \"PATH\"}"; "no token")]
    #[test_case(r#""token": { "env": "A=B" }"#, "token.env: found \"A=B\", expected the name of a variable of the environment"; "variable")]
    #[test_case(r#""allowed_origins": ["*"]"#, "allowed_origins[0]: found \"*\", expected an origin as browsers send it, like \"https://tools.example.com\" or \"http://localhost:3000\""; "anybody")]
    #[test_case(r#""tls": { "cert_file": "a" }"#, "tls.key_file: found nothing, expected a path"; "no key")]
    #[test_case(r#""listen": "8081""#, "listen: found \"8081\", expected IP:PORT, like \"127.0.0.1:8080\" or \"[::]:8080\""; "listen")]
    #[test_case(r#""tokn": 1"#, "tokn: found an unknown field, expected a field that has a meaning here; did you mean `token`?"; "misspelt")]
    fn one_message_each(field: &str, problem: &str) {
        let told = read(&format!("{{ {field} }}")).unwrap_err();
        assert_eq!(told, format!("m.json: 1 problem\n  {problem}"));
    }

    #[test_case("https://a.example" => true)]
    #[test_case("http://[::1]:3000" => true)]
    #[test_case("https://a.example/" => false; "a path")]
    #[test_case("https://A.example" => false; "capitals")]
    #[test_case("https://me@a.example" => false; "a user")]
    #[test_case("ftp://a.example" => false; "another scheme")]
    #[test_case("a.example" => false; "no scheme")]
    #[test_case("null" => false; "nobody")]
    #[test_case("" => false; "nothing")]
    fn origins(text: &str) -> bool {
        is_origin(text)
    }
}

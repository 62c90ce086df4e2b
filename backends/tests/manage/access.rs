//! Who may manage, and who may not.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use loadgen_backends::balance::http::manage::{
    ManagementError, Store, TokenSource, start_management,
};
use test_case::test_case;

use crate::{Managed, WEB, ask, request};

const BODY: &str = r#"{ "algorithm": "least_connections" }"#;

fn with_token(token: &str) -> Managed {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    Managed::with(WEB, |settings| {
        settings.token = Some(TokenSource::File(file));
    })
}

#[test]
fn a_token_is_asked_for() {
    let managed = with_token("s3cr3t");
    let changes = |headers: &[(&str, &str)]| {
        let headers = [&[("content-type", "application/json")], headers].concat();
        managed.ask("PATCH", "/services/web", &headers, BODY)
    };
    let none = changes(&[]);
    assert_eq!(
        none.problem(),
        (
            401,
            "a token is needed: `authorization: Bearer …`".to_owned()
        )
    );
    assert_eq!(
        none.header("www-authenticate"),
        Some("Bearer realm=\"loadgen\"")
    );
    let wrong = changes(&[("authorization", "Bearer s3cr3")]);
    assert_eq!(
        wrong.problem(),
        (401, "this token is not the right one".to_owned())
    );
    assert_eq!(
        wrong.header("www-authenticate"),
        Some("Bearer realm=\"loadgen\", error=\"invalid_token\"")
    );
    assert_eq!(changes(&[("authorization", "Basic s3cr3t")]).status, 401);
    for path in [
        "/services",
        "/services/web",
        "/services/web/status",
        "/nowhere",
    ] {
        assert_eq!(managed.ask("GET", path, &[], "").status, 401, "{path}");
    }
    assert_eq!(managed.text(), WEB);
    // By any name, and from any page: the token is what counts.
    let headers = [
        ("authorization", "bearer s3cr3t"),
        ("host", "lb.example"),
        ("origin", "https://a.example"),
    ];
    assert_eq!(changes(&headers).status, 200);
    managed.agrees_with(&headers[..1]);
}

/// A browser can load the page without a token, and asks for one with it; that says nothing of the services.
#[test]
fn the_page_is_there_without_a_token() {
    let managed = with_token("s3cr3t");
    for path in ["/docs/", "/docs/swagger-ui-bundle.js", "/openapi.json"] {
        assert_eq!(managed.ask("GET", path, &[], "").status, 200, "{path}");
    }
    let described = managed.ask("GET", "/openapi.json", &[], "").json();
    assert_eq!(
        described["components"]["securitySchemes"]["token"]["scheme"],
        "bearer"
    );
    assert_eq!(described["security"][0]["token"], serde_json::json!([]));
}

#[test]
fn no_token_no_start_where_others_can_reach_it() {
    let managed = Managed::new();
    let settings = loadgen_backends::balance::http::manage::ManagementSettings {
        listen: ([0, 0, 0, 0], 0).into(),
        ..Default::default()
    };
    let store = Store::open(
        managed.file.clone(),
        std::sync::Arc::clone(&managed.balancer) as _,
    )
    .unwrap();
    assert!(settings.check().is_err());
    let refused = start_management(&settings, std::sync::Arc::new(store)).unwrap_err();
    assert!(matches!(refused, ManagementError::NoToken { .. }));
    let told = "managing services at 0.0.0.0:0, which other machines can reach, needs a token: give one with \
                `token` of `management`, like {\"file\": \"token\"} (--management-token-file, \
                --management-token-env), or listen on 127.0.0.1";
    assert_eq!(refused.to_string(), told);
}

/// A name of somebody's own that leads to this machine (DNS rebinding) gets a page from elsewhere no further.
#[test_case("evil.example", 421)]
#[test_case("127.0.0.1.evil.example:80", 421)]
#[test_case("localhost:8081", 200)]
#[test_case("127.0.0.1", 200)]
#[test_case("[::1]:8081", 200)]
fn names_that_are_asked_for(host: &str, status: u16) {
    let managed = Managed::new();
    for path in ["/services", "/docs/"] {
        let answer = managed.ask("GET", path, &[("host", host)], "");
        assert_eq!(answer.status, status, "{path}");
        if status != 200 {
            assert!(
                answer.problem().1.ends_with(&format!("found \"{host}\"")),
                "{answer:?}"
            );
        }
    }
}

#[test]
fn no_name_at_all_is_refused() {
    let managed = Managed::new();
    let (status, told) = managed
        .raw(b"GET /services HTTP/1.1\r\nconnection: close\r\n\r\n")
        .problem();
    assert_eq!(status, 421);
    assert!(told.ends_with("found no `host`, or several"), "{told}");
}

#[test_case("https://evil.example", 403)]
#[test_case("null", 403; "nobody")]
#[test_case("http://localhost.evil.example", 403)]
#[test_case("http://localhost:8081", 200; "the own page")]
fn pages_that_change(origin: &str, status: u16) {
    let managed = Managed::new();
    let headers = [
        ("content-type", "application/json"),
        ("host", "localhost:8081"),
        ("origin", origin),
    ];
    let answer = managed.ask("PATCH", "/services/web", &headers, BODY);
    assert_eq!(answer.status, status, "{answer:?}");
    if status == 403 {
        assert_eq!(managed.text(), WEB);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test]
fn pages_from_elsewhere_may_where_they_are_named() {
    const PAGE: &str = "https://tools.example";
    let managed = Managed::with(WEB, |settings| {
        settings.allowed_origins = vec![PAGE.to_owned()];
    });
    let asked = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "PATCH"),
            (
                "access-control-request-headers",
                "content-type,if-match,authorization",
            ),
        ];
        managed.ask("OPTIONS", "/services/web", &headers, "")
    };
    let allowed = asked(PAGE);
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(PAGE));
    assert!(
        allowed
            .header("access-control-allow-methods")
            .unwrap()
            .contains("PATCH")
    );
    let headers = allowed.header("access-control-allow-headers").unwrap();
    assert!(
        ["authorization", "content-type", "if-match"]
            .iter()
            .all(|it| headers.contains(it)),
        "{headers}"
    );
    assert_eq!(
        asked("https://evil.example").header("access-control-allow-origin"),
        None
    );

    let headers = [("content-type", "application/json"), ("origin", PAGE)];
    let changed = managed.ask("PATCH", "/services/web", &headers, BODY);
    assert_eq!(changed.status, 200);
    assert_eq!(changed.header("access-control-allow-origin"), Some(PAGE));
    assert!(
        changed
            .header("access-control-expose-headers")
            .unwrap()
            .contains("etag")
    );
    let evil = [
        ("content-type", "application/json"),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(
        managed.ask("PATCH", "/services/web", &evil, BODY).status,
        403
    );
}

/// The browser's question comes without a token, and is answered.
#[test]
fn a_page_is_let_in_that_has_yet_to_send_its_token() {
    const PAGE: &str = "https://tools.example";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "s3cr3t").unwrap();
    let managed = Managed::with(WEB, |settings| {
        settings.token = Some(TokenSource::File(file));
        settings.allowed_origins = vec![PAGE.to_owned()];
    });
    let question = [
        ("origin", PAGE),
        ("access-control-request-method", "DELETE"),
    ];
    assert_eq!(
        managed
            .ask("OPTIONS", "/services/web", &question, "")
            .status,
        200
    );
    let refused = managed.ask("GET", "/services", &[("origin", PAGE)], "");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), Some(PAGE));
}

/// Who does not read keeps nobody else from managing.
#[test]
fn clients_that_do_not_read_hold_no_seats() {
    let managed = Managed::new();
    let address = managed.management.local_addr();
    let ask_once = request("GET", "/docs/swagger-ui-bundle.js", &[], "");
    // More than there is room for on the way.
    let asks = ask_once.replace("connection: close\r\n", "").repeat(20);
    let unread: Vec<_> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(asks.as_bytes()).unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    // Without a seat, one is told so rather than left to wait.
    let answer = ask(address, "GET", "/services", &[], "");
    assert!(answer.is_none(), "{answer:?}");
    while ask(address, "GET", "/services", &[], "").is_none() {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "nobody gets a seat"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(unread);
}

//! `loadgen run --ui`: who may look, and what ends a run before it begins.

mod common;
mod shown;

use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use common::{Said, say};
use shown::Shown;
use test_case::test_case;

const LONG: [&str; 6] = ["-s", "hello_light", "-r", "20/s", "-d", "60s"];

fn run(flags: &[&str]) -> Said {
    let short = ["run", "-s", "hello_light", "-n", "50"];
    say(&[&short[..], flags].concat())
}

#[test]
fn the_token_is_exchanged_for_a_cookie() {
    let run = Shown::start(&LONG);
    assert_eq!(run.token.len(), 64);
    let answer = run.get(&format!("/?token={}", run.token), &[]);
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.field("location"), Some("/"));
    let cookie = answer.field("set-cookie").unwrap();
    let port = run.address.rsplit(':').next().unwrap();
    let expected = format!("loadgen_{port}={}; ", run.token);
    assert!(cookie.starts_with(&expected), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    let page = run.get("/", &[("cookie", &run.cookie())]);
    assert_eq!(page.status(), 200);
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(page.field(name), Some(value), "{name}");
    }
    let policy = page.field("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    assert!(
        policy.ends_with("; connect-src 'self'; frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(page.body().starts_with("<!doctype html>") && page.body().ends_with("</html>"));
    assert!(!page.body().contains(&run.token));
}

#[test]
fn others_are_refused() {
    let run = Shown::start(&LONG);
    let cookie = run.cookie();
    let own = format!("http://{}", run.address);
    let long = "x".repeat(20_000);
    let with = |name, value| [("cookie", &*cookie), (name, value)];
    let status = |path: &str, fields: &[(&str, &str)]| run.get(path, fields).status();
    assert_eq!(status("/", &[]), 401);
    assert_eq!(status("/live", &[]), 401);
    assert_eq!(status("/nowhere", &[]), 401, "nothing is told to strangers");
    assert_eq!(status("/?token=", &[]), 401);
    assert_eq!(status(&format!("/?token={}0", run.token), &[]), 401);
    let wrong = format!("{}={}", cookie.split('=').next().unwrap(), "0".repeat(64));
    assert_eq!(status("/", &[("cookie", &wrong)]), 401);
    assert_eq!(status("/nowhere", &[("cookie", &cookie)]), 404);
    assert_eq!(status("/", &with("origin", "http://evil.example")), 403);
    assert_eq!(status("/", &with("origin", "null")), 403);
    assert_eq!(status("/", &with("origin", &own)), 200);
    assert_eq!(status("/", &with("x-long", &long)), 431);

    let ask = |method, fields: &[(&str, &str)], body| run.ask(method, "/", fields, body);
    let host = ("host", &*run.address);
    let foreign = [("host", "evil.example"), ("cookie", &*cookie)];
    assert_eq!(ask("GET", &foreign, "").status(), 421);
    let token = format!("/?token={}", run.token);
    let rebound = run.ask("GET", &token, &[("host", "evil.example")], "");
    assert_eq!(rebound.status(), 421, "the token does not help");
    assert_eq!(
        ask("GET", &[host, foreign[0], foreign[1]], "").status(),
        421,
        "two of them"
    );
    let body = [host, ("cookie", &cookie), ("content-length", "3")];
    assert_eq!(ask("POST", &body, "abc").status(), 413);
    let post = ask(
        "POST",
        &[host, ("cookie", &cookie), ("content-length", "0")],
        "",
    );
    assert_eq!(
        (post.status(), post.field("allow")),
        (405, Some("GET, HEAD"))
    );
    for refused in [post, run.get("/", &[])] {
        assert_eq!(refused.field("cache-control"), Some("no-store"));
        assert_eq!(refused.field("x-frame-options"), Some("DENY"));
    }

    let plain = run.get("/live", &[("cookie", &cookie)]);
    assert_eq!(
        (plain.status(), plain.field("upgrade")),
        (426, Some("websocket"))
    );
    assert_eq!(plain.field("sec-websocket-version"), Some("13"));
    assert_eq!(run.open(&[]).err(), Some(401));
    let elsewhere = run.open(&with("origin", "http://evil.example"));
    assert_eq!(elsewhere.err(), Some(403));
    assert!(run.open(&with("origin", &own)).is_ok());
    let other_version = run.open(&with("sec-websocket-version", "8"));
    assert!(
        other_version.is_ok(),
        "one of those that are offered is spoken here"
    );
}

#[test]
fn whoever_asks_for_nothing_keeps_nobody_waiting_for_long() {
    let run = Shown::start(&LONG);
    let cookie = run.cookie();
    let began = SystemTime::now();
    let idle: Vec<_> = (0..64).map(|_| run.connect()).collect();
    assert_eq!(run.get("/", &[("cookie", &cookie)]).status(), 200);
    let took = began.elapsed().unwrap();
    assert!(took < Duration::from_secs(4), "{took:?}");
    drop(idle);
}

#[test]
fn a_port_in_use_ends_it_before_anything_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = run(&[&format!("--ui={address}")]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let error = format!("error: failed to show the run at {address}: ");
    assert!(said.stderr.starts_with(&error), "{said:?}");
    let hint = "name a free one with `--ui=HOST:PORT`, or have one found with `--ui=0`";
    assert!(said.stderr.trim_end().ends_with(hint), "{said:?}");
}

#[test_case("no.such.host.invalid:1", "failed to show the run at no.such.host.invalid:1: "; "an unknown name")]
#[test_case("192.0.2.1:0", "`--ui=192.0.2.1:0` can be reached from other machines, and has no TLS"; "an address of others")]
#[test_case("0.0.0.0:0", "or say with `--ui-insecure` that"; "all addresses")]
#[test_case("[::]:0", "look from elsewhere over `ssh -L`"; "all addresses of IPv6")]
#[test_case("nonsense", "expected HOST:PORT or PORT, like `127.0.0.1:8089`; port 0 takes a free one"; "no address")]
fn an_address_that_does_not_do_ends_it_before_anything_starts(address: &str, error: &str) {
    let said = run(&[&format!("--ui={address}")]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains(error), "{said:?}");
    assert!(!said.stderr.contains("embedded"), "{said:?}");
}

#[test_case(&["--baseline", "no-such.json"], "no-such.json"; "no baseline")]
#[test_case(&["--set", r#"scenarios.hello_light.thresholds=["response_time.p99 <"]"#], "response_time.p99 <"; "a bad threshold")]
#[test_case(&["--out", "json=/no/such/folder/r.json"], "/no/such/folder"; "nowhere to write")]
#[test_case(&["--statsd", "no.such.host.invalid:1"], "no.such.host.invalid"; "nowhere to send")]
fn what_is_refused_before_the_load_is_shown_nowhere(flags: &[&str], error: &str) {
    let said = run(&[&["--ui=0"], flags].concat());
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains(error), "{said:?}");
    assert!(!said.stderr.contains("the run is shown"), "{said:?}");
}

/// Whoever opens the address that was just printed finds out.
#[test]
fn nobody_reachable_is_said_to_whoever_comes() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let run = Shown::start(&["-s", "hello_light", "--target", &target, "-n", "50"]);
    let mut viewer = run.look();
    viewer.until(|it| it.phase() == "failed");
    assert!(viewer.header.contains("NOT RUN"), "{}", viewer.header);
    let why = "no target could be reached";
    assert!(viewer.header.contains(why), "{}", viewer.header);
    drop(viewer);
    let (code, said) = run.finish();
    assert_eq!(code, Some(101), "{said}");
    assert!(said.contains(why), "{said}");
}

#[test]
fn an_address_that_is_not_here_cannot_be_listened_on() {
    let said = run(&["--ui=192.0.2.1:0", "--ui-insecure"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr
            .contains("failed to show the run at 192.0.2.1:0: "),
        "{said:?}"
    );
}

#[test]
fn without_tls_others_are_warned_of() {
    let said = run(&["--ui=0.0.0.0:0", "--ui-insecure"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let warnings = said
        .stderr
        .lines()
        .filter(|it| it.starts_with("WARNING: 0.0.0.0:"));
    assert_eq!(warnings.count(), 1, "{said:?}");
    let mut printed = said.stderr.lines();
    let url = printed
        .find_map(|it| it.strip_prefix("the run is shown at http://"))
        .unwrap();
    assert!(
        !url.starts_with("0.0.0.0") && !url.starts_with(':'),
        "nobody can open {url}"
    );
    let alone = run(&["--ui-insecure"]);
    assert_eq!(alone.code, Some(2), "{alone:?}");
}

#[test_case("--quiet"; "quiet")]
#[test_case("--json"; "json")]
fn the_address_is_said_to_who_asked_for(flag: &str) {
    let said = run(&["--ui=0", flag]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = said.stderr.lines();
    let shown = lines.filter(|it| it.starts_with("the run is shown at http://127.0.0.1:"));
    assert_eq!(shown.count(), 1, "{said:?}");
    assert!(!said.stdout.contains("token"), "{said:?}");
}

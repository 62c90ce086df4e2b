//! Requests that are refused: each with one clear problem, and nothing is changed.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use test_case::test_case;

use crate::{Answer, Managed, WEB};

const ROUTES: &str = r#""routes": [{ "path": "/**" }]"#;

fn unchanged(managed: &Managed) {
    assert_eq!(managed.text(), WEB);
    managed.agrees();
}

#[test_case(r#""backends": [{ "address": "b:1", "weight": 0 }]"#, "backends[0].weight: found 0, expected a whole number from 1 to 65535"; "out of range")]
#[test_case(r#""backends": [{ "address": "b:1", "wieght": 1 }]"#, "backends[0].wieght: found an unknown field, expected a field that has a meaning here; did you mean `weight`?"; "misspelt")]
#[test_case(r#""backends": "b:1""#, "backends: found \"b:1\", expected an array"; "kind")]
#[test_case(r#""backends": [{ "address": "b:1", "address": "b:2" }]"#, "backends[0].address: found the field a second time, expected each field once"; "twice")]
#[test_case(r#""backends": [{ "address": "b:1" }], "name": "other""#, "name: found \"other\", expected \"api\", which is the name in the path"; "another name")]
#[test_case(r#""backends": []"#, "backends: found 0 backends, expected 1 to 10000"; "nobody")]
fn a_document_that_is_no_service(fields: &str, problem: &str) {
    let managed = Managed::new();
    for method in ["POST", "PUT"] {
        let answer = managed.send(
            method,
            "/services/api",
            &format!("{{ {ROUTES}, {fields} }}"),
        );
        assert_eq!(
            answer.problem(),
            (422, "1 problem; nothing was changed".to_owned())
        );
        assert_eq!(answer.problems(), [problem]);
    }
    unchanged(&managed);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let managed = Managed::new();
    let answer = managed.send(
        "PATCH",
        "/services/web",
        r#"{ "backends": [{ "weight": 0 }], "algorithm": "random", "rout": 1 }"#,
    );
    assert_eq!(answer.problem().1, "4 problems; nothing was changed");
    let paths: Vec<_> = answer
        .problems()
        .iter()
        .map(|it| it.split(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "rout",
            "algorithm",
            "backends[0].address",
            "backends[0].weight"
        ]
    );
    unchanged(&managed);
}

#[test_case("/services/a%20b", "name: found \"a b\" in the path, expected 1 to 100 letters"; "a space")]
#[test_case("/services/%2e%2e", "name: found \"..\" in the path, expected 1 to 100 letters"; "dots")]
#[test_case("/services/a%2Fb", "name: found \"a/b\" in the path, expected 1 to 100 letters"; "a slash")]
fn a_name_that_is_none(path: &str, problem: &str) {
    let managed = Managed::new();
    let answer = managed.send("PUT", path, "{}");
    assert!(answer.problems()[0].starts_with(problem), "{answer:?}");
    assert_eq!(managed.ask("GET", path, &[], "").status, 404);
    unchanged(&managed);
}

#[test_case("", "the body is no JSON: line 1, column 1: EOF while parsing a value"; "empty")]
#[test_case("{\n  \"a\": }", "the body is no JSON: line 2, column 8: expected value"; "a value is missing")]
#[test_case("{} {}", "the body is no JSON: line 1, column 4: trailing characters"; "two")]
fn a_body_that_is_no_json(body: &str, told: &str) {
    let managed = Managed::new();
    for (method, path) in [
        ("POST", "/services/api"),
        ("PUT", "/services/web"),
        ("PATCH", "/services/web"),
        ("PATCH", "/services"),
    ] {
        let answer = managed.send(method, path, body);
        assert_eq!(answer.problem(), (400, told.to_owned()), "{method}");
    }
    unchanged(&managed);
}

#[test]
fn a_body_that_is_no_text() {
    let managed = Managed::new();
    let mut request = b"PUT /services/web HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n".to_vec();
    request.extend(b"{\n \xff");
    let told = "the body is no JSON: line 2, column 2: this is no UTF-8".to_owned();
    assert_eq!(managed.raw(&request).problem(), (400, told));
}

#[test]
fn a_body_of_great_depth() {
    let managed = Managed::new();
    let body = "[".repeat(1_000_000);
    let (status, told) = managed.send("PUT", "/services/web", &body).problem();
    assert_eq!(status, 400);
    assert!(told.contains("recursion limit exceeded"), "{told}");
    unchanged(&managed);
}

#[test]
fn a_body_that_is_too_long() {
    let managed = Managed::new();
    let told = (413, "the body is longer than 2048 KiB".to_owned());
    let head =
        "PUT /services/web HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    // It says so, and is refused before it is sent.
    let announced = format!("{head}content-length: 3000000\r\n\r\n");
    assert_eq!(managed.raw(announced.as_bytes()).problem(), told);
    // It does not say so.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(40)
    );
    let mut stream = TcpStream::connect(managed.management.local_addr()).unwrap();
    let mut answers = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut answers, &mut answer);
        answer
    });
    let _ = stream.write_all(chunked.as_bytes());
    assert_eq!(Answer::of(&reader.join().unwrap()).problem(), told);
    unchanged(&managed);
}

#[test_case("PUT", "text/plain", "application/json"; "text")]
#[test_case("POST", "application/x-www-form-urlencoded", "application/json"; "a form")]
#[test_case("PUT", "application/merge-patch+json", "application/json"; "a patch that is none")]
#[test_case("PATCH", "application/json-patch+json", "application/merge-patch+json"; "a patch of the other kind")]
fn a_body_of_another_kind(method: &str, kind: &str, wanted: &str) {
    let managed = Managed::new();
    let answer = managed.ask(method, "/services/web", &[("content-type", kind)], "{}");
    let told = format!("the body has to be {wanted}, as `content-type` says it");
    assert_eq!(answer.problem(), (415, told));
    assert_eq!(answer.header("accept"), Some(wanted));
    unchanged(&managed);
}

#[test]
fn a_kind_may_have_a_charset_and_capitals() {
    let managed = Managed::new();
    for kind in [
        "application/json; charset=utf-8",
        "Application/Merge-Patch+JSON",
    ] {
        assert_eq!(
            managed
                .ask("PATCH", "/services/web", &[("content-type", kind)], "{}")
                .status,
            200
        );
    }
}

#[test_case("POST", "/services", "GET,HEAD,PATCH"; "the list")]
#[test_case("TRACE", "/services/web", "GET,HEAD,POST,PUT,PATCH,DELETE"; "a service")]
#[test_case("PUT", "/services/web/status", "GET,HEAD"; "status")]
#[test_case("POST", "/openapi.json", "GET,HEAD"; "the description")]
#[test_case("OPTIONS", "/services", "GET,HEAD,PATCH"; "options, where no other page may")]
fn a_method_that_is_not_answered(method: &str, path: &str, allowed: &str) {
    let managed = Managed::new();
    let answer = managed.send(method, path, "{}");
    let told = "this path does not answer this method; `allow` says which it does".to_owned();
    assert_eq!(answer.problem(), (405, told));
    assert_eq!(answer.header("allow"), Some(allowed));
}

#[test_case("/service"; "a path like one")]
#[test_case("/services/"; "no name")]
#[test_case("/services/web/"; "a slash more")]
#[test_case("/services/web/x"; "below")]
#[test_case("/docs/none.js"; "no file of the page")]
#[test_case("/services/%ff"; "no text")]
fn a_path_that_leads_nowhere(path: &str) {
    let (status, told) = Managed::new().ask("GET", path, &[], "").problem();
    assert_eq!(status, 404);
    assert!(
        told.starts_with("there is nothing at this path; there are /services, "),
        "{told}"
    );
}

#[test]
fn one_that_is_there_is_not_created() {
    let managed = Managed::new();
    let told = "there is a service `web` already; PUT takes its place, PATCH changes parts of it"
        .to_owned();
    assert_eq!(
        managed.send("POST", "/services/web", "{}").problem(),
        (409, told)
    );
    for method in ["PATCH", "DELETE"] {
        assert_eq!(
            managed.send(method, "/services/none", "{}").problem().0,
            404
        );
    }
    unchanged(&managed);
}

/// A folder in the place of the file to be made is in the way of everybody, root included.
#[test]
fn what_cannot_be_saved_is_not_done() {
    let managed = Managed::new();
    let in_the_way = managed.folder.path().join(".lb.json.loadgen-new");
    fs::create_dir_all(in_the_way.join("full")).unwrap();
    let body = format!(r#"{{ {ROUTES}, "backends": [{{ "address": "b:1" }}] }}"#);
    let (status, told) = managed.send("PUT", "/services/web", &body).problem();
    assert_eq!(status, 500);
    assert!(told.starts_with("the change cannot be saved to "), "{told}");
    assert!(told.contains("so nothing was changed: "), "{told}");
    unchanged(&managed);
    fs::remove_dir_all(&in_the_way).unwrap();
    assert_eq!(managed.send("PUT", "/services/web", &body).status, 200);
    managed.agrees();
}

#[test]
fn what_the_balancer_does_not_take_is_not_saved() {
    let managed = Managed::new();
    managed.balancer.refuses.store(true, Ordering::Relaxed);
    let (status, told) = managed
        .send(
            "PATCH",
            "/services/web",
            r#"{ "algorithm": "least_connections" }"#,
        )
        .problem();
    assert_eq!(status, 409);
    assert!(
        told.starts_with("`listen` cannot change while the balancer runs"),
        "{told}"
    );
    managed.balancer.refuses.store(false, Ordering::Relaxed);
    unchanged(&managed);
    assert_eq!(fs::read_dir(managed.folder.path()).unwrap().count(), 1);
}

#[test]
fn a_configuration_that_could_not_be_read_again() {
    let managed = Managed::new();
    let route = format!(r#"{{ "path": "/{}" }}"#, "x".repeat(1_900_000));
    for at in 0..8 {
        let body = format!(r#"{{ "routes": [{route}], "backends": [{{ "address": "b:1" }}] }}"#);
        assert_eq!(
            managed
                .send("POST", &format!("/services/s{at}"), &body)
                .status,
            201,
            "{at}"
        );
    }
    let body = format!(r#"{{ "routes": [{route}], "backends": [{{ "address": "b:1" }}] }}"#);
    let told =
        "the configuration would be longer than 16 MiB, and could not be read again".to_owned();
    assert_eq!(
        managed.send("POST", "/services/s8", &body).problem(),
        (422, told)
    );
    managed.store.reload().unwrap();
}

//! Services that are added, replaced, changed and removed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::{Managed, WEB};

const API: &str = r#"{ "routes": [{ "path": "/users/*", "methods": ["GET"] }], "backends": [{ "address": "b:1" }] }"#;

#[test]
fn a_service_is_added_replaced_changed_and_removed() {
    let managed = Managed::new();
    let created = managed.send("POST", "/services/api", API);
    assert_eq!(created.status, 201);
    assert_eq!(created.header("location"), Some("/services/api"));
    let service = json!({ "name": "api", "routes": [{ "path": "/users/*", "methods": ["GET"] }], "backends": [{ "address": "b:1" }] });
    assert_eq!(created.json(), service);
    managed.agrees();
    assert_eq!(managed.document()["services"][1], service);

    let changed = managed.send(
        "PATCH",
        "/services/api",
        r#"{ "algorithm": "least_connections", "health": { "rise": 3 } }"#,
    );
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json()["algorithm"], "least_connections");
    assert_eq!(changed.json()["backends"], service["backends"]);
    managed.agrees();
    let changed = managed.send(
        "PATCH",
        "/services/api",
        r#"{ "algorithm": null, "health": { "fall": 4 } }"#,
    );
    assert_eq!(changed.json().get("algorithm"), None);
    assert_eq!(changed.json()["health"], json!({ "rise": 3, "fall": 4 }));

    let replaced = managed.send("PUT", "/services/api", API);
    assert_eq!((replaced.status, replaced.json()), (200, service));
    managed.agrees();
    let put = managed.send("PUT", "/services/other", API);
    assert_eq!(
        (put.status, put.header("location")),
        (201, Some("/services/other"))
    );

    let removed = managed.send("DELETE", "/services/api", "");
    assert_eq!((removed.status, removed.body.as_str()), (204, ""));
    let gone = managed.ask("GET", "/services/api", &[], "");
    assert_eq!(
        gone.problem(),
        (
            404,
            "there is no service `api`; PUT and POST create one".to_owned()
        )
    );
    managed.agrees();
}

#[test]
fn the_default_service_is_changed_before_it_goes() {
    let managed = Managed::new();
    let refused = managed.send("DELETE", "/services/web", "");
    let told = "the service `web` is the default service; first name another one, or none, with PATCH \
                /services and {\"default_service\": …}";
    assert_eq!(refused.problem(), (409, told.to_owned()));
    let unknown = managed.send("PATCH", "/services", r#"{ "default_service": "api" }"#);
    assert_eq!(
        unknown.problems(),
        ["default_service: found \"api\", expected the name of one of the services"]
    );
    managed.agrees();
    let changed = managed.send("PATCH", "/services", r#"{ "default_service": null }"#);
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json().get("default_service"), None);
    assert_eq!(managed.send("DELETE", "/services/web", "").status, 204);
    managed.agrees();
    assert_eq!(managed.document(), json!({ "services": [] }));
}

#[test]
fn all_services_are_changed_at_once() {
    let managed = Managed::new();
    let body = format!(
        r#"{{ "services": [{}], "default_service": "web2" }}"#,
        API.replacen('{', r#"{ "name": "web2","#, 1)
    );
    let changed = managed.send("PATCH", "/services", &body);
    assert_eq!(changed.status, 200, "{changed:?}");
    managed.agrees();
    assert_eq!(managed.document()["services"][0]["name"], "web2");
    let unknown = managed.send("PATCH", "/services", r#"{ "servces": [] }"#);
    assert_eq!(
        unknown.problems(),
        [
            "servces: found an unknown field, expected a field that has a meaning here; did you mean `services`?"
        ]
    );
}

/// The management is at an address of its own: no name is taken.
#[test]
fn services_are_called_as_the_managements_paths_are() {
    let managed = Managed::new();
    for name in ["services", "docs", "openapi.json", "status"] {
        let path = format!("/services/{name}");
        assert_eq!(managed.send("POST", &path, API).status, 201, "{name}");
        assert_eq!(managed.ask("GET", &path, &[], "").json()["name"], name);
    }
    assert_eq!(
        managed
            .ask("GET", "/services/status/status", &[], "")
            .status,
        200
    );
    assert_eq!(
        managed.ask("GET", "/services", &[], "").json()["services"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    assert_eq!(managed.ask("GET", "/docs/", &[], "").status, 200);
    managed.agrees();
    assert_eq!(managed.send("DELETE", "/services/services", "").status, 204);
    managed.agrees();
}

#[test]
fn two_editors_do_not_overwrite_each_other() {
    let managed = Managed::new();
    let seen = managed.ask("GET", "/services/web", &[], "");
    let tag = seen.tag().to_owned();
    let put = |tag: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        managed.ask("PUT", "/services/web", &headers, body)
    };
    let first = put(&tag, API);
    assert_eq!(first.status, 200);
    let second = put(&tag, WEB);
    let told =
        "it is not as `if-match` or `if-none-match` says; GET has the latest `etag`".to_owned();
    assert_eq!(second.problem(), (412, told));
    assert_eq!(
        managed
            .ask("DELETE", "/services/web", &[("if-match", &tag)], "")
            .status,
        412
    );
    let latest = managed.ask("GET", "/services/web", &[], "");
    assert_eq!(latest.tag(), first.tag());
    assert_eq!(put(first.tag(), API).status, 200);
    managed.agrees();
    // None for who wants to be the first.
    let only_new = [("content-type", "application/json"), ("if-none-match", "*")];
    assert_eq!(
        managed.ask("PUT", "/services/web", &only_new, API).status,
        412
    );
    assert_eq!(
        managed.ask("PUT", "/services/new", &only_new, API).status,
        201
    );
    // Whoever has it already is not sent it again.
    let known = managed.ask(
        "GET",
        "/services/web",
        &[("if-none-match", first.tag())],
        "",
    );
    assert_eq!((known.status, known.body.as_str()), (304, ""));
    let list = managed.ask("GET", "/services", &[], "");
    let headers = [
        ("content-type", "application/merge-patch+json"),
        ("if-match", list.tag()),
    ];
    let changed = managed.ask(
        "PATCH",
        "/services",
        &headers,
        r#"{ "default_service": null }"#,
    );
    assert_eq!(changed.status, 200);
    assert_eq!(
        managed.ask("PATCH", "/services", &headers, "{}").status,
        412
    );
}

#[test]
fn what_is_read_again_and_what_is_managed_do_not_lose_each_other() {
    let managed = Managed::new();
    assert_eq!(managed.send("POST", "/services/api", API).status, 201);
    // Somebody edits the file on top of that.
    let edited = managed.text().replace("\"weight\": 2", "\"weight\": 7");
    fs::write(&managed.file, &edited).unwrap();
    let refused = managed.send("DELETE", "/services/api", "");
    let (status, told) = refused.problem();
    assert_eq!(status, 409);
    assert!(told.contains("has changed since it was read"), "{told}");
    assert_eq!(managed.text(), edited);
    managed.store.reload().unwrap();
    managed.agrees();
    assert_eq!(managed.send("DELETE", "/services/api", "").status, 204);
    managed.agrees();
    assert!(managed.text().contains("\"weight\": 7"));
    // A file that is wrong is not taken, and not written over.
    fs::write(&managed.file, "{").unwrap();
    let told = managed.store.reload().unwrap_err().to_string();
    assert!(told.contains("line 1, column"), "{told}");
    assert_eq!(managed.send("POST", "/services/api", API).status, 409);
    assert_eq!(managed.text(), "{");
    assert_eq!(managed.ask("GET", "/services/web", &[], "").status, 200);
}

#[test]
fn the_files_permissions_and_other_fields_stay() {
    let text = WEB.replacen('{', r#"{ "management": { "listen": "127.0.0.1:0" },"#, 1);
    let managed = Managed::with(&text, |_| {});
    fs::set_permissions(&managed.file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(managed.send("POST", "/services/api", API).status, 201);
    let mode = fs::metadata(&managed.file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        managed.text().starts_with("{\n  \"management\": {\n"),
        "{}",
        managed.text()
    );
    let entries = fs::read_dir(managed.folder.path()).unwrap().count();
    assert_eq!(entries, 1, "nothing is left beside the file");
    managed.agrees();
}

#[test]
fn how_backends_stand_is_told() {
    let managed = Managed::new();
    let status = managed.ask("GET", "/services/web/status", &[], "");
    assert_eq!(
        (status.status, status.json()),
        (200, json!({ "backends": 1 }))
    );
    assert_eq!(
        managed
            .ask("GET", "/services/x/status", &[], "")
            .problem()
            .0,
        404
    );
}

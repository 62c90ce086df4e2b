//! The description, and the page that shows it.

use serde_json::{Value, json};

use crate::Managed;

fn description() -> Value {
    Managed::new().ask("GET", "/openapi.json", &[], "").json()
}

#[test]
fn every_path_and_method_is_described() {
    let described = description();
    assert!(described["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = described["paths"].as_object().unwrap();
    let methods: Vec<_> = paths
        .iter()
        .map(|(path, item)| {
            (
                path.as_str(),
                item.as_object()
                    .unwrap()
                    .keys()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        })
        .collect();
    let wanted = [
        ("/services", "get patch"),
        ("/services/{name}", "get put post delete patch"),
        ("/services/{name}/status", "get"),
    ];
    assert_eq!(methods.len(), wanted.len());
    for (path, wanted) in wanted {
        let (_, found) = methods.iter().find(|(it, _)| *it == path).unwrap();
        let sorted = |text: &str| {
            let mut words: Vec<_> = text.split(' ').map(str::to_owned).collect();
            words.sort();
            words
        };
        assert_eq!(sorted(found), sorted(wanted), "{path}");
    }
    assert_eq!(described.get("security"), None);
}

/// The example that the page offers is one that can be sent as it is.
#[test]
fn the_example_can_be_sent() {
    let managed = Managed::new();
    let example = description()["components"]["schemas"]["Service"]["example"].to_string();
    let answer = managed.send("POST", "/services/example", &example);
    assert_eq!(answer.status, 201, "{answer:?}");
    let patch = &description()["paths"]["/services/{name}"]["patch"]["requestBody"]["content"]["application/merge-patch+json"]
        ["example"];
    assert_eq!(
        managed
            .send("PATCH", "/services/example", &patch.to_string())
            .status,
        200,
        "{patch}"
    );
    let patch = &description()["paths"]["/services"]["patch"]["requestBody"]["content"]["application/merge-patch+json"]
        ["example"];
    assert_eq!(patch, &json!({ "default_service": null }));
    assert_eq!(
        managed
            .send("PATCH", "/services", &patch.to_string())
            .status,
        200
    );
}

#[test]
fn the_page_is_whole_and_asks_nobody_else() {
    let managed = Managed::new();
    let home = managed.ask("GET", "/", &[], "");
    assert_eq!(
        (home.status, home.header("location")),
        (303, Some("/docs/"))
    );
    assert_eq!(
        managed.ask("GET", "/docs", &[], "").header("location"),
        Some("/docs/")
    );
    let page = managed.ask("GET", "/docs/", &[], "");
    assert_eq!(page.header("content-type"), Some("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    for file in [
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
        "swagger-ui.css",
        "index.css",
        "favicon-32x32.png",
        "swagger-initializer.js",
    ] {
        let answer = managed.ask("GET", &format!("/docs/{file}"), &[], "");
        assert_eq!(answer.status, 200, "{file}");
        assert!(
            answer
                .header("content-type")
                .is_some_and(|it| !it.contains("octet-stream")),
            "{file}"
        );
    }
}

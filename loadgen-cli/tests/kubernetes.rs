//! `loadgen kubernetes`: what is printed for a scenario, and what cannot be put into a cluster.

mod common;

use std::fs;
use std::path::Path;

use common::{Said, loadgen, say};
use tempfile::TempDir;
use test_case::test_case;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("it has one")
}

/// The command that prints docs/kubernetes/load.yaml.
const LOAD: [&str; 6] = [
    "kubernetes",
    "docs/kubernetes/agents.yaml",
    "--shards",
    "4",
    "--secret",
    "agents",
];

/// Where the files that go along lie in a pod.
fn paths(said: &Said) -> Vec<&str> {
    let lines = said.stdout.lines();
    lines
        .filter_map(|it| it.strip_prefix("                path: "))
        .collect()
}

#[test]
fn the_folder_has_what_is_printed() {
    let said: Said = loadgen(&LOAD)
        .current_dir(root())
        .output()
        .expect("loadgen starts")
        .into();
    assert_eq!(said.code, Some(0), "{said:?}");
    let path = root().join("docs/kubernetes/load.yaml");
    if std::env::var_os("LOADGEN_UPDATE_MANIFESTS").is_some() {
        fs::write(&path, &said.stdout).expect("it is written");
    }
    let checked_in = fs::read_to_string(&path).expect("the file");
    assert!(
        checked_in == said.stdout,
        "docs/kubernetes/load.yaml is not what `loadgen {}` prints; \
         `just manifests` writes it anew",
        LOAD.join(" ")
    );
}

/// A folder with a scenario in a folder of its own, and files around it.
fn stage(scenario: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &[u8]| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("it is written");
    };
    write("load/Shop find.yaml", scenario.as_bytes());
    write("load/more.yaml", b"defaults: { timeout: 5s }\n");
    write(
        "load/protos/shop.proto",
        b"syntax = \"proto3\";\npackage shop.v1;\nimport \"item.proto\";\n",
    );
    write(
        "load/protos/item.proto",
        b"syntax = \"proto3\";\npackage shop.v1;\n",
    );
    write(
        "load/protos/other.proto",
        b"syntax = \"proto3\";\npackage other.v1;\n",
    );
    write("data/users.csv", b"id\n1\n2\n");
    write("data/bytes.csv", b"id\n\xff\n");
    write("data/large.csv", "1234567\n".repeat(1 << 17).as_bytes());
    write("load/token.txt", b"hush");
    folder
}

/// What is said of a scenario with these fields.
fn printed(fields: &str, flags: &[&str]) -> Said {
    let folder = stage(&format!(
        "include: [more.yaml]\nscenarios:\n  - name: find\n    {}\n    \
         load: {{ open: {{ rate: 20/s, duration: 1s }} }}\n    \
         steps: [{{ grpc: {{ method: shop.v1.Shop/Find }} }}]\n",
        fields.replace("; ", "\n    ")
    ));
    let args = ["kubernetes", "load/Shop find.yaml", "--shards", "3"];
    let args: Vec<&str> = args.iter().chain(flags).copied().collect();
    let said = loadgen(&args).current_dir(&folder).output();
    said.expect("loadgen starts").into()
}

const TARGET: &str = "targets: [\"shop:50051\"]";

#[test]
fn all_files_of_a_scenario_go_along() {
    let fields = format!(
        "{TARGET}; protos: [protos/shop.proto]; data: {{ row: {{ file: ../data/users.csv }} }}; \
         tls: {{ ca_file: /in/the/image.pem }}"
    );
    let said = printed(
        &fields,
        &[
            "--",
            "--rate",
            "50/s",
            "--set",
            "defaults.tags.of=$(HOME)",
            "--set",
            "defaults.tags.and=b$$c $$(NAME)",
        ],
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    let items = paths(&said);
    let expected = [
        "data/users.csv",
        "load/Shop find.yaml",
        "load/more.yaml",
        "load/protos/item.proto",
        "load/protos/shop.proto",
    ];
    assert_eq!(items, expected);
    for line in [
        "  name: shop-find",
        "            - /scenario/load/Shop find.yaml",
        "            - \"--rate\"",
        "            - defaults.tags.of=$$(HOME)",
        "            - defaults.tags.and=b$$$$c $$$$(NAME)",
        "  load_Shop_find.yaml: |",
        "    id",
        "      value: \"3\"",
    ] {
        let found = said
            .stdout
            .lines()
            .any(|it| it.trim_start() == line.trim_start());
        assert!(found, "{line:?} in {}", said.stdout);
    }
}

#[test]
fn a_scenario_named_by_its_whole_path_leaves_others_that_are_so_to_the_image() {
    let folder = stage("");
    let ca = folder.path().join("load/ca.pem");
    let scenario = format!(
        "scenarios:\n  - name: find\n    {TARGET}\n    data: {{ row: {{ file: ../data/users.csv }} }}\n    \
         tls: {{ ca_file: {} }}\n    load: {{ open: {{ rate: 20/s, duration: 1s }} }}\n    \
         steps: [{{ grpc: {{ method: shop.v1.Shop/Find }} }}]\n",
        ca.display()
    );
    let file = folder.path().join("load/Shop find.yaml");
    fs::write(&file, scenario).expect("it is written");
    fs::write(&ca, "not for the cluster").expect("it is written");
    let said = say(&[
        "kubernetes",
        file.to_str().expect("a path"),
        "--shards",
        "2",
        "--namespace",
        "load",
        "--results",
        "shared.by-all",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let items = paths(&said);
    assert_eq!(items, ["data/users.csv", "load/Shop find.yaml"]);
    for line in [
        "#   kubectl patch job shop-find-merge --namespace load --patch '{\"spec\": {\"suspend\": false}}'",
        "            claimName: shared.by-all",
        "              subPath: shop-find/shards",
        "            - json=/results/whole.json",
    ] {
        assert!(
            said.stdout.lines().any(|it| it == line),
            "{line:?} in {}",
            said.stdout
        );
    }
}

#[test]
fn how_long_pods_wait_for_one_another_is_said_once() {
    for (flags, expected) in [
        (&[][..], "10m"),
        (&["--", "--wait-for-shards", "1h"][..], "1h"),
    ] {
        let said = printed(TARGET, flags);
        assert_eq!(said.code, Some(0), "{said:?}");
        let mut words = said.stdout.lines().map(str::trim_start);
        let is_flag = |it: &str| it == "- \"--wait-for-shards\"";
        assert!(words.any(is_flag), "{said:?}");
        assert_eq!(words.next(), Some(format!("- {expected}").as_str()));
        assert!(!words.any(is_flag), "{said:?}");
    }
}

#[test]
fn what_a_pod_would_do_in_vain_is_said() {
    let fields = "targets: [\"127.0.0.1:50051\"]";
    let said = printed(fields, &["--", "-c", "2"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in [
        "WARNING: `find` sends to 127.0.0.1:50051, which in a pod is the pod itself",
        "`find`: nothing of it is made by shard 2/3: it has 2 users, and there are 3 shards",
    ] {
        assert!(said.stderr.lines().any(|it| it == line), "{}", said.stderr);
    }
}

/// With a Secret of somebody's own its keys are not known here.
#[test]
fn variables_that_no_pod_has_are_named() {
    let fields = "targets: [\"h:1\"]; metadata: {a: {env: KEY}, b: {env: LOADGEN_RUN_ID}, c: {env: LEVEL, default: x}}";
    let warning = "WARNING: no pod has the environment variables that the scenario asks for (KEY): make a Secret with them and LOADGEN_COORDINATOR_TOKEN as its keys, and name it with `--secret`";
    for (flags, is_said) in [(&[][..], true), (&["--secret", "mine"], false)] {
        let said = printed(fields, flags);
        assert_eq!(said.code, Some(0), "{said:?}");
        let mut lines = said.stderr.lines();
        assert_eq!(lines.any(|it| it == warning), is_said, "{said:?}");
    }
}

#[test]
fn a_token_is_a_new_one_each_time() {
    let token = || {
        let said = say(&[
            "kubernetes",
            "--shards",
            "2",
            "--",
            "-s",
            "hello_high",
            "--target",
            "h:1",
        ]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let mut lines = said.stdout.lines();
        let line = lines.find(|it| it.trim_start().starts_with("LOADGEN_COORDINATOR_TOKEN: "));
        line.expect("a token").to_owned()
    };
    let (one, other) = (token(), token());
    assert_ne!(one, other);
    assert!(one.len() > 64, "{one}");
}

#[test_case("weight: 1", &[] => matches s if s.starts_with("error: load/Shop find.yaml: "); "an invalid scenario")]
#[test_case("tags: {}", &[] => "error: scenario `find` has no target, and each pod would answer itself: give `targets`, or `--target HOST:PORT` behind `--`"; "no target")]
#[test_case(TARGET, &["--", "--rat", "5"] => "error: behind `--` stands what `loadgen run` does not take: unexpected argument '--rat' found"; "an unknown flag")]
#[test_case(TARGET, &["--", "other.yaml"] => "error: behind `--` stands what `loadgen run` does not take: unexpected argument 'other.yaml' found"; "another file")]
#[test_case(TARGET, &["--", "--shard", "1/2"] => "error: `--shard` behind `--`: each pod is told its own part; `--shards N` before `--` says how many there are"; "a shard")]
#[test_case(TARGET, &["--", "--coordinator=h:1"] => "error: `--coordinator` behind `--`: the pods meet at the first of them"; "where to meet")]
#[test_case(TARGET, &["--", "--run-id", "7"] => "error: `--run-id` behind `--`: a run is called as its Job is, by an identifier that no other has"; "a run's name")]
#[test_case(TARGET, &["--", "--merged-out=json=x.json"] => "error: `--merged-out` behind `--`: the merging Job writes the result of the whole, whoever is lost"; "a file of the whole")]
#[test_case(TARGET, &["--", "--ui"] => "error: `--ui` behind `--`: nobody reaches a pod but other shards; have it send its figures, by `--otlp`, `--statsd` or `--graphite`"; "a page of a pod")]
#[test_case(TARGET, &["--", "--prometheus=0.0.0.0:9464"] => "error: `--prometheus` behind `--`: nobody reaches a pod but other shards; have it send its figures, by `--otlp`, `--statsd` or `--graphite`"; "figures of a pod")]
#[test_case(TARGET, &["--", "-o", "json=x.json"] => "error: `--out` behind `--`: results go to the volume of the run"; "a file of results")]
#[test_case(TARGET, &["--", "--tls-ca", "ca.pem"] => "error: `--tls-ca` behind `--`: a file of this machine is not in a pod; name it in the scenario (`tls.ca_file`), or with its whole path in the image or /secrets"; "a file of this machine")]
#[test_case(TARGET, &["--", "--coordinator-ca", "/secrets/ca.crt", "--coordinator-cert", "tls.crt", "--coordinator-key", "/secrets/tls.key"] => "error: `--coordinator-cert` behind `--`: a file of this machine is not in a pod; name it with its whole path in the image or /secrets"; "a certificate of this machine")]
#[test_case(TARGET, &["--", "-s", "nothing"] => matches s if s.contains("nothing"); "no such scenario")]
#[test_case("targets: [\"shop:1\"]; data: { row: { file: none.csv } }", &[] => "error: failed to read load/none.csv: No such file or directory (os error 2)"; "a file that is not there")]
#[test_case("targets: [\"shop:1\"]; data: { row: { file: ../data/bytes.csv } }", &[] => "error: load/../data/bytes.csv is no text, and only texts are taken along: have it in the image or in a volume, and name it there with its whole path"; "bytes")]
#[test_case("targets: [\"shop:1\"]; data: { row: { file: ../data/large.csv } }", &[] => matches s if s.starts_with("error: the scenario's files are too large: a ConfigMap takes 1 MiB, and load/"); "a large file")]
#[test_case("targets: [\"shop:1\"]; metadata: { authorization: { file: token.txt } }", &[] => "error: load/token.txt holds a secret, and a ConfigMap is for everybody to read: put it into a Secret, name that with `--secret`, and have the scenario say {\"env\": \"KEY\"} or the path /secrets/KEY"; "a secret")]
fn is_refused(fields: &str, flags: &[&str]) -> String {
    let said = printed(fields, flags);
    assert_eq!(said.stdout, "", "{said:?}");
    assert!(matches!(said.code, Some(2 | 104)), "{said:?}");
    said.stderr.trim_end().to_owned()
}

#[test_case(&["--shards", "0", "-", "--"] => "invalid value '0' for '--shards <N>': expected a whole number from 1 to 1000"; "no shards")]
#[test_case(&["--shards", "1001"] => "invalid value '1001' for '--shards <N>': expected a whole number from 1 to 1000"; "too many shards")]
#[test_case(&["--shards", "2"] => "nothing says what to run: name a scenario file, or behind `--` a shipped scenario, like `--scenario hello_high`"; "nothing")]
#[test_case(&["--shards", "2", "--", "none.yaml", "-s", "hello_high", "--target", "h:1"] => "the scenario file stands before `--`: `loadgen kubernetes none.yaml --shards N -- FLAG...`"; "a file behind the dashes")]
#[test_case(&["--shards", "2", "--secret", "a..b"] => "invalid value 'a..b' for '--secret <NAME>': expected 1 to 253 small letters, digits, `-` and `.`, a letter or digit at both ends of each part"; "a secret's name")]
#[test_case(&["-", "--shards", "2"] => "a pod has no standard input: name the scenario file"; "standard input")]
#[test_case(&["a.yaml"] => "the following required arguments were not provided:"; "how many is not said")]
#[test_case(&["a.yaml", "--shards", "2"] => "failed to read scenarios from a.yaml: No such file or directory (os error 2)"; "no such file")]
#[test_case(&["--shards", "2", "--name", "1st"] => "invalid value '1st' for '--name <NAME>': expected 1 to 40 small letters, digits and `-`, a letter in front and no `-` at the end"; "a name")]
#[test_case(&["--shards", "2", "--namespace", "A"] => "invalid value 'A' for '--namespace <NAME>': expected 1 to 63 small letters, digits and `-`, a letter or digit at both ends"; "a namespace")]
#[test_case(&["--shards", "2", "--image", "a b"] => "invalid value 'a b' for '--image <IMAGE>': expected the name of an image, like `registry.example/loadgen:1.0`"; "an image")]
#[test_case(&["--shards", "2", "--cpu", "0"] => "invalid value '0' for '--cpu <QUANTITY>': expected cores, like `2` or `500m`"; "no processor")]
#[test_case(&["--shards", "2", "--memory", "1GB"] => "invalid value '1GB' for '--memory <QUANTITY>': expected an amount of memory, like `1Gi` or `512Mi`"; "memory")]
fn is_no_use(flags: &[&str]) -> String {
    let args: Vec<&str> = ["kubernetes"].iter().chain(flags).copied().collect();
    let said = say(&args);
    assert!(matches!(said.code, Some(2 | 104)), "{said:?}");
    let first = said.stderr.lines().next().unwrap_or_default();
    first.trim_start_matches("error: ").to_owned()
}

//! Whoever has no part in a run: of another one, with another secret, or with none.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use test_case::test_case;

use crate::common::{Said, loadgen};
use crate::support::{Running, Stage, WITHIN};

const TOKEN: &str = "LOADGEN_COORDINATOR_TOKEN";

/// What is said to the second shard, which is another than the first. The first goes on waiting, and is not harmed.
fn second(first: &[&str], flags: &[&str], token: [Option<&str>; 2]) -> Said {
    let stage = Stage::new(1);
    let start = |index: u32, flags: &[&str], token: Option<&str>| {
        let mut command = stage.shard(index, 2, flags);
        token.map(|it| command.env(TOKEN, it));
        Running::start(&mut command)
    };
    let waiting = start(0, first, token[0]);
    waiting.says("waiting until all shards are ready");
    let said = start(1, flags, token[1]).end();
    // Whoever is right still has a place.
    let right = start(1, first, token[0]).end();
    assert_eq!(right.code, Some(0), "{right:?}");
    assert_eq!(waiting.end().code, Some(0));
    said
}

#[test_case(&["--run-id", "a"], &["--run-id", "b"] => "shard 1 of 2 is of the run `b`, and the coordinator of `a`: name the address of its own, or one `--run-id` for all".to_owned(); "another run")]
#[test_case(&[], &["--seed", "7"] => "`--seed` is 0 in shard 0 and 7 in shard 1 of 2".to_owned(); "another seed")]
#[test_case(&[], &["--rate", "70/s"] => "`scenarios.arrive.load.open.rate` is \"100/s\" in shard 0 and \"70/s\" in shard 1 of 2".to_owned(); "another plan")]
fn another_run_is_refused_by_name(first: &[&str], flags: &[&str]) -> String {
    let said = second(first, flags, [None, None]);
    assert_eq!(said.code, Some(103), "{said:?}");
    let lines: Vec<&str> = said.stderr.lines().collect();
    let last = lines.last().expect("it says why");
    last.trim_start_matches("error: ").trim().to_owned()
}

#[test_case(Some("other"), "has another token than LOADGEN_COORDINATOR_TOKEN holds here; set it to one secret for the coordinator and all shards"; "another token")]
#[test_case(None, "asks for a token, and LOADGEN_COORDINATOR_TOKEN is not set here; set it to the secret"; "no token")]
fn another_token_is_refused(token: Option<&str>, expected: &str) {
    let said = second(&[], &[], [Some("s3cr3t"), token]);
    assert_eq!(said.code, Some(103), "{said:?}");
    assert!(said.stderr.contains(expected), "{said:?}");
    assert!(!said.stderr.contains("s3cr3t"), "{said:?}");
}

#[test_case(&["run", "suite.json", "--shard", "0/2", "--coordinator", "0.0.0.0:8090"]; "shard 0")]
#[test_case(&["run", "suite.json", "--shard", "1/2", "--coordinator", "192.0.2.1:8090"]; "another shard")]
#[test_case(&["coordinate", "--shards", "2", "--listen", "0.0.0.0:0"]; "a coordinator")]
fn without_a_secret_only_this_machine_is_trusted(args: &[&str]) {
    let said = Stage::new(1).loadgen(args);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr
            .contains("can be reached from other machines, and nothing keeps strangers out"),
        "{said:?}"
    );
}

#[test_case(&["run", "suite.json", "--coordinator", "127.0.0.1:8090"], "--shard <I/N|auto>"; "without a shard")]
#[test_case(&["run", "suite.json", "--shard", "0/2", "--merged-out", "json=x"], "--coordinator <HOST:PORT>"; "merged, and nobody to")]
#[test_case(&["run", "suite.json", "--shard", "0/2", "--coordinator", "127.0.0.1:0"], "expected HOST:PORT, like `bench-1:8090`, the same for all shards"; "a port that nobody knows")]
#[test_case(&["run", "suite.json", "--shard", "0/2", "--coordinator", "127.0.0.1:9", "--repeat", "2"], "cannot be used with"; "again and again")]
#[test_case(&["run", "suite.json", "--shard", "0/2", "--coordinator", "127.0.0.1:9", "--coordinator-ca", "x"], "--coordinator-cert <FILE>"; "half of TLS")]
#[test_case(&["run", "suite.json", "--shard", "0/2", "--coordinator", "127.0.0.1:9", "--coordinator-ca", "x", "--coordinator-cert", "x", "--coordinator-key", "x"], "failed to read x:"; "no such file")]
#[test_case(&["run", "suite.json", "--shard", "0/2", "--coordinator", "127.0.0.1:9", "--coordinator-ca", "suite.json", "--coordinator-cert", "x", "--coordinator-key", "x"], "suite.json: expected certificates of authorities in PEM form"; "no certificate")]
#[test_case(&["run", "suite.json", "--shard", "0/2", "--coordinator", "127.0.0.1:9", "--out", "json=a", "--merged-out", "json=a"], "names a twice"; "two results in one file")]
fn flags_that_do_not_go_together(args: &[&str], expected: &str) {
    let said = Stage::new(1).loadgen(args);
    assert_eq!(said.code, Some(2), "{said:?}");
    let (why, _) = said
        .stderr
        .split_once("Usage:")
        .unwrap_or((&said.stderr, ""));
    assert!(why.contains(expected), "{said:?}");
}

/// Certificates of one authority in this folder: `NAME.crt` and `NAME.key`, and the authority's own.
fn certificates(folder: &Path, authority: &str, names: &[&str]) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
    let write =
        |name: String, text: String| fs::write(folder.join(name), text).expect("it is written");
    write(format!("{authority}.crt"), issuer.pem());
    for name in names {
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])
            .expect("names");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        write(format!("{name}.crt"), certificate.pem());
        write(format!("{name}.key"), key.serialize_pem());
    }
}

#[test]
fn with_tls_both_show_a_certificate() {
    let stage = Stage::new(2);
    certificates(stage.folder.path(), "ca", &["zero", "one"]);
    certificates(stage.folder.path(), "other-ca", &["other"]);
    let flags = |ca: &str, name: &str| {
        let (ca, certificate, key) = (
            format!("{ca}.crt"),
            format!("{name}.crt"),
            format!("{name}.key"),
        );
        [
            "--coordinator-ca".to_owned(),
            ca,
            "--coordinator-cert".to_owned(),
            certificate,
            "--coordinator-key".to_owned(),
            key,
        ]
    };
    let start = |index: u32, ca: &str, name: &str, more: &[&str]| {
        let flags = flags(ca, name);
        let flags: Vec<&str> = flags
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        Running::start(&mut stage.shard(index, 2, &flags))
    };
    let zero = start(0, "ca", "zero", &["--merged-out", "json=whole.json"]);
    zero.says("waiting until all shards are ready");
    // One whose certificate another authority has signed, and one that speaks no TLS.
    let stranger = start(1, "ca", "other", &["--wait-for-shards", "1s"]).end();
    assert_eq!(stranger.code, Some(103), "{stranger:?}");
    assert!(
        stranger.stderr.contains(
            "expected one (`--coordinator-cert`) of the authority that the coordinator has"
        ),
        "{stranger:?}"
    );
    let other = start(1, "other-ca", "other", &["--wait-for-shards", "1s"]).end();
    assert_eq!(other.code, Some(103), "{other:?}");
    let why = "its certificate is of no authority in the file of `--coordinator-ca`";
    assert!(other.stderr.contains(why), "{other:?}");
    let plain = Running::start(&mut stage.shard(1, 2, &["--wait-for-shards", "1s"])).end();
    assert_eq!(plain.code, Some(103), "{plain:?}");
    let why = "a coordinator that expects `--coordinator-ca`";
    assert!(plain.stderr.contains(why), "{plain:?}");
    let one = start(1, "ca", "one", &[]);
    for said in [one.end(), zero.end()] {
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    assert_eq!(
        stage.document("whole.json")["run"]["shards"]["missing_share"],
        0.0
    );
}

/// As many connections as a process may open, that say nothing: they are let go, and the shards come together meanwhile.
#[test]
fn idle_connections_keep_no_shard_out() {
    const IDLE: usize = 900;
    let stage = Stage::new(1);
    let address = stage.coordinator.clone();
    // As many descriptors as many systems let a process have.
    let limited = |index: u32| {
        let shard = stage.shard(index, 2, &["--no-journal"]);
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 512; exec \"$@\"", "sh"]);
        command.arg(shard.get_program()).args(shard.get_args());
        command
            .env(TOKEN, "s3cr3t")
            .current_dir(stage.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::start(&mut command)
    };
    let zero = limited(0);
    zero.says("listens on");
    let connect = |_| TcpStream::connect(&address).expect("it listens");
    let mut idle: Vec<TcpStream> = (0..IDLE).map(connect).collect();
    // The first have made room for others.
    let first = &mut idle[0];
    first.set_read_timeout(Some(WITHIN)).expect("it is open");
    let ended = first.read_to_end(&mut Vec::new());
    assert!(
        ended
            .as_ref()
            .map_or_else(|it| it.kind() == ErrorKind::ConnectionReset, |_| true),
        "{ended:?}"
    );
    for said in [limited(1), zero].map(Running::end) {
        assert_eq!(said.code, Some(0), "{said:?}");
    }
}

#[test]
fn more_shards_than_descriptors_are_refused() {
    let stage = Stage::new(1);
    let program = loadgen(&[]).get_program().to_owned();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 512; exec \"$@\"", "sh"])
        .arg(program);
    command.args([
        "coordinate",
        "--listen",
        &stage.coordinator,
        "--shards",
        "1000",
    ]);
    let said: Said = command.output().expect("loadgen starts").into();
    assert_eq!(said.code, Some(2), "{said:?}");
    let why = "1,000 shards are a connection each to their coordinator";
    assert!(said.stderr.contains(why), "{said:?}");
}

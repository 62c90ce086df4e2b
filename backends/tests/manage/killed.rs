//! A process that is killed while services are changed: its file is whole, and has all that was acknowledged.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use loadgen_backends::balance::http::HttpSettings;
use serde_json::json;

use crate::{Managed, ask, started};

/// Names the folder of the process that is to be killed.
const FOLDER: &str = "LOADGEN_TEST_MANAGED_FOLDER";

/// No test: what is killed, when the one below has this program run again.
#[test]
fn the_one_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let text = fs::read_to_string(folder.join("lb.json")).unwrap();
    let (_balancer, _store, management) = started(&folder.join("lb.json"), &text, |_| {});
    let address = management.local_addr().to_string();
    fs::write(folder.join("address.new"), address).unwrap();
    fs::rename(folder.join("address.new"), folder.join("address")).unwrap();
    loop {
        thread::park();
    }
}

fn start(folder: &Path) -> (Child, SocketAddr) {
    let _ = fs::remove_file(folder.join("address"));
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::the_one_that_is_killed"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (child, address(folder))
}

/// Where the one that was started listens, once it does.
fn address(folder: &Path) -> SocketAddr {
    loop {
        if let Ok(address) = fs::read_to_string(folder.join("address")) {
            return address.parse().unwrap();
        }
        thread::yield_now();
    }
}

fn weight(settings: &HttpSettings) -> u32 {
    settings.services.service("web").unwrap().pool.backends[0].weight
}

#[test]
fn what_was_acknowledged_survives() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lb.json");
    fs::write(&file, crate::WEB).unwrap();
    let mut latest = 2;
    for round in 0..8 {
        let (mut child, address) = start(folder.path());
        // At another moment of a change each time.
        let killer = thread::spawn(move || {
            thread::park_timeout(Duration::from_micros(30_000 + round * 1_713));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        let mut acknowledged = latest;
        loop {
            let patch = json!({ "backends": [{ "address": "b:1", "weight": acknowledged + 1 }] });
            match ask(
                address,
                "PATCH",
                "/services/web",
                &Managed::JSON,
                &patch.to_string(),
            ) {
                Some(answer) => assert_eq!(answer.status, 200, "{answer:?}"),
                None => break,
            }
            acknowledged += 1;
        }
        killer.join().unwrap();
        latest = weight(&HttpSettings::read(&file).unwrap());
        // The last one may have been saved, and not answered any more.
        assert!(
            (acknowledged..=acknowledged + 1).contains(&latest),
            "{acknowledged}, {latest}"
        );
    }
    assert!(latest > 2, "nothing was changed at all");
}

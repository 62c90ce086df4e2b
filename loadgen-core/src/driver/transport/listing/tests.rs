//! What is taken of a list, and what is not.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;
use test_case::test_case;

use super::super::bind::Origins;
use super::super::connect_error::Problem;
use super::entries::of_text;
use super::*;

fn told(list: &[Listed]) -> String {
    let all: Vec<String> = list.iter().map(ToString::to_string).collect();
    all.join(" ")
}

#[test_case("b:2\n  a:1 # the first\n\n# none\n[::1]:3\n" => "b:2 a:1 [::1]:3"; "lines")]
#[test_case(" [\"a:1\", \"b:2\"]\n" => "a:1 b:2"; "JSON")]
#[test_case("" => ""; "nothing")]
#[test_case("a:1\nb\n" => "line 2: `b` is no `host:port`: the port is missing"; "no port")]
#[test_case("http://a:1" => "line 1: `http://a:1` is no `host:port`: a list has addresses without a scheme"; "a scheme")]
#[test_case("unix:/a" => "line 1: `unix:/a` is no `host:port`: a list has addresses over TCP only"; "a socket")]
#[test_case("file:a" => "line 1: `file:a` is no `host:port`: a list has addresses over TCP only"; "another list")]
#[test_case("[1]" => "expected a JSON array of addresses: invalid type: integer `1`, expected a string at line 1 column 2"; "JSON of something else")]
fn what_is_in_a_file(text: &str) -> String {
    match of_text(text) {
        Ok(list) => told(&list),
        Err(problem) => problem,
    }
}

/// A list in a file, looked at as often as may be.
fn in_file(text: &str) -> (TempDir, PathBuf, Listing) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list");
    fs::write(&path, text).expect("written");
    let listing = Listing::new(
        "file:list".to_owned(),
        "targets[0]".to_owned(),
        Source::File(path.clone()),
        LEAST,
    );
    (folder, path, listing)
}

const LIMIT: Duration = Duration::from_secs(10);

async fn next(known: &mut watch::Receiver<Known>) -> Known {
    let changed = tokio::time::timeout(LIMIT, known.changed()).await;
    changed.expect("in time").expect("it is asked for");
    known.borrow_and_update().clone()
}

/// What somebody asking now is told of changes.
fn changes(listing: &Listing) -> Vec<String> {
    match listing.look() {
        Look::Changed(changes) => changes.iter().map(|(_, it)| it.to_string()).collect(),
        Look::Same | Look::Unsettled => Vec::new(),
    }
}

#[tokio::test]
async fn a_file_that_changes_is_followed() {
    let (_folder, path, listing) = in_file("b:2\na:1\na:1\n");
    let first = listing.first(LIMIT).await.expect("it is there");
    assert_eq!(told(&first), "a:1 b:2");
    let mut known = listing.follow().expect("a thread");
    known.mark_unchanged();
    assert_eq!(changes(&listing), [""; 0]);

    fs::write(&path, "b:2\nc:3\n").expect("written");
    let now = next(&mut known).await;
    assert_eq!(told(&now.list.expect("known")), "b:2 c:3");
    let taken = "file:list changed and was read again (`targets[0]`)";
    assert_eq!(changes(&listing), [taken]);

    for (text, problem) in [
        ("# nobody\n", "there is no address in it"),
        ("c\n", "line 1: `c` is no `host:port`: the port is missing"),
    ] {
        fs::write(&path, text).expect("written");
        let now = next(&mut known).await;
        assert_eq!(told(&now.list.expect("kept")), "b:2 c:3");
        assert_eq!(now.problem.as_deref(), Some(problem));
        let refused = format!(
            "no new list could be had of file:list, so that the one before went on being used \
             (`targets[0]`): {problem}"
        );
        assert_eq!(changes(&listing), [refused]);
    }
}

/// Once a change had the time of the next look, up to a second after it.
#[tokio::test]
async fn a_change_is_of_when_it_was_read() {
    let (_folder, path, listing) = in_file("a:1");
    listing.first(LIMIT).await.expect("it is there");
    let mut known = listing.follow().expect("a thread");
    known.mark_unchanged();
    let before = Moment::now();
    fs::write(&path, "b:2").expect("written");
    let since = next(&mut known).await.since;
    let Look::Changed(changes) = listing.look() else {
        panic!("it has changed");
    };
    let times: Vec<Moment> = changes.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [since]);
    assert!(since >= before);
}

#[test_case("" => "there is no address in it"; "an empty one")]
#[test_case("a" => "line 1: `a` is no `host:port`: the port is missing"; "one that is none")]
#[tokio::test]
async fn without_a_first_list_there_is_a_problem(text: &str) -> String {
    let (_folder, _, listing) = in_file(text);
    listing.first(LIMIT).await.expect_err("no list")
}

#[tokio::test]
async fn a_file_that_is_not_there_is_a_problem() {
    let (_folder, path, listing) = in_file("a:1");
    fs::remove_file(path).expect("removed");
    let problem = listing.first(LIMIT).await.expect_err("no list");
    assert!(problem.contains("No such file"), "{problem}");
}

/// A path as it is written says nothing of the folder that it was looked for in.
#[test]
fn a_file_that_is_not_there_is_told_with_its_folder() {
    let problem = Source::File(PathBuf::from("no-such-list.txt"))
        .ask()
        .expect_err("no file");
    let here = std::env::current_dir().expect("a folder");
    let expected = format!("{}: No such file", here.join("no-such-list.txt").display());
    assert!(problem.starts_with(&expected), "{problem}");
}

/// Its next question would be an hour away.
#[tokio::test]
async fn it_is_asked_for_when_somebody_says_so() {
    let (_folder, path, _) = in_file("a:1");
    let source = Source::File(path.clone());
    let hour = Duration::from_secs(3_600);
    let listing = Listing::new(String::new(), String::new(), source, hour);
    listing.first(LIMIT).await.expect("it is there");
    let mut known = listing.follow().expect("a thread");
    known.mark_unchanged();
    fs::write(&path, "b:2").expect("written");
    listing.ask_soon();
    let now = next(&mut known).await;
    assert_eq!(told(&now.list.expect("known")), "b:2");
}

#[tokio::test]
async fn the_addresses_of_a_name_are_a_list() {
    let source = Source::Name {
        host: "name.test".to_owned(),
        port: 80,
        resolver: |_, port| {
            Ok(vec![
                ([127, 0, 0, 2], port).into(),
                ([127, 0, 0, 1], port).into(),
                ([127, 0, 0, 2], port).into(),
            ])
        },
        from: Origins::default(),
    };
    let listing = Listing::new(String::new(), String::new(), source, LIMIT);
    let list = listing.first(LIMIT).await.expect("found");
    assert_eq!(told(&list), "127.0.0.1:80 127.0.0.2:80");
    assert!(list.iter().all(|it| it.address().is_some()));
}

/// Once those of the other family were on the list, and whoever went there never got a connection.
#[test_case("127.0.0.1" => Ok("127.0.0.1:80".to_owned()); "one of them")]
#[test_case("::1" => Ok("[::1]:80".to_owned()); "the other one")]
#[test_case("" => Ok("127.0.0.1:80 [::1]:80".to_owned()); "where the system chooses")]
#[tokio::test]
async fn a_name_is_those_that_can_be_reached(from: &str) -> Result<String, String> {
    let from: Vec<_> = from.parse().into_iter().collect();
    let source = Source::Name {
        host: "name.test".to_owned(),
        port: 80,
        resolver: |_, port| {
            let both = ["::1", "127.0.0.1"].map(|it| it.parse().expect("an address"));
            Ok(both.map(|it| SocketAddr::new(it, port)).into())
        },
        from: Origins::of(&from),
    };
    let listing = Listing::new(String::new(), String::new(), source, LIMIT);
    Ok(told(&listing.first(LIMIT).await?))
}

#[tokio::test]
async fn a_name_that_cannot_be_reached_is_a_problem() {
    let source = Source::Name {
        host: "name.test".to_owned(),
        port: 80,
        resolver: |_, port| Ok(vec![([127, 0, 0, 1], port).into()]),
        from: Origins::of(&["::1".parse().expect("an address")]),
    };
    let listing = Listing::new(String::new(), String::new(), source, LIMIT);
    let problem = listing.first(LIMIT).await.expect_err("no list");
    assert_eq!(problem, Problem::NoSource.to_string());
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_a_problem() {
    let source = Source::Name {
        host: "name.test".to_owned(),
        port: 80,
        resolver: |_, _| Err(std::io::Error::other("nobody knows it")),
        from: Origins::default(),
    };
    let listing = Listing::new(String::new(), String::new(), source, LIMIT);
    let problem = listing.first(LIMIT).await.expect_err("no list");
    let expected = "the name does not resolve (nobody knows it); check its spelling";
    assert_eq!(problem, expected);
}

/// Whoever asks ends with the last who wants to know.
#[tokio::test]
async fn nobody_asks_for_a_list_that_nobody_has() {
    let (_folder, _, listing) = in_file("a:1");
    listing.first(LIMIT).await.expect("it is there");
    let asking = Arc::downgrade(&listing.0);
    drop(listing);
    let gone = async {
        while asking.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("in time");
}

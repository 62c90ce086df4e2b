//! Lines: whole, in order, bounded, and the two that are done rather than said back.

use loadgen_backends::{Faults, limits};
use tokio::io::AsyncWriteExt as _;

use super::{ID, LINES, connect, receive, rest, serve};

#[tokio::test]
async fn a_line_comes_back_when_it_is_whole() {
    let server = serve(LINES, Faults::default());
    let mut client = connect(&server).await;
    for part in ["on", "e\ntw", "o\r\n", "\n"] {
        client.write_all(part.as_bytes()).await.unwrap();
        client.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(receive(&mut client, 10).await, b"one\ntwo\r\n\n");
    client.write_all(b"no end").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, b"no end");
}

#[tokio::test]
async fn many_lines_at_once_are_answered_in_order() {
    let server = serve(LINES, Faults::default());
    let (mut reading, mut writing) = connect(&server).await.into_split();
    let lines: String = (0..100_000)
        .map(|number| format!("line {number}\n"))
        .collect();
    let expected = lines.clone();
    let write = tokio::spawn(async move {
        writing.write_all(lines.as_bytes()).await.unwrap();
        writing.shutdown().await.unwrap();
        writing
    });
    assert!(rest(&mut reading).await == expected.as_bytes());
    write.await.unwrap();
}

#[tokio::test]
async fn identity_and_close_are_done() {
    let server = serve(LINES, Faults::default());
    let mut client = connect(&server).await;
    client
        .write_all(b"a\nidentity\r\n identity\nidentity no\nclose\nlost\n")
        .await
        .unwrap();
    let expected = format!("a\n{ID}\n identity\nidentity no\n");
    assert_eq!(rest(&mut client).await, expected.as_bytes());
    let mut client = connect(&server).await;
    client.write_all(b"identity").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, format!("{ID}\n").as_bytes());
}

#[tokio::test]
async fn a_line_without_an_end_is_refused() {
    let server = serve(LINES, Faults::default());
    for end in ["", "\n"] {
        let (mut reading, mut writing) = connect(&server).await.into_split();
        let line = "x".repeat(limits::LINE_BYTES + 100_000) + end;
        let write = tokio::spawn(async move {
            // It may be refused before all of it is sent.
            let _ = writing.write_all(line.as_bytes()).await;
            writing
        });
        let expected = "error: a line may have 1048576 bytes\n";
        assert_eq!(rest(&mut reading).await, expected.as_bytes());
        write.await.unwrap();
    }
    let mut client = connect(&server).await;
    client.write_all(b"still here\n").await.unwrap();
    assert_eq!(receive(&mut client, 11).await, b"still here\n");
}

//! The balancer's own page, and those who hold it up.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time;

use super::common::*;

/// As many as the page has seats.
const SEATS: usize = 64;
const ASKED: &[u8] = b"GET /health HTTP/1.1\r\nHost: there\r\nConnection: close\r\n\r\n";

/// What the page says of its health; an error where it resets the connection, which may be at once.
async fn health(page: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(page).await?;
    stream.write_all(ASKED).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn clients_that_ask_for_nothing_hold_no_seats_at_the_page() {
    let one = backend("one");
    let mut settings = settings(services([service("a", [one.local_addr()])]));
    settings.status = Some(([127, 0, 0, 1], 0).into());
    let balancer = start(settings);
    let page = balancer.status_addr().unwrap();
    let mut silent = Vec::new();
    for _ in 0..SEATS {
        silent.push(TcpStream::connect(page).await.unwrap());
    }
    // Whoever comes meanwhile is told at once that there is no seat, rather than left to wait.
    let told = time::timeout(Duration::from_secs(3), health(page)).await;
    let told = told.expect("whoever comes meanwhile should not have to wait");
    assert!(told.is_err(), "{told:?}");
    within(async {
        while !health(page)
            .await
            .is_ok_and(|it| it.starts_with("HTTP/1.1 200"))
        {
            time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    drop(silent);
}

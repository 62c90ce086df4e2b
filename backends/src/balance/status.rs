//! A balancer's own page, on an address of its own: `/` for people, `/status` as JSON, `/metrics` for
//! Prometheus, `/health` for whoever asks whether it is any use.
//!
//! Owns the HTTP of it. What is told is a [`Report`]'s.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::balance::metrics::{self, Family};
use crate::balance::pool::PoolSnapshot;
use crate::balance::side;

/// What a balancer tells of itself.
pub(crate) trait Report: Send + Sync + 'static {
    /// Everything, as JSON.
    fn document(&self) -> Value;
    /// Everything that can be counted.
    fn families(&self) -> Vec<Family>;
    /// The pools, each by its name.
    fn pools(&self) -> Vec<(String, PoolSnapshot)>;
    /// What it is called on its page.
    fn title(&self) -> String;
    /// Whether there is anybody to give work to.
    fn is_alive(&self) -> bool;
}

/// Answers for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener, report: Arc<dyn Report>) {
    side::serve("status page", listener, None, |_| {
        let report = Arc::clone(&report);
        service_fn(move |request| {
            let response = answer(&request, &*report);
            async move { Ok::<_, Infallible>(response) }
        })
    })
    .await;
}

fn answer(request: &Request<Incoming>, report: &dyn Report) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = "only GET and HEAD\n";
        return response(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            text.to_owned(),
        );
    }
    match request.uri().path() {
        "/" => response(StatusCode::OK, "text/html; charset=utf-8", page(report)),
        "/status" => {
            let text = format!("{:#}\n", report.document());
            response(StatusCode::OK, "application/json", text)
        }
        "/metrics" => {
            let text = metrics::prometheus(&report.families());
            response(StatusCode::OK, "text/plain; version=0.0.4", text)
        }
        "/health" if report.is_alive() => response(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/health" => {
            let text = "no backend takes work\n".to_owned();
            response(StatusCode::SERVICE_UNAVAILABLE, "text/plain", text)
        }
        _ => {
            let text = "there are /, /status, /metrics and /health\n".to_owned();
            response(StatusCode::NOT_FOUND, "text/plain", text)
        }
    }
}

fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-store")
        .body(Full::new(text.into()))
        .expect("constant headers are valid")
}

const STYLE: &str = "body{font:15px system-ui;margin:2em}table{border-collapse:collapse;margin-bottom:2em}\
td,th{padding:.3em .8em;border-bottom:1px solid #ccc;text-align:right}\
td:nth-child(-n+3),th:nth-child(-n+3){text-align:left}.up{color:#080}.down{color:#b00}.draining{color:#a60}";

fn page(report: &dyn Report) -> String {
    let title = escaped(&report.title());
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
    );
    for (name, pool) in report.pools() {
        // Writing to a string cannot fail.
        let _ = write!(
            html,
            "<h2>{} ({})</h2>{}",
            escaped(&name),
            pool.algorithm,
            table(&pool)
        );
    }
    html.push_str(
        "<p><a href=\"/status\">status as JSON</a>, <a href=\"/metrics\">metrics</a></p></html>\n",
    );
    html
}

fn table(pool: &PoolSnapshot) -> String {
    let mut html = String::from(
        "<table><tr><th>backend<th>address<th>state<th>weight<th>open<th>opened<th>failed\
         <th>bytes sent<th>bytes received<th>last failure</tr>",
    );
    for it in &pool.backends {
        let state = it.state.as_str();
        let _ = write!(
            html,
            "<tr><td>{}<td>{}<td class=\"{state}\">{state}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            escaped(&it.backend),
            it.address,
            it.weight,
            it.open,
            it.opened,
            it.failed,
            it.bytes_sent,
            it.bytes_received,
            escaped(it.last_failure.as_deref().unwrap_or_default()),
        );
    }
    for it in &pool.unresolved {
        let (name, reason) = (escaped(&it.backend), escaped(&it.reason));
        let _ = write!(
            html,
            "<tr><td>{name}<td><td class=\"down\">unknown name<td colspan=\"7\">{reason}</tr>"
        );
    }
    html.push_str("</table>");
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

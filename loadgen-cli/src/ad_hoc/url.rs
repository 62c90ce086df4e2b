//! Addresses as they are typed: where to send, and the path there.

/// Where to connect, and the path there with its query. A socket's path ends where `:/` begins another.
pub(super) fn address(url: &str) -> (&str, &str) {
    if let Some(socket) = url.strip_prefix("unix:") {
        let end = socket.find(":/").unwrap_or(socket.len());
        let (target, path) = url.split_at("unix:".len() + end);
        return (target, path.strip_prefix(':').unwrap_or(path));
    }
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..]
        .find(['/', '?'])
        .map_or(url.len(), |at| host + at);
    url.split_at(path)
}

/// A path that begins as paths do.
pub(super) fn absolute(path: &str) -> String {
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{slash}{path}")
}

/// The scenario is called after the last part of the path, where that can be a name.
pub(super) fn name<'a>(path: &'a str, otherwise: &'a str) -> &'a str {
    let path = path.split('?').next().unwrap_or_default();
    let last = path
        .rsplit('/')
        .find(|it| !it.is_empty())
        .unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let is_name = last.starts_with(|c: char| c.is_ascii_alphanumeric())
        && last.len() <= 100
        && last.chars().all(fits);
    if is_name { last } else { otherwise }
}

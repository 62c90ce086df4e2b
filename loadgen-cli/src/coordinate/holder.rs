//! Who has a port of this machine, as far as this process may see.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// The process that listens at one of these addresses, like ``process 12 (`nginx`)``: `None` where there is none, or
/// the system does not say so to everybody.
pub(super) fn of(addresses: &[SocketAddr]) -> Option<String> {
    let ports: Vec<u16> = addresses.iter().map(SocketAddr::port).collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let tables = tables.iter().filter_map(|it| fs::read_to_string(it).ok());
    let sockets: Vec<String> = tables
        .flat_map(|table| listening(&table, &ports))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.map_while(Result::ok);
    // Others there lead to one of these, such as `self`.
    let processes = processes.filter(|it| it.file_name().to_string_lossy().parse::<u32>().is_ok());
    let mut processes = processes.filter(|it| has_one(&it.path().join("fd"), &sockets));
    let process = processes.next()?;
    let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
    let number = process.file_name();
    Some(format!(
        "process {} (`{}`)",
        number.to_string_lossy(),
        name.trim_end()
    ))
}

/// The numbers of the sockets in a table of the system that listen at one of these ports.
fn listening(table: &str, ports: &[u16]) -> Vec<String> {
    /// `TCP_LISTEN`.
    const LISTENS: &str = "0A";
    let rows = table.lines().skip(1).filter_map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let is_one = *fields.get(3)? == LISTENS && ports.contains(&port);
        is_one.then(|| fields.get(9).map(|it| (*it).to_owned()))?
    });
    rows.collect()
}

/// Whether one of these is among a process's descriptors; those of others are shown to nobody else.
fn has_one(descriptors: &Path, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(descriptors) else {
        return false;
    };
    let mut links = descriptors.filter_map(|it| fs::read_link(it.ok()?.path()).ok());
    links.any(|link| sockets.iter().any(|it| link.as_os_str() == it.as_str()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_table_of_the_system_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F9A 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1\n   \
                     1: 0100007F:1F9A 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1\n   \
                     2: 0100007F:1F9B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4713 1\n";
        assert_eq!(listening(table, &[8090]), ["4711"]);
    }

    #[test]
    fn a_process_finds_itself() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let told = of(&[listener.local_addr().unwrap()]);
        let own = format!("process {} (`", std::process::id());
        assert!(
            told.as_ref().is_some_and(|it| it.starts_with(&own)),
            "{told:?}"
        );
        drop(listener);
    }
}

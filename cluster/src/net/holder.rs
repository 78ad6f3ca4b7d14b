//! Which process holds a port or a lock, from `/proc`, so that an error can name it.

use std::fs;

/// The process that listens on `port`, as text; `None` where `/proc` does not tell (another user's process).
pub fn of_port(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    process_with_socket(&inodes).map(describe_process)
}

/// `process 123 (gamay start --data-dir x)`.
pub fn describe_process(pid: u32) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text: Vec<_> =
        command.split(|b| *b == 0).filter(|part| !part.is_empty()).map(String::from_utf8_lossy).collect();
    let mut text = text.join(" ");
    if text.is_empty() {
        return format!("process {pid}");
    }
    if let Some((cut, _)) = text.char_indices().nth(100) {
        text.truncate(cut);
        text.push_str("...");
    }
    format!("process {pid} ({text})")
}

/// Inodes of the sockets in state LISTEN on `port`, from the text of `/proc/net/tcp`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| fields.len() > 9 && fields[1].ends_with(&suffix) && fields[3] == LISTEN)
        .map(|fields| fields[9].to_owned())
        .collect()
}

fn process_with_socket(inodes: &[String]) -> Option<u32> {
    if inodes.is_empty() {
        return None;
    }
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            if target.to_str().is_some_and(|target| links.iter().any(|link| link == target)) {
                return Some(pid);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 4242 1 0 100 0 0 10 0\n\
            1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000 0 4343 1 0 100 0 0 10 0\n\
            2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 4444 1 0 100 0 0 10 0\n\
            3: short line\n";
        assert_eq!(listening_inodes(table, 8080), ["4242"]);
    }

    #[test]
    fn our_own_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of_port(listener.local_addr().unwrap().port()).unwrap();
        assert!(holder.starts_with(&format!("process {}", std::process::id())), "{holder}");
    }
}

//! Binding a port, with errors that name it and the process that holds it.

use super::holder;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{role} port {port} on {address} is in use by {holder}; stop it, or choose another with --{role}-port")]
    InUse { role: &'static str, address: IpAddr, port: u16, holder: String },
    #[error("listen on {address}:{port} ({role})")]
    Bind {
        role: &'static str,
        address: IpAddr,
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error(
        "will not listen on {0}: everyone who reaches it could read and delete tables, as there is no TLS and no login \
         yet; listen on a loopback address (127.0.0.1) and put a proxy that checks callers in front"
    )]
    NotLoopback(IpAddr),
}

/// Refuses what is reachable from other hosts: neither TLS nor authentication exists to protect it.
pub fn check_address(address: IpAddr) -> Result<(), Error> {
    if address.is_loopback() { Ok(()) } else { Err(Error::NotLoopback(address)) }
}

/// A listening socket. Port 0 takes a free one.
pub fn bind(role: &'static str, address: IpAddr, port: u16) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(SocketAddr::new(address, port)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = holder::of_port(port).unwrap_or_else(|| "a process that is not ours to see".to_owned());
            Error::InUse { role, address, port, holder }
        }
        _ => Error::Bind { role, address, port, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_names_its_holder() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let first = bind("broker", local, 0).unwrap();
        let port = first.local_addr().unwrap().port();
        let error = bind("broker", local, port).unwrap_err().to_string();
        assert!(
            error.contains(&port.to_string()) && error.contains("process") && error.contains("--broker-port"),
            "{error}"
        );
    }

    #[test]
    fn only_loopback_is_served() {
        assert!(check_address("127.0.0.1".parse().unwrap()).is_ok());
        assert!(check_address("::1".parse().unwrap()).is_ok());
        assert!(check_address("0.0.0.0".parse().unwrap()).is_err());
        assert!(check_address("192.168.1.4".parse().unwrap()).is_err());
    }
}

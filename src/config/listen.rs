//! `--listen-address`: one text for all the places to listen at.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use thiserror::Error;

use crate::server::ListenAddress;

/// An entry that is no place to listen at.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no IPv4 address, no IPv6 address, and no `unix:/path`")]
pub(super) struct BadListenAddress(String);

/// Reads a list, separated by commas; those that have ports get this one.
pub(super) fn listen_addresses(text: &str, port: u16) -> Result<Vec<ListenAddress>, BadListenAddress> {
    text.split(',').map(str::trim).map(|entry| listen_address(entry, port)).collect()
}

/// `unix:` and the absolute path of a socket.
pub(super) fn unix_address(entry: &str) -> Option<ListenAddress> {
    let path = entry.strip_prefix("unix:").filter(|path| path.starts_with('/'))?;
    Some(ListenAddress::Unix(PathBuf::from(path)))
}

fn listen_address(entry: &str, port: u16) -> Result<ListenAddress, BadListenAddress> {
    if let Some(address) = unix_address(entry) {
        return Ok(address);
    }
    let ip: IpAddr = entry.parse().map_err(|_| BadListenAddress(entry.to_owned()))?;
    Ok(ListenAddress::Tcp(SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_in_its_order() {
        let read = listen_addresses("127.0.0.1, ::1,unix:/run/presenced.sock", 4000).expect("a list");
        let shown: Vec<String> = read.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:4000", "[::1]:4000", "unix:/run/presenced.sock"]);
    }

    #[test]
    fn what_is_no_place_is_named() {
        for bad in ["localhost", "127.0.0.1:4000", "unix:", "unix:relative", "/run/presenced.sock", ""] {
            assert_eq!(listen_addresses(&format!("::1,{bad}"), 1), Err(BadListenAddress(bad.to_owned())));
        }
    }
}

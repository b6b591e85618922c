//! Behind which address a client is, where proxies stand between: `x-forwarded-for`, as far as it can be believed.
//!
//! Every proxy appends the address it was spoken to from. Read from its end, the header is good for as long as whoever
//! appended an entry is trusted; all before that may be the client's own invention.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use thiserror::Error;

use super::listener::Peer;

/// The proxies whose word counts; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    /// Whoever speaks through a Unix socket, which only a process of this machine can.
    unix: bool,
}

/// An entry that names no proxy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no address, no network such as `10.0.0.0/8`, and not `unix`")]
pub struct BadProxy(String);

impl TrustedProxies {
    /// Reads a list of addresses and networks, separated by commas; among them `unix` is whoever speaks through a Unix
    /// socket.
    ///
    /// # Errors
    /// [`BadProxy`] names the entry.
    pub fn parse(text: &str) -> Result<Self, BadProxy> {
        let mut trusted = TrustedProxies::default();
        if text.is_empty() {
            return Ok(trusted);
        }
        for entry in text.split(',').map(str::trim) {
            if entry == UNIX {
                trusted.unix = true;
                continue;
            }
            let network = entry.parse().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
            trusted.networks.push(network.map_err(|_| BadProxy(entry.to_owned()))?);
        }
        Ok(trusted)
    }

    /// The address nearest to the client that somebody trusted vouches for; `None` behind a Unix socket whose
    /// other end says nothing, or is not trusted.
    pub(super) fn client(&self, peer: Peer, headers: &HeaderMap) -> Option<IpAddr> {
        let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        // Empty elements of a list do not count (RFC 9110, 5.6.1).
        let mut entries = entries.filter(|entry| !entry.trim_ascii().is_empty());
        let (mut client, mut vouches) = match peer {
            Peer::Ip(address) => (Some(address), self.trusts(address)),
            Peer::Unix => (None, self.unix),
        };
        while vouches && let Some(address) = entries.next().and_then(address) {
            (client, vouches) = (Some(address), self.trusts(address));
        }
        client
    }

    /// Whether whoever is at the other end of a stream is one of them.
    pub(super) fn trusts_peer(&self, peer: Peer) -> bool {
        match peer {
            Peer::Ip(address) => self.trusts(address),
            Peer::Unix => self.unix,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// As it is written in the configuration, or `none`.
impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let entries: Vec<_> = networks.chain(self.unix.then(|| UNIX.to_owned())).collect();
        f.write_str(if entries.is_empty() { "none" } else { "" })?;
        f.write_str(&entries.join(", "))
    }
}

/// An entry of the header: an address, which some proxies give with the port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = str::from_utf8(entry).ok()?.trim();
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let with_port = || entry.parse().map(|address: SocketAddr| address.ip());
    bare.parse().or_else(|_| with_port()).ok().map(|address: IpAddr| address.to_canonical())
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const UNIX: &str = "unix";

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: Peer, lines: &[&str]) -> Option<String> {
        let trusted = TrustedProxies::parse(trusted).expect(trusted);
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, line.parse().expect("a header value"));
        }
        trusted.client(peer, &headers).map(|address| address.to_string())
    }

    fn from(address: &str) -> Peer {
        Peer::Ip(address.parse().expect("an address"))
    }

    #[test]
    fn the_chain_is_followed_for_as_long_as_whoever_speaks_is_trusted() {
        let trusted = "10.0.0.0/8, 2001:db8::/32, 192.0.2.7";
        let table: [(&str, &[&str], &str); 13] = [
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.9.9.9,192.0.2.7"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("2001:db8::1", &["2001:db9::5"], "2001:db9::5"),
            ("10.0.0.1", &["[2001:db9::5]:4711"], "2001:db9::5"),
            ("10.0.0.1", &["[2001:db9::5]"], "2001:db9::5"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, ::ffff:10.0.0.2"], "198.51.100.1"),
            // Nobody trusted: the header is an invention.
            ("198.51.100.66", &["203.0.113.9"], "198.51.100.66"),
            ("192.0.2.8", &["10.0.0.1"], "192.0.2.8"),
        ];
        for (peer, lines, expected) in table {
            assert_eq!(client(trusted, from(peer), lines).as_deref(), Some(expected), "{peer} {lines:?}");
        }
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_chain() {
        for bad in ["unknown", "_hidden", "198.51.100.1.", "ä"] {
            let lines = [&format!("203.0.113.9, {bad}, 10.0.0.2")[..]];
            assert_eq!(
                client("10.0.0.0/8", from("10.0.0.1"), &lines).as_deref(),
                Some("10.0.0.2"),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn empty_entries_do_not_count() {
        for lines in [&["203.0.113.9, "][..], &["203.0.113.9", ""], &["203.0.113.9,, ,10.0.0.2"]] {
            let seen = client("10.0.0.0/8", from("10.0.0.1"), lines);
            assert_eq!(seen.as_deref(), Some("203.0.113.9"), "{lines:?}");
        }
    }

    #[test]
    fn a_unix_socket_is_trusted_by_its_own_word_alone() {
        for trusted in ["", "10.0.0.1", "0.0.0.0/0,::/0"] {
            assert_eq!(client(trusted, Peer::Unix, &["198.51.100.1"]), None, "{trusted:?}");
        }
        assert_eq!(client("unix", Peer::Unix, &[]), None);
        for trusted in ["unix", "10.0.0.1, unix", "unix,10.0.0.1"] {
            let seen = client(trusted, Peer::Unix, &["203.0.113.9, 198.51.100.1"]);
            assert_eq!(seen.as_deref(), Some("198.51.100.1"));
        }
        assert_eq!(client("unix", from("127.0.0.1"), &["198.51.100.1"]).as_deref(), Some("127.0.0.1"));
    }

    #[test]
    fn what_is_no_proxy_is_named() {
        for bad in ["10.0.0.0/33", "proxy.example", "10.0.0.1:80", "", "*"] {
            assert_eq!(TrustedProxies::parse(&format!("::1, {bad}")), Err(BadProxy(bad.to_owned())));
        }
    }
}

//! Where an upstream is: `ws://host:port/path`, `wss://…`, or `unix:/socket/file:/path`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::uri::{Authority, Uri};

/// An upstream's address, as it is configured. It is shown as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamAddress {
    target: Target,
    is_tls: bool,
    /// What the transports' names are appended to: `/socket`. Never ends in a slash.
    path: String,
    text: String,
}

/// What is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Tcp { authority: Authority, host: String, port: u16 },
    Unix(PathBuf),
}

/// A text that is no upstream's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid upstream {0:?}: expected ws://host:port/socket, wss://host/socket or unix:/path/of.sock:/socket"
)]
pub struct BadUpstream(String);

impl UpstreamAddress {
    /// Whether the way there is TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The path that `/websocket` and `/longpoll` follow.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What stands in `Host` where a client names none: host and port, as they were written.
    pub fn authority(&self) -> &str {
        match &self.target {
            Target::Tcp { authority, .. } => authority.as_str(),
            Target::Unix(_) => "localhost",
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

impl FromStr for UpstreamAddress {
    type Err = BadUpstream;

    fn from_str(text: &str) -> Result<Self, BadUpstream> {
        let parsed = match text.strip_prefix("unix:") {
            Some(rest) => unix(rest),
            None => tcp(text),
        };
        let (target, is_tls, path) = parsed.ok_or_else(|| BadUpstream(text.to_owned()))?;
        let path = path.trim_end_matches('/').to_owned();
        Ok(UpstreamAddress { target, is_tls, path, text: text.to_owned() })
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn unix(rest: &str) -> Option<(Target, bool, &str)> {
    let (file, path) =
        rest.rsplit_once(":/").map_or((rest, DEFAULT_PATH), |(file, _)| (file, &rest[file.len() + 1..]));
    let is_usable = file.starts_with('/') && path.parse::<Uri>().is_ok() && !path.contains('?');
    is_usable.then(|| (Target::Unix(file.into()), false, path))
}

fn tcp(text: &str) -> Option<(Target, bool, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_tls = match scheme {
        "ws" => false,
        "wss" => true,
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { DEFAULT_PATH } else { path };
    let is_path = path.parse::<Uri>().is_ok_and(|uri| uri.query().is_none());
    let authority: Authority = authority.parse().ok().filter(|_| is_path && !authority.contains('@'))?;
    // What follows the host, because `Authority::port` takes a number that is no port for none.
    let port = match &authority.as_str()[authority.host().len()..] {
        "" if is_tls => 443,
        "" => 80,
        port => port.strip_prefix(':')?.parse().ok().filter(|port| *port != 0)?,
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    (!host.is_empty()).then_some((Target::Tcp { authority, host, port }, is_tls, path))
}

/// Where Lightning's is.
const DEFAULT_PATH: &str = "/socket";

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(authority: &'static str, host: &str, port: u16) -> Target {
        Target::Tcp { authority: Authority::from_static(authority), host: host.to_owned(), port }
    }

    #[test]
    fn an_address_is_a_url_or_the_file_of_a_socket_with_a_path() {
        let table = [
            ("ws://127.0.0.1:4000/socket", tcp("127.0.0.1:4000", "127.0.0.1", 4000), false, "/socket"),
            ("ws://lightning", tcp("lightning", "lightning", 80), false, "/socket"),
            (
                "wss://lightning.example.org/socket/",
                tcp("lightning.example.org", "lightning.example.org", 443),
                true,
                "/socket",
            ),
            ("ws://[::1]:4000/a/b", tcp("[::1]:4000", "::1", 4000), false, "/a/b"),
            ("ws://h:1/", tcp("h:1", "h", 1), false, ""),
            (
                "unix:/run/lightning.sock:/socket",
                Target::Unix("/run/lightning.sock".into()),
                false,
                "/socket",
            ),
            ("unix:/run/lightning.sock", Target::Unix("/run/lightning.sock".into()), false, "/socket"),
            ("unix:/run/a:b.sock:/s", Target::Unix("/run/a:b.sock".into()), false, "/s"),
        ];
        for (text, target, is_tls, path) in table {
            let address: UpstreamAddress = text.parse().expect(text);
            assert_eq!((&address.target, address.is_tls, address.path()), (&target, is_tls, path), "{text}");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_rejected() {
        let rejected = [
            "",
            "lightning:4000",
            "http://lightning/socket",
            "ws://",
            "ws://:4000/socket",
            "ws://h:0/socket",
            "ws://h:99999/socket",
            "ws://h:/socket",
            "ws://user@h/socket",
            "ws://h/socket?vsn=2",
            "unix:",
            "unix:relative.sock:/socket",
            "unix::/socket",
            "ws://h h/socket",
        ];
        for text in rejected {
            assert_eq!(text.parse::<UpstreamAddress>(), Err(BadUpstream(text.to_owned())), "{text}");
        }
    }
}

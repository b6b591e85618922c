//! Which pages may connect: the `origin` header against what is allowed.
//!
//! Rules: Phoenix 1.8.12, `Phoenix.Socket.Transport.check_origin/5`.

use std::fmt;

use http::{HeaderMap, header};
use thiserror::Error;

/// What an `origin` header is held against. A request without one is no page's, and always allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Every page may connect.
    Any,
    /// Pages of the host that the request itself names; scheme and port do not count.
    #[default]
    RequestHost,
    /// Pages of this host; scheme and port do not count (Phoenix's `true`).
    Host(String),
    /// Pages that one of these patterns matches.
    List(Vec<OriginPattern>),
}

/// An allowed origin: `https://example.org`, `//example.org:81` for any scheme, `//*.example.org` for the host and
/// all its sub-domains. A known scheme without a port stands for its default port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern(Origin);

/// A pattern that is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadOrigin {
    /// It names no host.
    #[error("{0:?} names no host; an origin is written `https://example.org` or `//example.org`")]
    NoHost(String),
    /// It has a `*` where none can be.
    #[error(
        "{0:?} matches nothing, or everything; `*` stands for sub-domains alone, as in `//*.example.org`"
    )]
    Wildcard(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: Option<String>,
    host: String,
    port: Option<u16>,
}

impl Origins {
    /// Whether a request may connect.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        if *self == Origins::Any {
            return true;
        }
        let Some(origin) = origin.to_str().ok().and_then(Origin::parse) else { return false };
        match self {
            Origins::Any => true,
            Origins::RequestHost => {
                let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
                host.is_some_and(|host| split_port(host).0 == origin.host)
            }
            Origins::Host(host) => *host == origin.host,
            Origins::List(patterns) => patterns.iter().any(|pattern| pattern.matches(&origin)),
        }
    }
}

impl OriginPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`BadOrigin`] names the text.
    pub fn parse(text: &str) -> Result<Self, BadOrigin> {
        let origin = Origin::parse(text).ok_or_else(|| BadOrigin::NoHost(text.to_owned()))?;
        let domain = origin.host.strip_prefix("*.").unwrap_or(&origin.host);
        if domain.is_empty() || domain.contains('*') {
            return Err(BadOrigin::Wildcard(text.to_owned()));
        }
        let host = as_browsers_write(&origin.host);
        Ok(OriginPattern(Origin { host, ..origin }))
    }

    fn matches(&self, origin: &Origin) -> bool {
        let OriginPattern(allowed) = self;
        let host = match allowed.host.strip_prefix("*.") {
            Some(domain) => {
                let prefix = origin.host.strip_suffix(domain);
                prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            }
            None => allowed.host == origin.host,
        };
        host && (allowed.scheme.is_none() || allowed.scheme == origin.scheme)
            && (allowed.port.is_none() || allowed.port == origin.port)
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { scheme, host, port } = &self.0;
        if let Some(scheme) = scheme {
            write!(f, "{scheme}:")?;
        }
        if host.contains(':') {
            write!(f, "//[{host}]")?
        } else {
            write!(f, "//{host}")?
        }
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Origin {
    /// `None` for what has no host, such as `null` and `file://`.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("//")? {
            ("", rest) => (None, rest),
            (scheme, rest) => (Some(scheme.strip_suffix(':')?.to_ascii_lowercase()), rest),
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = split_port(authority);
        let port = match port {
            Some(port) => Some(port.parse().ok()?),
            None => default_port(scheme.as_deref()),
        };
        (!host.is_empty()).then(|| Origin { scheme, host: host.to_owned(), port })
    }
}

/// A host as a browser sends it: in small letters, and in ASCII.
pub fn as_browsers_write(host: &str) -> String {
    let (wildcard, domain) = match host.strip_prefix("*.") {
        Some(domain) => ("*.", domain),
        None => ("", host),
    };
    // What is no domain, an address of IPv6 say, stays.
    let ascii = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_ascii_lowercase());
    format!("{wildcard}{ascii}")
}

/// `host:port` or `[::1]:port`, the brackets taken off.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

fn default_port(scheme: Option<&str>) -> Option<u16> {
    match scheme? {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(origins: &Origins, origin: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "here.example:4000".parse().expect("a header value"));
        headers.insert(header::ORIGIN, origin.parse().expect("a header value"));
        origins.allow(&headers)
    }

    #[test]
    fn a_host_is_compared_as_browsers_write_it() {
        for (pattern, origin) in [
            ("https://Example.ORG", "https://example.org"),
            ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example"),
            ("//*.b\u{fc}cher.example", "https://www.xn--bcher-kva.example"),
            ("http://[::1]:81", "http://[::1]:81"),
        ] {
            let pattern = OriginPattern::parse(pattern).expect("it has a host");
            assert!(allows(&Origins::List(vec![pattern]), origin), "{origin}");
        }
    }

    #[test]
    fn a_pattern_that_matches_nothing_or_everything_is_refused() {
        for pattern in ["//*", "https://*", "//*.", "//a.*.example", "//*example.org"] {
            assert_eq!(
                OriginPattern::parse(pattern),
                Err(BadOrigin::Wildcard(pattern.to_owned())),
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_list_allows_what_one_of_its_patterns_matches() {
        let list = ["//any.com", "http://scheme.com", "//port.com:81", "//*.ex.com"];
        let list = list.map(|text| OriginPattern::parse(text).expect(text));
        let origins = Origins::List(list.to_vec());
        let table = [
            ("https://any.com:9999", true),
            ("http://scheme.com", true),
            ("https://scheme.com", false),
            ("http://scheme.com:8080", false),
            ("https://port.com:81", true),
            ("http://port.com", false),
            ("http://ex.com", true),
            ("http://a.b.ex.com", true),
            ("http://prefix-ex.com", false),
            ("http://ANY.com", false),
            ("null", false),
            ("", false),
            ("/", false),
            ("file://", false),
            ("http://any.com.evil.org", false),
            ("http://any.com@evil.org", false),
        ];
        for (origin, allowed) in table {
            assert_eq!(allows(&origins, origin), allowed, "{origin}");
        }
    }

    #[test]
    fn the_requests_own_host_is_allowed_whatever_its_scheme_and_port() {
        for (origin, allowed) in
            [("https://here.example", true), ("http://here.example:1", true), ("http://there.example", false)]
        {
            assert_eq!(allows(&Origins::RequestHost, origin), allowed, "{origin}");
        }
    }

    #[test]
    fn a_configured_host_is_allowed_and_the_requests_own_is_not() {
        let origins = Origins::Host("app.example".into());
        for (origin, allowed) in [("https://app.example:9999", true), ("http://here.example", false)] {
            assert_eq!(allows(&origins, origin), allowed, "{origin}");
        }
    }

    #[test]
    fn a_request_without_an_origin_is_no_pages() {
        assert!(Origins::List(Vec::new()).allow(&HeaderMap::new()));
    }

    #[test]
    fn a_pattern_is_shown_as_it_is_written() {
        for text in ["https://a.com:444", "//*.b.com", "//b.com:81", "http://[::1]:4000"] {
            assert_eq!(OriginPattern::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn an_ipv6_host_is_compared_without_its_brackets() {
        let pattern = OriginPattern::parse("http://[::1]:4000").expect("it has a host");
        assert!(allows(&Origins::List(vec![pattern]), "http://[::1]:4000"));
    }
}

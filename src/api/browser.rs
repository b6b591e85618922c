//! Requests that a web page makes somebody's browser send.
//!
//! Without a token whoever reaches the API may use it, and every page that is open on this machine reaches its loopback.
//! Source: the Fetch standard for `origin`; a name that is made to resolve to the loopback ("DNS rebinding") makes
//! the API same-origin to a page, and stands in `host`.

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, header};

use super::problem::Problem;

/// Lets pass what no page can have sent. `host` is only looked at where the peer has an address: through a Unix socket
/// it says nothing.
///
/// # Errors
/// [`Problem::OfPage`] and [`Problem::OtherHost`].
pub(super) fn refuse_pages(headers: &HeaderMap, peer: Option<IpAddr>) -> Result<(), Problem> {
    if headers.contains_key(header::ORIGIN) {
        return Err(Problem::OfPage);
    }
    let is_here = headers.get_all(header::HOST).iter().all(names_this_machine);
    if peer.is_some() && !is_here { Err(Problem::OtherHost) } else { Ok(()) }
}

/// Whether it is `localhost`, a name below it, or a loopback address, with any port.
fn names_this_machine(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_names_are_let_pass_over_tcp() {
        let table = [
            ("localhost", true),
            ("LOCALHOST:4001", true),
            ("api.localhost", true),
            ("127.0.0.1:4001", true),
            ("127.8.0.1", true),
            ("[::1]:4001", true),
            ("[::ffff:127.0.0.1]", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("evillocalhost", false),
            ("localhost@evil.example", false),
            ("127.0.0.1.evil.example:4001", false),
            ("192.168.0.1", false),
            ("0.0.0.0", false),
            ("", false),
        ];
        for (host, passes) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            let peer = Some(IpAddr::from([127, 0, 0, 1]));
            assert_eq!(refuse_pages(&headers, peer).is_ok(), passes, "{host}");
            assert!(refuse_pages(&headers, None).is_ok(), "{host} through a Unix socket");
        }
    }
}

//! Whether a request says rightly which host it is for.
//!
//! Rule: RFC 9112, section 3.2. Two hosts, or an absolute address that contradicts the field, are how a proxy and a server
//! behind it are made to read one request in two ways.

use http::{Request, Version, header};

/// HTTP/1.1 has exactly one `Host`, HTTP/1.0 at most one; with an absolute address it is that address's host.
pub(super) fn is_good<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() || host.is_none() && request.version() == Version::HTTP_11 {
        return false;
    }
    match (request.uri().authority(), host) {
        (Some(authority), Some(host)) => host.to_str().is_ok_and(|host| {
            without_default_port(host, request)
                .eq_ignore_ascii_case(without_default_port(authority.as_str(), request))
        }),
        _ => true,
    }
}

fn without_default_port<'a, B>(host: &'a str, request: &Request<B>) -> &'a str {
    let port = if request.uri().scheme_str() == Some("https") { ":443" } else { ":80" };
    host.strip_suffix(port).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: Version, target: &str, hosts: &[&str]) -> Request<()> {
        let request = Request::builder().version(version).uri(target);
        let request = hosts.iter().fold(request, |request, host| request.header(header::HOST, *host));
        request.body(()).expect("a request")
    }

    #[test]
    fn http_1_1_has_one_host_and_http_1_0_at_most_one() {
        for (version, hosts, good) in [
            (Version::HTTP_11, &["a"][..], true),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_11, &["a", "a"], false),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_10, &["a"], true),
            (Version::HTTP_10, &["a", "b"], false),
        ] {
            assert_eq!(is_good(&request(version, "/", hosts)), good, "{version:?} {hosts:?}");
        }
    }

    #[test]
    fn an_absolute_address_agrees_with_the_host() {
        for (target, host, good) in [
            ("http://here.example/", "here.example", true),
            ("http://here.example:80/", "HERE.example", true),
            ("https://here.example/", "here.example:443", true),
            ("http://here.example/", "there.example", false),
            ("http://here.example:81/", "here.example", false),
        ] {
            assert_eq!(is_good(&request(Version::HTTP_11, target, &[host])), good, "{target} {host}");
        }
    }
}

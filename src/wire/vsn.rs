//! The serializer that a client asks for with the query parameter `vsn`.
//!
//! Contract: Phoenix 1.8.12, the default serializers of `Phoenix.Socket`, matched as Elixir's `Version` does.

use semver::Version;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vsn {
    /// `1.0.x`: JSON objects, text only.
    V1,
    /// `2.0.x`: JSON arrays, and binary frames for binary payloads.
    V2,
}

impl Vsn {
    /// Every version, in the order they are tried.
    pub const ALL: [Vsn; 2] = [Vsn::V1, Vsn::V2];

    /// The version for a `vsn` parameter; a client that sends none speaks V1. `None` means that the client is
    /// to be refused: the value is no full semantic version, or one that nobody speaks.
    pub fn negotiate(vsn: Option<&str>) -> Option<Vsn> {
        let Some(vsn) = vsn else { return Some(Vsn::V1) };
        let asked = Version::parse(vsn).ok()?;
        Vsn::ALL.into_iter().find(|version| version.serves(&asked))
    }

    /// Elixir's `~> n.0.0`, which `semver`'s own requirements are stricter than: they refuse `2.0.1-rc.1`.
    fn serves(self, asked: &Version) -> bool {
        let major = match self {
            Vsn::V1 => 1,
            Vsn::V2 => 2,
        };
        asked.major == major && asked.minor == 0 && (asked.patch > 0 || asked.pre.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_names_no_version_speaks_v1() {
        assert_eq!(Vsn::negotiate(None), Some(Vsn::V1));
    }

    #[test]
    fn any_patch_or_build_of_a_known_version_is_served() {
        for vsn in ["1.0.0", "1.0.9", "1.0.1-rc.1"] {
            assert_eq!(Vsn::negotiate(Some(vsn)), Some(Vsn::V1), "{vsn}");
        }
        for vsn in ["2.0.0", "2.0.7", "2.0.0+build", "2.0.1-rc.1"] {
            assert_eq!(Vsn::negotiate(Some(vsn)), Some(Vsn::V2), "{vsn}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let refused = [
            "2.0",
            "2",
            "",
            "abc",
            "02.0.0",
            " 2.0.0",
            "1.1.0",
            "2.1.0",
            "2.1.0-rc.1",
            "3.0.0",
            "123.1.1",
            "0.0.0",
            "1.0.0-rc.1",
            "2.0.0-rc.1",
        ];
        for vsn in refused {
            assert_eq!(Vsn::negotiate(Some(vsn)), None, "{vsn}");
        }
    }
}

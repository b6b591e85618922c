//! `DATABASE_URL`, as Ecto and libpq write it.
//!
//! Owns what of it counts: who, where, which database, and whether TLS is turned off. How the part in front of `?` is
//! read is tokio-postgres's. Of the rest Ecto's `ssl` and `socket_dir` and libpq's `sslmode` and `host` count; what
//! else may be there, such as Ecto's `pool_size`, is for other programs, and passed over.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use percent_encoding::percent_decode_str;
use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Where the database is, and who asks it. It shows everything but the password.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(super) config: Config,
    pub(super) without_tls: bool,
}

/// Why a text is no database URL. It does not quote the text, which holds a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadDatabaseUrl {
    /// It begins with something else.
    #[error("begins with neither ecto://, postgres:// nor postgresql://")]
    Scheme,
    /// It has an `@`, or what ends a part of a URL, in a password.
    #[error("is ambiguous; a password's @ / ? and # are written %40 %2F %3F and %23")]
    Ambiguous,
    /// It cannot be read.
    #[error("is not of the form postgres://user:password@host:port/database")]
    Form,
    /// It names no host, and no directory of a socket.
    #[error("names neither a host nor, with ?socket_dir=, a socket's directory")]
    NoHost,
    /// It asks for TLS in words that PostgreSQL does not know.
    #[error("has an sslmode that is none of disable, allow, prefer, require, verify-ca and verify-full")]
    SslMode,
    /// It names no database.
    #[error("names no database behind the host")]
    NoDatabase,
}

impl DatabaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`BadDatabaseUrl`].
    pub fn parse(text: &str) -> Result<Self, BadDatabaseUrl> {
        let schemes = ["ecto://", "postgres://", "postgresql://"];
        let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or(BadDatabaseUrl::Scheme)?;
        if rest.matches('@').count() > 1 {
            return Err(BadDatabaseUrl::Ambiguous);
        }
        let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
        // As Ecto takes it, and many a URL is written.
        let base = base.strip_suffix('/').filter(|base| base.contains('/')).unwrap_or(base);
        // A part of the password would be taken for a host, and shown.
        if query.contains('@') {
            return Err(BadDatabaseUrl::Ambiguous);
        }
        let config = format!("postgres://{base}").parse::<Config>().map_err(|_| BadDatabaseUrl::Form)?;
        let mut url = DatabaseUrl { config, without_tls: false };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            url.take(&decode(name)?, &decode(value)?)?;
        }
        if url.config.get_hosts().is_empty() {
            return Err(BadDatabaseUrl::NoHost);
        }
        if url.config.get_dbname().is_none() {
            return Err(BadDatabaseUrl::NoDatabase);
        }
        // PostgreSQL does not speak TLS on a socket of the machine's own.
        url.without_tls |= url.config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        Ok(url)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), BadDatabaseUrl> {
        match (name, value) {
            ("ssl", "false" | "0") | ("sslmode", "disable") => self.without_tls = true,
            // "Without TLS where that does", and "with it, or else without": a server that has TLS is spoken to with it.
            ("sslmode", "allow" | "prefer" | "require" | "verify-ca" | "verify-full") => {}
            ("sslmode", _) => return Err(BadDatabaseUrl::SslMode),
            ("socket_dir", directory) => self.instead(|config| config.host_path(directory)),
            ("host", directory) if directory.starts_with('/') => {
                self.instead(|config| config.host_path(directory));
            }
            ("host", host) => self.instead(|config| config.host(host)),
            _ => {}
        }
        Ok(())
    }

    /// Names another host than the part in front of `?` did. The port of that part, which names a socket's file too,
    /// stays.
    fn instead(&mut self, host: impl FnOnce(&mut Config) -> &mut Config) {
        let before = &self.config;
        let mut config = Config::new();
        host(&mut config);
        config.port(before.get_ports().first().copied().unwrap_or(DEFAULT_PORT));
        before.get_user().map(|user| config.user(user));
        before.get_password().map(|password| config.password(password));
        before.get_dbname().map(|name| config.dbname(name));
        self.config = config;
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let ports = self.config.get_ports();
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            let host = match host {
                Host::Tcp(host) if host.contains(':') => Cow::from(format!("[{host}]")),
                Host::Tcp(host) => Cow::from(host),
                Host::Unix(directory) => Path::to_string_lossy(directory),
            };
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
            write!(f, "{}{host}:{port}", if at > 0 { "," } else { "" })?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, BadDatabaseUrl> {
    percent_decode_str(text).decode_utf8().map_err(|_| BadDatabaseUrl::Form)
}

const DEFAULT_PORT: u16 = 5432;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_ecto_or_libpq_says_where_the_database_is() {
        let table = [
            ("ecto://u:p@db/lightning", "postgres://u@db:5432/lightning", false),
            (
                "postgres://u:p@db:6432/lightning?pool_size=3&timeout=9&ssl=true",
                "postgres://u@db:6432/lightning",
                false,
            ),
            ("postgresql://u@db/lightning?ssl=false", "postgres://u@db:5432/lightning", true),
            ("postgres://u@db/lightning?sslmode=disable", "postgres://u@db:5432/lightning", true),
            ("postgres://u@db/lightning?sslmode=require", "postgres://u@db:5432/lightning", false),
            ("postgres://u:p@[::1]:5433/lightning", "postgres://u@[::1]:5433/lightning", false),
            ("postgres://u:p@a,b:1/lightning", "postgres://u@a:5432,b:1/lightning", false),
            ("ecto://u:p@/lightning?socket_dir=/run/pg", "postgres://u@/run/pg:5432/lightning", true),
            ("ecto://u:p@h:6/lightning?socket_dir=/run/pg", "postgres://u@/run/pg:6/lightning", true),
            ("postgres://u@/lightning?host=%2Frun%2Fpg", "postgres://u@/run/pg:5432/lightning", true),
            ("postgres://u@%2Frun%2Fpg/lightning", "postgres://u@/run/pg:5432/lightning", true),
            ("postgres:///lightning?host=db", "postgres://db:5432/lightning", false),
        ];
        for (text, shown, without_tls) in table {
            let url = DatabaseUrl::parse(text).unwrap_or_else(|error| panic!("{text} {error}"));
            assert_eq!((url.to_string().as_str(), url.without_tls), (shown, without_tls), "{text}");
        }
    }

    #[test]
    fn a_password_is_decoded_and_does_not_print() {
        for host in ["db/lightning", "db/lightning?socket_dir=/run/pg"] {
            let url = DatabaseUrl::parse(&format!("ecto://u:s%40cr%2Fe%3At%25@{host}")).expect("a URL");
            assert_eq!(url.config.get_password(), Some(b"s@cr/e:t%".as_slice()));
            assert!(!format!("{url} {url:?}").contains("s@cr"), "{url:?}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_quoted() {
        let table = [
            ("", BadDatabaseUrl::Scheme),
            ("mysql://u:secret@db/lightning", BadDatabaseUrl::Scheme),
            ("ecto://u:sec@ret@db/lightning", BadDatabaseUrl::Ambiguous),
            ("ecto://u:12/3?secret@db/lightning", BadDatabaseUrl::Ambiguous),
            ("ecto://u:secret@db:port/lightning", BadDatabaseUrl::Form),
            ("ecto://u:secret@[::1/lightning", BadDatabaseUrl::Form),
            ("ecto://u:secret@/lightning", BadDatabaseUrl::NoHost),
            ("ecto://u:secret@db", BadDatabaseUrl::NoDatabase),
            ("ecto://u:secret@db/", BadDatabaseUrl::NoDatabase),
        ];
        for (text, expected) in table {
            let error = DatabaseUrl::parse(text).expect_err(text);
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}

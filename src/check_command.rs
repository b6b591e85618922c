//! `presenced check`: what a server of this configuration would serve with, and what is wrong.
//!
//! Not here: values that cannot be used, which end the process before ([`config`](crate::config)). Nothing that is
//! printed is secret: of keys the number, of the database's URL everything but the password.

use crate::config::{Config, PeopleSource};
use crate::lightning::token::Keys;
use crate::lightning::{Database, Login, Tls, Unavailable};
use crate::server::Origins;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The lines to print.
    pub lines: Vec<String>,
    /// Whether people could connect.
    pub is_well: bool,
}

/// Looks at everything that the configuration names.
pub async fn check(config: &Config) -> Report {
    let mut lines =
        config.listen.iter().map(|address| format!("listen address: {address}")).collect::<Vec<_>>();
    lines.push(format!("origins: {}", origins(&config.server.origins)));
    let is_well = match &config.people {
        PeopleSource::Development => {
            lines.push("people: who they say they are, for development".to_owned());
            lines.push(keys(None));
            true
        }
        PeopleSource::File(file) => {
            lines.push(format!("people: the file {}", file.path().display()));
            lines.push(match file.login() {
                Login::Claimed => keys(None),
                Login::Token(token_keys) => keys(Some(token_keys)),
            });
            true
        }
        PeopleSource::Database(database) => {
            lines.push(format!("people: Lightning's database {}, {}", database.options().url, tls(database)));
            lines.push(keys(Some(&database.options().keys)));
            look_at(database, &mut lines).await
        }
    };
    lines.push(if is_well { "all is well" } else { "something is wrong" }.to_owned());
    Report { lines, is_well }
}

async fn look_at(database: &Database, lines: &mut Vec<String>) -> bool {
    match database.look().await {
        Ok(found) => {
            lines.push(format!("database: PostgreSQL {}", found.server_version));
            lines.push(format!("Lightning's schema: {}", found.schema));
            if !found.missing.is_empty() {
                lines.push(format!("wrong: the database lacks {}", found.missing.join(", ")));
            }
            found.missing.is_empty()
        }
        Err(Unavailable(why)) => {
            lines.push(format!("wrong: {why}"));
            false
        }
    }
}

fn tls(database: &Database) -> &'static str {
    match database.options().tls {
        Tls::Off => "without TLS",
        Tls::Unchecked => "by TLS with any certificate",
        Tls::Checked => "by TLS",
    }
}

fn keys(keys: Option<&Keys>) -> String {
    match keys.map(Keys::earlier) {
        None => "token keys: none; no tokens are asked for".to_owned(),
        Some(0) => "token keys: one".to_owned(),
        Some(earlier) => format!("token keys: one, and {earlier} of earlier secrets"),
    }
}

fn origins(origins: &Origins) -> String {
    match origins {
        Origins::Any => "any".to_owned(),
        Origins::RequestHost => "the host that each request names".to_owned(),
        Origins::Host(host) => format!("the host {host}"),
        Origins::List(patterns) => patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

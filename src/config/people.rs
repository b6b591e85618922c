//! Where people come from: nowhere, for development; a file; or Lightning's database.
//!
//! Owns which of these are given together, and what each needs beside it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::secrets::{DATABASE_URL, SECRET_KEY_BASE, secret, user_keys};
use super::values::Values;
use crate::lightning::token::Keys;
use crate::lightning::{Database, DatabaseOptions, DatabaseUrl, Login, PeopleFile, Tls};
use crate::server::ListenAddress;

/// A people source, chosen by the configuration.
pub enum PeopleSource {
    /// People are who they say they are; the demo page is served.
    Development,
    /// A file names them.
    File(Arc<PeopleFile>),
    /// Lightning's database knows them.
    Database(Arc<Database>),
}

/// The flags about people.
#[derive(Debug, Args)]
pub(super) struct PeopleFlags {
    /// The file that names users, projects with their members' roles, and workflows; TOML, or JSON by its ending. It
    /// is taken up anew when it changes [default: people are who they say they are, for development]
    #[arg(long, value_name = "FILE", env = "PEOPLE")]
    people: Option<String>,
    /// How many questions may be asked of Lightning's database at a time
    #[arg(long, value_name = "COUNT", env = "DATABASE_POOL_SIZE", default_value = "10")]
    database_pool_size: String,
    /// How long the database may take to answer, in milliseconds
    #[arg(long, value_name = "MS", env = "DATABASE_TIMEOUT", default_value = "15000")]
    database_timeout: String,
    /// Connect to the database without TLS: `true`, `yes`, `false` or `no`
    #[arg(long, value_name = "BOOL", env = "DISABLE_DB_SSL", default_value = "false")]
    disable_db_ssl: String,
    /// Do not check the database's certificate: `true`, `yes`, `false` or `no`
    #[arg(long, value_name = "BOOL", env = "DISABLE_DB_SSL_CERT_VERIFY", default_value = "false")]
    disable_db_ssl_cert_verify: String,
    /// Lock out who has not confirmed the e-mail address within two days, as Lightning does where this is
    /// `true` or `yes`; not with `false` or `no`
    #[arg(long, value_name = "BOOL", env = "REQUIRE_EMAIL_VERIFICATION", default_value = "false")]
    require_email_verification: String,
    /// Take signed tokens of a user's id although Lightning's database is of a version that makes none: `true`,
    /// `yes`, `false` or `no`
    #[arg(long, value_name = "BOOL", env = "SIGNED_TOKENS", default_value = "false")]
    signed_tokens: String,
}

/// What of the flags is about the database.
struct DatabaseValues {
    pool_size: usize,
    timeout: Duration,
    tls: Tls,
    email_verification: bool,
    signed_tokens: bool,
}

/// The people source, for a server that listens at these addresses; `None` where it was noted why there is none.
///
/// # Errors
/// clap's, for a flag that is not of its type.
pub(super) fn people(
    flags: PeopleFlags,
    listen: Option<&[ListenAddress]>,
    values: &mut Values<'_>,
) -> Result<Option<PeopleSource>, clap::Error> {
    let database = database_values(&flags, values)?;
    let file = flags.people.filter(|path| !path.is_empty());
    let keys = user_keys().map_err(|lines| lines.into_iter().for_each(|line| values.note_line(line))).ok();
    let url = noted(secret(DATABASE_URL), values);
    // A secret that is of no use was given all the same.
    let (has_keys, has_url) = (secret(SECRET_KEY_BASE) != Ok(None), !matches!(url, Some(None)));

    let abroad = listen.into_iter().flatten().find(|address| !address.is_of_this_machine());
    if let Some(address) = abroad.filter(|_| !has_keys && !has_url) {
        let why = "neither loopback nor a Unix socket; people who are who they say they are must stay on this \
                   machine (tokens need SECRET_KEY_BASE)";
        values.note("listen_address", &format!("{address} is {why}"));
    }
    if has_keys && !has_url && file.is_none() {
        let why = "tokens name users, and nothing says who they are; give --people or DATABASE_URL";
        values.note_line(format!("{SECRET_KEY_BASE}: {why}"));
    }
    if has_url && file.is_some() {
        let why = format!("cannot be given together with {DATABASE_URL}: people come from one source");
        values.note("people", &why);
        return Ok(None);
    }
    let (Some(keys), Some(url)) = (keys, url) else { return Ok(None) };
    Ok(match (url, file) {
        (None, None) => Some(PeopleSource::Development),
        (None, Some(path)) => match PeopleFile::open(path, keys.map_or(Login::Claimed, Login::Token)) {
            Ok(file) => Some(PeopleSource::File(Arc::new(file))),
            Err(error) => {
                values.note("people", &error.to_string());
                None
            }
        },
        (Some(url), _) => {
            let opened = open(&url, keys, database).map_err(|why| format!("{DATABASE_URL}: {why}"));
            noted(opened, values).flatten().map(|database| PeopleSource::Database(Arc::new(database)))
        }
    })
}

/// `None` inside where a value was of no use, which was noted.
fn open(url: &str, keys: Option<Keys>, values: Option<DatabaseValues>) -> Result<Option<Database>, String> {
    let url = DatabaseUrl::parse(url).map_err(|error| error.to_string())?;
    let keys = keys.ok_or_else(|| format!("needs {SECRET_KEY_BASE}, for the tokens of its users"))?;
    let Some(values) = values else { return Ok(None) };
    let options = DatabaseOptions {
        url,
        tls: values.tls,
        keys,
        pool_size: values.pool_size,
        timeout: values.timeout,
        signed_tokens: values.signed_tokens,
        email_verification: values.email_verification,
    };
    Database::new(options).map(Some).map_err(|error| error.to_string())
}

fn database_values(
    flags: &PeopleFlags,
    values: &mut Values<'_>,
) -> Result<Option<DatabaseValues>, clap::Error> {
    let pool_size = values.read::<usize>("database_pool_size", &flags.database_pool_size)?;
    let timeout = values.read::<u32>("database_timeout", &flags.database_timeout)?;
    let without_tls = values.boolean("disable_db_ssl", &flags.disable_db_ssl)?;
    let unchecked = values.boolean("disable_db_ssl_cert_verify", &flags.disable_db_ssl_cert_verify)?;
    let email_verification =
        values.boolean("require_email_verification", &flags.require_email_verification)?;
    let signed_tokens = values.boolean("signed_tokens", &flags.signed_tokens)?;

    values.require(
        "database_pool_size",
        pool_size.is_none_or(|size| (1..=MOST_CONNECTIONS).contains(&size)),
        || format!("must be between 1 and {MOST_CONNECTIONS}"),
    );
    values.require(
        "database_timeout",
        timeout.is_none_or(|ms| (100..=LONGEST_TIMEOUT_MS).contains(&ms)),
        || format!("must be between 100 and {LONGEST_TIMEOUT_MS} milliseconds"),
    );
    Ok((|| {
        let tls = match (without_tls?, unchecked?) {
            (true, _) => Tls::Off,
            (false, true) => Tls::Unchecked,
            (false, false) => Tls::Checked,
        };
        Some(DatabaseValues {
            pool_size: pool_size?,
            timeout: Duration::from_millis(timeout?.into()),
            tls,
            email_verification: email_verification?,
            signed_tokens: signed_tokens?,
        })
    })())
}

/// The value, or `None` where its line was noted.
fn noted<T>(read: Result<T, String>, values: &mut Values<'_>) -> Option<T> {
    read.map_err(|line| values.note_line(line)).ok()
}

/// Far more than PostgreSQL has to give.
const MOST_CONNECTIONS: usize = 1000;
/// An hour. PostgreSQL itself has a limit at some 24 days.
const LONGEST_TIMEOUT_MS: u32 = 3_600_000;

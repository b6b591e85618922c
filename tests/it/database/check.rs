//! `presenced check`, and the configuration of the database.

use super::lightning::*;
use crate::support::process::{Ended, run};

async fn check(variables: &[(&str, &str)]) -> Ended {
    // Any port that is free: the usual one may be in use on this machine.
    let ended = run(&["check", "--port", "0"], variables).await;
    for secret in [SECRET, PASSWORD, PASSWORD_IN_URL] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{ended:?}");
    }
    ended
}

#[tokio::test]
async fn a_good_configuration_is_said_to_be_one() {
    for (version, schema) in
        [(Version::Older, "older, without support access"), (Version::Newer, "newer, with support access")]
    {
        let lightning = Lightning::new(version).await;
        let url = lightning.url();
        let ended = check(&[
            ("DATABASE_URL", &url),
            ("SECRET_KEY_BASE", SECRET),
            ("SECRET_KEY_BASE_PREVIOUS", "one-that-is-long-enough another-that-is-long-enough"),
            ("REQUIRE_EMAIL_VERIFICATION", "yes"),
            ("LISTEN_ADDRESS", "0.0.0.0"),
            ("ORIGINS", "https://app.example.org,//*.example.org"),
        ])
        .await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        let (port, name) = (lightning.postgres.port(), &lightning.name);
        for line in [
            "listen address: 0.0.0.0:0",
            "origins: https://app.example.org:443, //*.example.org",
            &format!(
                "people: Lightning's database postgres://presenced@127.0.0.1:{port}/{name}, without TLS"
            ),
            "token keys: 1, and 2 of earlier secrets",
            "tokens: of a login session, encrypted; of a user's id, signed, with an older Lightning",
            "email verification: required",
            &format!("Lightning's schema: {schema}"),
            "configuration OK",
        ] {
            assert!(ended.stdout.lines().any(|said| said == line), "{line} is not in {}", ended.stdout);
        }
        assert!(ended.stdout.contains("database: PostgreSQL 15."), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn what_the_database_lacks_or_refuses_is_named() {
    let lightning = Lightning::new(Version::Newer).await;
    lightning.execute("ALTER TABLE users DROP COLUMN confirmed_at; DROP TABLE workflow_snapshots").await;
    let unreadable = Lightning::new(Version::Newer).await;
    unreadable.execute("REVOKE SELECT ON users_tokens FROM presenced").await;
    let wrong_password = unreadable.url().replace(PASSWORD_IN_URL, "wrong-pa55word");
    let nobody_there = lightning.url().replace(&format!(":{}/", lightning.postgres.port()), ":1/");
    for (url, said) in [
        (lightning.url(), "error: the database lacks users.confirmed_at, workflow_snapshots"),
        (unreadable.url(), "error: permission denied for table users_tokens"),
        (wrong_password, "error: there is no connection: password authentication failed for user"),
        (nobody_there, "Connection refused"),
        (lightning.url().replace(&lightning.name, "nowhere"), "database \"nowhere\" does not exist"),
    ] {
        let ended = check(&[("DATABASE_URL", &url), ("SECRET_KEY_BASE", SECRET)]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stdout.contains(said), "{said} is not in {}", ended.stdout);
        assert!(ended.stdout.ends_with("\n1 error\n") && !ended.stdout.contains("wrong-pa55word"));
    }
}

#[tokio::test]
async fn other_people_sources_are_described_as_well() {
    let ended = check(&[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("people: who they say they are"), "{ended:?}");

    let file = std::env::temp_dir().join(format!("presenced-{}-check.toml", std::process::id()));
    std::fs::write(&file, "").expect("the temporary folder takes files");
    let path = file.to_str().expect("the path is text");
    let ended = check(&[("PEOPLE", path), ("SECRET_KEY_BASE", SECRET)]).await;
    std::fs::remove_file(&file).expect("it is there");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains(&format!(
            "people: the file {path}\ntoken keys: 1\ntokens: of a user's id, signed or encrypted\n"
        )),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_configuration_that_cannot_work_ends_with_78_whatever_is_to_be_done() {
    let url = format!("postgres://u:{PASSWORD_IN_URL}@localhost/lightning?ssl=false");
    let broken = format!("postgres://u:{PASSWORD}@localhost/lightning");
    let table: [(&[(&str, &str)], &str); 5] = [
        (&[("DATABASE_URL", &url)], "DATABASE_URL: needs SECRET_KEY_BASE"),
        (&[("DATABASE_URL", &broken), ("SECRET_KEY_BASE", SECRET)], "DATABASE_URL: is ambiguous"),
        (&[("DATABASE_URL", "lightning"), ("SECRET_KEY_BASE", SECRET)], "DATABASE_URL: begins with neither"),
        (
            &[("DATABASE_URL", &url), ("SECRET_KEY_BASE", SECRET), ("PEOPLE", "people.toml")],
            "PEOPLE: cannot be given together with DATABASE_URL",
        ),
        (
            &[("DATABASE_URL", &url), ("SECRET_KEY_BASE", SECRET), ("DISABLE_DB_SSL", "on")],
            "DISABLE_DB_SSL: 'on': expected 'true', 'yes', 'false' or 'no'",
        ),
    ];
    for (variables, line) in table {
        for flags in [&["check"][..], &[]] {
            let ended = run(flags, variables).await;
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
            assert!(ended.stderr.starts_with(&format!("presenced: {line}")), "{line}: {ended:?}");
            assert!(!ended.stderr.contains(PASSWORD) && !ended.stderr.contains(PASSWORD_IN_URL), "{ended:?}");
        }
    }
}

//! TLS to the database: on by default, and the certificate checked.

use presenced::lightning::Tls;

use super::lightning::*;
use crate::support::process::run;

#[tokio::test]
async fn by_default_the_database_has_to_have_a_certificate_of_a_known_issuer() {
    let lightning = Lightning::new(Version::Newer).await;
    let (_, token) = lightning.log_in(EDITOR).await;
    let served = Served::new(options(&lightning.url_with_tls("localhost"))).await;
    let refused = served.database.look().await.expect_err("nobody knows its issuer");
    assert!(refused.0.contains("invalid peer certificate"), "{refused}");
    assert_eq!(served.status(&token).await, 503);
}

#[tokio::test]
async fn any_certificate_is_good_where_none_is_checked() {
    let lightning = Lightning::new(Version::Newer).await;
    let (_, token) = lightning.log_in(EDITOR).await;
    let encrypted = format!(
        "SELECT coalesce(bool_and(ssl), false) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = 'presenced' AND datname = '{}'",
        lightning.name
    );
    for (tls, expected) in [(Tls::Unchecked, true), (Tls::Off, false)] {
        let mut options = options(&lightning.url_with_tls("127.0.0.1"));
        options.tls = tls;
        let served = Served::new(options).await;
        assert_eq!(served.status(&token).await, 400, "{tls:?}");
        let row = lightning.superuser.query_one(&encrypted, &[]).await.expect("the superuser may ask");
        assert_eq!(row.get::<_, bool>(0), expected, "{tls:?}");
        drop(served);
        lightning.until_nobody_reads().await;
    }
}

#[tokio::test]
async fn a_certificate_of_a_known_issuer_is_good_for_its_name_alone() {
    let lightning = Lightning::new(Version::Newer).await;
    let issuer = lightning.postgres.certificate();
    let issuer = issuer.to_str().expect("the path is text");
    for (host, code, said) in [("localhost", 0, "by TLS\n"), ("127.0.0.1", 1, "invalid peer certificate")] {
        let url = lightning.url_with_tls(host);
        let variables =
            [("DATABASE_URL", url.as_str()), ("SECRET_KEY_BASE", SECRET), ("SSL_CERT_FILE", issuer)];
        let ended = run(&["check"], &variables).await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stdout.contains(said), "{ended:?}");
    }
}

#[tokio::test]
async fn without_any_root_certificates_nothing_can_be_checked() {
    let variables = [
        ("DATABASE_URL", "postgres://u:p@localhost/lightning"),
        ("SECRET_KEY_BASE", SECRET),
        ("SSL_CERT_FILE", "/dev/null"),
    ];
    let ended = run(&["check"], &variables).await;
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("DATABASE_URL: this machine has no root certificates"), "{ended:?}");
}

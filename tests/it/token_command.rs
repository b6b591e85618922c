//! `presenced token`: what it makes is taken back, and a login session is never shown.

use presenced::lightning::token::{Data, Keys, MaxAge, SecretKeyBase};
use presenced::lightning::{Login, clock};

use crate::support::process::{run, run_with_input};

#[tokio::test]
async fn a_token_of_a_user_id_says_whose_it_is() {
    for flags in [&["token", "make", "ada"][..], &["token", "make", "ada", "--encrypted"]] {
        let made = run(flags, &SECRETS).await;
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
        let read = run(&["token", "read", made.stdout.trim_end()], &SECRETS).await;
        assert_eq!((read.code, read.stdout.as_str()), (Some(0), "ada\n"), "{read:?}");
    }
}

#[tokio::test]
async fn a_token_of_a_login_session_says_until_when_it_is_good_and_nothing_of_the_session() {
    // All letters, so that it would be shown if a session were taken for a user's id.
    let session = "abcdefghijklmnopqrstuvwxyzABCDEF";
    let hex: String = session.bytes().map(|byte| format!("{byte:02x}")).collect();
    for input in [format!("{hex}\n"), format!("\\x{}", hex.to_ascii_uppercase())] {
        let made = run_with_input(&["token", "make", "--session"], &SECRETS, &input).await;
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
        let token = made.stdout.trim_end();
        let held = keys().decrypt(token, None, clock::now_ms()).expect("it is good");
        assert_eq!(held.as_str(), Some(session));
        let read = run(&["token", "read", token], &SECRETS).await;
        assert_eq!((read.code, read.stderr.as_str()), (Some(0), ""), "{read:?}");
        assert!(read.stdout.starts_with("a login session, good until "), "{read:?}");
        assert!(!read.stdout.contains(session) && !read.stdout.contains(&hex), "{read:?}");
    }
}

/// Lightning takes a user token for two weeks, whatever the token itself says.
#[tokio::test]
async fn the_end_of_a_token_is_two_weeks_after_it_was_made() {
    let data = Data::Binary(vec![0xff; 32].into());
    let made_ms = clock::now_ms() - 3_600_000;
    let token = keys().encrypt(&data, made_ms, MaxAge::DEFAULT, [7; 24]);
    let until_ms = keys().good_until_ms(&token, Some(Login::MAX_AGE)).expect("it is genuine");
    assert_eq!(until_ms, Some(made_ms + 14 * 86_400_000));
    let read = run(&["token", "read", &token], &SECRETS).await;
    assert_eq!(read.code, Some(0), "{read:?}");
    let expired = keys().encrypt(&data, made_ms - 14 * 86_400_000, MaxAge::Infinite, [7; 24]);
    let read = run(&["token", "read", &expired], &SECRETS).await;
    assert_eq!((read.code, read.stderr.as_str()), (Some(1), "presenced: the token has expired\n"));
}

#[tokio::test]
async fn what_is_no_session_is_refused_and_not_shown() {
    for input in ["", "abcd", &"5e".repeat(33), &"+e".repeat(32), &"zz".repeat(32)] {
        let made = run_with_input(&["token", "make", "--session"], &SECRETS, input).await;
        assert_eq!((made.code, made.stdout.as_str()), (Some(1), ""), "{made:?}");
        assert!(made.stderr.starts_with("presenced: standard input has to hold a login session"), "{made:?}");
        assert!(input.is_empty() || !made.stderr.contains(input), "{made:?}");
    }
    for flags in [&["token", "make"][..], &["token", "make", "ada", "--session"]] {
        assert_eq!(run(flags, &SECRETS).await.code, Some(2), "{flags:?}");
    }
}

fn keys() -> Keys {
    Keys::new(&SecretKeyBase::new(SECRETS[0].1).expect("long enough"), &[], Login::SALT)
}

const SECRETS: [(&str, &str); 1] =
    [("SECRET_KEY_BASE", "a secret that is long enough for the keys of tokens")];

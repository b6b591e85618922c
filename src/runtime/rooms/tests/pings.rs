//! Who is pinged for the sake of a room, and who is closed without an answer.

use super::*;

#[test]
fn a_second_tab_of_a_user_has_the_first_one_pinged_and_ended_without_an_answer() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, strong(2), "bob");
    world.joins(3, "workflow:collaborate:w:v3", strong(3), None);
    world.pass_ms(1_000);
    assert_eq!((world.pings(1).len(), world.pings(2).len()), (0, 0));
    world.is(3, "ada");
    assert_eq!((world.pings(1).len(), world.pings(2).len(), world.pings(3).len()), (1, 0, 0));
    // An answer to something else is none.
    world.says(1, Said::Pong([0; 8]));
    world.pass_ms(1_999);
    assert!(!world.is_closed(1));
    world.pass_ms(1);
    assert!(world.is_closed(1) && !world.is_closed(2) && !world.is_closed(3));
}

#[test]
fn a_tab_that_answers_lives_on() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(3, strong(3), "ada");
    let nonce = world.pings(1)[0];
    world.says(1, Said::Pong(nonce));
    world.pass_ms(30_000);
    assert!(!world.is_closed(1));
}

#[test]
fn nobody_is_judged_while_their_reading_is_paused_nor_after_a_pause_of_the_process() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.lines[&1].0.lock().reads_since = None;
    world.enters(3, strong(3), "ada");
    world.pass_ms(30_000);
    assert!(!world.is_closed(1));
    // It begins anew when reading goes on, and once more when the process has stood still.
    world.lines[&1].0.lock().reads_since = Some(world.now);
    world.pass_ms(1_990);
    assert!(!world.is_closed(1));
    world.now += Duration::from_secs(60);
    world.settle();
    assert!(!world.is_closed(1));
    world.pass_ms(2_000);
    assert!(world.is_closed(1));
}

#[test]
fn a_ping_that_a_full_socket_did_not_take_is_sent_later() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.lines[&1].0.lock().is_full = true;
    world.enters(3, strong(3), "ada");
    world.pass_ms(30_000);
    assert!(!world.is_closed(1));
    world.lines[&1].0.lock().is_full = false;
    world.pass_ms(2_000);
    assert_eq!(world.pings(1).len(), 1);
    world.pass_ms(2_000);
    assert!(world.is_closed(1));
}

#[test]
fn a_connection_whose_page_has_joined_again_has_ten_seconds_to_answer() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, strong(2), "bob");
    world.joins(3, ROOM, strong(1), None);
    world.shows_as(3, 10, "{\"n\":3}");
    assert_eq!(world.pings(1).len(), 1);
    world.pass_ms(9_000);
    assert!(!world.is_closed(1));
    world.told(1);
    // It answers: it lives, and hears the room again.
    let nonce = world.pings(1)[0];
    world.says(1, Said::Pong(nonce));
    world.shows(2, &json!({"n": 5}));
    world.pass_ms(60);
    assert_eq!(world.told(1)[&20]["n"], 5);
    world.pass_ms(20_000);
    assert!(!world.is_closed(1));
}

#[test]
fn one_that_does_not_is_closed_and_nobody_is_told() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, strong(2), "bob");
    world.joins(3, ROOM, strong(1), None);
    world.shows_as(3, 10, "{\"n\":3}");
    world.pass_ms(100);
    world.told(2);
    world.pass_ms(9_000);
    assert!(!world.is_closed(1));
    world.pass_ms(1_000);
    assert!(world.is_closed(1));
    world.says(1, Said::Disconnected { by_upstream: false });
    // Longer than the grace period, and not as long as until a refresh.
    world.pass_ms(1_500);
    assert_eq!(world.told(2), BTreeMap::new());
}

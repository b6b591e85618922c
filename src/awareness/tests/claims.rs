//! Who may speak for a client id.

use super::*;

#[test]
fn what_waited_in_the_client_before_its_sync_step_claims_nothing() {
    let mut world = World::new();
    world.room.join(ParticipantId(1), strong(1), None, world.now);
    assert!(!world.say(1, 99, "{}"));
    world.room.sync_step1(ParticipantId(1));
    assert!(world.say(1, 10, "{}"));
    assert!(!world.say(1, 99, "{}"), "it speaks for one client id");
}

#[test]
fn without_a_sync_step_the_first_entry_after_a_second_counts() {
    let mut world = World::new();
    world.room.join(ParticipantId(1), strong(1), None, world.now);
    world.pass_ms(999);
    assert!(!world.say(1, 10, "{}"));
    world.pass_ms(1);
    assert!(world.say(1, 10, "{}"));
}

#[test]
fn a_claim_is_one_entry_that_is_no_null() {
    let mut world = World::new();
    world.join(1, strong(1));
    let state = |client| Entry { client, clock: 1, state: Some("{}") };
    let null = Entry { client: 10, clock: 1, state: None };
    for entries in [vec![], vec![null], vec![state(10), state(11)]] {
        assert_eq!(world.room.receive(ParticipantId(1), &entries, world.now).own, None);
    }
    assert!(world.say(1, 10, "{}"));
}

#[test]
fn the_id_of_another_page_is_refused_and_another_may_be_claimed_later() {
    for theirs in [strong(2), weak(1), None] {
        let mut world = World::new();
        world.enter(1, strong(1), 10);
        world.join(2, theirs);
        let entry = Entry { client: 10, clock: 7, state: Some("{}") };
        let received = world.room.receive(ParticipantId(2), &[entry], world.now);
        assert_eq!(received, Received { own: None, dropped: Dropped { refused: 1, ..Dropped::default() } });
        assert!(world.say(2, 20, "{}"));
    }
}

#[test]
fn a_strong_page_takes_its_id_over_from_a_connection_that_seems_to_live() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.enter(2, strong(2), 20);
    world.pass_secs(1);
    world.look_away();
    world.enter(3, strong(1), 10);
    assert_eq!(world.room.take_pings(), [ParticipantId(1)]);
    assert_eq!(world.room.take_pings(), []);
    world.pass_secs(1);
    assert_eq!(world.seen(2), seen([]), "nothing has changed for others");
    assert_eq!(world.seen(3), seen([(20, true)]));
    // The older connection is neither heard nor told.
    let entry = Entry { client: 10, clock: 9, state: Some("{\"n\":9}") };
    let unheard = world.room.receive(ParticipantId(1), &[entry], world.now).dropped;
    assert_eq!(unheard, Dropped { unheard: 1, ..Dropped::default() });
    world.say(2, 20, "{\"n\":2}");
    world.pass_secs(1);
    assert_eq!(world.seen(1), seen([]));
    // Its end is no event.
    world.look_away();
    world.leave(1);
    world.pass_secs(1);
    assert!(world.sent.is_empty());
}

#[test]
fn whoever_answers_lives_on_beside_it_without_its_id() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.enter(2, strong(2), 20);
    world.enter(3, strong(3), 30);
    world.pass_secs(1);
    world.enter(4, strong(1), 10);
    world.say(2, 20, "{\"n\":2}");
    world.leave(3);
    world.pass_secs(1);
    world.look_away();
    world.room.answered(ParticipantId(1), world.now);
    world.say(4, 10, "{\"n\":4}");
    world.pass_secs(1);
    assert_eq!(world.seen(1), seen([(20, true), (30, false)]), "what it missed, and never its own id");
    assert!(!world.say(1, 10, "{}"), "it has no page any more that could take the id");
    assert!(world.say(1, 11, "{}"));
    world.pass_secs(1);
    assert_eq!(world.seen(1), seen([(10, true), (20, true)]), "now it speaks for another client");
    world.look_away();
    world.leave(1);
    world.pass_secs(1);
    assert_eq!(world.seen(4), seen([(11, false)]));
}

#[test]
fn a_weak_page_takes_its_id_only_from_a_connection_that_is_lost() {
    let mut world = World::new();
    world.enter(1, weak(1), 10);
    world.join(2, weak(1));
    assert!(!world.say(2, 10, "{}"));
    world.drop(1, 5);
    assert!(world.say(2, 10, "{}"));
    assert_eq!(world.room.take_pings(), []);
}

#[test]
fn the_id_of_one_who_is_gone_is_held_for_its_page_for_a_minute() {
    for page in [strong(1), weak(1)] {
        let mut world = World::new();
        world.enter(1, page, 10);
        world.pass_secs(1);
        world.leave(1);
        world.join(2, strong(2));
        world.pass_secs(59);
        assert!(!world.say(2, 10, "{}"));
        let mut later = World { room: Room::new(Timing::default()), ..world };
        later.enter(1, page, 10);
        later.leave(1);
        later.pass_secs(59);
        later.join(3, page);
        assert!(later.say(3, 10, "{}"), "the page itself may");
    }
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.leave(1);
    world.join(2, strong(2));
    world.pass_secs(60);
    assert!(world.say(2, 10, "{}"));
}

#[test]
fn without_a_page_nothing_is_held_for_anybody() {
    let mut world = World::new();
    world.enter(1, None, 10);
    world.leave(1);
    world.join(2, None);
    assert!(world.say(2, 10, "{}"));
}

#[test]
fn a_second_join_on_a_connection_keeps_the_id_if_it_claims_it() {
    for page in [strong(1), None] {
        let mut world = World::new();
        world.enter(1, page, 10);
        world.enter(2, strong(2), 20);
        world.pass_secs(1);
        world.look_away();
        world.room.join(ParticipantId(3), page, Some(ParticipantId(1)), world.now);
        world.leave(1);
        world.pass_ms(200);
        world.room.sync_step1(ParticipantId(3));
        assert!(world.say(3, 10, "{\"n\":0}"));
        world.pass_secs(1);
        assert_eq!(world.seen(2), seen([]));
        world.leave(3);
        world.pass_secs(1);
        assert_eq!(world.seen(2), seen([(10, false)]));
    }
}

#[test]
fn the_id_of_the_first_join_goes_if_the_second_claims_another_or_ends_or_says_nothing() {
    let endings: [fn(&mut World); 4] = [
        |world| assert!(world.say(3, 11, "{}")),
        |world| world.leave(3),
        |world| {
            world.drop(3, 2);
            world.pass_secs(2);
        },
        |world| world.pass_secs(10),
    ];
    for ending in endings {
        let mut world = World::new();
        world.enter(1, strong(1), 10);
        world.enter(2, strong(2), 20);
        world.pass_secs(1);
        world.room.join(ParticipantId(3), strong(1), Some(ParticipantId(1)), world.now);
        world.room.sync_step1(ParticipantId(3));
        world.look_away();
        world.pass_ms(500);
        assert_eq!(world.seen(2), seen([]));
        ending(&mut world);
        world.pass_ms(100);
        assert_eq!(world.seen(2).get(&10), Some(&false));
    }
}

//! Who is disconnected, who comes back, and who does not.

use super::*;

/// Two people, and what the second is told when the first has been dropped and this has happened.
fn others_see(page: Option<Page>, then: impl FnOnce(&mut World)) -> BTreeMap<u64, bool> {
    let mut world = World::new();
    world.enter(1, page, 10);
    world.enter(2, strong(2), 20);
    world.pass_secs(1);
    world.look_away();
    world.drop(1, 5);
    then(&mut world);
    world.seen(2)
}

#[test]
fn whoever_is_disconnected_is_told_as_gone_after_the_grace_period() {
    assert_eq!(others_see(strong(1), |world| world.pass_ms(4_900)), seen([]));
    assert_eq!(others_see(strong(1), |world| world.pass_ms(5_000)), seen([(10, false)]));
}

#[test]
fn a_page_that_comes_back_was_never_away() {
    for page in [strong(1), weak(1)] {
        let told = others_see(page, |world| {
            world.pass_secs(4);
            world.enter(3, page, 10);
            world.pass_secs(1);
            assert_eq!(world.seen(3), seen([(20, true)]));
            world.pass_secs(5);
        });
        assert_eq!(told, seen([]));
    }
}

#[test]
fn a_strong_page_that_has_joined_again_has_ten_seconds_to_claim_its_id() {
    let gone_after = |page, ms| {
        let told = others_see(strong(1), |world| {
            world.pass_secs(4);
            world.join(3, page);
            world.pass_ms(ms);
        });
        told.get(&10) == Some(&false)
    };
    assert!(!gone_after(strong(1), 9_900));
    assert!(gone_after(strong(1), 10_000));
    assert!(gone_after(strong(3), 1_000), "another page");
    let told = others_see(weak(1), |world| {
        world.pass_secs(4);
        world.join(3, weak(1));
        world.pass_secs(1);
    });
    assert_eq!(told, seen([(10, false)]), "a page that may be another");
}

#[test]
fn a_grace_period_begins_anew_after_the_process_stood_still() {
    let mut world = World::new();
    world.enter(1, strong(1), 11);
    world.enter(2, strong(2), 22);
    world.pass_secs(1);
    world.drop(2, 5);
    world.look_away();
    // Nobody looks at the room meanwhile.
    world.advance_to(world.now + Duration::from_secs(60));
    world.run();
    world.pass_ms(4_900);
    assert_eq!(world.seen(1).get(&22), Some(&true), "it is refreshed");
    world.pass_ms(200);
    assert_eq!(world.seen(1).get(&22), Some(&false));
}

#[test]
fn without_a_page_the_grace_period_runs_out() {
    let told = others_see(None, |world| {
        world.join(3, None);
        assert!(!world.say(3, 10, "{}"));
        world.pass_secs(6);
        assert!(world.say(3, 10, "{}"));
        world.pass_ms(60);
    });
    assert_eq!(told, seen([(10, true)]));
}

#[test]
fn a_new_client_id_ends_the_disconnected_participants_of_its_user() {
    // A reload without a close frame: another page, the same user.
    let reload = |user: &'static str| {
        move |world: &mut World| {
            world.join(3, strong(3));
            let entry = Entry { client: 30, clock: 0, state: Some("{}") };
            assert!(world.room.receive(ParticipantId(3), &[entry], world.now).own.is_some());
            world.pass_ms(100);
            assert_eq!(world.seen(2), seen([]), "before its user is known nothing is");
            world.room.set_state(ParticipantId(3), "{\"n\":3}", user, world.now);
            world.pass_ms(60);
        }
    };
    assert_eq!(others_see(strong(1), reload("user 1")), seen([(10, false), (30, true)]));
    assert_eq!(others_see(strong(1), reload("user 9")), seen([(30, true)]));
}

#[test]
fn two_tabs_that_lost_one_network_return_one_by_one() {
    let mut world = World::new();
    for id in [1, 2] {
        world.join(id, strong(id));
        let client = id * 10;
        world.room.receive(ParticipantId(id), &[Entry { client, clock: 1, state: Some("{}") }], world.now);
        world.room.set_state(ParticipantId(id), "{\"n\":0}", "one user", world.now);
    }
    world.enter(3, strong(3), 30);
    world.pass_secs(1);
    world.look_away();
    world.drop(1, 5);
    world.drop(2, 60);
    // The first comes back within its grace period, or after it: the room knows its id in both cases.
    for (participant, wait) in [(4, 1), (5, 20)] {
        world.pass_secs(wait);
        world.join(participant, strong(1));
        let entry = Entry { client: 10, clock: 1, state: Some("{}") };
        assert!(world.room.receive(ParticipantId(participant), &[entry], world.now).own.is_some());
        world.room.set_state(ParticipantId(participant), "{\"n\":1}", "one user", world.now);
        world.pass_secs(1);
        assert_ne!(world.seen(3).get(&20), Some(&false));
        world.drop(participant, 5);
    }
    world.pass_secs(60);
    assert_eq!(world.seen(3).get(&20), Some(&false));
}

#[test]
fn the_end_of_the_grace_period_can_be_moved() {
    let moved = |grace| {
        move |world: &mut World| {
            world.pass_secs(1);
            world.drop(1, grace);
            world.pass_secs(3);
        }
    };
    assert_eq!(others_see(strong(1), moved(2)), seen([(10, false)]));
    let told = others_see(strong(1), |world| {
        moved(10)(world);
        world.pass_secs(6);
    });
    assert_eq!(told, seen([]));
    assert_eq!(others_see(strong(1), moved(0)), seen([(10, false)]));
}

#[test]
fn whoever_is_disconnected_is_refreshed_like_all_others() {
    let told = others_see(strong(1), |world| {
        world.drop(1, 60);
        world.pass_secs(13);
    });
    assert_eq!(told, seen([(10, true)]));
}

#[test]
fn the_state_of_one_who_is_disconnected_may_still_become_known() {
    let mut world = World::new();
    world.enter(2, strong(2), 20);
    world.join(1, strong(1));
    world.room.receive(ParticipantId(1), &[Entry { client: 10, clock: 0, state: Some("{}") }], world.now);
    world.drop(1, 5);
    world.room.set_state(ParticipantId(1), "{\"n\":1}", "user 1", world.now);
    world.pass_secs(1);
    assert_eq!(world.seen(2), seen([(10, true)]));
}

#[test]
fn whoever_has_no_id_leaves_no_trace() {
    let mut world = World::new();
    world.join(1, strong(1));
    world.drop(1, 5);
    assert!(world.room.is_empty());
}

//! When something is told, and how often.

use super::*;

/// Three people in a quiet room.
fn quiet_room() -> World {
    let mut world = World::new();
    for id in 1..=3 {
        world.enter(id, strong(id), id * 10);
    }
    world.pass_secs(1);
    world.look_away();
    world
}

#[test]
fn the_first_change_of_a_quiet_room_goes_at_once_and_later_ones_gather() {
    let mut world = quiet_room();
    let start = world.now;
    for n in 0..20 {
        world.say(1, 10, &format!("{{\"n\":{n},\"first\":true}}"));
        world.say(2, 20, &format!("{{\"n\":{n},\"second\":true}}"));
        world.pass_ms(5);
    }
    world.pass_ms(100);
    let to_third: Vec<_> = world.sent.iter().filter(|sent| sent.to == ParticipantId(3)).collect();
    let times: Vec<_> = to_third.iter().map(|sent| (sent.at - start).as_millis()).collect();
    assert_eq!(times, [0, 50, 100]);
    assert!(to_third.iter().all(|sent| sent.entries.len() == 2), "both in one message");
    let last = to_third.last().map(|sent| {
        sent.entries
            .iter()
            .all(|(_, _, state)| state.as_deref().is_some_and(|state| state.contains("\"n\":19")))
    });
    assert_eq!(last, Some(true), "the latest of all who changed");
}

#[test]
fn what_was_told_already_is_not_told_again() {
    let mut world = quiet_room();
    world.say(1, 10, "{\"n\":0}");
    world.pass_secs(5);
    assert!(world.sent.is_empty());
}

#[test]
fn who_is_quiet_is_told_again_every_twelve_seconds_in_one_message() {
    let mut world = quiet_room();
    world.pass_ms(1_500);
    world.say(1, 10, "{\"n\":1}");
    world.pass_ms(100);
    world.look_away();
    let start = world.now;
    world.pass_secs(61);
    let to_third: Vec<_> = world.sent.iter().filter(|sent| sent.to == ParticipantId(3)).collect();
    assert_eq!(to_third.len(), 5, "one message for all each time");
    assert!(to_third.iter().all(|sent| sent.entries.len() == 2));
    let mut before = start - Duration::from_secs(2);
    for sent in to_third {
        assert!(sent.at - before <= Duration::from_secs(13), "a client takes them for gone after 30 s");
        before = sent.at;
    }
}

#[test]
fn whoever_cannot_take_anything_is_passed_over_and_told_the_latest_later() {
    let mut world = quiet_room();
    world.full.insert(ParticipantId(3));
    for n in 1..50 {
        world.say(1, 10, &format!("{{\"n\":{n}}}"));
        world.pass_ms(20);
    }
    world.leave(2);
    world.pass_secs(1);
    assert_eq!(world.seen(3), seen([]));
    world.full.clear();
    world.pass_ms(60);
    let told: Vec<_> = world.sent.iter().filter(|sent| sent.to == ParticipantId(3)).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(world.told(3), BTreeMap::from([(10, Some("{\"n\":49}".to_owned())), (20, None)]));
}

#[test]
fn a_room_where_somebody_cannot_take_anything_is_looked_at_once_a_round() {
    let mut world = quiet_room();
    world.full.insert(ParticipantId(3));
    world.say(1, 10, "{\"n\":1}");
    world.run();
    for _ in 0..10 {
        let due = world.room.next_due().expect("somebody is owed something");
        assert_eq!(due, world.now + Duration::from_millis(50));
        world.advance_to(due);
        world.run();
    }
}

#[test]
fn a_lone_participant_costs_no_rounds() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.pass_secs(2);
    world.say(1, 10, "{\"n\":1}");
    world.run();
    assert!(world.room.next_due() >= Some(world.now + Duration::from_secs(9)));
}

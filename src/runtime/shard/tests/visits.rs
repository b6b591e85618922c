//! Who comes and goes within a window of a busy topic: what those who stay are told of it.

use super::*;

#[test]
fn whoever_looks_in_for_less_than_a_window_on_a_busy_topic_disturbs_nobody() {
    let mut world = World::new(WINDOW);
    world.subscribe(Hears::Itself);
    world.track(1, "a");
    world.settle();
    for visit in 0..3 {
        let visitor = world.subscribe(Hears::Itself);
        let id = world.listeners[visitor].seat.id();
        world.track(id.0, "v");
        world.push_state(visitor);
        world.pass(2);
        world.gone(id);
        world.pass(3);
        assert_eq!(world.listeners[0].frames, 1, "visit {visit}");
        world.listeners.truncate(1);
    }
    world.pass(5);
    world.track(2, "b");
    world.settle();
    assert_eq!(world.listeners[0].frames, 2, "the topic has become quiet");
}

#[test]
fn no_change_waits_longer_than_a_window_and_what_was_undone_ends_nobodys_wait() {
    let mut world = World::new(WINDOW);
    world.subscribe(Hears::Itself);
    world.track(1, "a");
    world.settle();
    // Somebody is looking in at every moment, and nobody for longer than two milliseconds.
    for owner in 10..20 {
        world.track(owner, "v");
        world.settle();
        world.pass(1);
        world.track(owner + 10, "v");
        world.settle();
        world.pass(1);
        world.gone(OwnerId(owner));
        world.gone(OwnerId(owner + 10));
        world.settle();
    }
    assert_eq!(world.listeners[0].frames, 1);
    world.track(2, "b");
    world.pass(4);
    world.track(3, "c");
    world.settle();
    assert_eq!(world.listeners[0].frames, 1);
    world.pass(1);
    assert_eq!(world.listeners[0].frames, 2);
}

#[test]
fn what_one_visitor_was_shown_of_another_is_told_to_nobody_once_both_have_gone() {
    let mut world = World::new(WINDOW);
    world.subscribe(Hears::Itself);
    world.track(1, "a");
    world.settle();
    let visitors = [(); 2].map(|()| world.subscribe(Hears::Itself));
    let ids = visitors.map(|visitor| world.listeners[visitor].seat.id());
    ids.iter().for_each(|id| world.track(id.0, "v"));
    visitors.iter().for_each(|visitor| world.push_state(*visitor));
    world.pass(1);
    world.gone(ids[0]);
    world.pass(1);
    world.gone(ids[1]);
    world.pass(5);
    world.pass(5);
    assert_eq!(world.listeners[0].frames, 1);
    world.listeners.truncate(1);
}

#[test]
fn nothing_is_owed_to_a_visitor_who_was_gone_before_the_list_it_asked_for() {
    let mut world = World::new(WINDOW);
    world.subscribe(Hears::Itself);
    world.track(1, "a");
    world.settle();
    let visitor = world.subscribe(Hears::Itself);
    let id = world.listeners[visitor].seat.id();
    world.track(2, "b");
    world.push_state(visitor);
    world.gone(id);
    world.pass(1);
    world.gone(OwnerId(2));
    world.pass(5);
    world.pass(5);
    assert_eq!(world.listeners[0].frames, 1);
    world.listeners.truncate(1);
}

//! People on a topic, as Lightning's canvas tracks them: what `track`, `diff`, `encode` and `meta` are measured with.

use presenced::lightning::User;
use presenced::presence::{Attributes, Change, Meta, OwnerId, PhxRef, PhxRefs, ReplicaId, Tracker};
use serde::Serialize;
use smol_str::{SmolStr, format_smolstr};

/// What the canvas tracks for a tab.
#[derive(Serialize)]
pub struct UserMeta {
    user: User,
    joined_at: i64,
}

/// A topic, who is on it, and the names of what comes next.
pub struct People {
    pub tracker: Tracker,
    pub topic: SmolStr,
    pub refs: PhxRefs,
}

impl People {
    /// This many people, in one tab each.
    pub fn on_a_topic(count: usize) -> Self {
        People::coming(count).0
    }

    /// The same, and the changes that their coming made, in order.
    pub fn coming(count: usize) -> (Self, Vec<Change>) {
        let tracker = Tracker::new(ReplicaId { node: "here".into(), incarnation: 1 });
        let topic = SmolStr::new("workflow-6c1b7e8e-1f0a-4f5e-9d42-0a6f6f6b6c1b:presence");
        let mut people = People { tracker, topic, refs: PhxRefs::new(0xa055) };
        let changes = (0..count).map(|nth| {
            let phx_ref = next_ref(&mut people.refs);
            let (owner, key) = (OwnerId(nth as u64), user_id(nth));
            let change =
                people.tracker.track(&people.topic, owner, key, &meta(nth), Attributes::default(), phx_ref);
            change.expect("each is another owner").change
        });
        let changes = changes.collect();
        (people, changes)
    }
}

/// The name of the next meta.
pub fn next_ref(refs: &mut PhxRefs) -> PhxRef {
    refs.next(NOW_NS)
}

/// The meta of one of them.
pub fn meta(nth: usize) -> Meta {
    Meta::of(&user_meta(nth)).expect("a user and a time are an object")
}

/// The same before it is JSON.
pub fn user_meta(nth: usize) -> UserMeta {
    let user = User {
        id: user_id(nth).to_string(),
        first_name: Some("Ada".to_owned()),
        last_name: Some("Lovelace".to_owned()),
        email: Some(format!("ada.{nth}@example.org")),
    };
    UserMeta { user, joined_at: 1_795_353_267_177_519 }
}

/// A uuid, as Lightning's are; their order is not that of coming.
pub fn user_id(nth: usize) -> SmolStr {
    let scattered = (nth as u32).wrapping_mul(0x9e37_79b1);
    format_smolstr!("{scattered:08x}-1f0a-4f5e-9d42-0a6f6f6b6c1b")
}

/// Unix time in nanoseconds. The counter of the references tells them apart.
const NOW_NS: u64 = 1_795_353_267_177_519_000;

//! What all connections have in common: rooms, counts, and the faults that a test asks for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use presenced::channel::{Connect, ConnectInfo, Connected, Context, Refusal};
use tokio::time::Instant;

use super::channel::Told;
use super::counts::Counts;
use super::people::Person;
use super::room::Room;

/// The double of Lightning.
pub struct Lightning {
    pub counts: Counts,
    rooms: Mutex<HashMap<String, Arc<Mutex<Room>>>>,
    channels: Mutex<Vec<(String, Context<Told>)>>,
    people: Mutex<BTreeSet<String>>,
    refusal: Mutex<Option<StatusCode>>,
    asleep_until: Mutex<Instant>,
}

impl Lightning {
    /// Nothing has happened yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Lightning {
            counts: Counts::default(),
            rooms: Mutex::default(),
            channels: Mutex::default(),
            people: Mutex::default(),
            refusal: Mutex::default(),
            asleep_until: Mutex::new(Instant::now()),
        })
    }

    /// The room of a topic. It is kept, as Lightning keeps documents in its database.
    pub fn room(&self, topic: &str, workflow: &str) -> Arc<Mutex<Room>> {
        let mut rooms = self.rooms.lock();
        rooms.entry(topic.to_owned()).or_insert_with(|| Arc::new(Mutex::new(Room::new(workflow)))).clone()
    }

    /// The room of a topic, if anybody was there.
    pub fn known_room(&self, topic: &str) -> Option<Arc<Mutex<Room>>> {
        self.rooms.lock().get(topic).cloned()
    }

    /// A channel that can be told to end.
    pub fn register(&self, person: &Person, context: &Context<Told>) {
        self.channels.lock().push((person.name.clone(), context.clone()));
    }

    /// Tells the channels of a topic, of one person or of all; those that are gone hear nothing.
    pub fn tell_channels(&self, topic: &str, person: Option<&str>, told: impl Fn() -> Told) {
        for (name, context) in self.channels.lock().iter() {
            if context.topic() == topic && person.is_none_or(|person| person == name) {
                context.send(told());
            }
        }
    }

    /// Everybody who ever connected, by name.
    pub fn people(&self) -> Vec<String> {
        self.people.lock().iter().cloned().collect()
    }

    /// Refuses new connections with this status, or takes them again.
    pub fn refuse(&self, status: Option<StatusCode>) {
        *self.refusal.lock() = status;
    }

    /// Lets every channel sleep: nothing is read, joins wait. Heartbeats are answered, as by Phoenix's own process.
    pub fn sleep(&self, time: Duration) {
        *self.asleep_until.lock() = Instant::now() + time;
    }

    /// Waits while the channels sleep.
    pub async fn awake(&self) {
        let until = *self.asleep_until.lock();
        tokio::time::sleep_until(until).await;
    }
}

/// Lightning's user socket: a token is needed.
pub struct UserSocket(pub Arc<Lightning>);

impl Connect for UserSocket {
    type Identity = Person;

    async fn connect(&self, info: &ConnectInfo) -> Result<Connected<Person>, Refusal> {
        let admitted = self.admit(info);
        match &admitted {
            Ok(_) => self.0.counts.upgrade(&info.headers),
            Err(_) => Counts::one_more(&self.0.counts.refused),
        }
        admitted
    }
}

impl UserSocket {
    fn admit(&self, info: &ConnectInfo) -> Result<Connected<Person>, Refusal> {
        if let Some(status) = *self.0.refusal.lock() {
            return Err(Refusal::with_status(status));
        }
        // Lightning's own clause wants a token; without one it raises.
        let token = info.params.get("token").ok_or(Refusal::with_status(StatusCode::INTERNAL_SERVER_ERROR))?;
        let person = Person::of(token).ok_or(Refusal::FORBIDDEN)?;
        self.0.people.lock().insert(person.name.clone());
        Ok(Connected { socket_id: Some(socket_id(&person.name)), identity: person })
    }
}

/// The name under which a person's connections can be closed.
pub fn socket_id(name: &str) -> String {
    format!("user_socket:{name}")
}

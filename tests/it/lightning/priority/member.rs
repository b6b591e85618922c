//! A client that asked for summaries, and what it reads of them.

use serde_json::{Value, json};

use crate::support::{Client, Fold};

/// A client that is on one room only, and reads what it is told there.
pub struct Member {
    pub client: Client,
    room: &'static str,
}

/// A summary in short: who is present, in their order and with the number of tabs where there are several.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub present: &'a str,
    pub prior: &'a str,
    pub current: &'a str,
    pub priority: bool,
}

/// The same as it came.
#[derive(Debug)]
pub struct Heard {
    pub present: String,
    pub prior: String,
    pub current: String,
    pub priority: bool,
}

impl PartialEq<Told<'_>> for Heard {
    fn eq(&self, told: &Told<'_>) -> bool {
        (self.present.as_str(), self.prior.as_str(), self.current.as_str(), self.priority)
            == (told.present, told.prior, told.current, told.priority)
    }
}

impl Member {
    /// On no room yet.
    pub fn new(client: Client) -> Self {
        Member { client, room: "" }
    }

    /// Joins and asks for summaries; what is known once the state is there.
    pub async fn enter(&mut self, room: &'static str) -> Fold {
        self.enter_with(room, json!({"project_id": "p1", "action": "edit", "summary": true})).await
    }

    pub async fn enter_with(&mut self, room: &'static str, params: Value) -> Fold {
        self.room = room;
        let reply = self.client.join(room, params).await;
        assert_eq!((reply.status.as_str(), &reply.response), ("ok", &json!({})), "{room}");
        let mut fold = Fold::default();
        loop {
            let message = self.client.next().await;
            fold.take(&message);
            match message.event.as_str() {
                "presence_state" => return fold,
                event => assert_eq!(event, "presence_diff", "nothing else comes before the state"),
            }
        }
    }

    /// The next summary. Its shape is Lightning's.
    pub async fn told(&mut self) -> Heard {
        let mut summary = self.client.expect(self.room, "presence_summary").await.payload;
        let keys: Vec<_> = summary.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(
            keys,
            ["current_user_presence", "has_presence_edit_priority", "presences", "prior_user_presence"]
        );
        let in_short = |presence: &Value| {
            let (id, sessions) = (presence["user"]["id"].as_str(), presence["active_sessions"].as_u64());
            let id = id.expect("a user has an id").to_owned();
            assert!(presence["joined_at"].is_i64() && presence["user"]["first_name"].is_string());
            match sessions.expect("a number of sessions") {
                1 => id,
                several => format!("{id}×{several}"),
            }
        };
        let present: Vec<_> = summary["presences"].as_array().expect("a list").iter().map(in_short).collect();
        let id = |presence: Value| presence["user"]["id"].as_str().expect("a user has an id").to_owned();
        Heard {
            present: present.join(" "),
            prior: id(summary["prior_user_presence"].take()),
            current: id(summary["current_user_presence"].take()),
            priority: summary["has_presence_edit_priority"].as_bool().expect("a boolean"),
        }
    }

    /// Waits for a summary that gives the priority.
    pub async fn expect_priority(&mut self) {
        while !self.told().await.priority {}
    }

    /// Waits until it is shown out of a room.
    pub async fn is_shown_out(&mut self, room: &str) {
        self.client.expect(room, "phx_close").await;
    }

    /// The next `set-disabled`.
    pub async fn disabled(&mut self) -> bool {
        let payload = self.client.expect(self.room, "set-disabled").await.payload;
        let disabled = payload["disabled"].as_bool().expect("a boolean");
        assert_eq!(payload, json!({"disabled": disabled}));
        disabled
    }

    /// The events that came of edit priority and were not waited for; none is still to come of what happened before.
    pub async fn rest(&mut self) -> Vec<String> {
        self.client.call(self.room, "anything", json!({})).await;
        let rest = self.client.unasked().into_iter().map(|message| message.event);
        rest.filter(|event| !matches!(event.as_str(), "presence_state" | "presence_diff")).collect()
    }

    /// All events until somebody has left.
    pub async fn rest_until_left(&mut self, key: &str) -> Vec<String> {
        let mut events = Vec::new();
        loop {
            let message = self.client.next().await;
            events.push(message.event);
            if message.payload["leaves"].get(key).is_some() {
                self.client.call(self.room, "anything", json!({})).await;
                events.extend(self.client.unasked().into_iter().map(|message| message.event));
                return events;
            }
        }
    }

    /// Reads up to the diff with somebody's join, and returns the events that came.
    pub async fn rest_until_joined(&mut self, key: &str) -> Vec<String> {
        let mut events = Vec::new();
        loop {
            let message = self.client.next().await;
            events.push(message.event);
            if message.payload["joins"].get(key).is_some() {
                return events;
            }
        }
    }
}

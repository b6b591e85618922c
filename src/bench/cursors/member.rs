//! A member of a room: what the page's socket and its Yjs provider do there, and what it counts.
//!
//! Owns: the words of a page in their order, from the join to the first sight of a person; moves; the echo, by which
//! the provider sends again whatever it has taken.
//! Not here: what it is told and makes of it ([`super::account`]), when a move is due ([`super`]).
//! Source: y-phoenix-channel 0.1.1 and Lightning's page, as recorded.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::channel::{Ready, Topic};
use super::super::client::Client;
use super::super::crew::Role;
use super::super::incoming::Incoming;
use super::super::samples::Samples;
use super::super::trouble::Trouble;
use super::account::{Account, Place};
use super::awareness::{self, Entry, WANTS_ALL};
use super::hall::Hall;
use super::pushed::push;

/// A member at work.
pub(super) struct Member {
    client: Client,
    hall: Arc<Hall>,
    place: Place,
    account: Account,
    /// The beginning of its state, up to what changes.
    user: String,
    moves: u64,
    due: Option<UnboundedReceiver<Instant>>,
    late: Samples,
}

/// The reply to `get_context`, as far as it says who somebody is.
#[derive(Deserialize)]
struct Context<'a> {
    #[serde(borrow)]
    response: Response<'a>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    user: Option<User<'a>>,
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    first_name: String,
    last_name: String,
    #[serde(borrow)]
    email: &'a RawValue,
}

impl Member {
    /// Joins, and says what a page says until its person can be seen.
    ///
    /// # Errors
    /// Those of [`Client::join`], and [`Trouble::MessageRefused`] where there is no context.
    pub(super) async fn enter(hall: Arc<Hall>, number: u64, late: Samples) -> Result<Member, Trouble> {
        let mut client = hall.bench.connect(number).await?;
        let room = number / hall.members;
        let topic = hall.topics[usize::try_from(room).expect("it is an index")].clone();
        let written = Topic::new(&topic);
        let params = hall.bench.join_params.fill(number, room);
        let joined = client.join(&written, &params, &Ready::with_reply(), &mut |_, _| {}).await?;
        let account = Account::new(&hall, number);
        let place = Place { join_ref: joined.join_ref.to_string(), topic, written };
        let mut member =
            Member { client, hall, place, account, user: String::new(), moves: 0, due: None, late };
        member.push("yjs_sync", WANTS_ALL);
        member.say("{}");
        member.user = member.ask_who(number).await?;
        for change in ["}", r#","lastSeen":1700000000000}"#] {
            member.account.clock += 1;
            member.say(&format!("{}{change}", member.user));
        }
        member.client.writing.flush().await?;
        Ok(member)
    }

    /// Moves whenever it is due.
    pub(super) fn move_when(&mut self, due: UnboundedReceiver<Instant>) {
        self.due = Some(due);
    }

    /// The number of its client.
    pub(super) fn number(&self) -> u64 {
        self.client.number
    }

    /// How many moves it has made.
    pub(super) fn moves(&self) -> u64 {
        self.moves
    }

    /// What it was told.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Asks for the context, and returns the beginning of the state that its person has.
    async fn ask_who(&mut self, number: u64) -> Result<String, Trouble> {
        let reference = self.client.next_ref().to_string();
        let (join_ref, topic) = (&self.place.join_ref, self.place.written.json());
        let ask = format!(r#"["{join_ref}","{reference}",{topic},"get_context",{{}}]"#);
        self.client.writing.put(&ask);
        let mut user = None;
        while user.is_none() {
            let Member { client, hall, place, account, .. } = self;
            client
                .exchange(&mut |frame, now| {
                    let is_answer = |it: &Incoming<'_>| it.reference == reference.as_bytes();
                    match Incoming::read(frame).filter(is_answer) {
                        Some(answer) => user = Some(answer.outcome().map(|()| who(&answer, number))),
                        None => account.note(hall, place, frame, now),
                    }
                })
                .await?;
            self.answer()?;
        }
        user.expect("the loop ends with it").map_err(Trouble::MessageRefused)
    }

    /// Puts its own state into the line.
    fn say(&mut self, state: &str) {
        let entry = Entry { client: self.account.own, clock: self.account.clock, state: state.as_bytes() };
        self.push("yjs", &awareness::write(&[entry]));
        self.hall.traffic.went_up();
    }

    fn push(&mut self, event: &str, payload: &[u8]) {
        let reference = self.client.next_ref().to_string();
        let frame = push(&self.place.join_ref, &reference, &self.place.topic, event, payload);
        self.client.writing.put_binary(&frame);
    }

    /// Puts the next move into the line. It was due at this time.
    fn make_move(&mut self, due: Instant) {
        let stamp = self.hall.stamps.write(self.moves, due);
        let (x, y) = (self.moves * 7 % 1_000, self.moves * 3 % 800);
        self.moves += 1;
        self.account.clock += 1;
        let cursor = format!(r#""cursor":{{"x":{x}.25,"y":{y}.5}},"selection":null"#);
        self.say(&format!(r#"{},"lastSeen":1700000000000,{cursor},{stamp}}}"#, self.user));
        self.hall.moved(due);
        self.late.record(due.elapsed());
    }

    /// Puts into the line what was to be answered, and tells the counters what was seen.
    fn answer(&mut self) -> Result<(), Trouble> {
        for message in self.account.take_answers() {
            self.push("yjs", &message);
        }
        self.account.tell(&self.hall)
    }
}

impl Role for Member {
    async fn work(&mut self) -> Result<(), Trouble> {
        loop {
            let Member { client, hall, place, account, due, .. } = self;
            let mut note = |frame: &[u8], now| account.note(hall, place, frame, now);
            tokio::select! {
                exchanged = client.exchange(&mut note) => exchanged?,
                Some(at) = next(due) => {
                    self.make_move(at);
                    continue;
                }
            }
            self.answer()?;
        }
    }
}

/// Waits for the next move that is due, for ever where no more is.
async fn next(due: &mut Option<UnboundedReceiver<Instant>>) -> Option<Instant> {
    if let Some(receiver) = due {
        if let Some(at) = receiver.recv().await {
            return Some(at);
        }
        *due = None;
    }
    std::future::pending().await
}

/// The beginning of the state of whoever the context names, or of somebody made up where it names nobody.
fn who(answer: &Incoming<'_>, number: u64) -> String {
    let context = serde_json::from_slice::<Context<'_>>(answer.payload).ok();
    let told = context.and_then(|context| context.response.user);
    let (id, name, email) = match told {
        Some(User { id, first_name, last_name, email }) => {
            let name = serde_json::Value::from(format!("{first_name} {last_name}"));
            (id.get().to_owned(), name.to_string(), email.get().to_owned())
        }
        None => {
            let name = format!(r#""Member {number}""#);
            (format!(r#""member-{number}""#), name, format!(r#""member{number}@example.org""#))
        }
    };
    format!(r##"{{"user":{{"id":{id},"name":{name},"email":{email},"color":"#4ECDC4"}}"##)
}

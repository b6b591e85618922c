//! Many at once: whatever happens, every client comes to believe what the server knows.

use std::sync::Arc;

use presenced::presence::Meta;
use presenced::server::Options;
use presenced::wire::Vsn;
use serde_json::json;

use super::serve;
use crate::support::{Client, Fold, Running, within};

const TOPIC: &str = "roster:storm";
const CLIENTS: u64 = 200;
const DEEDS: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn every_client_comes_to_believe_what_the_server_lists() {
    let server = Arc::new(serve(Options::default()).await);
    let storm = (0..CLIENTS).map(|seed| tokio::spawn(live(server.clone(), seed)));
    let mut clients = Vec::new();
    for (seed, life) in storm.collect::<Vec<_>>().into_iter().enumerate() {
        let (client, fold) = within("a client to live its life", life).await.expect("no client panics");
        clients.push((seed, client, fold));
    }

    // The diff that tells of this tells of all that was before it.
    let end = server.handle().owner();
    end.track(TOPIC, "end", Meta::of(&json!({})).expect("an object")).await.expect("not tracked yet");
    let list = json!(server.handle().list(TOPIC).await);
    let expected = Fold::refs_of(&list);
    for (seed, mut client, mut fold) in clients {
        while fold.metas("end").is_empty() {
            fold.take(&client.next().await);
        }
        assert_eq!(fold.refs(), expected, "client {seed}");
    }
}

/// Joins, and does a dozen things that the seed decides; at the end it is joined.
async fn live(server: Arc<Running>, seed: u64) -> (Client, Fold) {
    let mut dice = Dice(seed * 7919 + 1);
    // A third of them share their user with others.
    let user = format!("user={}", seed % (CLIENTS * 2 / 3));
    let mut client = Client::connect(server.address(), Vsn::V2, &user).await;
    enter(&mut client).await;
    for deed in 0..DEEDS {
        let key = format!("extra {}", dice.roll(3));
        let meta = json!({"deed": deed});
        match dice.roll(8) {
            0 | 1 => drop(client.push(TOPIC, "track", json!({"key": key, "meta": meta})).await),
            2..=4 => drop(client.push(TOPIC, "update", json!({"key": key, "meta": meta})).await),
            5 => drop(client.push(TOPIC, "untrack", json!({"key": key})).await),
            6 => {
                client.call(TOPIC, "phx_leave", json!({})).await;
                enter(&mut client).await;
            }
            _ => {
                // Without a farewell.
                client = Client::connect(server.address(), Vsn::V2, &user).await;
                enter(&mut client).await;
            }
        }
    }
    client.call(TOPIC, "list", json!({"key": ""})).await;
    let mut fold = Fold::default();
    client.unasked().iter().for_each(|message| fold.take(message));
    (client, fold)
}

/// Joins; what was sent to an earlier join is forgotten.
async fn enter(client: &mut Client) {
    assert_eq!(client.join(TOPIC, json!({"track": {}})).await.status, "ok");
    client.unasked();
}

/// Small numbers, the same for the same seed (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

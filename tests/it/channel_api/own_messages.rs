//! What a channel sends itself before it is joined waits until it is.

use presenced::channel::{BoxError, Channel, Context, Flow, Incoming, JoinError, Outcome, Router};
use presenced::server::Options;
use presenced::wire::{Payload, Vsn};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::support::{Client, Running, within};

#[tokio::test]
async fn what_a_join_sends_its_channel_comes_behind_after_join() {
    let (report, mut joining) = mpsc::unbounded_channel();
    let router = Router::new().channel("diary:*", move |_: &String| Diary { joining: report.clone() });
    let server = Running::start(router, Options::default()).await;
    let mut client = Client::connect(server.address(), Vsn::V2, "user=ada").await;
    let join = client.send_join("diary:1", json!({})).await;
    // On this one thread the connection has seen to all of it by the time the test hears of it.
    let go_on = within("the join", joining.recv()).await.expect("the server runs");
    go_on.send(()).expect("the join waits");

    assert_eq!(client.next().await.reference, json!(join));
    let mut notes = Vec::new();
    for _ in 0..4 {
        notes.push(client.next().await.event);
    }
    assert_eq!(notes, ["after_join", "at first", "while it waited", "at last"]);
}

/// A channel that writes to itself before, while and after its join waits, and tells its client of it.
struct Diary {
    joining: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl Channel for Diary {
    type Info = &'static str;

    async fn join(&mut self, _: Payload, context: &Context<&'static str>) -> Result<Payload, JoinError> {
        context.send("at first");
        tokio::task::yield_now().await;
        context.send("while it waited");
        let (go_on, told) = oneshot::channel();
        self.joining.send(go_on).map_err(|_| JoinError::crash("the test does not listen"))?;
        told.await?;
        context.send("at last");
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, context: &Context<&'static str>) -> Result<Flow, BoxError> {
        context.push("after_join", &Payload::empty())?;
        Ok(Flow::Continue(()))
    }

    async fn handle_info(
        &mut self,
        note: &'static str,
        context: &Context<&'static str>,
    ) -> Result<Flow, BoxError> {
        context.push(note, &Payload::empty())?;
        Ok(Flow::Continue(()))
    }

    async fn handle_in(&mut self, message: Incoming, _: &Context<&'static str>) -> Result<Outcome, BoxError> {
        Err(format!("a diary takes no {:?}", message.event).into())
    }
}

//! What a gateway counts of the people on a canvas.

use super::{FakeUpstream, Gateway, UpstreamEnd};
use crate::support::raw::{self, Raw};

#[tokio::test(flavor = "multi_thread")]
async fn people_their_awareness_and_what_is_dropped_of_it_are_counted() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut ada, mut ada_end) = upstream.open_with(&gateway, "vsn=2.0.0&token=a&request_id=1").await;
    let (mut ben, mut ben_end) = upstream.open_with(&gateway, "vsn=2.0.0&token=b&request_id=2").await;
    join(&mut ada, &mut ada_end).await;
    join(&mut ben, &mut ben_end).await;
    gateway.metric_is("presenced_awareness_participants", 2.0).await;
    gateway.metric_is("presenced_awareness_unknown_participants", 2.0).await;

    become_known(&mut ada, &mut ada_end, "ada").await;
    become_known(&mut ben, &mut ben_end, "ben").await;
    gateway.metric_is("presenced_awareness_unknown_participants", 0.0).await;

    ada.write(&[push("yjs_sync", &[0, 0, 1, 0]), push("yjs", &state(11))].concat()).await;
    gateway.metric_is("presenced_awareness_updates_total", 1.0).await;
    ben.write(&[push("yjs_sync", &[0, 0, 1, 0]), push("yjs", &state(12))].concat()).await;
    gateway.metric_is("presenced_awareness_updates_total", 2.0).await;
    // Each is sent the other once.
    gateway.metric_is("presenced_awareness_sent_states_total", 2.0).await;
    gateway.metric_is("presenced_awareness_sent_frames_total", 2.0).await;

    // An echo, bytes that are no awareness, and a state vector that would end some readers.
    ada.write(&push("yjs", &state(12))).await;
    gateway.metric_is(r#"presenced_awareness_dropped_entries_total{reason="others"}"#, 1.0).await;
    ada.write(&push("yjs", &[1, 3, 5, 1, 1])).await;
    gateway.metric_is(r#"presenced_awareness_dropped_entries_total{reason="malformed"}"#, 1.0).await;
    gateway.metric_is("presenced_awareness_received_messages_total", 4.0).await;
    let dropped = |gateway: &Gateway| -> f64 {
        let page = gateway.metrics.encode();
        let lines = page.lines().filter(|line| line.starts_with("presenced_gateway_dropped_messages_total{"));
        lines.map(|line| line.rsplit_once(' ').expect("a value").1.parse::<f64>().expect("a number")).sum()
    };
    assert_eq!(dropped(&gateway), 0.0);
    ada.write(&push("yjs_sync", &[0, 0, 5, 0xFF, 0xFF, 0xFF, 0xFF, 7])).await;
    ada.write(&raw::text(r#"["1","9","t","e",{}]"#)).await;
    while ada_end.event().await.expect("the stream goes on") != text(r#"["1","9","t","e",{}]"#) {}
    assert_eq!(dropped(&gateway), 1.0);

    drop((ada, ben));
    gateway.metric_is("presenced_awareness_participants", 0.0).await;
    assert_page(&gateway.metrics.encode());
}

async fn join(client: &mut Raw, end: &mut UpstreamEnd) {
    client.write(&raw::text(&format!(r#"["1","1","{TOPIC}","phx_join",{{}}]"#))).await;
    end.text().await;
    end.say(&format!(r#"["1","1","{TOPIC}","phx_reply",{{"status":"ok","response":{{}}}}]"#)).await;
    assert_eq!(client.json().await[3], "phx_reply");
}

async fn become_known(client: &mut Raw, end: &mut UpstreamEnd, name: &str) {
    client.write(&raw::text(&format!(r#"["1","2","{TOPIC}","get_context",{{}}]"#))).await;
    end.text().await;
    let user = format!(r#"{{"id":"{name}","first_name":"{name}","last_name":"x","email":"{name}@b.org"}}"#);
    let answer = format!(r#"{{"status":"ok","response":{{"user":{user}}}}}"#);
    end.say(&format!(r#"["1","2","{TOPIC}","phx_reply",{answer}]"#)).await;
    assert_eq!(client.json().await[3], "phx_reply");
}

/// A client's binary push.
fn push(event: &str, payload: &[u8]) -> Vec<u8> {
    let fields = ["1", "3", TOPIC, event];
    let lengths = fields.map(|field| u8::try_from(field.len()).expect("it is short"));
    raw::binary(&[&[0], &lengths[..], fields.concat().as_bytes(), payload].concat())
}

/// An awareness message of one client, with a state.
fn state(client: u8) -> Vec<u8> {
    let state = br#"{"n":1}"#;
    [&[1, 4 + state.len() as u8, 1, client, 1, state.len() as u8][..], state].concat()
}

fn text(text: &str) -> presenced::wire::websocket::Event {
    presenced::wire::websocket::Event::Text(text.to_owned().into())
}

/// Every sample is of what was described before it, and a number.
fn assert_page(page: &str) {
    assert!(page.ends_with("\n# EOF\n"), "{page}");
    let mut described = "";
    for line in page.lines().filter(|line| *line != "# EOF") {
        if let Some(help) = line.strip_prefix("# HELP ") {
            described = help.split_once(' ').expect("a name and its help").0;
            assert!(described.starts_with("presenced_") && help.ends_with('.'), "{line}");
        } else if !line.starts_with('#') {
            let (name, number) = line.rsplit_once(' ').expect("a value");
            assert!(name.starts_with(described), "{line} is not of {described}");
            number.parse::<f64>().expect("a number");
        }
    }
}

const TOPIC: &str = "workflow:collaborate:w";

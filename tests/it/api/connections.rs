//! The connections of a user, closed on request.

use presenced::wire::Vsn;

use serde_json::json;

use super::serve;
use crate::support::Client;

#[tokio::test]
async fn all_connections_of_a_user_are_closed_with_1001_and_no_others() {
    let served = serve().await;
    let connect = |params| Client::connect(served.server.address(), Vsn::V2, params);
    let mut adas = [connect("user=ada").await, connect("user=ada").await];
    let mut bob = connect("user=bob").await;
    for client in adas.iter_mut().chain([&mut bob]) {
        client.enter("workflow:presence:w1").await;
    }
    for _ in 0..2 {
        assert_eq!(served.delete("users/ada/connections").await.status, 204, "whether there were any or not");
    }
    for client in &mut adas {
        assert_eq!(client.closed().await, 1001);
    }
    bob.heartbeat().await;
    connect("user=ada").await.heartbeat().await;
}

#[tokio::test]
async fn the_sessions_that_were_put_for_a_user_end_too_and_no_others() {
    let served = serve().await;
    for (session, user) in [("s1", "ada"), ("s2", "ada"), ("s3", "bob")] {
        for workflow in ["w1", "w2"] {
            let body = json!({"user": {"id": user}, "lease_seconds": 60});
            let path = format!("workflows/{workflow}/sessions/{session}");
            assert_eq!(served.send("PUT", &path, body).await.status, 201);
        }
    }
    assert_eq!(served.delete("users/ada/connections").await.status, 204);
    for workflow in ["w1", "w2"] {
        let listed = served.get(&format!("workflows/{workflow}/presences")).await.json()["presences"].take();
        let ids: Vec<_> =
            listed.as_array().into_iter().flatten().map(|presence| &presence["user"]["id"]).collect();
        assert_eq!(ids, ["bob"], "{workflow}");
    }
    let renewed = served.send("PATCH", "workflows/w1/sessions/s1", json!({"lease_seconds": 60})).await;
    assert_eq!(renewed.status, 404);
}

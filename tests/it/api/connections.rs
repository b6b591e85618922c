//! The connections of a user, closed on request.

use presenced::wire::Vsn;

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

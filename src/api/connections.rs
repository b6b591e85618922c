//! The connections of users.

use http::Response;
use tracing::info;

use super::fields::Id;
use super::{Api, nothing};
use crate::lightning::UserSocket;

/// Closes all connections of a user with code 1001, and ends the user's leased sessions. phoenix.js comes back by itself,
/// and is let in if it may; a session has to be put anew.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{user_id}/connections",
    operation_id = "disconnectUser",
    tag = "users",
    params(("user_id" = Id, Path, description = "The user")),
    responses((status = 204, description = "The connections are told to close and the sessions are gone, if there were any")),
)]
pub(super) async fn disconnect(api: &Api, user: Id) -> Response<String> {
    info!(user = %user.0, "a user's connections are closed on request");
    api.leases.end_all_of(&user.0).await;
    api.handle.disconnect(&UserSocket::socket_id(&user.0)).await;
    nothing()
}

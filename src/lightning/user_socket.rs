//! Lightning's user socket: who connects, and which channels there are.
//!
//! Rules: `LightningWeb.UserSocket`; contract/lightning.md §3 and §4.1.

use std::sync::Arc;

use super::canvas::Canvas;
use super::people::People;
use super::user::User;
use crate::channel::{Connect, ConnectInfo, Connected, Refusal, Router};

/// Lets in whom the people source knows, as `user_socket:<user id>`.
pub struct UserSocket {
    people: Arc<dyn People>,
}

impl UserSocket {
    /// A socket for the people of this source.
    pub fn new(people: Arc<dyn People>) -> Self {
        UserSocket { people }
    }
}

impl Connect for UserSocket {
    type Identity = Arc<User>;

    async fn connect(&self, info: &ConnectInfo) -> Result<Connected<Arc<User>>, Refusal> {
        let user = Arc::new(self.people.user(info).await?);
        let socket_id = Some(format!("user_socket:{}", user.id));
        Ok(Connected { identity: user, socket_id })
    }
}

/// The channels of the user socket: the canvas, for the people of this source.
pub fn router(people: Arc<dyn People>) -> Router<Arc<User>> {
    Router::new().channel("workflow:*", move |user: &Arc<User>| Canvas::new(user.clone(), people.clone()))
}

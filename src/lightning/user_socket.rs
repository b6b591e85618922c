//! Lightning's user socket: who connects, and which channels there are.
//!
//! Rules: Lightning 2.13, `LightningWeb.UserSocket`.

use std::sync::{Arc, OnceLock};

use super::canvas::Canvas;
use super::canvases::{Canvases, ConnectionPlace};
use super::people::Account;
use crate::channel::{Closer, Connect, ConnectInfo, Connected, Refusal, Router};
use crate::pages::Credentials;

/// Lets in whom the people source knows, as `user_socket:<user id>`.
pub struct UserSocket {
    canvases: Arc<Canvases>,
}

/// Who is connected, for as long as the connection lasts.
pub struct Visitor {
    account: Account,
    page: Option<Credentials>,
    place: OnceLock<Option<ConnectionPlace>>,
}

impl UserSocket {
    /// A socket for the people of these canvases.
    pub fn new(canvases: Arc<Canvases>) -> Self {
        UserSocket { canvases }
    }

    /// The name by which all connections of a user are closed.
    pub fn socket_id(user_id: &str) -> String {
        format!("user_socket:{user_id}")
    }
}

impl Connect for UserSocket {
    type Identity = Visitor;

    async fn connect(&self, info: &ConnectInfo) -> Result<Connected<Visitor>, Refusal> {
        let account = self.canvases.people().account(info).await?;
        let socket_id = Some(UserSocket::socket_id(&account.user.id));
        let token = info.params.get("token").or(info.auth_token.as_deref());
        let page = Credentials::of(token, info.params.get("request_id"));
        Ok(Connected { identity: Visitor { account, page, place: OnceLock::new() }, socket_id })
    }

    fn opened(&self, visitor: &Visitor, closer: Closer) {
        visitor.place.get_or_init(|| self.canvases.connected(&visitor.account, closer));
    }
}

/// The channels of the user socket: the canvas.
pub fn router(canvases: Arc<Canvases>) -> Router<Visitor> {
    Router::new().channel("workflow:*", move |visitor: &Visitor| {
        Canvas::new(visitor.account.user.clone(), canvases.clone()).of_page(visitor.page)
    })
}

//! What the log is told of a connection's channels.

use tracing::{debug, info, warn};

use super::Connection;
use crate::channel::BoxError;
use crate::wire::Excerpt;

impl Connection {
    /// One line a connection for whoever runs the server: a client that causes more cannot fill the log.
    pub(super) fn tell_crash(&mut self, topic: &str, error: &BoxError, what: &str) {
        let (topic, error) = (Excerpt(topic), Excerpt(error));
        let _inside = self.span().entered();
        if std::mem::replace(&mut self.crash_told, true) {
            debug!(%topic, %error, "{what}");
        } else {
            warn!(%topic, %error, "{what}; further ones of this connection are logged at debug");
        }
    }

    /// A client that is refused again and again cannot fill the log either.
    pub(super) fn tell_refusal(&mut self, topic: &str) {
        let topic = Excerpt(topic);
        let _inside = self.span().entered();
        if std::mem::replace(&mut self.refusal_told, true) {
            debug!(%topic, "a join was refused");
        } else {
            info!(%topic, "a join was refused; further ones of this connection are logged at debug");
        }
    }
}

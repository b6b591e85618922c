//! Long poll: a connection without a socket. Its client posts messages and polls for frames.
//!
//! Owns the sessions, one task each, and the tokens that name them and say how far their client has read. The HTTP around
//! it is in `server::longpoll`. Rules: Phoenix 1.8.12, `Phoenix.Transports.LongPoll`.

mod repeats;
mod session;
mod token;
mod unread;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use self::session::{Request, Session};
use self::token::{SessionId, Tokens};
use super::client::Admitted;
use super::hub::Hub;
use crate::wire::{Frame, Vsn};

/// The long-poll sessions of a server.
pub(crate) struct LongPoll {
    hub: Arc<Hub>,
    window: Duration,
    tokens: Tokens,
    sessions: Sessions,
}

type Sessions = Arc<Mutex<HashMap<SessionId, mpsc::Sender<Request>>>>;

/// A line of a POST.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// A text frame, which is valid UTF-8.
    Text(Bytes),
    Binary(Bytes),
}

/// What a GET of a live session comes to.
pub(crate) enum Polled {
    /// Frames, and how many answers whoever reads this one has read.
    Frames(Vec<Frame>, u64),
    /// The window is over.
    Nothing,
}

/// The session that a token names is gone, or the token names none.
pub(crate) struct Gone;

/// As many connections are open as there may be.
pub(crate) struct Full;

/// The session did not take all messages within the window, or one of them ended it.
pub(crate) struct NotTaken;

/// A live session, as an HTTP request sees it.
pub(crate) struct Found {
    id: SessionId,
    /// How many answers the client has read.
    answers: u64,
    requests: mpsc::Sender<Request>,
}

impl LongPoll {
    pub(crate) fn new(hub: Arc<Hub>, window: Duration) -> Self {
        LongPoll { hub, window, tokens: Tokens::new(), sessions: Arc::default() }
    }

    /// Opens a session for a client that was let in, and returns its token.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn open(&self, vsn: Vsn, admitted: Admitted) -> Result<String, Full> {
        let Some(place) = self.hub.capacity.take() else {
            self.hub.capacity.refused();
            return Err(Full);
        };
        let id = SessionId::new();
        let (requests, receiver) = mpsc::channel(REQUESTS_WAITING);
        self.sessions.lock().insert(id, requests);
        let session = Session::new(self.hub.open(vsn, admitted), receiver, self.window, self.hub.limits);
        let sessions = self.sessions.clone();
        self.hub.tasks.spawn(async move {
            let ended = session.serve().await;
            sessions.lock().remove(&id);
            ended.finish().await;
            drop(place);
        });
        Ok(self.tokens.issue(id, 0, SystemTime::now()))
    }

    /// The live session that a token names.
    ///
    /// # Errors
    /// [`Gone`].
    pub(crate) fn find(&self, token: &str) -> Result<Found, Gone> {
        let (id, answers) = self.tokens.verify(token, SystemTime::now()).ok_or(Gone)?;
        let requests = self.sessions.lock().get(&id).cloned().ok_or(Gone)?;
        Ok(Found { id, answers, requests })
    }

    /// The token that says that so many answers of a session were read.
    pub(crate) fn token(&self, session: &Found, answers: u64) -> String {
        self.tokens.issue(session.id, answers, SystemTime::now())
    }
}

impl Found {
    /// Waits for frames, for one window at the most.
    ///
    /// # Errors
    /// [`Gone`], if the session had ended before it took note, or does not have any more what the client has not read.
    pub(crate) async fn poll(&self) -> Result<Polled, Gone> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Poll(self.answers, answer)).await.map_err(|_| Gone)?;
        // A session that ends while it is polled answers that there was nothing; the next poll finds it gone.
        answered.await.unwrap_or(Ok(Polled::Nothing))
    }

    /// Hands messages to the session, one after the other.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub(crate) async fn post(self, lines: Vec<Line>) -> Result<(), NotTaken> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Post(self.answers, lines.into(), answer)).await.map_err(|_| NotTaken)?;
        answered.await.map_err(|_| NotTaken)
    }
}

/// How many requests wait for a busy session before further ones do.
const REQUESTS_WAITING: usize = 8;

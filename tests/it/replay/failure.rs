//! How a replay fails, and how that reads.
//!
//! Owns: the report of the first step that went otherwise than recorded.

use std::fmt;

use super::compare::Difference;
use super::http::HttpError;
use super::seen::Seen;

/// The first step of a fixture that went otherwise than recorded.
#[derive(Debug)]
pub struct Failure {
    /// The fixture's name.
    pub fixture: String,
    /// The step, counted from 1.
    pub step: usize,
    /// The step in words, if the fixture has them.
    pub say: Option<String>,
    /// What went otherwise.
    pub problem: Problem,
}

/// What can go otherwise in a step.
#[derive(Debug)]
pub enum Problem {
    /// Clients saw something else.
    Mismatch(Vec<Mismatch>),
    /// An HTTP request or a handshake of this client came to nothing.
    Http { client: String, error: HttpError },
    /// An HTTP request or a handshake of this client is not answered.
    Silence { client: String },
}

/// One client that saw something else; both lists in canonical order.
#[derive(Debug)]
pub struct Mismatch {
    /// The client's name.
    pub client: String,
    /// What it was recorded to see.
    pub recorded: Vec<Seen>,
    /// What it saw.
    pub seen: Vec<Seen>,
    /// Where the two part first.
    pub difference: Difference,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, step {}", self.fixture, self.step)?;
        if let Some(say) = &self.say {
            write!(f, " ({say})")?;
        }
        match &self.problem {
            Problem::Http { client, error } => write!(f, ": {client}: {error}"),
            Problem::Silence { client } => write!(f, ": {client} is not answered"),
            Problem::Mismatch(clients) => clients.iter().try_for_each(|client| write!(f, "\n  {client}")),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.client, self.difference)?;
        for (title, sights) in [("recorded", &self.recorded), ("seen", &self.seen)] {
            write!(f, "\n    {title}:")?;
            match sights.as_slice() {
                [] => write!(f, " nothing")?,
                sights => sights.iter().try_for_each(|seen| write!(f, "\n      {seen}"))?,
            }
        }
        Ok(())
    }
}

//! Who the pages are that were here just now, so that whoever returns is known at the first update.
//!
//! Owns: for how long a page's user is remembered. Not here: what a page is, which only the caller knows; only pages that
//! nobody else can have by chance are to be remembered here.
//!
//! Contract: contract/canvas.md, F.4: while a participant of the page is there, and a minute after.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt};

use super::User;

/// The users of pages. `P` is what tells pages apart.
#[derive(Debug)]
pub struct Identities<P> {
    pages: HashMap<P, Known>,
    /// The pages that nobody is there of since, in this order; those that returned are in it still.
    gone: VecDeque<(Instant, P)>,
}

#[derive(Debug)]
struct Known {
    user: Option<User>,
    participants: usize,
    gone_since: Option<Instant>,
}

impl<P: Copy + Eq + Hash> Identities<P> {
    /// Nobody is known.
    pub fn new() -> Self {
        Identities { pages: HashMap::new(), gone: VecDeque::new() }
    }

    /// A participant of the page is there, one more than before.
    pub fn enter(&mut self, page: P) {
        let known = self.pages.entry(page).or_insert(Known { user: None, participants: 0, gone_since: None });
        known.participants += 1;
        known.gone_since = None;
    }

    /// The page's user was said anew, or said to be nobody. Of a page that nobody is there of nothing is remembered.
    pub fn learn(&mut self, page: P, user: Option<User>) {
        if let Some(known) = self.pages.get_mut(&page).filter(|known| known.participants > 0) {
            known.user = user;
        }
    }

    /// The page's user, if it is remembered.
    pub fn user(&self, page: P) -> Option<&User> {
        self.pages.get(&page)?.user.as_ref()
    }

    /// A participant of the page has ended. Each that entered leaves once.
    pub fn leave(&mut self, page: P, now: Instant) {
        let Some(known) = self.pages.get_mut(&page).filter(|known| known.participants > 0) else { return };
        known.participants -= 1;
        if known.participants > 0 {
            return;
        }
        if known.user.is_some() {
            known.gone_since = Some(now);
            self.gone.push_back((now, page));
        } else {
            self.pages.remove(&page);
        }
    }

    /// When [`forget_due`](Self::forget_due) has something to do.
    pub fn next_due(&self) -> Option<Instant> {
        self.gone.front().map(|(since, _)| *since + REMEMBERED)
    }

    /// Forgets every page that nobody has been there of for a minute.
    pub fn forget_due(&mut self, now: Instant) {
        while let Some((since, page)) = self.gone.pop_front_if(|(since, _)| *since + REMEMBERED <= now) {
            if self.pages.get(&page).is_some_and(|known| known.gone_since == Some(since)) {
                self.pages.remove(&page);
            }
        }
    }

    /// How many pages are remembered.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}

impl<P: Copy + Eq + Hash> Default for Identities<P> {
    fn default() -> Self {
        Identities::new()
    }
}

/// How long a page is remembered after its last participant.
const REMEMBERED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ada() -> User {
        User::new("ada", "Ada L", "ada@openfn.org")
    }

    #[test]
    fn a_page_is_known_while_somebody_is_there_and_a_minute_after() {
        let start = Instant::now();
        let mut identities = Identities::new();
        identities.enter("page");
        identities.enter("page");
        identities.learn("page", Some(ada()));
        identities.leave("page", start);
        assert_eq!(identities.next_due(), None);
        identities.leave("page", start + SECOND);
        assert_eq!(identities.next_due(), Some(start + 61 * SECOND));
        identities.forget_due(start + 60 * SECOND);
        assert_eq!(identities.user("page"), Some(&ada()));
        identities.forget_due(start + 61 * SECOND);
        assert_eq!(identities.user("page"), None);
        assert!(identities.is_empty() && identities.next_due().is_none());
    }

    #[test]
    fn a_page_that_returned_in_time_is_not_forgotten_by_its_first_end() {
        let start = Instant::now();
        let mut identities = Identities::new();
        identities.enter("page");
        identities.learn("page", Some(ada()));
        identities.leave("page", start);
        identities.enter("page");
        identities.forget_due(start + 61 * SECOND);
        assert_eq!(identities.user("page"), Some(&ada()));
        identities.leave("page", start + 62 * SECOND);
        identities.forget_due(start + 100 * SECOND);
        assert_eq!(identities.user("page"), Some(&ada()));
    }

    #[test]
    fn a_new_answer_replaces_what_is_remembered() {
        let mut identities = Identities::new();
        identities.enter("page");
        identities.learn("page", Some(ada()));
        identities.learn("page", None);
        assert_eq!(identities.user("page"), None);
        identities.leave("page", Instant::now());
        assert!(identities.is_empty(), "a page without a user is not remembered");
    }

    #[test]
    fn nothing_is_learned_of_a_page_that_is_not_there() {
        let mut identities = Identities::new();
        identities.learn("page", Some(ada()));
        identities.leave("page", Instant::now());
        assert!(identities.is_empty());
        identities.enter("page");
        identities.learn("page", Some(ada()));
        identities.leave("page", Instant::now());
        identities.learn("page", Some(User::new("eve", "Eve", "e@x")));
        assert_eq!(identities.user("page"), Some(&ada()));
    }
}

//! Which channel serves a topic.

use super::contract::Channel;
use super::erased::AnyChannel;

/// Topic patterns and the channels behind them, in order: the first that matches serves the topic
/// (`Phoenix.Socket.channel/3`).
///
/// A pattern is a topic, or a prefix that ends in `*`: `room:*` serves `room:lobby` and `room:`, `*` serves all.
pub struct Router<I> {
    routes: Vec<Route<I>>,
}

struct Route<I> {
    pattern: Pattern,
    make: Make<I>,
}

enum Pattern {
    Exact(String),
    Prefix(String),
}

type Make<I> = Box<dyn Fn(&I) -> Box<dyn AnyChannel> + Send + Sync>;

impl<I> Router<I> {
    /// A router that serves nothing.
    pub fn new() -> Self {
        Router { routes: Vec::new() }
    }

    /// Serves a pattern's topics with the channels that `make` makes, one for each join, out of the connection's
    /// identity.
    ///
    /// # Panics
    /// If the pattern has a `*` anywhere but at its end.
    #[must_use]
    pub fn channel<C: Channel>(
        mut self,
        pattern: &str,
        make: impl Fn(&I) -> C + Send + Sync + 'static,
    ) -> Self {
        let make: Make<I> = Box::new(move |identity| Box::new(make(identity)));
        self.routes.push(Route { pattern: Pattern::parse(pattern), make });
        self
    }

    pub(crate) fn serves(&self, topic: &str) -> bool {
        self.routes.iter().any(|route| route.pattern.matches(topic))
    }

    pub(crate) fn open(&self, topic: &str, identity: &I) -> Option<Box<dyn AnyChannel>> {
        self.routes.iter().find(|route| route.pattern.matches(topic)).map(|route| (route.make)(identity))
    }
}

impl<I> Default for Router<I> {
    fn default() -> Self {
        Router::new()
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Self {
        let (text, prefix) = match pattern.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (pattern, false),
        };
        assert!(!text.contains('*'), "topic pattern {pattern:?}: `*` may only stand at the end");
        if prefix { Pattern::Prefix(text.to_owned()) } else { Pattern::Exact(text.to_owned()) }
    }

    fn matches(&self, topic: &str) -> bool {
        match self {
            Pattern::Exact(exact) => topic == exact,
            Pattern::Prefix(prefix) => topic.starts_with(prefix.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_topic_or_a_prefix() {
        let table = [
            ("room:lobby", "room:lobby", true),
            ("room:lobby", "room:lobby2", false),
            ("room:*", "room:", true),
            ("room:*", "room:a:b", true),
            ("room:*", "room", false),
            ("*", "anything", true),
        ];
        for (pattern, topic, matches) in table {
            assert_eq!(Pattern::parse(pattern).matches(topic), matches, "{pattern} {topic}");
        }
    }

    #[test]
    #[should_panic(expected = "may only stand at the end")]
    fn a_star_inside_a_pattern_is_a_mistake_of_the_program() {
        Pattern::parse("room:*:x");
    }
}

//! Who is on a topic as one client knows it: `presence_state` and `presence_diff`, folded as phoenix.js folds them, by
//! `phx_ref`.
//!
//! Not here: keys and metas; a `phx_ref` stands for one of each.

use std::collections::HashSet;

use memchr::memmem::Finder;
use smol_str::SmolStr;

use super::incoming::Incoming;

/// The list of one client.
#[derive(Debug)]
pub(super) struct Listed {
    present: HashSet<SmolStr>,
    /// Diffs that came before the list; `None` once it has come.
    early: Option<Vec<Vec<u8>>>,
    words: Words,
}

#[derive(Debug)]
struct Words {
    reference: Finder<'static>,
    joins: Finder<'static>,
    leaves: Finder<'static>,
}

impl Listed {
    pub(super) fn new() -> Self {
        let words = Words {
            reference: Finder::new(r#""phx_ref":""#),
            joins: Finder::new(r#""joins":{"#),
            leaves: Finder::new(r#""leaves":{"#),
        };
        Listed { present: HashSet::new(), early: Some(Vec::new()), words }
    }

    /// Folds a frame of the topic in; whether it was a diff or a list.
    pub(super) fn note(&mut self, message: &Incoming<'_>) -> bool {
        match (message.event, &mut self.early) {
            (b"presence_state", early) => {
                self.present = self.words.references(message.payload).map(|(_, found)| found).collect();
                for diff in early.take().unwrap_or_default() {
                    self.apply(&diff);
                }
            }
            (b"presence_diff", Some(early)) => early.push(message.payload.to_vec()),
            (b"presence_diff", None) => self.apply(message.payload),
            _ => return false,
        }
        true
    }

    /// The `phx_ref`s of all who are listed.
    pub(super) fn present(&self) -> &HashSet<SmolStr> {
        &self.present
    }

    fn apply(&mut self, diff: &[u8]) {
        let joins = self.words.joins.find(diff).unwrap_or(usize::MAX);
        let leaves = self.words.leaves.find(diff).unwrap_or(usize::MAX);
        let leaves_at = |place: usize| leaves < place && (joins > place || joins < leaves);
        let Self { present, words, .. } = self;
        // An update has a join and a leave, of different refs, so their order does not matter.
        for (place, reference) in words.references(diff) {
            if leaves_at(place) {
                present.remove(&reference);
            } else {
                present.insert(reference);
            }
        }
    }
}

impl Words {
    /// Every `phx_ref`, with its place. Refs have no character that JSON would escape.
    fn references<'a>(&'a self, payload: &'a [u8]) -> impl Iterator<Item = (usize, SmolStr)> + 'a {
        self.reference.find_iter(payload).filter_map(|place| {
            let text = &payload[place + self.reference.needle().len()..];
            let end = memchr::memchr(b'"', text)?;
            str::from_utf8(&text[..end]).ok().map(|reference| (place, SmolStr::new(reference)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(listed: &mut Listed, event: &str, payload: &str) {
        let frame = format!(r#"["1",null,"t","{event}",{payload}]"#);
        assert!(listed.note(&Incoming::read(frame.as_bytes()).expect("a message")));
    }

    fn present(listed: &Listed) -> Vec<&str> {
        let mut present: Vec<&str> = listed.present().iter().map(SmolStr::as_str).collect();
        present.sort_unstable();
        present
    }

    const STATE: &str = r#"{"7":{"metas":[{"phx_ref":"a"},{"phx_ref":"b"}]}}"#;

    #[test]
    fn a_list_and_then_diffs() {
        let mut listed = Listed::new();
        fold(&mut listed, "presence_state", STATE);
        assert_eq!(present(&listed), ["a", "b"]);
        let diff =
            r#"{"joins":{"8":{"metas":[{"phx_ref":"c"}]}},"leaves":{"7":{"metas":[{"phx_ref":"a"}]}}}"#;
        fold(&mut listed, "presence_diff", diff);
        assert_eq!(present(&listed), ["b", "c"]);
        let leaves_first = r#"{"leaves":{"7":{"metas":[{"phx_ref":"b"}]}},"joins":{"8":{"metas":[{"phx_ref":"d","phx_ref_prev":"c"}]}}}"#;
        fold(&mut listed, "presence_diff", leaves_first);
        assert_eq!(present(&listed), ["c", "d"]);
    }

    #[test]
    fn a_diff_before_the_list_counts_behind_it() {
        let mut listed = Listed::new();
        fold(&mut listed, "presence_diff", r#"{"joins":{},"leaves":{"7":{"metas":[{"phx_ref":"a"}]}}}"#);
        assert_eq!(present(&listed), Vec::<&str>::new());
        fold(&mut listed, "presence_state", STATE);
        assert_eq!(present(&listed), ["b"]);
    }

    #[test]
    fn other_events_are_none_of_its() {
        let mut listed = Listed::new();
        let frame = br#"["1","1","t","phx_reply",{"status":"ok","response":{}}]"#;
        assert!(!listed.note(&Incoming::read(frame).expect("a message")));
    }
}

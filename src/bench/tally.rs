//! What one client received, held against what was sent: numbered deliveries, each owed once and in order.

use std::collections::BTreeSet;

use serde::Serialize;

/// The deliveries to one client, numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// One more than the highest number that came.
    next: u64,
    /// Lower ones that did not.
    missing: BTreeSet<u64>,
    received: u64,
    doubled: u64,
    out_of_order: u64,
}

/// What became of all deliveries, or of one client's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Reconciled {
    /// Owed.
    pub expected: u64,
    /// That came, each counted once.
    pub received: u64,
    /// That never came.
    pub lost: u64,
    /// That came once more.
    pub doubled: u64,
    /// That came behind a later one.
    pub out_of_order: u64,
}

impl Tally {
    /// Notes a delivery, and returns how many more deliveries are thereby settled: come, or overtaken by this one and
    /// not to be waited for.
    pub(super) fn note(&mut self, number: u64) -> u64 {
        if number >= self.next {
            let settled = number - self.next + 1;
            self.missing.extend(self.next..number);
            self.next = number + 1;
            self.received += 1;
            return settled;
        }
        if self.missing.remove(&number) {
            self.received += 1;
            self.out_of_order += 1;
        } else {
            self.doubled += 1;
        }
        0
    }

    /// The account, where so many were sent.
    pub(super) fn reconcile(&self, sent: u64) -> Reconciled {
        Reconciled {
            expected: sent,
            received: self.received,
            lost: sent.saturating_sub(self.received),
            doubled: self.doubled,
            out_of_order: self.out_of_order,
        }
    }
}

impl Reconciled {
    /// Where nothing but the number is known: what is owed came once, or not.
    pub(super) fn of(expected: u64, received: u64) -> Self {
        Reconciled { expected, received, lost: expected.saturating_sub(received), ..Reconciled::default() }
    }

    /// Whether all came once and in order.
    pub(super) fn is_exact(&self) -> bool {
        (self.lost, self.doubled, self.out_of_order) == (0, 0, 0) && self.received == self.expected
    }

    /// The accounts of numbered clients in one.
    pub(super) fn sum(accounts: &[(u64, Reconciled)]) -> Self {
        accounts.iter().fold(Reconciled::default(), |sum, (_, account)| Reconciled {
            expected: sum.expected + account.expected,
            received: sum.received + account.received,
            lost: sum.lost + account.lost,
            doubled: sum.doubled + account.doubled,
            out_of_order: sum.out_of_order + account.out_of_order,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(numbers: &[u64], sent: u64) -> (u64, u64, u64, u64) {
        let mut tally = Tally::default();
        let settled: u64 = numbers.iter().map(|number| tally.note(*number)).sum();
        assert_eq!(settled, numbers.iter().max().map_or(0, |highest| highest + 1));
        let Reconciled { expected, received, lost, doubled, out_of_order } = tally.reconcile(sent);
        assert_eq!(expected, sent);
        (received, lost, doubled, out_of_order)
    }

    #[test]
    fn all_in_order_is_exact() {
        assert_eq!(account(&[0, 1, 2], 3), (3, 0, 0, 0));
        assert!(Reconciled::of(3, 3).is_exact());
        assert!(Reconciled::default().is_exact());
    }

    #[test]
    fn a_gap_and_an_end_that_do_not_come_are_lost() {
        assert_eq!(account(&[0, 2], 4), (2, 2, 0, 0));
        assert!(!Reconciled::of(4, 3).is_exact());
    }

    #[test]
    fn what_comes_late_is_out_of_order_and_not_lost() {
        assert_eq!(account(&[1, 0, 2], 3), (3, 0, 0, 1));
    }

    #[test]
    fn what_comes_again_is_doubled() {
        assert_eq!(account(&[0, 1, 1, 0], 2), (2, 0, 2, 0));
    }
}

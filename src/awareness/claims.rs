//! Who may speak for a client id.
//!
//! Owns the rule. y-protocols has none: whoever names an id speaks for it, and clients name those of others all the time,
//! because they send back what they are told.

use super::clients::Client;
use super::participants::{Participant, Standing};

/// What a claim of an id comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nobody has it.
    Free,
    /// It is taken over from whoever had it, if anybody has; for the others nothing happens.
    TakenOver,
    /// It is another's.
    Refused,
}

/// Whether a participant may take an id that nobody else, or this one, holds.
///
/// `holder` is who speaks for it; `is_replaced` says that the claim comes from a later join on the holder's connection.
pub(super) fn decide(
    claimant: &Participant,
    client: Option<&Client>,
    holder: Option<&Participant>,
    is_replaced: bool,
) -> Claim {
    let Some(client) = client else { return Claim::Free };
    let same_page = claimant.page.filter(|page| client.page == Some(*page));
    match holder.map(|holder| holder.standing) {
        Some(_) if is_replaced => Claim::TakenOver,
        Some(Standing::Disconnected { .. }) if same_page.is_some() => Claim::TakenOver,
        // A strong page is surely one: what still seems to live is its own past.
        Some(_) if same_page.is_some_and(|page| page.is_strong()) => Claim::TakenOver,
        Some(_) => Claim::Refused,
        None if client.is_held() && same_page.is_none() => Claim::Refused,
        None => Claim::TakenOver,
    }
}

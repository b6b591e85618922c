//! The replayer: plays a recorded fixture against a live server and says where the two part.
//!
//! Owns: the clients of a fixture, what they see, and the rules by which that is compared.
//! Not here: the fixtures themselves, and which of them are played (`crate::fixtures`).
//! Source: `js-client-fixtures/README.md`; every rule of order and comparison is stated there.
//!
//! A step travels through the files in this order: [`fixture`] reads it, [`player`] acts it out with
//! [`socket`] and [`http`], [`seen`] names what came back, [`order`] sorts it, [`compare`] judges it.

mod compare;
mod conformance;
mod failure;
mod fixture;
mod http;
mod order;
mod player;
mod seen;
mod socket;

pub use conformance::Conformance;
pub use failure::{Failure, Problem};
pub use fixture::Fixture;
pub use player::{Servers, replay};

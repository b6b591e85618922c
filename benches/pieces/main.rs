//! What the pieces cost in time and in allocations, one by one: `cargo bench --bench pieces`, with the name of a piece
//! behind it for that piece alone.
//!
//! Owns the measuring alone; a bound that must hold is a count and stands in `tests/counts`. The numbers are those of
//! the machine they were taken on, and compare only with one another.
//!
//! ```text
//!  unmask ──▶ decode ──▶ session ──▶ meta ──▶ track ──▶ diff ──▶ encode ──▶ fan_out
//! ```
//!
//! `fan_out` alone has a server and clients; the others call the piece as the server does. `token` stands before it all:
//! it is what letting somebody in costs.

mod decode;
mod diff;
mod encode;
mod fan_out;
mod meta;
mod people;
mod session;
mod token;
mod track;
mod unmask;

use std::time::Duration;

use divan::{AllocProfiler, Divan};

/// Counts what the measuring thread allocates. Other threads, such as those of the server in `fan_out`, are not in it.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    Divan::default().min_time(ENOUGH).config_with_args().main();
}

/// For how long each is measured at least, so that the median stands still.
const ENOUGH: Duration = Duration::from_millis(300);

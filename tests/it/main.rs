//! The one integration binary: everything that needs a running server.

mod fixtures;
mod replay;

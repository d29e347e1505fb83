#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod blocking;
mod error;
mod group;
mod inside;
mod line;
mod options;
mod pool;
mod read;
mod schema;
mod session;
mod store;
mod tls;

pub use error::{Cause, Error, OpenError, Sqlstate};
pub use options::{Options, Tls};
pub use store::{PostgresStore, Stats};
pub use tokio_postgres;

/// The examples of the guide are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/postgresql.md")]
struct Guide;

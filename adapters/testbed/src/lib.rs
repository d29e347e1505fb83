#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod connection;
mod error;
mod fault;
mod framing;
mod home;
mod installation;
mod options;
mod postgres;
mod process;
mod proxy;

pub use error::Error;
pub use fault::{Fate, Odds};
pub use framing::Framing;
pub use installation::Installation;
pub use options::Options;
pub use postgres::Postgres;
pub use proxy::{Counts, Proxy};

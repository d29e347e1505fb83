#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod layout;
mod number;
pub mod proc;
mod read;
mod rows;

pub use error::{BadRow, Error};
pub use layout::{Column, Full, Layout, MetricColumns, TimeColumn};
pub use read::{Collected, read_vm};
pub use rows::{OnBadRow, Row, Rows, Skipped};

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod layout;
mod number;
#[cfg(feature = "parquet")]
mod parquet;
pub mod proc;
mod read;
mod rows;
mod slots;

pub use error::{BadRow, Error};
pub use layout::{Column, Full, Layout, MetricColumns, TimeColumn};
#[cfg(feature = "parquet")]
pub use parquet::read_vm_parquet;
pub use read::{Collected, read_vm};
pub use rows::{OnBadRow, Row, Rows, Skipped};

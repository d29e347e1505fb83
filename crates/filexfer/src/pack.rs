//! Many small files as one: what costs as much for a small file as for a large one is paid once for all of them.
//!
//! A pack is an ordinary file to all servers between the ends: judged, moved, resumed and receipted once. Who gets it makes
//! its files of it, each compared with its own root, all of them durable before the first is visible, and signs for the pack
//! with [`Manifest::commitment`]; from that each file has a receipt of its own ([`MemberReceipt`]). Its form:
//!
//! - the manifest: the four bytes `pack`, version 1, flags (1; bit 0: files that are there are replaced), how many files
//!   (`u32`), how many bytes the entries have (`u32`), and for each file its entry: name (`u16` length), size (`u64`), BLAKE3
//!   root (32);
//! - the contents, one after the other as their entries are, with nothing between and nothing behind them.
//!
//! Names are those of the files in the pack's own folder, so that who may put the pack there may put them there. Before the
//! first content is read all of them are known: whether each is a name, and whether some file system takes two for one.

mod error;
mod manifest;
mod member;

pub use error::PackError;
pub use manifest::{Entry, Manifest, Part};
pub use member::MemberReceipt;

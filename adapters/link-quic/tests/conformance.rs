//! What every link has to do, over QUIC.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod network;

use interbank_link_quic::Quic;
use network::Air;

link::conformance!(Quic, Air);

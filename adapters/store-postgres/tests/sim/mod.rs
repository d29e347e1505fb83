//! The banks, actors and invariants of qrpay's own simulation, which play here on this store.
//!
//! They name each other from the root of their program: it takes them all in with `use sim::*`.

#[path = "../../../../crates/qrpay/tests/sim/accounting.rs"]
pub(crate) mod accounting;
#[path = "../../../../crates/qrpay/tests/sim/actors.rs"]
pub(crate) mod actors;
#[path = "../../../../crates/qrpay/tests/sim/bank.rs"]
pub(crate) mod bank;
#[path = "../../../../crates/qrpay/tests/sim/invariant/mod.rs"]
pub(crate) mod invariant;
#[path = "../../../../crates/qrpay/tests/sim/place.rs"]
pub(crate) mod place;
#[path = "../../../../crates/qrpay/tests/sim/tally.rs"]
pub(crate) mod tally;
#[path = "../../../../crates/qrpay/tests/sim/view.rs"]
pub(crate) mod view;
#[path = "../../../../crates/qrpay/tests/sim/world.rs"]
pub(crate) mod world;

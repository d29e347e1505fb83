#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "filexfer")]
pub use filexfer;
#[cfg(feature = "ledger")]
pub use ledger;
pub use port;
#[cfg(feature = "qrpay")]
pub use qrpay;
#[cfg(feature = "risk-core")]
pub use risk_core;
pub use seal;
#[cfg(feature = "standin")]
pub use standin;
#[cfg(feature = "vmload")]
pub use vmload;

#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod account;
mod audit;
mod derive;
mod ed25519;
#[cfg(feature = "hpke")]
mod hpke;
mod mac;
#[cfg(interbank_simulation)]
mod remembered;
mod secret;
mod sign;
#[cfg(feature = "std")]
mod soft_keys;
mod trust;
mod wrap;

pub use account::{Account, AccountRef, AccountTokens, BadAccount};
pub use audit::{Audit, AuditChain, Audited, Head};
pub use derive::derive;
#[cfg(feature = "hpke")]
pub use hpke::{HpkeKey, hpke_seal};
pub use mac::PreparedMac;
pub use secret::{Secret, equal};
pub use sign::{BadKey, SigningKey, VerifyingKey, in_domain};
#[cfg(feature = "std")]
pub use soft_keys::SoftKeys;
pub use trust::{Distrust, TrustList, TrustedKey, Validity};
pub use wrap::WrapKey;

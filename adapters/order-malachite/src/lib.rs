#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod context;
mod error;
mod frame;
mod misconduct;
mod rows;
mod validator;

pub use error::Error;
pub use frame::{Claim, Frame, Proposal, SignedClaim, SignedVote};
pub use misconduct::Misconduct;
pub use validator::{Validator, ValidatorConfig, ValidatorEvent};

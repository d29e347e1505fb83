#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod bind;
mod binding;
mod binding_row;
mod client;
mod code;
mod code_emv;
pub mod emv;
mod enrollment;
mod error;
mod few;
mod guess;
mod instruction;
mod issue;
mod item;
mod item_row;
mod look_up;
pub mod ocra;
mod payment;
mod policy;
mod purge;
mod redeem;
mod refund;
mod refusal;
mod reply;
mod request;
mod row_keys;
mod server;
mod settle;
#[cfg(feature = "std")]
pub mod symbol;
mod table;
mod terms;
mod transcript;
mod trial;

pub use bind::{Bind, Enrolled, Rebind, Rebinding};
pub use binding::{Binding, BoundKey};
pub use client::{PaymentClient, ReadError, Scanned};
pub use code::{Code, CodeError, IssuerSignature, Untrusted};
pub use enrollment::{DeviceId, DeviceSecret, Pin, password_key, use_key};
pub use error::{Error, Misuse};
pub use instruction::{Instruction, InstructionKind, Settlement};
pub use issue::{Issue, IssueRequest, Issued, Refresh};
pub use item::{ChallengeState, Displayed, Form, Item, Kind, State};
pub use look_up::{FoundItem, FoundPayment, ItemPage, ListItems, LookUp, LookUpPayment};
pub use payment::{Payment, PaymentId, PaymentState, Refund, RefundState};
pub use policy::{Late, Policy};
pub use purge::{Purge, PurgeTable, Purged};
pub use redeem::{Accepted, Redeem};
pub use refund::{Cancel, Refunded, Refunding};
pub use refusal::Refusal;
pub use reply::{Credential, HmacReply, OcraReply, ReplyKey, ReplyScheme, SignatureReply};
pub use request::{PaymentRequest, Reply, TypedCode};
pub use server::{PaymentServer, ServerConfig, Verdict};
pub use settle::{Lapse, Settle, Settled};
pub use terms::{Challenge, Payee, Price, Terms, Uid};
pub use transcript::Transcript;

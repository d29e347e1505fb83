#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod account_state;
mod acknowledgement;
mod authorize;
mod counts;
mod entry_ref;
mod error;
mod exposure;
mod feed;
mod forwarder;
mod hold;
mod install;
mod institution;
mod journal;
mod lease;
mod load;
mod mti;
mod outcome;
mod parameters;
mod purge;
mod reason;
mod reconciliation;
mod request;
mod response;
mod response_code;
mod settle;
mod share;
mod signed;
mod spending;
mod stand_in;
mod stored_lists;
mod switch;
mod table;
mod text;
mod varint;

pub use account_state::{AccountState, Balance};
pub use acknowledgement::{Acknowledgement, SealedAcknowledgement, Signer};
pub use authorize::{Answered, Authorize, Verdict};
pub use counts::{Counts, Slot};
pub use entry_ref::{EntryRef, Role};
pub use error::Error;
pub use exposure::{Lane, Share};
pub use feed::{
    AccountUpdate, BalanceUpdate, Change, FeedPage, FeedVerdict, Ignored, SealedFeed, TakeFeed,
};
pub use forwarder::{
    Advice, AdviceOutcome, DeadLetter, Forwarder, ForwarderConfig, ForwarderError, ForwarderEvent,
};
pub use hold::Hold;
pub use install::{Install, InstallVerdict, Offer};
pub use institution::InstitutionId;
pub use journal::{Entry, EntryState};
pub use lease::{Lease, Leased};
pub use load::{Load, Loaded};
pub use mti::{Class, Function, Mti, Origin};
pub use outcome::{Action, HostOutcome, Posting, StandInOutcome};
pub use parameters::{
    CounterDraft, ExposureDraft, Fault, Finding, Limit, LimitDraft, Mark, Parameters,
    ParametersDelta, ParametersDraft, ParametersFault, PerCounter, RangeDraft, Resolution,
    RuleDraft, RuleLimitsDraft, ScopeDraft, SealError, SealedParameters, Unknown, Velocities,
    Verification, Window,
};
pub use purge::{Purge, PurgeTable, Purged};
pub use reason::Reason;
pub use reconciliation::{Found, Line, Reconciliation, Report, Total};
pub use request::{
    AccountInfo, Bin, Capabilities, Channel, CheckDigit, Country, EntryMode, Evidence, Evidences,
    Expiry, Kind, Mcc, MessageMac, NetworkFunction, NetworkRequest, Request, RequestDraft,
    RequestError, RequestKey, TransactionRequest,
};
pub use response::{AuthCode, Response, Source};
pub use response_code::ResponseCode;
pub use settle::{Settle, Settled, Settlement};
pub use stand_in::{StandIn, StandInConfig};
pub use switch::{
    Cause, Diversion, Diverted, Forced, HealthState, HostConfig, HostStanding, PlannedWindow,
    PurgeAnswers, Silence, Switch, SwitchConfig, SwitchError, SwitchEvent, Thresholds, Transition,
    Weights,
};
pub use text::{Text, TextError};

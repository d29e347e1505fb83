#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod account_state;
mod authorize;
mod counts;
mod error;
mod exposure;
mod forwarder;
mod institution;
mod journal;
mod lease;
mod mti;
mod outcome;
mod parameters;
mod reason;
mod reconciliation;
mod request;
mod response;
mod response_code;
mod share;
mod stand_in;
mod switch;
mod table;
mod text;

pub use account_state::{AccountState, Balance, Hold};
pub use authorize::{Answered, Authorize, Verdict};
pub use counts::{Counts, Slot};
pub use error::Error;
pub use exposure::{Lane, Share};
pub use forwarder::{
    Advice, AdviceOutcome, DeadLetter, Forwarder, ForwarderConfig, ForwarderError, ForwarderEvent,
};
pub use institution::InstitutionId;
pub use journal::{Entry, EntryState};
pub use lease::{Lease, Leased};
pub use mti::{Class, Function, Mti, Origin};
pub use outcome::{Action, HostOutcome, Posting, StandInOutcome};
pub use parameters::{
    CounterDraft, ExposureDraft, Fault, Finding, Limit, LimitDraft, Parameters, ParametersDraft,
    ParametersFault, RangeDraft, Resolution, RuleDraft, RuleLimitsDraft, ScopeDraft, SealError,
    SealedParameters, Unknown, Verification, Window,
};
pub use reason::Reason;
pub use reconciliation::{Found, Line, Reconciliation, Report};
pub use request::{
    AccountInfo, Bin, Capabilities, Channel, CheckDigit, Country, EntryMode, Evidence, Evidences,
    Expiry, Kind, Mcc, MessageMac, NetworkFunction, NetworkRequest, Request, RequestDraft,
    RequestError, RequestKey, TransactionRequest,
};
pub use response::{AuthCode, Response, Source};
pub use response_code::ResponseCode;
pub use stand_in::{StandIn, StandInConfig};
pub use switch::{
    Cause, Diversion, Diverted, Forced, HealthState, HostConfig, HostStanding, PlannedWindow,
    PurgeAnswers, Silence, Switch, SwitchConfig, SwitchError, SwitchEvent, Thresholds, Transition,
    Weights,
};
pub use text::{Text, TextError};

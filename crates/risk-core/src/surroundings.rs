//! stub
mod address;
mod assess;
mod familiarity;
mod history;
mod observation;
mod odds;
mod period;
mod policy;
mod population;
mod profile;
mod reason;
mod recorded;
mod scan;
mod service;
mod token;
mod trace;

pub use address::{Address, Class, Protocol, Standing, opts_out};
pub use assess::{
    Abstention, Answer, Assessment, Coverage, Facts, Finding, Findings, Known, Line, Mode, Part,
    Score, TypeScore, evidence, recombined,
};
pub use familiarity::{Familiarity, Risk};
pub use history::{History, Revoked};
pub use observation::{BadTerminal, Nonce, Observation, Relation, Report, Scanned, TerminalId};
pub use period::{Fold, Grid, Moment};
pub use policy::{
    Band, BandDraft, EvidenceDraft, Fault, GridDraft, Ignored, LearningDraft, Plan, Policy,
    PolicyBook, PolicyDraft, PolicyFault, ScanDraft, TypeDraft, Unknown,
};
pub use population::{BadWidth, Population, Share};
pub use profile::{Fading, Learning, Neighbour, NotSamePeriod, Profile};
pub use reason::Reason;
pub use recorded::Recorded;
pub use scan::{Kind, Scan};
pub use service::{
    Challenge, Check, CheckRequest, Checked, Error, Forget, Forgotten, Learn, Learned, Misuse,
    Purge, PurgeTable, Purged, Refusal, Reinstate, RequestId, Revoke, RevokedPage, SetChallenge,
    SurroundingsConfig, SurroundingsServer, Verdict,
};
pub use token::{NotConsecutive, PopulationKey, TerminalKeys, Token, TokenKey};
pub use trace::Trace;

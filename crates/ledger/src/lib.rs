#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod answer;
mod audit;
mod authority;
mod blind;
mod block;
mod body;
mod certificate;
mod chain;
mod checkpoint;
mod digest_map;
mod document;
mod entry;
mod error;
mod file;
mod genesis;
mod id;
mod index;
mod key_ring;
mod log;
mod map;
mod message;
mod name;
mod node;
mod note;
mod party;
mod proof;
mod provenance;
mod query;
mod reason;
mod record;
mod refusal;
mod registrar;
mod restoring;
mod rows;
mod sealed;
mod sealing_ring;
mod shown;
mod snapshot;
mod state;
mod submitter;
mod thing;
mod title;
mod transaction;
mod verified;

pub use answer::{Answer, Findings, Found, FoundFile};
pub use audit::{
    Answers, Case, Check, Conclusion, DocumentCommitted, DocumentTypes, Finding, HumanApproval,
    LiensClear, OwnerKnown, Pipeline, Question, ThingFree,
};
pub use authority::{Authority, AuthorityConfig, AuthorityEvent};
pub use blind::{BlindIndex, BlindToken};
pub use block::{Block, Header, SignedHeader};
pub use body::{
    Acted, Agreed, Associate, Body, CallOff, EndClaim, LeaseTerms, LienTerms, OnFile, Purge,
    Register, Reseal, RotateNode, RotateParty, Settlement, Supervised, Through, Transfer, Verdict,
};
pub use certificate::{Certificate, VALIDATORS_MAX, Vote, VoteKind, VoteSignature, votes_needed};
pub use chain::{BlockError, BlockFault, Chain, Draft};
pub use checkpoint::Checkpoint;
pub use document::Document;
pub use entry::{Entry, EntryKey};
pub use error::{Corrupt, Error, Misuse};
pub use file::{File, Holding, Lease, Lien, Rejected, Stage, Status};
pub use genesis::{Genesis, Policy};
pub use id::{ChainId, ClaimId, FileId, Height, NodeId, PartyId};
pub use index::{Index, Page};
pub use key_ring::KeyRing;
pub use log::{Log, leaf_hash, root_over, verify_consistency, verify_inclusion};
pub use map::{MapProof, StateMap};
pub use message::Message;
pub use name::{Label, NodeName};
pub use node::{Identity, Node, Role};
pub use note::Note;
pub use party::{Members, Party, PartyKind};
pub use proof::{EntryProof, ProofError, RecordProof, Seen, Trust};
pub use provenance::{History, Provenance, RecordPlace};
pub use query::{Filter, Query, Rank};
pub use reason::VerdictReason;
pub use record::Record;
pub use refusal::Refusal;
pub use registrar::{By, Decision, Registrar, RegistrarEvent, Taken};
pub use sealed::{SealError, SealedDocument, SealingKey};
pub use sealing_ring::SealingRing;
pub use snapshot::{Joining, Manifest, Snapshot};
pub use state::{At, State};
pub use submitter::{Submitter, SubmitterConfig, SubmitterEvent};
pub use thing::{ThingId, ThingKey};
pub use title::{Title, TitleStep};
pub use transaction::{Signature, Signer, Transaction, Window};

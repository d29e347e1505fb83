//! Surroundings risk: is the terminal among the devices that it usually has around it at this time?
//!
//! A payment without a password is safe where the payer usually is: among the access points, the devices and the cells that
//! were there in the same hour of many weeks. This module learns that from payments that the PIN confirmed, compares a new
//! scan with it, and says what to do: allow up to a limit, ask the PIN, or refuse; always with reasons.
//!
//! **What it refuses to do.** It keeps no address: [`TokenKey`] turns each into 24 keyed bits of its terminal's own. It learns
//! from nothing that was not confirmed, and can take back what it learned since a phone was lost ([`History::revoke`]). It
//! gives no middle score where it knows nothing: [`Score::NoEvidence`] is a value of its own. It approves no payment: a score
//! chooses whether to ask, the bank's other checks stay.
//!
//! ```
//! use interbank_risk_core::surroundings::*;
//! use port::{Time, Zone};
//! use seal::Secret;
//!
//! let policy = Policy::new(PolicyDraft::default())?;
//! let terminal = TerminalId::new("phone-1")?;
//! let keys = TerminalKeys::new(TokenKey::derive(&Secret::new([7; 32]), 1, &terminal));
//! // What the terminal sends: its router, and a neighbour's, for the whole hour.
//! let scan_at = |at: Time, routers: &[u8]| {
//!     let router = |n: &u8| Address::octets(Protocol::Wifi, [0, 0, 0x5e, 0, 0x53, *n]);
//!     let found = |n| Observation::new(router(n), Relation::InRange).dwelling_s(3_600);
//!     let neighbours = routers.iter().map(found).collect();
//!     let (zone, scanned, nonce) = ("UTC".into(), Scanned::ALL, Some(Nonce([1; 16])));
//!     let report = Report { taken: at, zone, nonce, scanned, neighbours };
//!     Scan::take(&report, &keys, policy.grid().moment(&Zone::utc(), at), None)
//! };
//! // Four Tuesdays at 22:30, each confirmed by the PIN.
//! let tuesday = |week: u64| Time::from_s(1_700_001_000 + week * 7 * 86_400);
//! let first = scan_at(tuesday(0), &[0x10, 0x20]);
//! let mut profile = Profile::new(policy.grid(), first.when().period);
//! for week in 0..4 {
//!     profile.update(&scan_at(tuesday(week), &[0x10, 0x20]), &policy.learning());
//! }
//! // The fifth one: at home, and somewhere else.
//! let known = Known { own: Some(&profile), adjacent: None };
//! let now = tuesday(4);
//! let at_home = policy.assess(now, &scan_at(now, &[0x10, 0x20]), known, Facts::of(1_500));
//! assert_eq!(at_home.plan, Plan::Allow { limit_minor: 20_000 });
//! let away = policy.assess(now, &scan_at(now, &[0x30, 0x40, 0x50]), known, Facts::of(1_500));
//! assert_eq!(away.plan, Plan::Refuse);
//! assert_eq!(away.reasons().first(), Some(Reason::TypeMissing(2)));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! ```text
//!  terminal                 server                                   store
//!  ────────                 ──────                                   ─────
//!           ◄── nonce ───── SurroundingsServer::challenge ─────────► challenge
//!  scan     ─── Report ───► Scan::take (tokens; addresses end here)
//!                           SurroundingsServer::check ◄────────────► profile, request
//!           ◄── plan ──────  baseline and evidence score, findings, reasons
//!  PIN      ──────────────► SurroundingsServer::confirm ───────────► history, profile
//! ```
//!
//! **Limits.** 256 neighbours in a report, 64 in a profile, 336 periods a week, 8 dwell types, 16 revocable scans a period.
//! Identifiers of the air can be forged by whoever is near the payer; what that costs an attacker and what it does not is in
//! `docs/spec/risk-core-surroundings.md`, together with all stored forms.
//!
//! **Two scores**, both always reported. The baseline compares, for each dwell type, how many usual neighbours are here. The
//! evidence score weighs each neighbour by how regular it is here and how common it is elsewhere, so that the network of a
//! coffee chain is no second home.

mod address;
mod assess;
mod assessment;
mod baseline;
mod familiarity;
mod finding;
mod history;
mod line;
mod logarithm;
mod needles;
mod neighbours;
mod observation;
mod odds;
mod part;
mod period;
mod policy;
mod population;
mod profile;
mod reason;
mod recorded;
mod role;
mod scan;
mod score;
mod service;
mod strange_pairs;
mod token;
mod trace;
mod weigh;

pub use crate::{Ignored, Unknown};
pub use address::{Address, Class, Protocol, Standing, opts_out};
pub use assess::{Answer, Facts, Known};
pub use assessment::{Assessment, Mode};
pub use baseline::{TypeScore, recombined};
pub use familiarity::{Familiarity, Risk};
pub use finding::{Finding, Findings};
pub use history::{History, Revoked};
pub use line::{Line, evidence};
pub use observation::{BadTerminal, Nonce, Observation, Relation, Report, Scanned, TerminalId};
pub use part::{Coverage, Part};
pub use period::{Fold, Grid, Moment};
pub use policy::{
    Band, BandDraft, EvidenceDraft, Fault, GridDraft, LearningDraft, Plan, Policy, PolicyBook,
    PolicyDraft, PolicyFault, ScanDraft, TypeDraft,
};
pub use population::{BadWidth, Population, Share};
pub use profile::{Fading, Learning, Neighbour, NotSamePeriod, Profile};
pub use reason::Reason;
pub use recorded::Recorded;
pub use scan::{Kind, Scan};
pub use score::{Abstention, Score};
pub use service::{
    Challenge, Check, CheckRequest, Checked, Error, Forget, Forgotten, Learn, Learned, Misuse,
    Purge, PurgeTable, Purged, Refusal, Reinstate, RequestId, Revoke, RevokedPage, SetChallenge,
    SurroundingsConfig, SurroundingsServer, Verdict,
};
pub use token::{NotConsecutive, PopulationKey, TerminalKeys, Token, TokenKey};
pub use trace::Trace;

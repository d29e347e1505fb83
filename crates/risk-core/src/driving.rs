//! Driving risk: does the car that pays drive like its owner?
//!
//! A car that pays for its fuel can be stolen with its means of payment. What a thief does not bring along is how the owner
//! drives. This module learns that after the vehicle was registered, compares the stretch before a payment with it, and gives a
//! level: low, medium or high; always with reasons.
//!
//! **What it refuses to do.** It makes no level before it has learned enough ([`Rejection::NotReady`]), from a stretch below the
//! preset length ([`Rejection::TooShort`]), or from fewer than two pieces of data that can be believed
//! ([`Rejection::TooFewPieces`]). It approves no payment: a level says what it is, and the platform's own [`PlatformPolicy`]
//! decides what it is good for. It learns from nothing that was not confirmed, once the first period is over.
//!
//! ```
//! use interbank_risk_core::driving::*;
//! use port::Time;
//!
//! // What was learned: cruise speed, acceleration, braking, departure; two standard deviations are usual.
//! let band = |attribute, mean, sd, min_len_s: u32| {
//!     let model = Model::Band(Band::of(attribute, mean, sd, 200));
//!     DrivingStrategy::new(attribute, model, min_len_s * 1_000, 100)
//! };
//! let start = Model::Circular(CircularBand::of(7 * 60 + 45, 30, 200));
//! let owner = StrategySet::new(Driver::FIRST, vec![
//!     band(Attribute::CruiseSpeed, 6_200, 800, 600)?,
//!     band(Attribute::Acceleration, 1_400, 300, 300)?,
//!     band(Attribute::Deceleration, 1_900, 400, 300)?,
//!     DrivingStrategy::new(Attribute::StartTime, start, 60_000, 100)?,
//! ])?;
//! // What the quarter of an hour before the payment shows.
//! let stretch = Stretch::new(Time::from_s(1_700_000_000), 900_000, [
//!     Piece::new(Attribute::CruiseSpeed, 6_600, 900_000),
//!     Piece::new(Attribute::Acceleration, 2_300, 900_000),
//!     Piece::new(Attribute::Deceleration, 2_000, 900_000),
//!     Piece::new(Attribute::StartTime, 7 * 60 + 54, 30_000),
//! ]);
//! let rules = Rules::default();
//! let outcome = rules.evaluate(&stretch, &[owner]);
//! let evaluation = outcome.evaluation().ok_or("no level")?;
//! // Two of three match; the departure covers less than its own preset length, and counts neither way.
//! assert_eq!(evaluation.conformity.to_string(), "66.67 %");
//! assert_eq!(evaluation.level, RiskLevel::Medium);
//! let reasons: Vec<String> = evaluation.reasons().as_slice().iter().map(|one| one.reason.to_string()).collect();
//! assert_eq!(reasons, [
//!     "cruise speed: as usual",
//!     "braking: as usual",
//!     "acceleration: not as usual",
//!     "time of departure: not observed for long enough",
//! ]);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! ```text
//!  vehicle                     payment device                               platform
//!  ───────                     ──────────────                               ────────
//!  signed ────── Samples ────► DrivingServer::record ◄──► data
//!                              DrivingServer::learn  ◄──► habits, for 30 days
//!  payment ─ EvaluateRequest ► DrivingServer::evaluate
//!                               1. registered?  2. data, habits  3. level
//!          ◄───── Reply ──────                 └──── LevelNotice ────────► PlatformPolicy::decide
//!                                                  (one, by the outbox)     pay, ask the owner, refuse
//!  owner's phone ────────────► DrivingServer::confirm ──► habits, by a bounded step
//! ```
//!
//! **Three ways to compare**, for different questions. [`Rules::evaluate`] weighs which pieces match; it is the one of the levels.
//! [`Alarm`] is true with a stated probability at most while the owner drives. [`Contrast`] weighs how likely each piece is for
//! the owner against a [`Population`], which tells people apart better, also by minutes; [`Sequential`] adds that up while the
//! vehicle drives, so that the answer is ready when the request comes.
//!
//! **Limits.** 16 attributes, 4 drivers a vehicle, 1,024 readings in a message, 128 windows kept for each attribute, 64 trips that
//! can be taken back, 4 of them a day. The vehicle's clock must be right to within the gap that the rules allow (5 seconds): a
//! stretch ends at the payment or is none. Stored and sent forms are in `docs/spec/risk-core-driving.md`. Whoever holds the key of
//! the vehicle's device can make up a drive; what that costs and what not is in the same place.

mod alarm;
mod attribute;
mod band;
mod calibration;
mod categorical;
mod circular;
mod contrast;
mod evaluate;
mod habits;
mod histogram;
mod learner;
mod model;
mod notice;
mod obd;
mod outline;
mod platform;
mod population;
mod reason;
mod registration;
mod rules;
mod samples;
mod sequential;
mod service;
mod strategy;
mod trace;
mod vehicle;
mod window;

pub use alarm::Alarm;
pub use attribute::{Attribute, ModelKind, Unit};
pub use band::{Band, Moments};
pub use calibration::{Calibration, Windows};
pub use categorical::Categorical;
pub use circular::{CircularBand, Directions};
pub use contrast::Contrast;
pub use evaluate::{Evaluation, Line, Outcome, Rejection, RiskLevel, Standing};
pub use habits::{Habits, Taken};
pub use histogram::Histogram;
pub use learner::Learner;
pub use model::{Deviation, Fit, Model};
pub use notice::{LevelNotice, RequestId};
pub use obd::{BadObd, ObdValue};
pub use platform::{
    HighDraft, LowDraft, MediumDraft, PlatformBook, PlatformDraft, PlatformFault, PlatformFlaw,
    PlatformPolicy, PlatformReason, Ruled, Ruling, VehiclePayment,
};
pub use population::Population;
pub use reason::Reason;
pub use registration::{Before, Event, Illegal, Registration, State};
pub use rules::{Rules, RulesDraft, RulesFault};
pub use samples::{BadSamples, ReplayGuard, Replayed, Samples};
pub use sequential::{Finding, Sequential};
pub use service::{
    Change, Changed, Confirm, DrivingConfig, DrivingServer, Error, Evaluate, EvaluateRequest,
    Evaluated, Learn, Misuse, Purge, PurgeTable, Purged, Record, Recorded, Refusal, Reply,
    TakeBack, Verdict,
};
pub use strategy::{BadStrategy, DrivingStrategy, StrategySet};
pub use trace::Trace;
pub use vehicle::{BadVehicle, Driver, VehicleId};
pub use window::{Piece, Reading, Recording, SensorFault, Stretch};

//! Driving risk: does the car that pays drive like its owner?

mod alarm;
mod attribute;
mod band;
mod calibration;
mod categorical;
mod circular;
mod evaluate;
mod habits;
mod histogram;
mod learner;
mod model;
mod notice;
mod obd;
mod platform;
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
pub use reason::Reason;
pub use registration::{Before, Event, Illegal, Registration, State};
pub use rules::{Rules, RulesDraft, RulesFault};
pub use samples::{BadSamples, ReplayGuard, Replayed, Samples};
pub use sequential::{Contrast, Finding, Sequential};
pub use service::{
    Change, Changed, Confirm, DrivingConfig, DrivingServer, Error, Evaluate, EvaluateRequest,
    Evaluated, Learn, Misuse, Purge, PurgeTable, Purged, Record, Recorded, Refusal, Reply,
    TakeBack, Verdict,
};
pub use strategy::{BadStrategy, DrivingStrategy, StrategySet};
pub use trace::Trace;
pub use vehicle::{BadVehicle, Driver, VehicleId};
pub use window::{Piece, Reading, Recording, SensorFault, Stretch};

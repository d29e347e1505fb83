//! Learning one attribute, window by window.

use super::{
    Attribute, Band, Calibration, Categorical, Directions, DrivingStrategy, Histogram, Model,
    ModelKind, Moments, Piece, Rules, Windows,
};
use port::WireError;
use port::wire::{Reader, Writer};

/// Takes the pieces of learning windows of one attribute and makes a strategy of them.
///
/// Merging two learners of one attribute is the same as giving all windows to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learner {
    attribute: Attribute,
    windows: u32,
    coverage_ms: u64,
    seen: Seen,
    calibration: Calibration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Band(Moments),
    Categorical(Categorical),
    Circular(Directions),
    Histogram(Histogram),
    /// The calibration is all that a robust band needs.
    Robust,
}

impl Learner {
    /// A strategy rests on at least so many windows.
    pub const WINDOWS_MIN: u32 = 8;

    /// No window yet.
    pub const fn new(attribute: Attribute) -> Self {
        let seen = match attribute.model_kind() {
            ModelKind::Band => Seen::Band(Moments::new()),
            ModelKind::Categorical => Seen::Categorical(Categorical::new()),
            ModelKind::Circular => Seen::Circular(Directions::new()),
            ModelKind::Histogram => Seen::Histogram(Histogram::new(attribute)),
            ModelKind::RobustBand => Seen::Robust,
        };
        Self { attribute, windows: 0, coverage_ms: 0, seen, calibration: Calibration::new() }
    }

    /// One window more: its tag, and its piece. Pieces of another attribute, faulty ones and those that cover less than
    /// [`Attribute::min_len_ms`] are left out; whether it was taken is returned.
    pub fn update(&mut self, tag: u32, piece: &Piece) -> bool {
        let Piece { attribute, value, coverage_ms, fault } = *piece;
        let fits = attribute == self.attribute
            && fault.is_none()
            && attribute.contains(value)
            && coverage_ms >= u64::from(attribute.min_len_ms());
        if !fits {
            return false;
        }
        match &mut self.seen {
            Seen::Band(moments) => moments.update(value),
            Seen::Categorical(counts) => counts.update(value),
            Seen::Circular(directions) => directions.update(value),
            Seen::Histogram(counts) => counts.update(value),
            Seen::Robust => {}
        }
        self.calibration.update(tag, value);
        self.windows = self.windows.saturating_add(1);
        self.coverage_ms = self.coverage_ms.saturating_add(coverage_ms);
        true
    }

    /// All windows of another learner of the same attribute; one of another attribute is left out.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.seen, &other.seen) {
            _ if self.attribute != other.attribute => return,
            (Seen::Band(all), Seen::Band(more)) => all.merge(more),
            (Seen::Categorical(all), Seen::Categorical(more)) => all.merge(more),
            (Seen::Circular(all), Seen::Circular(more)) => all.merge(more),
            (Seen::Histogram(all), Seen::Histogram(more)) => all.merge(more),
            _ => {}
        }
        self.calibration.merge(&other.calibration);
        self.windows = self.windows.saturating_add(other.windows);
        self.coverage_ms = self.coverage_ms.saturating_add(other.coverage_ms);
    }

    /// The strategy, or `None` while too little was observed.
    pub fn finish(&self, rules: &Rules) -> Option<DrivingStrategy> {
        if self.windows < Self::WINDOWS_MIN || self.coverage_ms < rules.learn_coverage_ms() {
            return None;
        }
        let rising = self.calibration.rising();
        let k = rules.k_hundredths();
        let model = match &self.seen {
            Seen::Band(moments) => Model::Band(moments.finish(self.attribute, k)?),
            Seen::Categorical(counts) => Model::Categorical(counts.clone(), rules.tail_min()),
            Seen::Circular(directions) => Model::Circular(directions.finish(k)?),
            Seen::Histogram(counts) => Model::Histogram(*counts, rules.tail_min()),
            Seen::Robust => Model::Band(Band::robust(self.attribute, &rising, k)?),
        };
        let strategy =
            DrivingStrategy::new(self.attribute, model, self.attribute.min_len_ms(), WEIGHT);
        Some(strategy.ok()?.with_windows(Windows::new(rising)))
    }

    /// Of which attribute.
    pub const fn attribute(&self) -> Attribute {
        self.attribute
    }

    /// How many windows were taken.
    pub const fn windows(&self) -> u32 {
        self.windows
    }

    /// For how long the attribute was observed, in milliseconds.
    pub const fn coverage_ms(&self) -> u64 {
        self.coverage_ms
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.u8(self.attribute.number()).u32(self.windows).u64(self.coverage_ms);
        match &self.seen {
            Seen::Band(moments) => moments.encode(writer),
            Seen::Categorical(counts) => counts.encode(writer),
            Seen::Circular(directions) => directions.encode(writer),
            Seen::Histogram(counts) => counts.encode(writer),
            Seen::Robust => {}
        }
        self.calibration.encode(writer);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let attribute = Attribute::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
        let (windows, coverage_ms) = (reader.u32()?, reader.u64()?);
        let seen = match attribute.model_kind() {
            ModelKind::Band => Seen::Band(Moments::read(reader)?),
            ModelKind::Categorical => Seen::Categorical(Categorical::read(reader)?),
            ModelKind::Circular => Seen::Circular(Directions::read(reader)?),
            ModelKind::Histogram => Seen::Histogram(Histogram::read(attribute, reader)?),
            ModelKind::RobustBand => Seen::Robust,
        };
        let calibration = Calibration::read(attribute, reader)?;
        Ok(Self { attribute, windows, coverage_ms, seen, calibration })
    }
}

/// All attributes weigh the same to begin with.
const WEIGHT: u16 = 100;

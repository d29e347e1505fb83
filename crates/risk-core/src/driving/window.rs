//! The stretch of driving that ends at a request, and what it shows of each attribute.

use super::Attribute;
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use serde::{Deserialize, Serialize};

/// One value of one attribute at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When it was measured, by the vehicle's clock.
    pub at: Time,
    /// What was measured.
    pub attribute: Attribute,
    /// The value, in the unit of the attribute.
    pub value: i32,
}

impl Reading {
    /// From its parts.
    pub const fn new(at: Time, attribute: Attribute, value: i32) -> Self {
        Self { at, attribute, value }
    }
}

/// Takes the readings of a vehicle one by one and keeps what the stretch without a gap needs: a few numbers for each
/// attribute, however long it drives.
///
/// ```
/// use interbank_risk_core::driving::{Attribute, Reading, Recording};
/// use port::Time;
/// let mut drive = Recording::new(5_000);
/// for s in (0..300).chain(400..1_001) {
///     drive.update(Reading::new(Time::from_s(s), Attribute::CruiseSpeed, 6_000 + s as i32 % 7));
/// }
/// let stretch = drive.finish(Time::from_s(1_000));
/// assert_eq!(stretch.length_ms(), 600_000); // the gap at 300 s started it anew
/// assert_eq!(stretch.piece(Attribute::CruiseSpeed).map(|piece| piece.coverage_ms), Some(600_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    gap_max_ms: u64,
    /// The first and the last reading of the stretch.
    span: Option<(Time, Time)>,
    tracks: [Option<Track>; Attribute::COUNT],
}

impl Recording {
    /// Nothing read yet. Where nothing at all is read for longer than `gap_max_ms`, the stretch starts anew (spec V5).
    pub const fn new(gap_max_ms: u64) -> Self {
        Self { gap_max_ms, span: None, tracks: [None; Attribute::COUNT] }
    }

    /// The same with another longest time without any reading, from the next reading on.
    #[must_use]
    pub(super) const fn with_gap(self, gap_max_ms: u64) -> Self {
        Self { gap_max_ms, ..self }
    }

    /// One reading more. Sensors may be interleaved; each has to keep its own order, or its piece is not used. A clock that
    /// jumps by more than a gap, in either direction, starts the stretch anew.
    pub fn update(&mut self, reading: Reading) {
        let (start, last) = match self.span {
            Some((start, last)) if reading.at.as_ms().abs_diff(last.as_ms()) <= self.gap_max_ms => {
                (start, last)
            }
            _ => {
                self.tracks = [None; Attribute::COUNT];
                (reading.at, reading.at)
            }
        };
        self.span = Some((start, last.max(reading.at)));
        if let Some(track) = self.tracks.get_mut(reading.attribute.at()) {
            match track {
                Some(track) => track.update(reading),
                None => *track = Some(Track::new(reading)),
            }
        }
    }

    /// The stretch that ends at the request. Its length is zero if the last reading is more than a gap before the request, or
    /// after it: then it does not end there.
    pub fn finish(&self, request: Time) -> Stretch {
        let Some((start, last)) = self.span else { return Stretch::new(request, 0, []) };
        if last > request || request.since_ms(last) > self.gap_max_ms {
            return Stretch::new(request, 0, []);
        }
        let pieces = self.tracks.iter().flatten().map(|track| track.finish(request));
        Stretch::new(request, request.since_ms(start), pieces)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.u64(self.gap_max_ms);
        let Some((start, last)) = self.span else {
            writer.u8(0);
            return;
        };
        // at most 16
        let tracks = u8::try_from(self.tracks.iter().flatten().count()).unwrap_or(u8::MAX);
        writer.u8(1).u64(start.as_ms()).u64(last.as_ms()).u8(tracks);
        self.tracks.iter().flatten().for_each(|track| track.write(writer));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut recording = Self::new(reader.u64()?);
        match reader.u8()? {
            0 => return Ok(recording),
            1 => {}
            _ => return Err(WireError::Invalid),
        }
        let span = (Time::from_ms(reader.u64()?), Time::from_ms(reader.u64()?));
        let tracks = reader.u8()?;
        let mut last = None;
        for _ in 0..tracks {
            let track = Track::read(reader)?;
            let within = track.last_at <= span.1 && span.0 <= span.1;
            if !within || last.is_some_and(|last| last >= track.attribute) {
                return Err(WireError::Invalid);
            }
            last = Some(track.attribute);
            if let Some(place) = recording.tracks.get_mut(track.attribute.at()) {
                *place = Some(track);
            }
        }
        recording.span = Some(span);
        if last.is_some() { Ok(recording) } else { Err(WireError::Invalid) }
    }

    /// The longest time without any reading.
    pub const fn gap_max_ms(&self) -> u64 {
        self.gap_max_ms
    }

    /// When the last reading was made.
    pub fn last(&self) -> Option<Time> {
        self.span.map(|(_, last)| last)
    }
}

/// What the current period shows: its length and a piece for each attribute that was read in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    request: Time,
    length_ms: u64,
    pieces: [Option<Piece>; Attribute::COUNT],
}

impl Stretch {
    /// From its parts; of two pieces of one attribute the later one counts.
    pub fn new(request: Time, length_ms: u64, pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut all = [None; Attribute::COUNT];
        for piece in pieces {
            if let Some(place) = all.get_mut(piece.attribute.at()) {
                *place = Some(piece);
            }
        }
        Self { request, length_ms, pieces: all }
    }

    /// When it ended, and the request was made.
    pub const fn request(&self) -> Time {
        self.request
    }

    /// For how long data was acquired without a gap, in milliseconds.
    pub const fn length_ms(&self) -> u64 {
        self.length_ms
    }

    /// The piece of an attribute.
    pub fn piece(&self, attribute: Attribute) -> Option<&Piece> {
        self.pieces.get(attribute.at()).and_then(Option::as_ref)
    }

    /// All pieces, in the order of attributes.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().flatten()
    }

    /// How many pieces there are (the patent's N).
    pub fn count(&self) -> usize {
        self.pieces().count()
    }

    /// Appends the stored form, specified in `docs/spec/risk-core-driving.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        self.write(&mut Writer::new(to, 1));
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let stretch = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(stretch)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        // at most 16
        let count = u8::try_from(self.count()).unwrap_or(u8::MAX);
        writer.u64(self.request.as_ms()).u64(self.length_ms).u8(count);
        for piece in self.pieces() {
            writer
                .u8(piece.attribute.number())
                .fixed(&piece.value.to_be_bytes())
                .u64(piece.coverage_ms)
                .u8(piece.fault.map_or(0, SensorFault::number));
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (request, length_ms) = (Time::from_ms(reader.u64()?), reader.u64()?);
        let count = usize::from(reader.u8()?);
        let mut pieces: Vec<Piece> = Vec::with_capacity(count.min(Attribute::COUNT));
        for _ in 0..count {
            let attribute = Attribute::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
            let value = i32::from_be_bytes(reader.array()?);
            let coverage_ms = reader.u64()?;
            let fault = match reader.u8()? {
                0 => None,
                number => Some(SensorFault::from_number(number).ok_or(WireError::Invalid)?),
            };
            if pieces.last().is_some_and(|last| last.attribute >= attribute) {
                return Err(WireError::Invalid);
            }
            pieces.push(Piece { attribute, value, coverage_ms, fault });
        }
        Ok(Self::new(request, length_ms, pieces))
    }
}

/// What a stretch shows of one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of which attribute.
    pub attribute: Attribute,
    /// The mean of its readings; the last one of what is read once a trip.
    pub value: i32,
    /// How much of the stretch the readings cover, in milliseconds ([`Attribute::hold_ms`]).
    pub coverage_ms: u64,
    /// Why it cannot be believed.
    pub fault: Option<SensorFault>,
}

impl Piece {
    /// A piece that can be believed, if its value is in range.
    pub const fn new(attribute: Attribute, value: i32, coverage_ms: u64) -> Self {
        let fault = if attribute.contains(value) { None } else { Some(SensorFault::OutOfRange) };
        Self { attribute, value, coverage_ms, fault }
    }
}

/// What is wrong with a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorFault {
    /// Its clock stepped back.
    ClockJump,
    /// More than one of twenty readings cannot be true.
    OutOfRange,
    /// A sensor that reads all the time never changed, in at least 30 readings.
    Stuck,
}

impl SensorFault {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::ClockJump => 1,
            Self::OutOfRange => 2,
            Self::Stuck => 3,
        }
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::ClockJump,
            2 => Self::OutOfRange,
            3 => Self::Stuck,
            _ => return None,
        })
    }
}

impl fmt::Display for SensorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClockJump => "its clock stepped back",
            Self::OutOfRange => "it reads what cannot be",
            Self::Stuck => "it never changes",
        })
    }
}

/// The readings of one attribute, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Track {
    attribute: Attribute,
    last_at: Time,
    covered_ms: u64,
    good: u32,
    bad: u32,
    sum: i64,
    last: i32,
    low: i32,
    high: i32,
    stepped_back: bool,
}

impl Track {
    fn new(reading: Reading) -> Self {
        let mut track = Self {
            attribute: reading.attribute,
            last_at: reading.at,
            covered_ms: 0,
            good: 0,
            bad: 0,
            sum: 0,
            last: reading.value,
            low: i32::MAX,
            high: i32::MIN,
            stepped_back: false,
        };
        track.take(reading.value);
        track
    }

    fn update(&mut self, reading: Reading) {
        self.stepped_back |= reading.at < self.last_at;
        let hold_ms = self.attribute.hold_ms();
        self.covered_ms =
            self.covered_ms.saturating_add(reading.at.since_ms(self.last_at).min(hold_ms));
        self.last_at = self.last_at.max(reading.at);
        self.take(reading.value);
    }

    fn take(&mut self, value: i32) {
        if !self.attribute.contains(value) {
            self.bad = self.bad.saturating_add(1);
        } else if let Some(good) = self.good.checked_add(1) {
            self.good = good;
            self.sum += i64::from(value);
            self.last = value;
            (self.low, self.high) = (self.low.min(value), self.high.max(value));
        }
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer
            .u8(self.attribute.number())
            .u64(self.last_at.as_ms())
            .u64(self.covered_ms)
            .u32(self.good)
            .u32(self.bad)
            .i64(self.sum)
            .fixed(&self.last.to_be_bytes())
            .fixed(&self.low.to_be_bytes())
            .fixed(&self.high.to_be_bytes())
            .u8(u8::from(self.stepped_back));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let attribute = Attribute::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
        let (last_at, covered_ms) = (Time::from_ms(reader.u64()?), reader.u64()?);
        let (good, bad, sum) = (reader.u32()?, reader.u32()?, reader.i64()?);
        let last = i32::from_be_bytes(reader.array()?);
        let (low, high) =
            (i32::from_be_bytes(reader.array()?), i32::from_be_bytes(reader.array()?));
        let stepped_back = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(WireError::Invalid),
        };
        let count = i64::from(good);
        let fits = if good == 0 {
            (sum, low, high) == (0, i32::MAX, i32::MIN)
        } else {
            attribute.contains(low)
                && attribute.contains(high)
                && (low..=high).contains(&last)
                && (i64::from(low) * count..=i64::from(high) * count).contains(&sum)
        };
        if !fits {
            return Err(WireError::Invalid);
        }
        Ok(Self { attribute, last_at, covered_ms, good, bad, sum, last, low, high, stepped_back })
    }

    fn finish(&self, request: Time) -> Piece {
        let attribute = self.attribute;
        let rest_ms = request.since_ms(self.last_at).min(attribute.hold_ms());
        let once_a_trip = attribute.hold_ms() == u64::MAX;
        let count = i64::from(self.good.max(1));
        let mean = (2 * self.sum + count).div_euclid(2 * count);
        let value = if once_a_trip { self.last } else { i32::try_from(mean).unwrap_or(self.last) };
        let readings = u64::from(self.good) + u64::from(self.bad);
        let fault = if self.stepped_back {
            Some(SensorFault::ClockJump)
        } else if u64::from(self.bad) * 20 > readings {
            Some(SensorFault::OutOfRange)
        } else if attribute.is_continuous() && self.good >= STUCK_MIN && self.low == self.high {
            Some(SensorFault::Stuck)
        } else {
            None
        };
        let coverage_ms = self.covered_ms.saturating_add(rest_ms);
        Piece { attribute, value, coverage_ms, fault }
    }
}

const STUCK_MIN: u32 = 30;

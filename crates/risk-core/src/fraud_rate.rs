//! The fraud rate that decides whether the exemption for low-risk payments may be used
//! (Delegated Regulation (EU) 2018/389, Art. 18 to 20 and Annex).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Amount, Currency, Time, WireError, Zone};
use serde::{Deserialize, Serialize};

/// The value of fraudulent payments over the value of all, for one instrument, in windows of 90 days.
///
/// All remote payments of the instrument count, with or without strong authentication; all unauthorized or fraudulent
/// ones count as fraud, recovered or not (Art. 19(1)). Which day a fraud counts for is the caller's choice; the day of
/// the payment keeps parts and wholes together.
///
/// Sums alone are kept (90 days, 40 quarters), so updates may come in any order and parts merge into the whole.
///
/// ```
/// use interbank_risk_core::fraud_rate::{Day, FraudRate, Instrument, Reference, Standing};
/// use port::{Amount, Currency};
/// let eur = |minor| Amount::new(minor, Currency::parse("EUR").unwrap_or(Currency::NONE));
/// let start = Day::new(20_000);
/// let mut rate = FraudRate::new(Instrument::Card, eur(0).currency(), start);
/// rate.paid(start, eur(10_000_000))?;
/// rate.fraud(start, eur(7_000))?;
/// let report = rate.finish(start, &Reference::eu_2018_389(Instrument::Card));
/// assert_eq!(report.rolling.to_string(), "7.0 bp");
/// // above 6 bp, but no quarter has ended yet
/// assert_eq!(report.bands[1].standing, Standing::Allowed);
/// # Ok::<(), interbank_risk_core::fraud_rate::FraudRateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FraudRate {
    instrument: Instrument,
    currency: Currency,
    start: Day,
    days: BTreeMap<Day, Sums>,
    quarters: BTreeMap<u32, Sums>,
}

impl FraudRate {
    /// Nothing counted yet; quarters are the windows of 90 days from `start` on.
    pub const fn new(instrument: Instrument, currency: Currency, start: Day) -> Self {
        Self { instrument, currency, start, days: BTreeMap::new(), quarters: BTreeMap::new() }
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`] if the bytes are not the canonical form.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let instrument = Instrument::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
        let currency = Currency::from_numeric(reader.u16()?).map_err(|_| WireError::Invalid)?;
        let mut rate = Self::new(instrument, currency, Day(reader.u32()?));
        for _ in 0..reader.u8()? {
            let day = Day(reader.u32()?);
            let in_order = rate.days.last_key_value().is_none_or(|(last, _)| *last < day);
            if !in_order || day < rate.start {
                return Err(WireError::Invalid);
            }
            rate.days.insert(day, Sums::parse(&mut reader)?);
        }
        for _ in 0..reader.u8()? {
            let quarter = reader.u32()?;
            let in_order = rate.quarters.last_key_value().is_none_or(|(last, _)| *last < quarter);
            if !in_order {
                return Err(WireError::Invalid);
            }
            rate.quarters.insert(quarter, Sums::parse(&mut reader)?);
        }
        reader.finish()?;
        if rate.is_consistent() { Ok(rate) } else { Err(WireError::Invalid) }
    }

    /// A payment of the instrument.
    ///
    /// # Errors
    /// [`FraudRateError`]; nothing was counted.
    pub fn paid(&mut self, day: Day, amount: Amount) -> Result<(), FraudRateError> {
        let paid_minor = self.minor(amount)?;
        self.add(day, Sums { paid_minor, fraud_minor: 0 })
    }

    /// A payment, counted by [`paid`](Self::paid) as well, turned out to be unauthorized or fraudulent.
    ///
    /// # Errors
    /// [`FraudRateError`]; nothing was counted.
    pub fn fraud(&mut self, day: Day, amount: Amount) -> Result<(), FraudRateError> {
        let fraud_minor = self.minor(amount)?;
        self.add(day, Sums { paid_minor: 0, fraud_minor })
    }

    /// Adds what another instance counted.
    ///
    /// # Errors
    /// [`FraudRateError::Unlike`] for another instrument, currency or start, [`FraudRateError::Overflow`],
    /// [`FraudRateError::TooFarAhead`] if its newest day lies more than a year after ours; nothing was changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), FraudRateError> {
        let about = |rate: &Self| (rate.instrument, rate.currency, rate.start);
        if about(self) != about(other) {
            return Err(FraudRateError::Unlike);
        }
        let newest = |rate: &Self| rate.days.last_key_value().map(|(newest, _)| newest.0);
        if let (Some(ours), Some(theirs)) = (newest(self), newest(other))
            && theirs > ours.saturating_add(AHEAD_MAX_DAYS)
        {
            return Err(FraudRateError::TooFarAhead);
        }
        let mut both = self.clone();
        for (day, sums) in &other.days {
            both.days.entry(*day).or_default().add(*sums)?;
        }
        for (quarter, sums) in &other.quarters {
            both.quarters.entry(*quarter).or_default().add(*sums)?;
        }
        both.prune();
        *self = both;
        Ok(())
    }

    /// The rate of the 90 days that end with `today`, and how each band of amounts stands after the last quarter that
    /// has ended before `today`.
    pub fn finish(&self, today: Day, reference: &Reference) -> FraudReport {
        let window = Day(today.0.saturating_sub(WINDOW_DAYS - 1))..=today;
        let mut sums = Sums::default();
        for (_, day) in self.days.range(window) {
            sums.paid_minor = sums.paid_minor.saturating_add(day.paid_minor);
            sums.fraud_minor = sums.fraud_minor.saturating_add(day.fraud_minor);
        }
        let ended = today.0.saturating_sub(self.start.0) / WINDOW_DAYS;
        let bands = reference.bands.iter().map(|band| BandStanding {
            band: *band,
            standing: self.standing(ended, band.reference),
        });
        FraudReport { rolling: sums.rate(), paid_minor: sums.paid_minor, bands: bands.collect() }
    }

    /// Appends the stored form.
    pub fn encode(&self, to: &mut Vec<u8>) {
        // both maps are pruned to less than 256 entries
        let count = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
        let mut writer = Writer::new(to, VERSION);
        writer.u8(self.instrument.number()).u16(self.currency.numeric()).u32(self.start.0);
        writer.u8(count(self.days.len()));
        for (day, sums) in &self.days {
            writer.u32(day.0).u64(sums.paid_minor).u64(sums.fraud_minor);
        }
        writer.u8(count(self.quarters.len()));
        for (quarter, sums) in &self.quarters {
            writer.u32(*quarter).u64(sums.paid_minor).u64(sums.fraud_minor);
        }
    }

    /// Two consecutive quarters above the reference end the exemption, one that is not above brings it back (Art. 20).
    /// A quarter without payments has no rate and changes nothing.
    fn standing(&self, ended: u32, reference: TenthBasisPoints) -> Standing {
        let mut standing = Standing::Allowed;
        for (_, sums) in self.quarters.range(..ended).filter(|(_, sums)| sums.paid_minor > 0) {
            standing = match (sums.is_above(reference), standing) {
                (false, _) => Standing::Allowed,
                (true, Standing::Allowed) => Standing::Warned,
                (true, Standing::Warned | Standing::Ceased) => Standing::Ceased,
            };
        }
        standing
    }

    fn add(&mut self, day: Day, sums: Sums) -> Result<(), FraudRateError> {
        let Some(since_start) = day.0.checked_sub(self.start.0) else {
            return Err(FraudRateError::BeforeStart);
        };
        let newest = self.days.last_key_value().map(|(newest, _)| newest.0);
        if newest.is_some_and(|newest| day.0 > newest.saturating_add(AHEAD_MAX_DAYS)) {
            return Err(FraudRateError::TooFarAhead);
        }
        let quarter = since_start / WINDOW_DAYS;
        if self
            .newest_quarter()
            .is_some_and(|newest| newest.saturating_sub(quarter) >= QUARTERS_MAX)
        {
            return Err(FraudRateError::TooOld);
        }
        let mut quarter_sums = self.quarters.get(&quarter).copied().unwrap_or_default();
        quarter_sums.add(sums)?;
        let mut day_sums = self.days.get(&day).copied().unwrap_or_default();
        day_sums.add(sums)?;
        self.quarters.insert(quarter, quarter_sums);
        self.days.insert(day, day_sums);
        self.prune();
        Ok(())
    }

    fn prune(&mut self) {
        if let Some((newest, _)) = self.days.last_key_value() {
            let oldest = newest.0.saturating_sub(WINDOW_DAYS - 1);
            self.days = self.days.split_off(&Day(oldest));
        }
        if let Some(newest) = self.newest_quarter() {
            self.quarters = self.quarters.split_off(&newest.saturating_sub(QUARTERS_MAX - 1));
        }
    }

    fn newest_quarter(&self) -> Option<u32> {
        self.quarters.last_key_value().map(|(quarter, _)| *quarter)
    }

    /// Whether it could have been made by updates.
    fn is_consistent(&self) -> bool {
        let mut pruned = self.clone();
        pruned.prune();
        let newest =
            self.days.last_key_value().map(|(day, _)| (day.0 - self.start.0) / WINDOW_DAYS);
        let bound = usize::try_from(QUARTERS_MAX).unwrap_or(usize::MAX);
        pruned == *self && newest == self.newest_quarter() && self.quarters.len() <= bound
    }

    fn minor(&self, amount: Amount) -> Result<u64, FraudRateError> {
        if amount.currency() != self.currency {
            return Err(FraudRateError::Currency);
        }
        u64::try_from(amount.minor()).map_err(|_| FraudRateError::Negative)
    }
}

/// What kind of payment; rates are counted for each (Art. 18(2), Annex).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instrument {
    /// Remote electronic card-based payments.
    Card,
    /// Remote electronic credit transfers.
    CreditTransfer,
}

impl Instrument {
    const fn number(self) -> u8 {
        match self {
            Self::Card => 1,
            Self::CreditTransfer => 2,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Card),
            2 => Some(Self::CreditTransfer),
            _ => None,
        }
    }
}

/// Up to which amount the exemption may be used at which fraud rate: bands in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Band>", into = "Vec<Band>")]
pub struct Reference {
    bands: Vec<Band>,
}

impl Reference {
    /// From bands; a larger amount asks for a lower rate.
    ///
    /// # Errors
    /// [`FraudRateError::Bands`] unless there are 1 to 16, with rising limits and no rising rate.
    pub fn new(bands: Vec<Band>) -> Result<Self, FraudRateError> {
        let in_order = |pair: &[Band]| {
            pair[0].limit_minor < pair[1].limit_minor && pair[1].reference <= pair[0].reference
        };
        let sound = (1..=16).contains(&bands.len()) && bands.windows(2).all(in_order);
        if sound { Ok(Self { bands }) } else { Err(FraudRateError::Bands) }
    }

    /// The table of the Annex to Delegated Regulation (EU) 2018/389, in euro cents.
    pub fn eu_2018_389(instrument: Instrument) -> Self {
        let rates = match instrument {
            Instrument::Card => [130, 60, 10],
            Instrument::CreditTransfer => [15, 10, 5],
        };
        let bands = [10_000, 25_000, 50_000].into_iter().zip(rates);
        let band =
            |(limit_minor, tenths)| Band { limit_minor, reference: TenthBasisPoints(tenths) };
        Self { bands: bands.map(band).collect() }
    }

    /// The bands, from the smallest amounts.
    pub fn bands(&self) -> &[Band] {
        &self.bands
    }
}

impl TryFrom<Vec<Band>> for Reference {
    type Error = FraudRateError;

    fn try_from(bands: Vec<Band>) -> Result<Self, FraudRateError> {
        Self::new(bands)
    }
}

impl From<Reference> for Vec<Band> {
    fn from(reference: Reference) -> Self {
        reference.bands
    }
}

/// One row of the reference table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Payments up to this amount, in minor units.
    pub limit_minor: u64,
    /// The highest fraud rate at which they may go without strong authentication.
    pub reference: TenthBasisPoints,
}

/// A share in tenths of a basis point: hundred-thousandths, since the regulation's table has 0.005 %.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TenthBasisPoints(u32);

impl TenthBasisPoints {
    /// From hundred-thousandths.
    pub const fn new(tenths: u32) -> Self {
        Self(tenths)
    }

    /// Hundred-thousandths.
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for TenthBasisPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} bp", self.0 / 10, self.0 % 10)
    }
}

/// A local day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// The day so many days after 1970-01-01.
    pub const fn new(days: u32) -> Self {
        Self(days)
    }

    /// The day that a moment lies in, where the payment service keeps its books.
    pub fn of(at: Time, zone: &Zone) -> Self {
        let offset_s = i64::from(zone.local(at).offset_s);
        let local_s = at.as_s().saturating_add_signed(offset_s);
        Self(u32::try_from(local_s / 86_400).unwrap_or(u32::MAX))
    }

    /// Days since 1970-01-01.
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

/// What the sums say on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FraudReport {
    /// The rate of the last 90 days, rounded up; 0 where nothing was paid.
    pub rolling: TenthBasisPoints,
    /// The value of the payments behind it, in minor units.
    pub paid_minor: u64,
    /// Each band of amounts.
    pub bands: Vec<BandStanding>,
}

impl FraudReport {
    /// The largest amount that may go without strong authentication, in minor units; `None` if none may.
    pub fn limit_minor(&self) -> Option<u64> {
        let allowed = self.bands.iter().rfind(|b| b.standing != Standing::Ceased);
        allowed.map(|b| b.band.limit_minor)
    }
}

/// A band and how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandStanding {
    /// The band.
    pub band: Band,
    /// How it stands.
    pub standing: Standing,
}

/// Whether the exemption may be used (Art. 20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The last quarter was not above the reference.
    Allowed,
    /// The last quarter was above: to be reported to the authority (Art. 20(1)); the exemption may still be used.
    Warned,
    /// Two consecutive quarters were above: the exemption must not be used until a quarter is not.
    Ceased,
}

/// Why something was not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FraudRateError {
    /// Bands are 1 to 16, with rising limits and no rising rate.
    Bands,
    /// The day lies before the first quarter.
    BeforeStart,
    /// Another currency than the sums have.
    Currency,
    /// An amount below zero.
    Negative,
    /// The sums would not fit.
    Overflow,
    /// The day lies more than a year after the newest: a wrong clock would push everything out.
    TooFarAhead,
    /// The quarter is no longer kept.
    TooOld,
    /// Sums of another instrument, currency or start.
    Unlike,
}

impl FraudRateError {
    /// Stable number, 3710 to 3717.
    pub const fn code(self) -> u32 {
        match self {
            Self::Bands => 3710,
            Self::BeforeStart => 3711,
            Self::Currency => 3712,
            Self::Negative => 3713,
            Self::Overflow => 3714,
            Self::TooFarAhead => 3715,
            Self::TooOld => 3716,
            Self::Unlike => 3717,
        }
    }
}

impl fmt::Display for FraudRateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bands => "bands are 1 to 16, with rising limits and no rising rate",
            Self::BeforeStart => "a day before the first quarter",
            Self::Currency => "another currency than that of the sums",
            Self::Negative => "an amount below zero",
            Self::Overflow => "the sums do not fit 64 bits",
            Self::TooFarAhead => "a day more than a year after the newest",
            Self::TooOld => "a quarter that is no longer kept",
            Self::Unlike => "sums of another instrument, currency or start",
        })
    }
}

impl core::error::Error for FraudRateError {}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    paid_minor: u64,
    fraud_minor: u64,
}

impl Sums {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { paid_minor: reader.u64()?, fraud_minor: reader.u64()? })
    }

    fn add(&mut self, other: Self) -> Result<(), FraudRateError> {
        let sum = |a: u64, b: u64| a.checked_add(b).ok_or(FraudRateError::Overflow);
        *self = Self {
            paid_minor: sum(self.paid_minor, other.paid_minor)?,
            fraud_minor: sum(self.fraud_minor, other.fraud_minor)?,
        };
        Ok(())
    }

    /// Rounded up, so that a rate above a reference never shows as one that is not.
    fn rate(self) -> TenthBasisPoints {
        if self.paid_minor == 0 {
            return TenthBasisPoints(0);
        }
        let tenths = (u128::from(self.fraud_minor) * ONE).div_ceil(u128::from(self.paid_minor));
        TenthBasisPoints(u32::try_from(tenths).unwrap_or(u32::MAX))
    }

    /// Exactly, without rounding.
    fn is_above(self, reference: TenthBasisPoints) -> bool {
        u128::from(self.fraud_minor) * ONE > u128::from(self.paid_minor) * u128::from(reference.0)
    }
}

/// One, in tenths of a basis point.
const ONE: u128 = 100_000;

/// The window of Art. 19(1).
const WINDOW_DAYS: u32 = 90;

/// About ten years.
const QUARTERS_MAX: u32 = 40;

const AHEAD_MAX_DAYS: u32 = 366;

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use proptest::prelude::*;

    const START: u32 = 20_000;

    fn eur(minor: i64) -> Amount {
        Amount::new(minor, Currency::parse("EUR").unwrap())
    }

    fn cards() -> FraudRate {
        FraudRate::new(Instrument::Card, eur(0).currency(), Day(START))
    }

    /// A quarter with so many tenths of a basis point of fraud, all on one day.
    fn quarter(rate: &mut FraudRate, number: u32, tenths: i64) {
        let day = Day(START + 90 * number + 40);
        rate.paid(day, eur(100_000)).unwrap();
        rate.fraud(day, eur(tenths)).unwrap();
    }

    fn standings(rate: &FraudRate, quarters: u32) -> Vec<Standing> {
        let reference = Reference::eu_2018_389(Instrument::Card);
        let report = rate.finish(Day(START + 90 * quarters), &reference);
        report.bands.iter().map(|b| b.standing).collect()
    }

    #[test]
    fn the_table_of_the_annex() {
        let table = |instrument| {
            let reference = Reference::eu_2018_389(instrument);
            reference.bands().iter().map(|b| (b.limit_minor, b.reference.to_string())).collect()
        };
        let cards: Vec<_> = table(Instrument::Card);
        assert_eq!(
            cards,
            [(10_000, "13.0 bp".into()), (25_000, "6.0 bp".into()), (50_000, "1.0 bp".into())]
        );
        let transfers: Vec<_> = table(Instrument::CreditTransfer);
        assert_eq!(
            transfers,
            [(10_000, "1.5 bp".into()), (25_000, "1.0 bp".into()), (50_000, "0.5 bp".into())]
        );
    }

    #[test]
    fn two_consecutive_quarters_above_end_it_and_one_below_brings_it_back() {
        use Standing::{Allowed, Ceased, Warned};
        let mut rate = cards();
        for (number, tenths, after) in [
            (0, 5, [Allowed, Allowed, Allowed]),
            (1, 61, [Allowed, Warned, Warned]),
            (2, 60, [Allowed, Allowed, Ceased]),
            (3, 131, [Warned, Warned, Ceased]),
            (4, 131, [Ceased, Ceased, Ceased]),
            (5, 61, [Allowed, Ceased, Ceased]),
            (6, 10, [Allowed, Allowed, Allowed]),
        ] {
            quarter(&mut rate, number, tenths);
            assert_eq!(standings(&rate, number + 1), after, "after quarter {number}");
        }
        // an empty quarter has no rate
        assert_eq!(standings(&rate, 12), [Allowed; 3]);
    }

    #[test]
    fn the_limit_is_the_largest_band_in_use() {
        let reference = Reference::eu_2018_389(Instrument::Card);
        let mut rate = cards();
        let limit = |rate: &FraudRate, quarters: u32| {
            rate.finish(Day(START + 90 * quarters), &reference).limit_minor()
        };
        assert_eq!(limit(&rate, 0), Some(50_000));
        quarter(&mut rate, 0, 70);
        quarter(&mut rate, 1, 70);
        assert_eq!(limit(&rate, 2), Some(10_000));
        quarter(&mut rate, 2, 200);
        quarter(&mut rate, 3, 200);
        assert_eq!(limit(&rate, 4), None);
    }

    #[test]
    fn the_window_rolls_over_ninety_days() {
        let mut rate = cards();
        let reference = Reference::eu_2018_389(Instrument::Card);
        rate.paid(Day(START), eur(1_000_000)).unwrap();
        rate.fraud(Day(START), eur(1_000)).unwrap();
        rate.paid(Day(START + 89), eur(1_000_000)).unwrap();
        let rolling = |day: u32| rate.finish(Day(day), &reference).rolling.as_u32();
        assert_eq!((rolling(START), rolling(START + 89), rolling(START + 90)), (100, 50, 0));
    }

    #[test]
    fn rates_are_rounded_up_and_compared_exactly() {
        let sums = Sums { paid_minor: 3_000_000_000, fraud_minor: 3_900_001 };
        assert_eq!(sums.rate().as_u32(), 131);
        assert!(sums.is_above(TenthBasisPoints(130)) && !sums.is_above(TenthBasisPoints(131)));
        let at = Sums { paid_minor: 3_000_000_000, fraud_minor: 3_900_000 };
        assert!(!at.is_above(TenthBasisPoints(130)));
    }

    #[test]
    fn what_does_not_belong_is_refused() {
        let mut rate = cards();
        let usd = Amount::new(5, Currency::parse("USD").unwrap());
        assert_eq!(rate.paid(Day(START), usd), Err(FraudRateError::Currency));
        assert_eq!(rate.paid(Day(START), eur(-1)), Err(FraudRateError::Negative));
        assert_eq!(rate.paid(Day(START - 1), eur(1)), Err(FraudRateError::BeforeStart));
        rate.paid(Day(START), eur(i64::MAX)).unwrap();
        rate.paid(Day(START), eur(i64::MAX)).unwrap();
        let before = rate.clone();
        assert_eq!(rate.paid(Day(START), eur(i64::MAX)), Err(FraudRateError::Overflow));
        assert_eq!(rate.paid(Day(START + 367), eur(1)), Err(FraudRateError::TooFarAhead));
        assert_eq!(rate, before);
        let transfers = FraudRate::new(Instrument::CreditTransfer, eur(0).currency(), Day(START));
        assert_eq!(rate.merge(&transfers), Err(FraudRateError::Unlike));
        // An instance with a wrong clock would push out what the others counted.
        let mut ahead = cards();
        ahead.paid(Day(START + 367), eur(1)).unwrap();
        assert_eq!(rate.merge(&ahead), Err(FraudRateError::TooFarAhead));
        assert_eq!(rate, before);
        for year in 1..=10 {
            rate.paid(Day(START + 366 * year), eur(1)).unwrap();
        }
        assert_eq!(rate.paid(Day(START), eur(1)), Err(FraudRateError::TooOld));
    }

    #[test]
    fn references_are_checked_when_they_are_read() {
        for (text, good) in [
            (r#"[{"limit_minor":1,"reference":9},{"limit_minor":2,"reference":9}]"#, true),
            (r#"[{"limit_minor":2,"reference":9},{"limit_minor":2,"reference":8}]"#, false),
            (r#"[{"limit_minor":1,"reference":8},{"limit_minor":2,"reference":9}]"#, false),
            (r#"[{"limit_minor":1,"reference":8,"more":1}]"#, false),
            ("[]", false),
        ] {
            assert_eq!(serde_json::from_str::<Reference>(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_day_is_that_of_the_zone() {
        let noon = Time::from_s(86_400 * 20_000 + 43_200);
        assert_eq!(Day::of(noon, &Zone::utc()), Day(20_000));
        assert_eq!(Day::of(noon.minus_ms(43_200_001), &Zone::utc()), Day(19_999));
    }

    fn updates() -> impl Strategy<Value = Vec<(u32, u32, bool)>> {
        prop::collection::vec((0..300_u32, 0..1_000_u32, any::<bool>()), 0..60)
    }

    fn counted(updates: &[(u32, u32, bool)]) -> FraudRate {
        let mut rate = cards();
        for (day, minor, is_fraud) in updates {
            let (day, amount) = (Day(START + day), eur(i64::from(*minor)));
            if *is_fraud { rate.fraud(day, amount) } else { rate.paid(day, amount) }.unwrap();
        }
        rate
    }

    proptest! {
        #[test]
        fn order_and_parts_make_no_difference(all in updates(), cut in 0..60_usize) {
            let whole = counted(&all);
            let backwards: Vec<_> = all.iter().rev().copied().collect();
            prop_assert_eq!(&counted(&backwards), &whole);
            let (left, right) = all.split_at(cut.min(all.len()));
            let mut merged = counted(left);
            merged.merge(&counted(right)).unwrap();
            prop_assert_eq!(&merged, &whole);
        }

        #[test]
        fn the_stored_form_is_canonical(all in updates()) {
            let rate = counted(&all);
            let mut bytes = vec![];
            rate.encode(&mut bytes);
            prop_assert_eq!(FraudRate::parse(&bytes), Ok(rate));
        }

        #[test]
        fn foreign_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..80), flip in any::<bool>()) {
            if flip && bytes.len() > 3 {
                bytes[..4].copy_from_slice(&[1, 1, 3, 0xd2]);
            }
            if let Ok(rate) = FraudRate::parse(&bytes) {
                let mut again = vec![];
                rate.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}

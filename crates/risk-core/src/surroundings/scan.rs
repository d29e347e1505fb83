//! A report without its addresses: what is compared, learned and stored.

use super::needles::Needles;
use super::population::{Population, Share};
use super::{
    Address, Class, Moment, Nonce, Observation, PopulationKey, Protocol, Relation, Report, Scanned,
    Standing, TerminalKeys, Token,
};
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// A report turned into tokens of its terminal: sorted, each neighbour once, the strongest relation and the longest dwell
/// winning. Order and repetition in the report make no difference.
///
/// What was rejected, opted out, or is random and cannot be resolved is counted, never kept. Clear addresses end here.
#[derive(Clone, PartialEq, Eq)]
pub struct Scan {
    taken: Time,
    nonce: Option<Nonce>,
    when: Moment,
    scanned: Scanned,
    key_id: u8,
    /// Whether tokens of the key before it were made too.
    rotating: bool,
    /// Different neighbours reported in all, the dropped ones too.
    reported: u16,
    unresolvable: u16,
    seen: Vec<Seen>,
    /// What profiles are searched for, under both keys.
    needles: Needles,
    fixed: u16,
    /// Aligned with `seen` if the scan was taken with a population; never stored.
    names: Vec<u64>,
}

impl Scan {
    /// Makes the tokens of a report. `when` places its time in the week ([`Grid::moment`](super::Grid::moment)).
    ///
    /// With a population, each neighbour gets its share there, as it is now; without, [`Share::UNKNOWN`]. Neighbours beyond
    /// [`Report::NEIGHBOURS_MAX`] are dropped.
    pub fn take(
        report: &Report,
        keys: &TerminalKeys,
        when: Moment,
        population: Option<(&Population, &PopulationKey)>,
    ) -> Self {
        let all = &report.neighbours[..report.neighbours.len().min(Report::NEIGHBOURS_MAX)];
        let mut different: Vec<Address> = all.iter().map(|neighbour| neighbour.address).collect();
        different.sort_unstable();
        different.dedup();
        let random = |address: &&Address| address.standing() == Standing::Unresolvable;
        let unresolvable = different.iter().filter(random).count();
        let usable = |neighbour: &&Observation| {
            let standing = neighbour.address.standing();
            !neighbour.opted_out && matches!(standing, Standing::Reference | Standing::Weak)
        };
        let kept: Vec<&Observation> = all.iter().filter(usable).collect();
        let addresses: Vec<Address> = kept.iter().map(|neighbour| neighbour.address).collect();
        let mut tokens = alloc::vec![Token::default(); addresses.len()];
        keys.current.tokens(&addresses, &mut tokens);
        let key_id = keys.current.id();
        let mut seen: Vec<Seen> = kept
            .iter()
            .zip(&tokens)
            .map(|(neighbour, token)| Seen {
                key: TokenTag::new(key_id, *token, kind_of(&neighbour.address), neighbour.relation),
                previous: 0,
                dwell: Dwell::of(neighbour.dwell_s, when.grid.slot_s()),
                share: Share::UNKNOWN,
            })
            .collect();
        if let Some(previous) = &keys.previous {
            previous.tokens(&addresses, &mut tokens);
            for (seen, token) in seen.iter_mut().zip(&tokens) {
                let kind = seen.key.kind();
                seen.previous =
                    TokenTag::new(previous.id(), *token, kind, Relation::InRange).needle();
            }
        }
        let mut names = Vec::new();
        if let Some((population, key)) = population {
            names.resize(addresses.len(), 0);
            key.names(&addresses, &mut names);
            for (seen, name) in seen.iter_mut().zip(&names) {
                seen.share = population.share(*name);
            }
        }
        let (seen, names) = distinct(seen, names);
        let [reported, unresolvable] =
            [different.len(), unresolvable].map(|count| u16::try_from(count).unwrap_or(u16::MAX));
        let mut scan = Self {
            taken: report.taken,
            nonce: report.nonce,
            when,
            scanned: report.scanned,
            key_id,
            rotating: keys.previous.is_some(),
            reported,
            unresolvable,
            seen,
            needles: Needles::new(core::iter::empty()),
            fixed: 0,
            names,
        };
        scan.index();
        scan
    }

    /// When it was made.
    pub const fn taken(&self) -> Time {
        self.taken
    }

    /// The challenge that it answers.
    pub const fn nonce(&self) -> Option<Nonce> {
        self.nonce
    }

    /// Where its time lies in the week.
    pub const fn when(&self) -> Moment {
        self.when
    }

    /// Which protocols were searched.
    pub const fn scanned(&self) -> Scanned {
        self.scanned
    }

    /// How many different neighbours it has that can be compared.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether nothing can be compared.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// How many different neighbours were reported, all kinds together.
    pub const fn reported(&self) -> u16 {
        self.reported
    }

    /// How many had random addresses that cannot be resolved.
    pub const fn unresolvable(&self) -> u16 {
        self.unresolvable
    }

    /// Tells two scans apart by what is in them: neighbours, relations and dwells, not time or nonce. A terminal that stays
    /// where it is reports other dwells a minute later; a copy reports the same.
    pub fn fingerprint(&self) -> u64 {
        // FNV-1a with a final spread: the tokens are keyed, so nobody outside can aim at a collision.
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        for seen in &self.seen {
            for part in [u64::from(seen.key.0), u64::from(seen.dwell.0)] {
                hash = (hash ^ part).wrapping_mul(0x0100_0000_01B3);
                hash ^= hash >> 29;
            }
        }
        hash
    }

    pub(super) const fn key_id(&self) -> u8 {
        self.key_id
    }

    pub(super) const fn is_rotating(&self) -> bool {
        self.rotating
    }

    pub(super) fn seen(&self) -> &[Seen] {
        &self.seen
    }

    pub(super) const fn needles(&self) -> &Needles {
        &self.needles
    }

    /// How many neighbours are of the kinds that stay where they are.
    pub(super) const fn fixed(&self) -> u16 {
        self.fixed
    }

    /// All names, if there is a population.
    pub(super) fn population_names(&self) -> &[u64] {
        &self.names
    }

    /// Neighbours of the kinds that stay where they are, with their names in the population.
    pub(super) fn fixed_names(&self) -> impl Iterator<Item = (&Seen, u64)> {
        let named = self.seen.iter().zip(self.names.iter().copied());
        named.filter(|(seen, _)| seen.key.kind().is_fixed())
    }

    /// The stored form, while the payment waits for its confirmation.
    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.taken.as_ms());
        match self.nonce {
            None => writer.u8(0),
            Some(nonce) => writer.u8(1).fixed(&nonce.0),
        };
        let Moment { day, period, adjacent, adjacent_bp, grid } = self.when;
        writer.u16(day).u16(period).u16(adjacent).u16(adjacent_bp).u8(grid.to_u8());
        writer.u8(self.scanned.as_bits()).u8(self.key_id).u8(u8::from(self.rotating));
        writer.u16(self.reported).u16(self.unresolvable);
        // at most 256
        writer.u16(u16::try_from(self.seen.len()).unwrap_or(u16::MAX));
        for seen in &self.seen {
            seen.encode(writer);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let taken = Time::from_ms(reader.u64()?);
        let nonce = match reader.u8()? {
            0 => None,
            1 => Some(Nonce(reader.array()?)),
            _ => return Err(WireError::Invalid),
        };
        let [day, period, adjacent, adjacent_bp] =
            [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        let grid = super::Grid::from_u8(reader.u8()?).ok_or(WireError::Invalid)?;
        if period.max(adjacent) >= grid.periods() || adjacent_bp > 5_000 {
            return Err(WireError::Invalid);
        }
        let when = Moment { day, period, adjacent, adjacent_bp, grid };
        let scanned = Scanned::from_bits(reader.u8()?).ok_or(WireError::Invalid)?;
        let [key_id, rotating] = reader.array()?;
        if rotating > 1 {
            return Err(WireError::Invalid);
        }
        let rotating = rotating == 1;
        let (reported, unresolvable) = (reader.u16()?, reader.u16()?);
        let count = usize::from(reader.u16()?);
        if count > Report::NEIGHBOURS_MAX {
            return Err(WireError::TooLong);
        }
        let mut seen = Vec::with_capacity(count);
        for _ in 0..count {
            let next = Seen::read(reader)?;
            let orderly =
                seen.last().is_none_or(|last: &Seen| last.key.needle() < next.key.needle());
            if !orderly || next.key.generation() != u32::from(key_id & 3) {
                return Err(WireError::Invalid);
            }
            if !rotating && next.previous != 0 {
                return Err(WireError::Invalid);
            }
            seen.push(next);
        }
        let mut scan = Self {
            taken,
            nonce,
            when,
            scanned,
            key_id,
            rotating,
            reported,
            unresolvable,
            seen,
            needles: Needles::new(core::iter::empty()),
            fixed: 0,
            names: Vec::new(),
        };
        scan.index();
        Ok(scan)
    }

    fn index(&mut self) {
        let fixed = self.seen.iter().filter(|seen| seen.key.kind().is_fixed()).count();
        self.fixed = u16::try_from(fixed).unwrap_or(u16::MAX);
        let both = |at: usize| {
            let seen = &self.seen[at / 2];
            if at.is_multiple_of(2) { seen.key.needle() } else { seen.previous }
        };
        self.needles = if self.rotating {
            Needles::new((0..2 * self.seen.len()).map(both))
        } else {
            Needles::new(self.seen.iter().map(|seen| seen.key.needle()))
        };
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taken, when, scanned, seen, reported, .. } = self;
        write!(f, "Scan({} of {reported} at {taken}, {when:?}, {scanned:?})", seen.len())
    }
}

/// One neighbour of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) key: TokenTag,
    /// Its needle under the previous key, 0 where there is none.
    pub(super) previous: u32,
    pub(super) dwell: Dwell,
    pub(super) share: Share,
}

impl Seen {
    pub(super) fn encode(self, writer: &mut Writer<'_>) {
        writer.u32(self.key.0).u32(self.previous).u8(self.dwell.0).u8(self.share.as_u8());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let key = TokenTag::from_u32(reader.u32()?).ok_or(WireError::Invalid)?;
        let previous = reader.u32()?;
        let dwell = Dwell::from_u8(reader.u8()?).ok_or(WireError::Invalid)?;
        let share = Share::from_u8(reader.u8()?).ok_or(WireError::Invalid)?;
        if key.travels() || previous >> 29 != 0 {
            return Err(WireError::Invalid);
        }
        Ok(Self { key, previous, dwell, share })
    }
}

/// Names a neighbour within a terminal: token (24 bits), low two bits of the token key's number, kind (3), relation (2), whether
/// it was found to travel (1). All but the last three bits say who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TokenTag(pub(super) u32);

impl TokenTag {
    pub(super) fn new(key_id: u8, token: Token, kind: Kind, relation: Relation) -> Self {
        let generation = u32::from(key_id & 3) << 6;
        Self(token.as_u32() << 8 | generation | (kind as u32) << 3 | (relation as u32) << 1)
    }

    pub(super) fn from_u32(bits: u32) -> Option<Self> {
        let tag = Self(bits);
        tag.is_known().then_some(tag)
    }

    /// Whether its kind and its relation are any.
    pub(super) const fn is_known(self) -> bool {
        (self.0 >> 1 & 3 != 3) & (self.0 >> 3 & 7 != 0)
    }

    /// What is compared: who it is.
    pub(super) const fn needle(self) -> u32 {
        self.0 >> 3
    }

    /// The device.
    pub(super) const fn group(self) -> u32 {
        self.0 >> 16
    }

    pub(super) const fn generation(self) -> u32 {
        self.0 >> 6 & 3
    }

    pub(super) const fn token(self) -> Token {
        Token::new(self.0 >> 8)
    }

    pub(super) const fn kind(self) -> Kind {
        match self.0 >> 3 & 7 {
            2 => Kind::Bluetooth,
            3 => Kind::BlePublic,
            4 => Kind::BleRandom,
            5 => Kind::Lan,
            6 => Kind::Cell,
            7 => Kind::WifiLocal,
            _ => Kind::Wifi,
        }
    }

    pub(super) const fn relation(self) -> Relation {
        match self.0 >> 1 & 3 {
            1 => Relation::SameNetwork,
            2 => Relation::Connected,
            _ => Relation::InRange,
        }
    }

    /// The same neighbour in the closer of two relations.
    pub(super) fn closest(self, other: Self) -> Self {
        let relation = self.relation().max(other.relation()) as u32;
        Self(self.0 & !6 | relation << 1 | other.0 & 1)
    }

    pub(super) const fn travels(self) -> bool {
        self.0 & 1 == 1
    }

    pub(super) const fn travelling(self) -> Self {
        Self(self.0 | 1)
    }
}

/// What a neighbour is, as far as its weight goes: its protocol, and whether an access point's address is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A Wi-Fi access point.
    Wifi = 1,
    /// A Bluetooth device.
    Bluetooth = 2,
    /// A Bluetooth Low Energy device under a public address.
    BlePublic = 3,
    /// A Bluetooth Low Energy device under a static random address.
    BleRandom = 4,
    /// A host in the same local network.
    Lan = 5,
    /// A cell of a mobile network.
    Cell = 6,
    /// A Wi-Fi access point under a locally administered address.
    WifiLocal = 7,
}

impl Kind {
    /// By which protocol it is found.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Wifi | Self::WifiLocal => Protocol::Wifi,
            Self::Bluetooth => Protocol::Bluetooth,
            Self::BlePublic => Protocol::BlePublic,
            Self::BleRandom => Protocol::BleRandom,
            Self::Lan => Protocol::Lan,
            Self::Cell => Protocol::Cell,
        }
    }

    /// Whether neighbours of this kind mostly stay where they are.
    pub(super) const fn is_fixed(self) -> bool {
        matches!(self, Self::Wifi | Self::Lan | Self::Cell)
    }
}

fn kind_of(address: &Address) -> Kind {
    match address.protocol() {
        Protocol::Wifi if address.class() == Class::LocalAccessPoint => Kind::WifiLocal,
        Protocol::Wifi => Kind::Wifi,
        Protocol::Bluetooth => Kind::Bluetooth,
        Protocol::BlePublic => Kind::BlePublic,
        Protocol::BleRandom => Kind::BleRandom,
        Protocol::Lan => Kind::Lan,
        Protocol::Cell => Kind::Cell,
    }
}

/// A dwell within a slot, in 240ths of the slot's length, rounded down; a longer one counts as the whole slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dwell(pub(super) u8);

impl Dwell {
    /// Not known, which is not zero.
    pub(super) const UNKNOWN: Self = Self(u8::MAX);

    /// The whole slot.
    pub(super) const WHOLE: u8 = 240;

    pub(super) fn of(dwell_s: Option<u32>, slot_s: u32) -> Self {
        let Some(dwell_s) = dwell_s else { return Self::UNKNOWN };
        let units =
            u64::from(dwell_s.min(slot_s)) * u64::from(Self::WHOLE) / u64::from(slot_s.max(1));
        Self(u8::try_from(units).unwrap_or(Self::WHOLE))
    }

    pub(super) fn from_u8(units: u8) -> Option<Self> {
        Self(units).is_valid().then_some(Self(units))
    }

    pub(super) const fn is_valid(self) -> bool {
        (self.0 <= Self::WHOLE) | (self.0 == Self::UNKNOWN.0)
    }

    pub(super) fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }

    /// In seconds, rounded down.
    pub(super) fn seconds(self, slot_s: u32) -> Option<u32> {
        let seconds = u64::from(self.0) * u64::from(slot_s) / u64::from(Self::WHOLE);
        if self.is_known() { u32::try_from(seconds).ok() } else { None }
    }

    /// The longer of two; a known one before an unknown.
    pub(super) fn longer(self, other: Self) -> Self {
        match (self.is_known(), other.is_known()) {
            (true, true) => Self(self.0.max(other.0)),
            (false, _) => other,
            (_, false) => self,
        }
    }

    /// The middle one of three known ones.
    pub(super) fn middle(self, other: Self, third: Self) -> Self {
        let (low, high) = (self.0.min(other.0), self.0.max(other.0));
        Self(third.0.clamp(low, high))
    }
}

/// Sorts by neighbour and joins those that are the same.
fn distinct(seen: Vec<Seen>, names: Vec<u64>) -> (Vec<Seen>, Vec<u64>) {
    let mut order: Vec<(Seen, u64)> = seen
        .into_iter()
        .enumerate()
        .map(|(at, seen)| (seen, names.get(at).copied().unwrap_or(0)))
        .collect();
    order.sort_unstable_by_key(|(seen, name)| (seen.key, *name, seen.dwell.0));
    order.dedup_by(|(next, _), (kept, _)| {
        let same = next.key.needle() == kept.key.needle();
        if same {
            kept.key = kept.key.closest(next.key);
            kept.dwell = kept.dwell.longer(next.dwell);
            // two addresses under one token: the commoner one, so that nothing weighs more than it should
            kept.share = kept.share.min(next.share);
            kept.previous = kept.previous.max(next.previous);
        }
        same
    });
    if names.is_empty() {
        (order.into_iter().map(|(seen, _)| seen).collect(), names)
    } else {
        order.into_iter().unzip()
    }
}

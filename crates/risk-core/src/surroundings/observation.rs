//! What a terminal reports: the neighbours that it found, how, and for how long.

use super::{Address, Protocol};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use seal::VerifyingKey;

/// One neighbour as the terminal found it (spec R3, R4, R6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Its address, with the protocol.
    pub address: Address,
    /// In which relation it stands to the terminal.
    pub relation: Relation,
    /// For how long it has been there, in seconds; `None` where the terminal cannot say, which is not zero.
    pub dwell_s: Option<u32>,
    /// Whether its owner asked not to be used ([`opts_out`](super::opts_out)).
    pub opted_out: bool,
}

impl Observation {
    /// A neighbour with no dwell known.
    pub const fn new(address: Address, relation: Relation) -> Self {
        Self { address, relation, dwell_s: None, opted_out: false }
    }

    /// The same, there for this long.
    #[must_use]
    pub const fn dwelling_s(self, dwell_s: u32) -> Self {
        Self { dwell_s: Some(dwell_s), ..self }
    }
}

/// How a neighbour relates to the terminal (spec R4), the loosest first. Numbers are stable; they stand in stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Relation {
    /// Within its detectable range.
    InRange = 0,
    /// In the same local network.
    SameNetwork = 1,
    /// Connected to it.
    Connected = 2,
}

impl Relation {
    /// By its number.
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::InRange,
            1 => Self::SameNetwork,
            2 => Self::Connected,
            _ => return None,
        })
    }
}

/// One scan as the terminal reports it. It carries no score: judging is the server's (spec R1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When the scan was made, by the terminal's clock.
    pub taken: Time,
    /// The IANA name of the zone that the terminal was in.
    pub zone: String,
    /// The server's challenge that the scan answers.
    pub nonce: Option<Nonce>,
    /// Which protocols were searched at all: nothing found is not the same as not looked.
    pub scanned: Scanned,
    /// What was found, in any order; at most [`Report::NEIGHBOURS_MAX`].
    pub neighbours: Vec<Observation>,
}

impl Report {
    /// A report names at most this many neighbours.
    pub const NEIGHBOURS_MAX: usize = 256;

    /// The longest wire form, in bytes.
    pub const BYTES_MAX: usize = 128 + Self::NEIGHBOURS_MAX * 19;

    /// Appends the wire form, specified in `docs/spec/risk-core-surroundings.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`] for too many neighbours or a zone name of more than 64 bytes.
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        if self.neighbours.len() > Self::NEIGHBOURS_MAX || self.zone.len() > ZONE_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        let count = u16::try_from(self.neighbours.len()).map_err(|_| WireError::TooLong)?;
        let mut writer = Writer::new(to, 1);
        writer.u64(self.taken.as_ms()).lp8(self.zone.as_bytes())?;
        match self.nonce {
            None => writer.u8(0),
            Some(nonce) => writer.u8(1).fixed(&nonce.0),
        };
        writer.u8(self.scanned.0).u16(count);
        for neighbour in &self.neighbours {
            neighbour.address.encode(&mut writer);
            let flags = u8::from(neighbour.dwell_s.is_some()) | u8::from(neighbour.opted_out) << 1;
            writer.u8(neighbour.relation as u8).u8(flags);
            if let Some(dwell_s) = neighbour.dwell_s {
                writer.u32(dwell_s);
            }
        }
        Ok(())
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`WireError`]; nothing longer than [`Report::BYTES_MAX`] is looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(WireError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let taken = Time::from_ms(reader.u64()?);
        let zone = reader.lp8()?;
        if zone.len() > ZONE_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        let zone = String::from(Reader::text(zone)?);
        let nonce = match reader.u8()? {
            0 => None,
            1 => Some(Nonce(reader.array()?)),
            _ => return Err(WireError::Invalid),
        };
        let scanned = Scanned::from_bits(reader.u8()?).ok_or(WireError::Invalid)?;
        let count = usize::from(reader.u16()?);
        if count > Self::NEIGHBOURS_MAX {
            return Err(WireError::TooLong);
        }
        let mut neighbours = Vec::with_capacity(count);
        for _ in 0..count {
            let address = Address::read(&mut reader)?;
            let relation = Relation::from_u8(reader.u8()?).ok_or(WireError::Invalid)?;
            let flags = reader.u8()?;
            if flags > 3 {
                return Err(WireError::Invalid);
            }
            let dwell_s = if flags & 1 == 1 { Some(reader.u32()?) } else { None };
            let opted_out = flags & 2 == 2;
            neighbours.push(Observation { address, relation, dwell_s, opted_out });
        }
        reader.finish()?;
        Ok(Self { taken, zone, nonce, scanned, neighbours })
    }

    /// The bytes that a device key signs: the domain `interbank/risk-core/scan-report/v1`, a zero byte, the wire form.
    ///
    /// # Errors
    /// As [`Report::encode`].
    pub fn signed_bytes(&self) -> Result<Vec<u8>, WireError> {
        let mut bytes = seal::in_domain("interbank/risk-core/scan-report/v1", &[]);
        self.encode(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether the device with this key signed exactly this report.
    pub fn is_signed_by(&self, key: &VerifyingKey, signature: &[u8; 64]) -> bool {
        self.signed_bytes().is_ok_and(|bytes| key.verify(&bytes, signature))
    }
}

/// A server's challenge for one scan: it shows that the scan was made after it was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; 16]);

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, ..] = self.0;
        write!(f, "Nonce({a:02x}{b:02x}..)")
    }
}

/// A set of protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned(u8);

impl Scanned {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// All of them.
    pub const ALL: Self = Self(0b0111_1110);

    /// From bits, one at each protocol's number; `None` if others are set.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 { Some(Self(bits)) } else { None }
    }

    /// The bits.
    pub const fn as_bits(self) -> u8 {
        self.0
    }

    /// With this protocol.
    #[must_use]
    pub const fn with(self, protocol: Protocol) -> Self {
        Self(self.0 | 1 << protocol as u8)
    }

    /// Whether this protocol is in it.
    pub const fn has(self, protocol: Protocol) -> bool {
        self.0 >> protocol as u8 & 1 == 1
    }
}

/// Names a terminal within an institution: 1 to 64 characters of `0-9 A-Z a-z . _ : -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalId(String);

impl TerminalId {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Checks a name.
    ///
    /// # Errors
    /// [`BadTerminal`].
    pub fn new(name: impl Into<String>) -> Result<Self, BadTerminal> {
        let name = name.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        let fits = (1..=Self::BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed);
        if fits { Ok(Self(name)) } else { Err(BadTerminal) }
    }

    /// The name.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for TerminalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TerminalId({})", self.0)
    }
}

/// Not the name of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTerminal;

impl BadTerminal {
    /// Stable number: 3300.
    pub const fn code(self) -> u32 {
        3_300
    }
}

impl fmt::Display for BadTerminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a terminal has a name of 1 to 64 letters, digits or . _ : -")
    }
}

impl core::error::Error for BadTerminal {}

const ZONE_BYTES_MAX: usize = 64;

//! Addresses of neighbours: what kind they are, and whether they can be relied upon to come back.

use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};

/// The address of a neighbour under the protocol by which it was found (spec R3).
///
/// The same octets under two protocols are two addresses. A clear address lives in memory only, for as long as it takes to
/// make its [`Token`](super::Token); `Debug` prints the maker of an address that has one (three octets), never the rest.
///
/// ```
/// use interbank_risk_core::surroundings::{Address, Class, Protocol, Standing};
/// let router = Address::octets(Protocol::Wifi, [0x00, 0x00, 0x5e, 0x00, 0x53, 0x01]);
/// assert_eq!(router.class(), Class::Universal);
/// assert_eq!(router.standing(), Standing::Reference);
/// let headphones = Address::octets(Protocol::BleRandom, [0x41, 2, 3, 4, 5, 6]);
/// assert_eq!(headphones.standing(), Standing::Unresolvable);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    protocol: Protocol,
    id: [u8; ID_BYTES],
}

impl Address {
    /// A 48-bit address, its most significant octet first. For [`Protocol::Cell`] use [`Address::cell`].
    pub const fn octets(protocol: Protocol, octets: [u8; 6]) -> Self {
        let mut id = [0; ID_BYTES];
        let mut at = 0;
        while at < octets.len() {
            id[at] = octets[at];
            at += 1;
        }
        Self { protocol, id }
    }

    /// A cell of a mobile network: country and network code, and the cell identity that is unique within them (ECI, NCI, or
    /// location area × 2¹⁶ + cell for older radio).
    pub const fn cell(country: u16, network: u16, cell: u64) -> Self {
        let (mcc, mnc, c) = (country.to_be_bytes(), network.to_be_bytes(), cell.to_be_bytes());
        let id = [mcc[0], mcc[1], mnc[0], mnc[1], c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]];
        Self { protocol: Protocol::Cell, id }
    }

    /// Reads `aa:bb:cc:dd:ee:ff` (or with `-`), either case.
    pub fn parse(protocol: Protocol, text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let mut octets = [0; 6];
        if text.len() != 17 || protocol == Protocol::Cell {
            return None;
        }
        for (octet, part) in octets.iter_mut().zip(text.chunks(3)) {
            if part.get(2).is_some_and(|separator| !matches!(separator, b':' | b'-')) {
                return None;
            }
            *octet = hex_digit(part[0])? << 4 | hex_digit(part[1])?;
        }
        Some(Self::octets(protocol, octets))
    }

    /// By which protocol it was found.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What the address says about itself (IEEE 802 U/L and I/G bits; Bluetooth Core 5.4, vol. 6 part B §1.3).
    pub fn class(&self) -> Class {
        let [first, second, third, fourth, fifth, sixth, ..] = self.id;
        match self.protocol {
            Protocol::Cell => {
                let (country, cell) = (u16::from_be_bytes([first, second]), &self.id[4..]);
                let known = (1..=999).contains(&country) && cell.iter().any(|byte| *byte != 0);
                return if known { Class::Universal } else { Class::Invalid };
            }
            Protocol::BleRandom => return Self::ble_random(&self.id[..6]),
            _ => {}
        }
        let octets = [first, second, third, fourth, fifth, sixth];
        if octets == [0; 6] || octets == [0xFF; 6] {
            Class::Invalid
        } else if octets == [0x02, 0, 0, 0, 0, 0] {
            Class::Placeholder
        } else if first & 0x01 != 0 && self.protocol.has_ieee_bits() {
            Class::Group
        } else if first & 0x02 != 0 && self.protocol.has_ieee_bits() {
            if self.protocol == Protocol::Wifi {
                Class::LocalAccessPoint
            } else {
                Class::Randomised
            }
        } else {
            Class::Universal
        }
    }

    /// What may be done with it.
    pub fn standing(&self) -> Standing {
        match self.class() {
            Class::Universal => Standing::Reference,
            Class::LocalAccessPoint | Class::StaticRandom => Standing::Weak,
            Class::NonResolvable | Class::Randomised | Class::Resolvable => Standing::Unresolvable,
            Class::Group | Class::Invalid | Class::Placeholder | Class::Reserved => {
                Standing::Rejected
            }
        }
    }

    /// The block whose CMAC names this very address: `1`, protocol, identifier, zeros.
    pub(crate) fn member_block(&self) -> [u8; 16] {
        self.block(1, self.protocol as u8, &self.id)
    }

    /// The block whose CMAC names the device behind it: `2`, radio family, identifier without what varies between the
    /// addresses of one device, zeros.
    ///
    /// A router numbers its networks in the first octet and in the low bits of the last one; Bluetooth devices use one
    /// address for both of their radios.
    pub(crate) fn group_block(&self) -> [u8; 16] {
        let mut id = self.id;
        let family = match self.protocol {
            Protocol::Wifi | Protocol::Lan => {
                id[0] = 0;
                id[5] &= 0xF0;
                1
            }
            Protocol::Bluetooth | Protocol::BlePublic | Protocol::BleRandom => 2,
            Protocol::Cell => 3,
        };
        self.block(2, family, &id)
    }

    /// The block whose CMAC names it among all terminals of an institution.
    pub(crate) fn population_block(&self) -> [u8; 16] {
        self.block(3, self.protocol as u8, &self.id)
    }

    fn block(&self, purpose: u8, kind: u8, id: &[u8; ID_BYTES]) -> [u8; 16] {
        let mut block = [0; 16];
        block[0] = purpose;
        block[1] = kind;
        block[2..2 + ID_BYTES].copy_from_slice(id);
        block
    }

    fn ble_random(octets: &[u8]) -> Class {
        // The random part is neither all ones nor all zeros.
        let random = octets.iter().enumerate().map(|(at, o)| if at == 0 { o & 0x3F } else { *o });
        let (mut zeros, mut ones) = (true, true);
        for (at, octet) in random.enumerate() {
            zeros &= octet == 0;
            ones &= octet == if at == 0 { 0x3F } else { 0xFF };
        }
        if zeros || ones {
            return Class::Invalid;
        }
        match octets[0] >> 6 {
            0b00 => Class::NonResolvable,
            0b01 => Class::Resolvable,
            0b10 => Class::Reserved,
            _ => Class::StaticRandom,
        }
    }

    pub(super) fn encode(&self, to: &mut Writer<'_>) {
        to.u8(self.protocol as u8).fixed(&self.id[..self.protocol.id_bytes()]);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let protocol = Protocol::from_u8(from.u8()?).ok_or(WireError::Invalid)?;
        let mut id = [0; ID_BYTES];
        let bytes = from.fixed(protocol.id_bytes())?;
        id[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { protocol, id })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.id;
        match self.class() {
            Class::Universal if self.protocol != Protocol::Cell => {
                write!(f, "Address({:?} {a:02x}:{b:02x}:{c:02x}:..)", self.protocol)
            }
            class => write!(f, "Address({:?} {class:?})", self.protocol),
        }
    }
}

/// By which protocol a neighbour was found. Numbers are stable; they stand in stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// A Wi-Fi access point, by its BSSID.
    Wifi = 1,
    /// A Bluetooth device (BR/EDR).
    Bluetooth = 2,
    /// A Bluetooth Low Energy device under a public address.
    BlePublic = 3,
    /// A Bluetooth Low Energy device under a random address; which kind of random is in its top two bits.
    BleRandom = 4,
    /// A host in the same local network, by its link-layer address; the gateway too.
    Lan = 5,
    /// A cell of a mobile network.
    Cell = 6,
}

impl Protocol {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Wifi, Self::Bluetooth, Self::BlePublic, Self::BleRandom, Self::Lan, Self::Cell];

    /// By its number.
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Wifi,
            2 => Self::Bluetooth,
            3 => Self::BlePublic,
            4 => Self::BleRandom,
            5 => Self::Lan,
            6 => Self::Cell,
            _ => return None,
        })
    }

    const fn has_ieee_bits(self) -> bool {
        matches!(self, Self::Wifi | Self::Lan)
    }

    const fn id_bytes(self) -> usize {
        if matches!(self, Self::Cell) { ID_BYTES } else { 6 }
    }
}

/// What an address says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// A group address: no single device.
    Group,
    /// All zeros, all ones, or no cell.
    Invalid,
    /// An access point under a locally administered address: common for second networks of routers, and for hotspots.
    LocalAccessPoint,
    /// A non-resolvable private address.
    NonResolvable,
    /// What platforms return in place of the real address: `02:00:00:00:00:00`.
    Placeholder,
    /// A locally administered address of a host: taken as random (RFC 9724).
    Randomised,
    /// A reserved kind of random address.
    Reserved,
    /// A resolvable private address; only a bonded peer can resolve it.
    Resolvable,
    /// A static random address: stable until the device is switched off.
    StaticRandom,
    /// Assigned by a maker, or a cell: stable.
    Universal,
}

/// What may be done with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It comes back: a reference of full weight.
    Reference,
    /// It may not be used at all.
    Rejected,
    /// It will not come back: only counted.
    Unresolvable,
    /// It may come back: a reference of less weight.
    Weak,
}

/// Whether the owner of a network asked not to be used for location: a name that ends in `_nomap`, or that has `_optout` in
/// it, in either case of letters.
///
/// To be asked where scans are made, since names never reach the server: such a neighbour is left out of the report, or
/// reported with [`Observation::opted_out`](super::Observation::opted_out) and then dropped before anything is derived.
///
/// ```
/// use interbank_risk_core::surroundings::opts_out;
/// assert!(opts_out(b"Home_nomap") && opts_out(b"a_OptOut_b"));
/// assert!(!opts_out(b"nomap") && !opts_out(b"_nomap2"));
/// ```
pub fn opts_out(ssid: &[u8]) -> bool {
    let suffix = ssid.len().checked_sub(NO_MAP.len()).and_then(|at| ssid.get(at..));
    suffix.is_some_and(|end| end.eq_ignore_ascii_case(NO_MAP))
        || ssid.windows(OPT_OUT.len()).any(|part| part.eq_ignore_ascii_case(OPT_OUT))
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

const ID_BYTES: usize = 12;
const NO_MAP: &[u8] = b"_nomap";
const OPT_OUT: &[u8] = b"_optout";

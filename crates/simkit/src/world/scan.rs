//! What a phone reports.

use super::{Device, DeviceKind};
use port::Time;

/// One scan: what the phone found around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// When it was made.
    pub at: Time,
    /// The challenge that it answers.
    pub nonce: [u8; 16],
    /// Whether Wi-Fi was searched; a throttled phone does not, and finds nothing.
    pub wifi: bool,
    /// Whether Bluetooth was searched.
    pub bluetooth: bool,
    /// What was found, in no order that means anything.
    pub sightings: Vec<Sighting>,
}

impl Scan {
    /// Every byte of it, for digests and comparisons.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.at.as_ms().to_be_bytes().to_vec();
        bytes.extend(self.nonce);
        bytes.extend([u8::from(self.wifi), u8::from(self.bluetooth)]);
        for sighting in &self.sightings {
            bytes.extend([sighting.kind as u8, sighting.relation as u8]);
            bytes.extend(sighting.octets);
            bytes.extend(sighting.dwell_s.map_or([0xFF; 4], u32::to_be_bytes));
            bytes.push(u8::from(sighting.opted_out));
        }
        bytes
    }
}

/// One device of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which kind of address.
    pub kind: DeviceKind,
    /// The address that it showed.
    pub octets: [u8; 6],
    /// How it relates to the phone.
    pub relation: Relation,
    /// For how long it has been there, in seconds; `None` where the phone cannot say.
    pub dwell_s: Option<u32>,
    /// Whether its network asks not to be used.
    pub opted_out: bool,
}

impl Sighting {
    pub(super) fn of(device: &Device, at: Time, relation: Relation, dwell_s: Option<u32>) -> Self {
        Self {
            kind: device.kind,
            octets: device.octets_at(at),
            relation,
            dwell_s,
            opted_out: device.opted_out,
        }
    }
}

/// How a device relates to the phone, the loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// In range.
    InRange,
    /// In the same network.
    SameNetwork,
    /// Connected.
    Connected,
}

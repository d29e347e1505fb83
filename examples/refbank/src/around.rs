//! What a phone has around it. A browser has no radio, so these places are made up; only what the bank does with them is real.

use crate::gate::ZONE;
use interbank::port::Time;
use interbank::risk_core::surroundings::{
    Address, Nonce, Observation, Protocol, Relation, Report, Scanned,
};

/// A made-up place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the payer is each week at this time.
    Home,
    /// In the same house: some neighbours are the same, the resident ones are not.
    NextDoor,
    /// In a part of town where the phone never was.
    Elsewhere,
    /// Nowhere: a thief sends what was recorded at home, with its old number.
    Recording,
}

impl Place {
    /// All of them, the usual one first.
    pub(crate) const ALL: [Self; 4] =
        [Self::Home, Self::NextDoor, Self::Elsewhere, Self::Recording];

    /// By its name in forms.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.name() == name)
    }

    /// Its name in forms.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::NextDoor => "next-door",
            Self::Elsewhere => "elsewhere",
            Self::Recording => "recording",
        }
    }

    /// For people.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Home => "At home, as always at this hour",
            Self::NextDoor => "At a neighbour’s in the same house",
            Self::Elsewhere => "Elsewhere: the phone was stolen",
            Self::Recording => "Elsewhere, sending a scan recorded at home",
        }
    }

    /// What a scan finds here; `chance` decides who passes by, and no two scans are alike.
    pub(crate) fn report(self, taken: Time, nonce: Option<Nonce>, chance: &[u8; 32]) -> Report {
        let mut neighbours = match self {
            Self::Home | Self::Recording => found(&[(0x10..0x16, 3_600), (0x20..0x24, 900)]),
            Self::NextDoor => found(&[(0x20..0x24, 900), (0x40..0x43, 3_600)]),
            Self::Elsewhere => found(&[(0x80..0x8C, 600)]),
        };
        // A recording is the same each time.
        let passing = if self == Self::Recording { &[0; 32] } else { chance };
        let passers = passing.chunks_exact(6).take(2).map(|bytes| {
            let octets = [0x00, 0x00, 0x5E, 0x01, bytes[0], bytes[1]];
            Observation::new(Address::octets(Protocol::Wifi, octets), Relation::InRange)
        });
        neighbours.extend(passers.map(|passer| passer.dwelling_s(30)));
        // It answers the number of its own time, too: the thief cannot know today's.
        let nonce = if self == Self::Recording { Some(Nonce([0x0F; 16])) } else { nonce };
        Report { taken, zone: ZONE.into(), nonce, scanned: Scanned::ALL, neighbours }
    }
}

/// Access points with addresses of the range for documentation, each there for so long.
fn found(groups: &[(std::ops::Range<u8>, u32)]) -> Vec<Observation> {
    let one = |n: u8, dwell_s: u32| {
        let address = Address::octets(Protocol::Wifi, [0x00, 0x00, 0x5E, 0x00, 0x53, n]);
        Observation::new(address, Relation::InRange).dwelling_s(dwell_s)
    };
    let group = |(numbers, dwell_s): &(std::ops::Range<u8>, u32)| {
        let dwell_s = *dwell_s;
        numbers.clone().map(move |n| one(n, dwell_s)).collect::<Vec<_>>()
    };
    groups.iter().flat_map(group).collect()
}

//! A radio device, as far as others see it: its address.

use crate::Rng;
use port::Time;

/// Something with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which kind of address.
    pub kind: DeviceKind,
    /// The address, the most significant octet first. Of a cell: its number, of which the first two octets are 0.
    pub octets: [u8; 6],
    /// After how many days the address changes; `None` if it stays.
    pub rotation_days: Option<u32>,
    /// Whether its network's name asks not to be used (`_nomap`).
    pub opted_out: bool,
}

impl Device {
    /// With an address that its maker gave it, and that stays.
    pub(super) fn draw(rng: &mut Rng, kind: DeviceKind) -> Self {
        let mut octets = rng.bytes::<6>();
        match kind {
            DeviceKind::BleRandom => octets[0] |= 0xC0,
            DeviceKind::Cell => (octets[0], octets[1]) = (0, 0),
            // neither a group nor locally administered
            _ => octets[0] &= 0xFC,
        }
        Self { kind, octets, rotation_days: None, opted_out: false }
    }

    /// With a private address that changes.
    pub(super) fn draw_private(rng: &mut Rng, kind: DeviceKind, rotation_days: u32) -> Self {
        Self { rotation_days: Some(rotation_days), ..Self::draw(rng, kind) }
    }

    /// Somebody who passes: a resolvable private address, or a phone's hotspot.
    pub(super) fn draw_passing(rng: &mut Rng) -> Self {
        if rng.chance(1, 8) {
            let mut hotspot = Self::draw(rng, DeviceKind::Wifi);
            hotspot.octets[0] |= 0x02;
            hotspot
        } else {
            let mut phone = Self::draw(rng, DeviceKind::BleRandom);
            phone.octets[0] = phone.octets[0] & 0x3F | 0x40;
            phone
        }
    }

    /// The address of a router's further network: numbered in the last octet.
    pub(super) fn sibling(mut self, number: u8) -> Self {
        self.octets[5] = self.octets[5] & 0xF0 | number & 0x0F;
        self
    }

    /// The address of a router's guest network: numbered in the first octet, as a locally administered address.
    pub(super) fn guest(mut self) -> Self {
        self.octets[0] |= 0x02;
        self
    }

    /// The address that it shows at a time.
    pub fn octets_at(&self, at: Time) -> [u8; 6] {
        let Some(days) = self.rotation_days else { return self.octets };
        let epoch = at.as_s() / 86_400 / u64::from(days.max(1));
        let [a, b, c, d, e, f] = self.octets;
        let seed = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let mut octets = Rng::new(seed).fork(&format!("epoch {epoch}")).bytes::<6>();
        octets[0] = octets[0] & 0xFC | 0x02;
        octets
    }
}

/// Which kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceKind {
    /// A Wi-Fi access point's BSSID.
    Wifi,
    /// A station in the local network.
    Lan,
    /// Bluetooth BR/EDR.
    Bluetooth,
    /// Bluetooth LE with a public address.
    BlePublic,
    /// Bluetooth LE with a random address.
    BleRandom,
    /// A cell of the mobile network.
    Cell,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_bits_say_what_they_should() {
        let mut rng = Rng::new(4);
        for _ in 0..200 {
            let router = Device::draw(&mut rng, DeviceKind::Wifi);
            assert_eq!(router.octets[0] & 0x03, 0);
            assert_eq!(router.guest().octets[0] & 0x03, 2);
            assert_eq!(router.sibling(3).octets[..5], router.octets[..5]);
            assert_eq!(Device::draw(&mut rng, DeviceKind::BleRandom).octets[0] >> 6, 3);
            let passing = Device::draw_passing(&mut rng);
            assert!(passing.octets[0] >> 6 == 1 || passing.octets[0] & 3 == 2);
        }
    }

    #[test]
    fn private_addresses_change_when_they_should() {
        let phone = Device::draw_private(&mut Rng::new(1), DeviceKind::Lan, 14);
        let day = |day: u64| phone.octets_at(Time::from_s(day * 86_400));
        assert_eq!(day(0), day(13));
        assert_ne!(day(13), day(14));
        assert_eq!(day(20)[0] & 0x03, 2);
    }
}

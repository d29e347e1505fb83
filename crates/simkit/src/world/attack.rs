//! Forged scans, made from what a thief may have recorded.

use super::{Relation, Scan};
use crate::Rng;
use port::Time;

/// An earlier scan sent again as a new one: new time, new challenge, the same findings.
pub fn copied(earlier: &Scan, at: Time, nonce: [u8; 16]) -> Scan {
    Scan { at, nonce, ..earlier.clone() }
}

/// Half of an earlier scan, drawn device by device, mixed into the thief's own scan.
pub fn half_copied(earlier: &Scan, own: &Scan, rng: &mut Rng) -> Scan {
    let mut scan = own.clone();
    scan.sightings.extend(earlier.sightings.iter().filter(|_| rng.chance(1, 2)));
    rng.shuffle(&mut scan.sightings);
    scan
}

/// What an accomplice near the owner sees, passed on as if the phone were there: everything merely in range, since the
/// accomplice has joined nothing.
pub fn relayed(nearby: &Scan, at: Time, nonce: [u8; 16]) -> Scan {
    let mut scan = Scan { at, nonce, ..nearby.clone() };
    for sighting in &mut scan.sightings {
        sighting.relation = Relation::InRange;
    }
    scan
}

#[cfg(test)]
mod tests {
    use super::super::{City, Event, parameters::SMALL_CITY};
    use super::*;

    #[test]
    fn forgeries_are_what_they_say() {
        let city = City::draw(&SMALL_CITY, 12);
        let person = &city.people()[0];
        let events = city.events(person);
        let full = |event: &&Event| event.scan.sightings.len() >= 10;
        let (earlier, paid) = (events.iter().find(full).unwrap(), &events[200]);
        let own = city.stolen(person, paid, false).scan;
        let copy = copied(&earlier.scan, own.at, own.nonce);
        assert_eq!((copy.at, &copy.sightings), (own.at, &earlier.scan.sightings));
        let half = half_copied(&earlier.scan, &own, &mut Rng::new(1));
        let (of_earlier, of_own) = (earlier.scan.sightings.len(), own.sightings.len());
        let taken = half.sightings.len() - of_own;
        assert!(taken > 0 && taken < of_earlier, "{taken} of {of_earlier}");
        let relay = relayed(&city.scan_nearby(person, paid), own.at, own.nonce);
        assert!(relay.sightings.iter().all(|s| s.relation == Relation::InRange));
    }
}

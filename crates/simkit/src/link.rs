//! A network that loses, doubles, delays and reorders.

use crate::Rng;
use port::{Bytes, Peer, Time};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One side's way to its peers, in both colours; what was sent comes out of [`LossyLink::deliver`] when its time has come.
///
/// ```
/// use interbank_simkit::{LossyLink, Rng, Weather};
/// use port::blocking::Link;
/// use port::{Bytes, Peer, Time};
/// let (bank, core) = (Peer::new("bank").unwrap(), Peer::new("core").unwrap());
/// let link = LossyLink::new(bank, Rng::new(1), Weather::FAIR);
/// link.send(&core, &Bytes::from_static(b"debit"))?;
/// assert_eq!(link.deliver(Time::from_ms(1))[0].to, core);
/// # Ok::<(), interbank_simkit::LinkDown>(())
/// ```
#[derive(Debug)]
pub struct LossyLink {
    from: Peer,
    cable: Mutex<Cable>,
}

#[derive(Debug)]
struct Cable {
    rng: Rng,
    weather: Weather,
    now: Time,
    under_way: Vec<(Time, Parcel)>,
}

impl LossyLink {
    /// What `from` sends.
    pub fn new(from: Peer, rng: Rng, weather: Weather) -> Self {
        let cable = Cable { rng, weather, now: Time::EPOCH, under_way: Vec::new() };
        Self { from, cable: Mutex::new(cable) }
    }

    /// The weather changes; frames under way are not concerned.
    pub fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    /// The frames that have arrived by now, in the order of arrival. What is sent later leaves now or later.
    pub fn deliver(&self, now: Time) -> Vec<Parcel> {
        let mut cable = self.lock();
        cable.now = cable.now.max(now);
        let now = cable.now;
        let (mut due, wait): (Vec<_>, Vec<_>) =
            std::mem::take(&mut cable.under_way).into_iter().partition(|(at, _)| *at <= now);
        cable.under_way = wait;
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, parcel)| parcel).collect()
    }

    /// When the next frame arrives.
    pub fn next_arrival(&self) -> Option<Time> {
        self.lock().under_way.iter().map(|(at, _)| *at).min()
    }

    fn carry(&self, to: &Peer, frame: &Bytes) -> Result<(), LinkDown> {
        let mut cable = self.lock();
        let Cable { rng, weather, now, under_way } = &mut *cable;
        if rng.chance(u64::from(weather.refuse), 1_000) {
            return Err(LinkDown);
        }
        let copies = if rng.chance(u64::from(weather.drop), 1_000) {
            0
        } else {
            1 + u64::from(rng.chance(u64::from(weather.double), 1_000))
        };
        for _ in 0..copies {
            let at = now.plus_ms(rng.below(weather.delay_max_ms.saturating_add(1)));
            let parcel = Parcel { from: self.from.clone(), to: to.clone(), frame: frame.clone() };
            under_way.push((at, parcel));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Cable> {
        self.cable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl port::blocking::Link for LossyLink {
    type Error = LinkDown;

    fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), LinkDown> {
        self.carry(to, frame)
    }
}

impl port::Link for LossyLink {
    type Error = LinkDown;

    async fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), LinkDown> {
        self.carry(to, frame)
    }
}

/// A frame that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Who sent it.
    pub from: Peer,
    /// To whom.
    pub to: Peer,
    /// Its bytes, as they were sent.
    pub frame: Bytes,
}

/// How bad the network is. Chances are in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// The sender is told that the frame did not leave; it did not.
    pub refuse: u16,
    /// The frame vanishes.
    pub drop: u16,
    /// The frame arrives twice.
    pub double: u16,
    /// Each copy takes up to so long, so that later frames overtake it.
    pub delay_max_ms: u64,
}

impl Weather {
    /// Everything arrives at once, and once.
    pub const FAIR: Self = Self { refuse: 0, drop: 0, double: 0, delay_max_ms: 0 };

    /// A quarter is lost, a fifth doubled, and all of it is late.
    pub const STORM: Self = Self { refuse: 50, drop: 250, double: 200, delay_max_ms: 3_000 };

    /// Nothing gets through.
    pub const CUT: Self = Self { refuse: 0, drop: 1_000, double: 0, delay_max_ms: 0 };
}

/// The link did not take a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkDown;

impl fmt::Display for LinkDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the link is down")
    }
}

impl std::error::Error for LinkDown {}

#[cfg(test)]
mod tests {
    use super::*;
    use port::blocking::Link;

    fn sent(weather: Weather) -> (LossyLink, usize) {
        let link = LossyLink::new(Peer::new("a").unwrap(), Rng::new(4), weather);
        let to = Peer::new("b").unwrap();
        let numbers = 0..1_000_u32;
        let taken = numbers
            .filter(|n| Link::send(&link, &to, &Bytes::copy_from_slice(&n.to_be_bytes())).is_ok());
        let taken = taken.count();
        (link, taken)
    }

    #[test]
    fn a_storm_loses_doubles_delays_and_reorders() {
        let (link, taken) = sent(Weather::STORM);
        assert!((900..1_000).contains(&taken), "{taken}");
        let early = link.deliver(Time::from_ms(1_500)).len();
        let late = link.deliver(Time::from_ms(3_000));
        let all = early + late.len();
        assert!((780..960).contains(&all) && early > 300 && late.len() > 300, "{early} {all}");
        assert!(!late.is_sorted_by_key(|parcel| parcel.frame.clone()));
        let mut frames: Vec<Bytes> = late.into_iter().map(|parcel| parcel.frame).collect();
        let before = frames.len();
        frames.sort();
        frames.dedup();
        assert!(frames.len() < before);
        assert_eq!((link.next_arrival(), link.deliver(Time::from_s(99)).len()), (None, 0));
    }

    #[test]
    fn fair_weather_keeps_everything_in_order() {
        let (link, taken) = sent(Weather::FAIR);
        let found = link.deliver(Time::EPOCH);
        assert_eq!((taken, found.len()), (1_000, 1_000));
        assert!(found.is_sorted_by_key(|parcel| parcel.frame.clone()));
        let (cut, taken) = sent(Weather::CUT);
        assert_eq!((taken, cut.deliver(Time::from_s(9)).len()), (1_000, 0));
    }
}

//! What each counter's number stands for, in all sets that were ever accepted.

use super::{Counter, Parameters, Window};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Currency, WireError};

/// By the counter's number: over what time it counts, and money of which currency.
///
/// What an account has counted lies under the number alone. Places of buckets are numbers for sliding windows and times for
/// calendar ones: read in the other way, old counts would never end, or end at once. So a number keeps its meaning, also after
/// sets that have no such counter, since accounts keep what they counted until they are used again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownCounters(BTreeMap<u8, (Currency, Window)>);

impl KnownCounters {
    /// With those of a set; its first counter that means something else by now.
    pub(crate) fn with(mut self, set: &Parameters) -> Result<Self, u8> {
        for Counter { id, window, .. } in set.counters() {
            let meaning = (set.currency(), *window);
            if *self.0.entry(*id).or_insert(meaning) != meaning {
                return Err(*id);
            }
        }
        Ok(self)
    }

    /// Version, then of each counter: number (1), currency (3), window (1), length.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.0.len() * 13);
        let mut writer = Writer::new(&mut bytes, 1);
        for (id, (currency, window)) in &self.0 {
            let (window, length_ms) = match window {
                Window::Sliding(length_ms) => (0, *length_ms),
                Window::Day => (1, 0),
                Window::Week => (2, 0),
                Window::Month => (3, 0),
            };
            writer.u8(*id).fixed(&currency.letters()).u8(window).u64(length_ms);
        }
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let bad = WireError::Invalid;
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let mut all = BTreeMap::new();
        while !reader.rest().is_empty() {
            let id = reader.u8()?;
            let currency = Currency::from_letters(&reader.array::<3>()?).map_err(|_| bad)?;
            let window = match (reader.u8()?, reader.u64()?) {
                (0, length_ms) => Window::Sliding(length_ms),
                (1, 0) => Window::Day,
                (2, 0) => Window::Week,
                (3, 0) => Window::Month,
                _ => return Err(bad),
            };
            if all.insert(id, (currency, window)).is_some() {
                return Err(bad);
            }
        }
        Ok(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_no_others() {
        let currency = Currency::parse("CNY").unwrap();
        let windows = [Window::Sliding(86_400_000), Window::Day, Window::Week, Window::Month];
        let known = KnownCounters((1..).zip(windows.map(|window| (currency, window))).collect());
        let bytes = known.encode();
        assert_eq!(KnownCounters::parse(&bytes), Ok(known));
        assert!(KnownCounters::parse(&[&bytes[..], &bytes[1..14]].concat()).is_err());
        assert!(KnownCounters::parse(&bytes[..bytes.len() - 1]).is_err());
    }
}

//! The values of a message in one buffer that is erased.

use crate::error::Fault;
use alloc::vec::Vec;
use zeroize::Zeroize as _;

/// Values by field number, one behind the other in one buffer. Never reallocated in place: what moves is erased
/// where it was.
pub(crate) struct Values {
    bytes: Vec<u8>,
    /// Bytes of `bytes` that belong to a field.
    live: usize,
    /// Bit n−1 for field n.
    present: u128,
    /// Start and end, by field number less one; of absent fields without meaning.
    slots: [(u16, u16); 128],
}

impl Values {
    pub(crate) const BYTES_MAX: usize = u16::MAX as usize;

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let bytes = Vec::with_capacity(capacity.min(Self::BYTES_MAX));
        Self { bytes, live: 0, present: 0, slots: [(0, 0); 128] }
    }

    pub(crate) fn set(&mut self, field: u8, value: &[u8]) -> Result<(), Fault> {
        let (from, to) = self.begin(field, value.len())?;
        if let Some(place) = self.bytes.get_mut(from..to) {
            place.copy_from_slice(value);
        }
        Ok(())
    }

    /// Makes room for a value, zeros, and says where. The field's old value is erased.
    fn begin(&mut self, field: u8, len: usize) -> Result<(usize, usize), Fault> {
        let old_len = self.get(field).map_or(0, <[u8]>::len);
        if self.live - old_len + len > Self::BYTES_MAX {
            return Err(Fault::TooLong);
        }
        self.remove(field);
        if self.bytes.len() + len > self.bytes.capacity().min(Self::BYTES_MAX) {
            self.compact(len);
        }
        let from = self.bytes.len();
        let to = from + len;
        let slot = u16::try_from(from).and_then(|from| Ok((from, u16::try_from(to)?)));
        let place = self.slots.get_mut(usize::from(field) - 1);
        let (Ok(slot), Some(place)) = (slot, place) else { return Err(Fault::TooLong) };
        *place = slot;
        self.bytes.resize(to, 0);
        self.live += len;
        self.present |= bit(field);
        Ok((from, to))
    }

    /// As [`Values::set`], for a value that `write` puts into zeros of the right length. If it fails, the field
    /// is not there.
    pub(crate) fn write<E: From<Fault>>(
        &mut self,
        field: u8,
        len: usize,
        write: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (from, to) = self.begin(field, len)?;
        let place = self.bytes.get_mut(from..to).unwrap_or_default();
        write(place).inspect_err(|_| self.remove(field))
    }

    pub(crate) fn remove(&mut self, field: u8) {
        if let Some((from, to)) = self.slot(field) {
            if let Some(old) = self.bytes.get_mut(from..to) {
                old.zeroize();
            }
            self.present &= !bit(field);
            self.live -= to - from;
        }
    }

    pub(crate) fn get(&self, field: u8) -> Option<&[u8]> {
        let (from, to) = self.slot(field)?;
        self.bytes.get(from..to)
    }

    pub(crate) fn has(&self, field: u8) -> bool {
        self.present & bit(field) != 0
    }

    pub(crate) const fn is_above_64(&self) -> bool {
        self.present >> 64 != 0
    }

    /// The bits of fields 1 to 64 and 65 to 128, as bitmaps are sent: the first field is the highest bit.
    pub(crate) const fn bitmaps(&self) -> u128 {
        self.present.reverse_bits()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut left = self.present;
        core::iter::from_fn(move || {
            let field = u8::try_from(left.trailing_zeros()).ok().filter(|at| *at < 128)? + 1;
            left &= left - 1;
            Some((field, self.get(field).unwrap_or_default()))
        })
    }

    /// Bytes of all values together.
    pub(crate) const fn len(&self) -> usize {
        self.live
    }

    fn slot(&self, field: u8) -> Option<(usize, usize)> {
        if !self.has(field) {
            return None;
        }
        let (from, to) = *self.slots.get(usize::from(field) - 1)?;
        Some((usize::from(from), usize::from(to)))
    }

    /// Moves the values into a new buffer without gaps and with room for more; the old one is erased.
    fn compact(&mut self, more: usize) {
        let room = (self.live + more).max(64).next_power_of_two();
        let mut moved = Self::with_capacity(room);
        for (field, value) in self.iter() {
            let from = moved.bytes.len();
            moved.bytes.extend_from_slice(value);
            let slot = (u16::try_from(from), u16::try_from(moved.bytes.len()));
            if let ((Ok(from), Ok(to)), Some(place)) =
                (slot, moved.slots.get_mut(usize::from(field) - 1))
            {
                *place = (from, to);
            }
        }
        moved.present = self.present;
        moved.live = self.live;
        *self = moved;
    }
}

impl Default for Values {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl Clone for Values {
    fn clone(&self) -> Self {
        let mut copy = Self::with_capacity(self.bytes.len());
        copy.bytes.extend_from_slice(&self.bytes);
        copy.present = self.present;
        copy.live = self.live;
        copy.slots = self.slots;
        copy
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self.present == other.present && self.iter().eq(other.iter())
    }
}

impl Eq for Values {}

impl Drop for Values {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

const fn bit(field: u8) -> u128 {
    match field {
        1..=128 => 1 << (field - 1),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn what_is_replaced_or_removed_is_erased() {
        let mut values = Values::with_capacity(64);
        values.set(52, b"secret!!").unwrap();
        values.set(52, b"other").unwrap();
        assert_eq!(values.get(52), Some(&b"other"[..]));
        assert!(!values.bytes.windows(6).any(|bytes| bytes == b"secret"));
        values.remove(52);
        assert_eq!((values.get(52), values.len()), (None, 0));
        assert!(values.bytes.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn values_stay_right_through_any_order_of_changes() {
        let mut values = Values::default();
        let mut model = alloc::collections::BTreeMap::new();
        let mut seed = 7_u32;
        for round in 0..4_000_u32 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let field = u8::try_from(seed >> 25).unwrap() + 1;
            if seed & 0x300 == 0 {
                values.remove(field);
                model.remove(&field);
            } else {
                let value =
                    vec![round.to_be_bytes()[3]; usize::try_from((seed >> 12) % 300).unwrap()];
                values.set(field, &value).unwrap();
                model.insert(field, value);
            }
            assert!(values.iter().eq(model.iter().map(|(field, value)| (*field, &value[..]))));
        }
        assert_eq!(values.clone().len(), model.values().map(Vec::len).sum::<usize>());
    }

    #[test]
    fn the_bound_holds_and_gaps_do_not_count() {
        let mut values = Values::default();
        let half = vec![1; 40_000];
        values.set(48, &half).unwrap();
        assert_eq!(values.set(63, &half), Err(Fault::TooLong));
        values.set(48, &half).unwrap();
        values.set(63, &half[..25_535]).unwrap();
        assert_eq!(values.set(62, &[1]), Err(Fault::TooLong));
        assert_eq!(values.len(), Values::BYTES_MAX);
    }
}

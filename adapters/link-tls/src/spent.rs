//! Room of large frames that were used up: the next ones are read into it, which is still in the processor's caches.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Frames that somebody may still use, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

impl Spent {
    /// Empty room for a frame of this length.
    pub(crate) fn room(&mut self, len: usize) -> BytesMut {
        if len >= LARGE
            && let Some(at) = self.frames.iter().position(|it| it.len() >= len && it.is_unique())
            && let Some(frame) = self.frames.remove(at)
        {
            self.bytes -= frame.len();
            if let Ok(mut room) = frame.try_into_mut() {
                room.clear();
                return room;
            }
        }
        BytesMut::with_capacity(len)
    }

    /// A frame that is handed on.
    pub(crate) fn keep(&mut self, frame: &Bytes) {
        if frame.len() < LARGE {
            return;
        }
        self.bytes += frame.len();
        self.frames.push_back(frame.clone());
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.frames.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    /// Nothing large comes any more.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Below, a new one costs less than looking.
const LARGE: usize = 64 << 10;
/// Kept for each connection at most.
const BYTES_MAX: usize = 6 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spent: &mut Spent, len: usize, byte: u8) -> Bytes {
        let mut room = spent.room(len);
        assert!(room.is_empty() && room.capacity() >= len);
        room.resize(len, byte);
        let frame = room.freeze();
        spent.keep(&frame);
        frame
    }

    #[test]
    fn room_is_used_again_once_nobody_has_the_frame() {
        let mut spent = Spent::default();
        let first = read(&mut spent, 2 * LARGE, 1);
        let place = first.as_ptr();
        let part = first.slice(10..20);
        drop(first);
        // A part is in use: what it says stays.
        let second = read(&mut spent, 2 * LARGE, 2);
        assert_ne!(second.as_ptr(), place);
        assert_eq!(part, [1; 10][..]);
        drop(part);
        assert_eq!(read(&mut spent, LARGE, 3).as_ptr(), place);
        assert_eq!(second[..], [2; 2 * LARGE]);
    }

    #[test]
    fn small_frames_are_not_kept_and_large_ones_up_to_a_bound() {
        let mut spent = Spent::default();
        drop(read(&mut spent, LARGE - 1, 1));
        assert!(spent.frames.is_empty());
        let held: Vec<Bytes> = (0..100).map(|n| read(&mut spent, 1 << 20, n)).collect();
        assert!(spent.bytes <= BYTES_MAX && spent.frames.len() == BYTES_MAX >> 20);
        assert!(held.iter().zip(0..).all(|(frame, n)| frame[..] == [n; 1 << 20]));
        spent.clear();
        assert!(spent.frames.is_empty() && spent.bytes == 0);
    }
}

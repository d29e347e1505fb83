//! The journal: what groups changed, in two files that are written from their beginnings in turn.
//!
//! A group is durable when its frame is: one write in a file that is already as long as it has to be, and one sync. The frames of
//! one file are a *segment*. When a segment has enough, a checkpoint moves its rows into the tree, and the other file is written; the
//! first is written again when the tree has its rows. What a file still holds of an earlier segment is told by its states: each
//! frame says between which two it leads, and only a chain from the state of the tree counts.

use crate::database::Trouble;
use crate::disk::{sync_folder, write_all_at};
use crate::frame::{BLOCK_BYTES, Frame, is_of_another_store};
use crate::memtable::{Frozen, Memtable, Memtables};
use crate::number::Number;
use crate::state::State;
use crate::{Damage, Error};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The two files.
#[derive(Debug)]
pub(crate) struct Journal {
    segments: [Segment; 2],
    current: usize,
}

impl Journal {
    /// Reads what is there, and says what it leads to from the state of the tree.
    pub(crate) fn open(
        places: [PathBuf; 2],
        checkpoint: &State,
        number: Option<&Number>,
        #[cfg(test)] faults: Option<&std::sync::Arc<crate::faults::Faults>>,
    ) -> Result<(Self, Memtables), Trouble> {
        let [one, two] = places.map(|path| {
            Segment::new(
                path,
                #[cfg(test)]
                faults.cloned(),
            )
        });
        let mut segments = [one, two];
        let [one, two] = &mut segments;
        let bytes = [one.open()?, two.open()?];
        let replayed = replay([&bytes[0], &bytes[1]], checkpoint, number)?;
        for ((segment, bytes), live) in segments.iter_mut().zip(&bytes).zip(replayed.live) {
            // What was read may never have reached the disk, and after a failed sync the system may believe that it did:
            // what comes next rests on it, so it is written once more.
            segment.write_at(0, &bytes[..live])?;
            segment.sync()?;
            segment.at = live as u64;
        }
        let journal = Self { segments, current: replayed.current };
        Ok((journal, Memtables::new(replayed.state, replayed.active, replayed.frozen)))
    }

    /// Makes a frame durable.
    pub(crate) fn append(&mut self, frame: &[u8]) -> Result<(), Error> {
        self.segments[self.current].append(frame)
    }

    /// How many bytes the current segment has.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segments[self.current].at
    }

    /// Goes on in the other file, of which the tree has all.
    pub(crate) fn rotate(&mut self) {
        self.current ^= 1;
        self.segments[self.current].at = 0;
    }

    /// Removes the files; only when the tree has all.
    pub(crate) fn remove(self) -> io::Result<()> {
        for Segment { path, file, .. } in self.segments {
            if file.is_some() {
                drop(file);
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// One file, made when it is first written.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: Option<File>,
    /// Where the next frame goes.
    at: u64,
    /// So long is the file: a write within changes nothing but bytes.
    len: u64,
    #[cfg(test)]
    faults: Option<std::sync::Arc<crate::faults::Faults>>,
}

impl Segment {
    const fn new(
        path: PathBuf,
        #[cfg(test)] faults: Option<std::sync::Arc<crate::faults::Faults>>,
    ) -> Self {
        Self {
            path,
            file: None,
            at: 0,
            len: 0,
            #[cfg(test)]
            faults,
        }
    }

    /// What the file holds, nothing where there is none.
    fn open(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match File::options().read(true).write(true).open(&self.path) {
            Ok(mut file) => {
                file.read_to_end(&mut bytes)?;
                self.len = bytes.len() as u64;
                self.file = Some(file);
                // Whoever made it may have been stopped before its name was on the disk.
                self.sync_folder()?;
            }
            Err(why) if why.kind() == ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
        Ok(bytes)
    }

    fn append(&mut self, frame: &[u8]) -> Result<(), Error> {
        let end = self.at + frame.len() as u64;
        self.make_room(end).map_err(|why| Error::NotApplied(why.kind()))?;
        // From here on all of it may be there, whatever the system says.
        let written = self.write_at(self.at, frame).and_then(|()| self.sync());
        written.map_err(|why| Error::Unknown(why.kind()))?;
        self.at = end;
        Ok(())
    }

    /// A full disk is found out here, before anything of a frame is written.
    fn make_room(&mut self, end: u64) -> io::Result<()> {
        if self.file.is_none() {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            self.file = Some(options.open(&self.path)?);
            self.sync_folder()?;
        }
        if end > self.len {
            // Some zeros more, so that the next syncs have no more to do than bytes; few, since this one has to wait for them.
            let len = end + GROWTH_BYTES;
            let zeros = vec![0; usize::try_from(len - self.len).unwrap_or(usize::MAX)];
            self.write_at(self.len, &zeros)?;
            self.len = len;
        }
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        sync_folder(self.path.parent().unwrap_or(Path::new("")))
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.write(&self.path, at, bytes)?;
        }
        let Some(file) = &self.file else { return Ok(()) };
        write_all_at(file, at, bytes)?;
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.written()?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.sync(&self.path)?;
        }
        file.sync_data()
    }
}

/// What two files lead to.
#[derive(Debug)]
struct Replayed {
    state: State,
    frozen: Option<Frozen>,
    active: Memtable,
    /// How much of each file counts.
    live: [usize; 2],
    /// Which file is written next.
    current: usize,
}

/// Follows the chain of frames from the state of the tree through both files.
fn replay(
    segments: [&[u8]; 2],
    checkpoint: &State,
    number: Option<&Number>,
) -> Result<Replayed, Damage> {
    // Its frames would count for nothing, and what it has would be lost without a word.
    if segments.into_iter().any(|segment| is_of_another_store(segment, number)) {
        return Err(Damage::Journal);
    }
    let mut found = Replayed {
        state: *checkpoint,
        frozen: None,
        active: Memtable::default(),
        live: [0; 2],
        current: 0,
    };
    let leads = |segment: &[u8]| {
        Frame::parse(segment, number).is_some_and(|frame| frame.before == *checkpoint)
    };
    let first = usize::from(!leads(segments[0]));
    for segment in [first, first ^ 1] {
        let Some(chain) = Chain::of(segments[segment], found.state, number)? else { continue };
        if segment != first {
            let rows = std::mem::take(&mut found.active);
            found.frozen = Some(Frozen { rows, after: found.state });
        }
        (found.active, found.state) = (chain.rows, chain.state);
        (found.current, found.live[segment]) = (segment, chain.at);
    }
    // A frame that leads further than the chain has lost those before it.
    let is_beyond = |frame: Frame<'_>| frame.after.last > found.state.last;
    let mut blocks = segments.into_iter().flat_map(|segment| {
        let blocks = (0..segment.len()).step_by(BLOCK_BYTES);
        blocks.filter_map(move |at| Frame::parse(&segment[at..], number))
    });
    if blocks.any(is_beyond) { Err(Damage::Journal) } else { Ok(found) }
}

/// The part of one file that goes on from a state.
#[derive(Debug)]
struct Chain {
    rows: Memtable,
    state: State,
    at: usize,
}

impl Chain {
    fn of(segment: &[u8], from: State, number: Option<&Number>) -> Result<Option<Self>, Damage> {
        let mut chain = Self { rows: Memtable::default(), state: from, at: 0 };
        let frame_at = |at: usize| Frame::parse(segment.get(at..)?, number);
        while let Some(frame) = frame_at(chain.at) {
            if frame.before != chain.state {
                break;
            }
            frame.replay(&mut chain.rows).ok_or(Damage::Journal)?;
            chain.state = frame.after;
            chain.at += frame.len;
        }
        Ok((chain.at > 0).then_some(chain))
    }
}

/// So much longer than it has to be is a file when it has grown.
const GROWTH_BYTES: u64 = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Writing;
    use crate::record::Held;
    use bytes::Bytes;
    use port::Key;
    use proptest::prelude::*;

    /// A history of groups: the state before each, its frame, and in which file it was written.
    struct History {
        states: Vec<State>,
        rows: Vec<Vec<(u64, u64)>>,
        segments: [Vec<u8>; 2],
        number: Number,
    }

    impl History {
        /// Groups of so many rows; a file is turned behind each group that says so.
        fn of(groups: &[(Vec<u64>, bool)]) -> Self {
            let (mut states, mut all_rows) = (vec![State::default()], Vec::new());
            let (mut segments, mut current) = ([Vec::new(), Vec::new()], 0);
            let number = Number::draw().unwrap();
            for (rows, is_last_of_segment) in groups {
                let before = *states.last().unwrap();
                let mut after = State { last: before.last + 1, ..before };
                let mut writing = Writing::new();
                for n in rows {
                    let held = held(*n, after.last);
                    after.add(held.checksum);
                    writing.put(key(*n).as_bytes(), &held);
                }
                segments[current].extend_from_slice(&writing.finish(&before, &after, &number));
                all_rows.push(rows.iter().map(|n| (*n, after.last)).collect());
                states.push(after);
                if *is_last_of_segment && current == 0 {
                    current = 1;
                }
            }
            Self { states, rows: all_rows, segments, number }
        }

        /// What lies over the tree when the tree has `from` groups, and the journal leads to `to`.
        fn rows(&self, from: usize, to: usize) -> Memtable {
            let mut rows = Memtable::default();
            for (n, version) in self.rows[from..to].iter().flatten() {
                rows.set(key(*n), Some(held(*n, *version)));
            }
            rows
        }
    }

    fn key(n: u64) -> Key {
        Key::new(port::CrateTag::PORT, port::Tenant::new(1), 1).number(n).unwrap()
    }

    fn held(n: u64, version: u64) -> Held {
        Held::new(key(n).as_bytes(), version, Bytes::from(vec![7; 900]))
    }

    fn groups() -> impl Strategy<Value = Vec<(Vec<u64>, bool)>> {
        let rows = prop::collection::btree_set(0..12_u64, 1..9);
        let group = (rows, prop::bool::weighted(0.2));
        let group = group.prop_map(|(rows, turns)| (rows.into_iter().collect(), turns));
        prop::collection::vec(group, 1..12)
    }

    fn all(found: &Replayed) -> Vec<(Key, Option<Held>)> {
        let frozen = found.frozen.iter().flat_map(|frozen| frozen.rows.iter());
        let mut rows = Memtable::default();
        for (key, held) in frozen.chain(found.active.iter()) {
            rows.set(key.clone(), held.clone());
        }
        rows.iter().map(|(key, held)| (key.clone(), held.clone())).collect()
    }

    /// The first frame of a new store, and the first one after a segment that is in the tree.
    #[test]
    fn a_first_frame_that_was_torn_at_any_byte_ends_the_chain() {
        let history = History::of(&[(vec![1], true), (vec![2, 3], false)]);
        for (segment, state) in [(0, &history.states[0]), (1, &history.states[1])] {
            let whole = &history.segments[segment];
            let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
            for cut in 0..=used + 1 {
                let mut torn = whole[..cut].to_vec();
                torn.resize(whole.len(), 0);
                let mut segments = [&history.segments[0][..], &[]];
                segments[segment] = &torn;
                let found = replay(segments, state, Some(&history.number)).unwrap();
                let expected = if cut > used { history.states[segment + 1] } else { *state };
                assert_eq!(found.state, expected, "{cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn blocks_that_were_lost_or_are_of_another_place_never_make_another_history(
            groups in groups(),
            torn in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..3),
        ) {
            let history = History::of(&groups);
            let mut segments = history.segments.clone();
            let blocks: Vec<(usize, usize)> = (0..2)
                .flat_map(|segment| (0..segments[segment].len() / BLOCK_BYTES).map(move |at| (segment, at)))
                .collect();
            for (from, to) in &torn {
                let ((from, at), (to, place)) = (*from.get(&blocks), *to.get(&blocks));
                let block = history.segments[from][at * BLOCK_BYTES..][..BLOCK_BYTES].to_vec();
                segments[to][place * BLOCK_BYTES..][..BLOCK_BYTES].copy_from_slice(&block);
            }
            match replay([&segments[0], &segments[1]], &State::default(), Some(&history.number)) {
                Ok(found) => {
                    let to = history.states.iter().position(|state| *state == found.state);
                    let to = to.unwrap();
                    prop_assert!(to == groups.len() || !torn.is_empty());
                    let expected = history.rows(0, to);
                    let expected: Vec<_> =
                        expected.iter().map(|(key, held)| (key.clone(), held.clone())).collect();
                    prop_assert_eq!(all(&found), expected);
                }
                Err(damage) => {
                    prop_assert_eq!(damage, Damage::Journal);
                    prop_assert!(!torn.is_empty());
                }
            }
        }

        /// Only where a segment ends can the tree be; a segment that is in it counts no more.
        #[test]
        fn a_segment_that_is_in_the_tree_is_not_followed_again(groups in groups()) {
            let history = History::of(&groups);
            let first = groups.iter().position(|(_, turns)| *turns).map_or(groups.len(), |at| at + 1);
            let segments = [&history.segments[0][..], &history.segments[1]];
            let found = replay(segments, &history.states[first], Some(&history.number)).unwrap();
            prop_assert_eq!(found.state, history.states[groups.len()]);
            prop_assert!(found.frozen.is_none());
            let expected = history.rows(first, groups.len());
            prop_assert_eq!(found.active.len(), expected.len());
            prop_assert_eq!(found.live, [0, history.segments[1].len()]);
        }
    }
}

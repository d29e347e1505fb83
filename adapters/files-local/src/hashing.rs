//! The root of a file, by as many threads as there are processors for it.

use ::files::Prover;
use filexfer::Groups;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Reads a file once. If it is shorter than it was, not all of it is proved.
pub(crate) fn hash_all(file: &File, groups: Groups, prover: &mut Prover) -> io::Result<()> {
    let mut next = 0;
    while next < groups.count() {
        let end = next.saturating_add(ROUND).min(groups.count());
        for piece in hash_round(file, groups, next..end)? {
            let Some(hashes) = piece else { return Ok(()) };
            hashes.into_iter().try_for_each(|hash| prover.hashed(hash))?;
        }
        next = end;
    }
    Ok(())
}

type Hashes = Option<Vec<[u8; 32]>>;

/// Several threads, this one among them, each take the next piece as long as there is one.
fn hash_round(file: &File, groups: Groups, round: Range<u64>) -> io::Result<Vec<Hashes>> {
    let next = AtomicU64::new(round.start);
    let take = || -> io::Result<BTreeMap<u64, Hashes>> {
        let mut pieces = BTreeMap::new();
        loop {
            let start = next.fetch_add(PIECE, Ordering::Relaxed);
            if start >= round.end {
                return Ok(pieces);
            }
            let piece = start..start.saturating_add(PIECE).min(round.end);
            pieces.insert(start, hash_piece(file, groups, &piece)?);
        }
    };
    let threads = threads(round.end - round.start);
    let pieces = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let mut pieces = take()?;
        for other in others {
            let theirs = other.join();
            pieces.append(&mut theirs.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?);
        }
        io::Result::Ok(pieces)
    })?;
    Ok(pieces.into_values().collect())
}

fn hash_piece(file: &File, groups: Groups, piece: &Range<u64>) -> io::Result<Hashes> {
    let mut hashes = Vec::with_capacity(usize::try_from(piece.end - piece.start).unwrap_or(0));
    let whole = groups.bytes_len(piece);
    let mut buffer = vec![0; usize::try_from(whole).map_or(READ, |whole| whole.min(READ))];
    let mut next = piece.start;
    while next < piece.end {
        let end = next.saturating_add(READ_GROUPS).min(piece.end);
        let bytes = groups.bytes(&(next..end));
        let len = usize::try_from(bytes.end - bytes.start).unwrap_or(READ).min(buffer.len());
        let (read, _) = buffer.split_at_mut(len);
        match file.read_exact_at(read, bytes.start) {
            Ok(()) => {}
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(why) => return Err(why),
        }
        // An empty file has one group, of no bytes.
        let parts = read.chunks(GROUP).chain(read.is_empty().then_some(&[][..]));
        for (number, part) in (next..end).zip(parts) {
            let Ok(hash) = groups.hash(number, part) else { return Ok(None) };
            hashes.push(hash);
        }
        next = end;
    }
    Ok(Some(hashes))
}

fn threads(groups: u64) -> usize {
    if groups <= ALONE {
        return 1;
    }
    thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}

/// 4 MiB: hashing as much by oneself costs little more than a thread does.
const ALONE: u64 = 256;
/// What a thread takes at a time: 1 MiB.
const PIECE: u64 = 64;
/// After how much threads wait for each other: 128 MiB. Their hashes take 256 KiB.
const ROUND: u64 = 8_192;
/// Others want processors, too.
const THREADS_MAX: usize = 4;
/// What a processor's cache holds.
const READ_GROUPS: u64 = 8;
const READ: usize = 8 * GROUP;
const GROUP: usize = 16_384;

//! The root of a file, by as many threads as there are processors for it.

use ::files::Prover;
use filexfer::Groups;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::thread;

/// Reads a file once. If it is shorter than it was, not all of it is proved.
pub(crate) fn hash_all(file: &File, groups: Groups, prover: &mut Prover) -> io::Result<()> {
    let threads = threads(groups.count());
    let mut next = 0;
    while next < groups.count() {
        // So many pieces at a time, each by a thread.
        let mut pieces = Vec::with_capacity(threads);
        while pieces.len() < threads && next < groups.count() {
            let end = next.saturating_add(PIECE).min(groups.count());
            pieces.push(next..end);
            next = end;
        }
        for hashes in hash_pieces(file, groups, &pieces)? {
            let Some(hashes) = hashes else { return Ok(()) };
            hashes.into_iter().try_for_each(|hash| prover.hashed(hash))?;
        }
    }
    Ok(())
}

type Hashes = Option<Vec<[u8; 32]>>;

/// The first piece by this thread.
fn hash_pieces(file: &File, groups: Groups, pieces: &[Range<u64>]) -> io::Result<Vec<Hashes>> {
    let Some((first, others)) = pieces.split_first() else { return Ok(Vec::new()) };
    thread::scope(|scope| {
        let others: Vec<_> =
            others.iter().map(|piece| scope.spawn(|| hash_piece(file, groups, piece))).collect();
        let mut all = vec![hash_piece(file, groups, first)?];
        for other in others {
            let hashes = other.join();
            all.push(hashes.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?);
        }
        Ok(all)
    })
}

fn hash_piece(file: &File, groups: Groups, piece: &Range<u64>) -> io::Result<Hashes> {
    let mut hashes = Vec::with_capacity(usize::try_from(piece.end - piece.start).unwrap_or(0));
    let mut buffer = vec![0; READ];
    let mut next = piece.start;
    while next < piece.end {
        let end = next.saturating_add(READ_GROUPS).min(piece.end);
        let bytes = groups.bytes(&(next..end));
        let len = usize::try_from(bytes.end - bytes.start).unwrap_or(READ).min(READ);
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
    if groups <= PIECE {
        return 1;
    }
    thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}

/// 4 MiB: a thread costs little beside hashing as much.
const PIECE: u64 = 256;
/// Others want processors, too.
const THREADS_MAX: usize = 4;
/// What a processor's cache holds.
const READ_GROUPS: u64 = 8;
const READ: usize = 8 * GROUP;
const GROUP: usize = 16_384;

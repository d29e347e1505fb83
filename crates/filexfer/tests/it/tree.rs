//! The tree against the `blake3` and `bao-tree` crates, which are other people's.

use bao_tree::io::outboard::PreOrderOutboard;
use bao_tree::io::sync::{CreateOutboard as _, decode_ranges, encode_ranges_validated};
use bao_tree::{BlockSize, ChunkNum, ChunkRanges};
use interbank_filexfer::*;
use proptest::prelude::*;
use std::io::Cursor;
use std::ops::Range;

pub(crate) fn content(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&len.to_be_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

fn group(content: &[u8], group: u64) -> Option<&[u8]> {
    let groups = Groups::new(content.len() as u64);
    let bytes = groups.bytes(&(group..group + 1));
    content.get(bytes.start as usize..bytes.end as usize)
}

pub(crate) fn encode(content: &[u8], outboard: &Outboard, range: &Range<u64>) -> Vec<u8> {
    let mut encoded = Vec::new();
    let size = content.len() as u64;
    Slice::encode(outboard, size, range, |at| group(content, at), &mut encoded).unwrap();
    encoded
}

fn chunks(range: &Range<u64>) -> ChunkRanges {
    ChunkRanges::from(ChunkNum(range.start * 16)..ChunkNum(range.end * 16))
}

const LENGTHS: [usize; 12] = [
    0,
    1,
    1_024,
    16_383,
    16_384,
    16_385,
    32_768,
    49_153,
    16_384 * 7,
    16_384 * 8,
    16_384 * 9 + 5,
    300_001,
];

#[test]
fn f13_roots_are_those_of_blake3() {
    for len in LENGTHS {
        let content = content(len);
        let expected = *blake3::hash(&content).as_bytes();
        assert_eq!(Outboard::of(&content).root(), &expected, "{len}");
        for piece in [1_000, 16_384, 70_000] {
            let mut root = StreamingRoot::new();
            content.chunks(piece).for_each(|bytes| root.update(bytes));
            assert_eq!(root.finish(), (expected, len as u64), "{len} in {piece}");
        }
    }
}

#[test]
fn pairs_are_those_of_bao_tree_in_its_order() {
    for len in LENGTHS {
        let content = content(len);
        let theirs = PreOrderOutboard::<Vec<u8>>::create(
            Cursor::new(&content[..]),
            BlockSize::from_chunk_log(4),
        )
        .unwrap();
        let ours = Outboard::of(&content);
        assert_eq!(ours.root(), theirs.root.as_bytes());
        let count = ours.groups().count() - 1;
        let laid_out: Vec<u8> = (0..count).flat_map(|n| ours.pair(n).unwrap()).collect();
        assert_eq!(laid_out, theirs.data, "{len}");
        assert_eq!(ours.pair(count), None);
        // and in one pass
        let mut built = Outboard::empty(*ours.root(), len as u64);
        let mut builder = OutboardBuilder::new(len as u64);
        let mut root = None;
        for at in 0..ours.groups().count() {
            assert_eq!(root, None);
            root = builder
                .group(group(&content, at).unwrap(), |n, pair| built.extend([(n, pair)]))
                .unwrap();
        }
        assert_eq!((root, built), (Some(*ours.root()), ours));
        assert_eq!(builder.group(&[1], |_, _| {}), Err(Misuse::Range));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn slices_are_those_of_bao_tree(len in 1_usize..400_000, from in any::<prop::sample::Index>(), many in 1_u64..9) {
        let content = content(len);
        let ours = Outboard::of(&content);
        let count = ours.groups().count();
        let start = from.index(count as usize) as u64;
        let range = start..(start + many).min(count);
        let theirs = PreOrderOutboard::<Vec<u8>>::create(Cursor::new(&content[..]), BlockSize::from_chunk_log(4)).unwrap();
        let mut their_slice = Vec::new();
        encode_ranges_validated(&content[..], &theirs, &chunks(&range), &mut their_slice).unwrap();
        let our_slice = encode(&content, &ours, &range);
        prop_assert_eq!(&our_slice, &their_slice);
        // they take ours
        let mut decoded = vec![0_u8; len];
        let mut into = PreOrderOutboard { tree: theirs.tree, root: theirs.root, data: vec![0; theirs.data.len()] };
        decode_ranges(&our_slice[..], &chunks(&range), &mut decoded, &mut into).unwrap();
        // we take theirs
        let slice = Slice::open(ours.root(), len as u64, &range, &their_slice).unwrap();
        let bytes = ours.groups().bytes(&range);
        let bytes = bytes.start as usize..bytes.end as usize;
        prop_assert_eq!(&decoded[bytes.clone()], &content[bytes.clone()]);
        prop_assert_eq!(slice.groups.iter().flat_map(|(_, b)| b.to_vec()).collect::<Vec<_>>(), &content[bytes]);
        prop_assert_eq!(slice.groups.iter().map(|(at, _)| *at).collect::<Vec<_>>(), range.clone().collect::<Vec<_>>());
        // whoever got everything can prove everything
        let mut relayed = Outboard::empty(*ours.root(), len as u64);
        let all = encode(&content, &ours, &(0..count));
        relayed.extend(Slice::open(ours.root(), len as u64, &(0..count), &all).unwrap().pairs);
        prop_assert_eq!(relayed, ours);
    }

    #[test]
    fn fd02_a_flipped_bit_is_found(len in 1_usize..200_000, at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let content = content(len);
        let ours = Outboard::of(&content);
        let count = ours.groups().count();
        let range = count / 2..count;
        let mut encoded = encode(&content, &ours, &range);
        let at = at.index(encoded.len());
        encoded[at] ^= 1 << bit;
        let opened = Slice::open(ours.root(), len as u64, &range, &encoded);
        prop_assert!(matches!(opened, Err(Damaged::Content | Damaged::Proof)));
    }

    #[test]
    fn fd02_wrong_bytes_are_never_opened(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 0..40_000_u64) {
        let range = 0..Groups::new(size).count();
        prop_assert!(Slice::open(&[7; 32], size, &range, &bytes).is_err());
    }
}

#[test]
fn fd02_a_slice_is_for_its_place_only() {
    let content = content(16_384 * 8);
    let (size, ours) = (content.len() as u64, Outboard::of(&content));
    let encoded = encode(&content, &ours, &(2..4));
    let open =
        |size, range: Range<u64>, bytes: &[u8]| Slice::open(ours.root(), size, &range, bytes).err();
    assert_eq!(open(size, 2..4, &encoded), None);
    assert!(open(size, 4..6, &encoded).is_some());
    assert_eq!(open(size, 2..4, &encoded[1..]), Some(Damaged::Proof));
    assert_eq!(open(size, 2..4, &encoded[..encoded.len() - 1]), Some(Damaged::Truncated));
    assert_eq!(open(size, 2..4, &[&encoded[..], &[0]].concat()), Some(Damaged::Trailing));
    assert_eq!(open(size, 7..9, &encoded), Some(Damaged::Range));
    assert_eq!(open(size, 3..3, &encoded), Some(Damaged::Range));
    // A wrong size shows at the last group, or at once where it makes another tree.
    assert!(open(size + 1, 2..4, &encoded).is_some());
    let last = encode(&content, &ours, &(7..8));
    assert!(open(size - 1, 7..8, &last[..last.len() - 1]).is_some());
    assert_eq!(open(size, 7..8, &last), None);
}

#[test]
fn a_stream_is_verified_by_segments_and_then_as_a_whole() {
    let segment_bytes = (Groups::SEGMENT * Groups::BYTES) as usize;
    let content = content(segment_bytes + 40_000);
    let mut sender = StreamingRoot::new();
    content.chunks(1 << 20).for_each(|bytes| sender.update(bytes));
    let segments = sender.segments();
    let (root, size) = sender.finish();
    assert_eq!((segments.len(), root), (1, *blake3::hash(&content).as_bytes()));
    // A range of the first segment, before anybody knows the root. Within a complete left subtree the pairs of the whole
    // file and of the segment are the same, one number apart.
    let whole = Outboard::of(&content);
    let mut of_segment = Outboard::empty(segments[0], segment_bytes as u64);
    of_segment.extend((0..Groups::SEGMENT - 1).map(|n| (n, whole.pair(n + 1).unwrap())));
    let mut encoded = Vec::new();
    let range = 4_000..4_096;
    Slice::encode_segment(&of_segment, 0, &range, |at| group(&content, at), &mut encoded).unwrap();
    let slice = Slice::open_segment(&segments[0], 0, &range, &encoded).unwrap();
    assert_eq!(slice.bytes_len(), 96 * 16_384);
    assert!(Slice::open_segment(&segments[0], 1, &(8_096..8_192), &encoded).is_err());
    encoded[70_000] ^= 1;
    assert_eq!(Slice::open_segment(&segments[0], 0, &range, &encoded), Err(Damaged::Content));
    // At the end: the tail's pair within the whole proves the segments.
    let mut receiver = SegmentRoots::new();
    receiver.push(segments[0]);
    let root_pair = whole.pair(0).unwrap();
    assert_eq!(root_pair[..32], segments[0]);
    let tail: [u8; 32] = root_pair[32..].try_into().unwrap();
    assert_eq!(receiver.clone().finish(Some(tail)), Some(root));
    assert_ne!(receiver.clone().finish(Some([0; 32])), Some(root));
    assert_eq!((receiver.count(), receiver.finish(None), size), (1, None, content.len() as u64));
}

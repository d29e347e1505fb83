use crate::asking::request;
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use interbank_filexfer::sealed::*;
use interbank_filexfer::*;
use proptest::prelude::*;
use seal::Secret;

const ENTROPY: [u8; 32] = [3; 32];

fn key(n: u8) -> OpeningKey {
    OpeningKey::derive(&Secret::new([n; 32]))
}

fn made_for(id: u8) -> SealedFor {
    let request = Request { id: JobId([id; 16]), ..request("b1", "b1", "c1", "out/day.csv") };
    SealedFor::of(&request).unwrap()
}

fn content(len: usize) -> Vec<u8> {
    let mut content = vec![0; len];
    blake3::Hasher::new().update(b"content").finalize_xof().fill(&mut content);
    content
}

fn seal(content: &[u8], chunk: ChunkSize, entropy: &[u8; 32]) -> (Vec<u8>, Sealed) {
    let mut file = Vec::new();
    let recipient = key(1).recipient_key();
    let mut sealer = Sealer::new(&recipient, 1, made_for(1), chunk, entropy).unwrap();
    // in parts that fit no chunk
    for part in content.chunks(10_007) {
        sealer.update(part, &mut file).unwrap();
    }
    let sealed = sealer.finish(&mut file).unwrap();
    (file, sealed)
}

fn open(
    file: &[u8],
    key: &OpeningKey,
    made_for: &SealedFor,
) -> Result<(Vec<u8>, Opened), OpenError> {
    let opener = Opener::new(file, file.len() as u64, key, made_for)?;
    let (mut opening, mut content) = (Opening::new(opener), Vec::new());
    for part in file.chunks(9_001) {
        opening.update(part, &mut content)?;
    }
    let opened = opening.finish()?;
    Ok((content, opened))
}

fn small() -> ChunkSize {
    ChunkSize::new(0).unwrap()
}

#[test]
fn f13_what_was_sealed_is_what_is_opened() {
    // around the borders of chunks: the header counts to the first, the root stands behind the content
    let first = 16_384 - 116 - 16;
    let more = 16_384 - 16;
    for len in
        [0, 1, first - 33, first - 32, first - 31, first, first + 1, first + more - 32, 100_000]
    {
        let content = content(len);
        let (file, sealed) = seal(&content, small(), &ENTROPY);
        let layout = SealedLayout::of_content(len as u64, small()).unwrap();
        assert_eq!(layout.sealed_size(), file.len() as u64, "{len}");
        let (opened, what) = open(&file, &key(1), &made_for(1)).unwrap();
        assert_eq!((&opened, &what), (&content, &sealed), "{len}");
        assert_eq!(what.root, *blake3::hash(&content).as_bytes());
        assert_eq!(what.commitment, commitment(&what.blinding, &what.root, len as u64));

        // chunk by chunk, backwards
        let opener = Opener::new(&file, file.len() as u64, &key(1), &made_for(1)).unwrap();
        for chunk in (0..layout.chunks()).rev() {
            let (at, part) = (layout.bytes_of(chunk), layout.content_of(chunk));
            let mut opened = Vec::new();
            opener
                .open_chunk(chunk, &file[at.start as usize..at.end as usize], &mut opened)
                .unwrap();
            assert_eq!(opened, content[part.start as usize..part.end as usize], "{len} {chunk}");
        }
    }
}

/// The construction from its parts: HKDF, and ChaCha20-Poly1305 under prefix, number and flag.
#[test]
fn chunks_are_those_of_stream() {
    let content = content(40_000);
    let (file, _) = seal(&content, small(), &ENTROPY);
    let content_key = seal::derive::<32>(&ENTROPY, "interbank/filexfer/content-key/v1", &[]);
    let header = &file[..SealedHeader::BYTES];
    let derive = |label| seal::derive::<32>(content_key.expose(), label, &[header]);
    let cipher_key = derive("interbank/filexfer/sealed-key/v1");
    let prefix = derive("interbank/filexfer/sealed-prefix/v1");
    let cipher = chacha20poly1305::ChaCha20Poly1305::new(cipher_key.expose().into());
    let mut payload = Vec::new();
    for (number, chunk) in file.chunks(16_384).enumerate() {
        let start = if number == 0 { SealedHeader::BYTES } else { 0 };
        let mut nonce = [0; 12];
        nonce[..7].copy_from_slice(&prefix.expose()[..7]);
        nonce[7..11].copy_from_slice(&(number as u32).to_be_bytes());
        nonce[11] = u8::from(number == 2);
        payload.extend(cipher.decrypt(&nonce.into(), &chunk[start..]).unwrap());
    }
    assert_eq!(payload, [&content[..], blake3::hash(&content).as_bytes()].concat());
    // A key holder outside unwraps the content key; the rest is the same.
    let opener =
        Opener::with_content_key(&file, file.len() as u64, content_key, &made_for(1)).unwrap();
    let mut opened = Vec::new();
    Opening::new(opener).update(&file, &mut opened).unwrap();
    assert_eq!(opened, content);
}

#[test]
fn fd02_what_was_changed_on_the_way_does_not_open() {
    let (file, _) = seal(&content(50_000), small(), &ENTROPY);
    let refused = |file: &[u8]| open(file, &key(1), &made_for(1)).err();
    let chunk = |n: usize| &file[n * 16_384..((n + 1) * 16_384).min(file.len())];

    assert_eq!(open(&file, &key(2), &made_for(1)).err(), Some(OpenError::WrongKey));
    assert_eq!(open(&file, &key(1), &made_for(2)).err(), Some(OpenError::WrongTransfer));
    // cut at a border of chunks, within one, within the header
    assert_eq!(refused(&file[..32_768]), Some(OpenError::Truncated));
    assert_eq!(refused(&file[..40_000]), Some(OpenError::Chunk(2)));
    assert_eq!(refused(&file[..100]), Some(OpenError::NotSealed));
    assert_eq!(refused(&file[..120]), Some(OpenError::NotSealed));
    assert_eq!(refused(&[]), Some(OpenError::NotSealed));
    // something behind the last chunk
    let mut longer = [&file[..], &[0; 16_384]].concat();
    assert!(matches!(refused(&longer), Some(OpenError::Chunk(3))));
    longer.truncate(65_536 + 100);
    assert!(matches!(refused(&longer), Some(OpenError::Chunk(3))));
    // reordered, repeated
    let swapped = [chunk(0), chunk(2), chunk(1), chunk(3)].concat();
    assert_eq!(refused(&swapped), Some(OpenError::Chunk(1)));
    let repeated = [chunk(0), chunk(1), chunk(1), chunk(3)].concat();
    assert_eq!(refused(&repeated), Some(OpenError::Chunk(2)));
    // of the same content sealed once more
    let (other, _) = seal(&content(50_000), small(), &[4; 32]);
    let spliced = [chunk(0), &other[16_384..32_768], chunk(2), chunk(3)].concat();
    assert_eq!(refused(&spliced), Some(OpenError::Chunk(1)));
    let headed = [&other[..SealedHeader::BYTES], &file[SealedHeader::BYTES..]].concat();
    assert_eq!(refused(&headed), Some(OpenError::Chunk(0)));
}

#[test]
fn chunks_are_asked_for_in_their_place_and_length() {
    let (file, _) = seal(&content(50_000), small(), &ENTROPY);
    let opener = Opener::new(&file, file.len() as u64, &key(1), &made_for(1)).unwrap();
    let mut to = Vec::new();
    let second = &file[16_384..32_768];
    assert_eq!(opener.open_chunk(1, &second[1..], &mut to), Err(OpenError::Truncated));
    assert_eq!(opener.open_chunk(1, &file[16_384..32_769], &mut to), Err(OpenError::Trailing));
    assert_eq!(opener.open_chunk(2, second, &mut to), Err(OpenError::Chunk(2)));
    assert_eq!(opener.open_chunk(4, second, &mut to), Err(OpenError::Range));
    assert_eq!(opener.open_chunk(u64::MAX, second, &mut to), Err(OpenError::Range));
    assert!(to.is_empty());
    // Who thinks that the file ends earlier, or later, learns it from the flag.
    let shorter = Opener::new(&file, 32_768, &key(1), &made_for(1)).unwrap();
    assert_eq!(shorter.open_chunk(1, second, &mut to), Err(OpenError::Truncated));
    let longer = Opener::new(&file, 4 * 16_384 + 20, &key(1), &made_for(1)).unwrap();
    let whole = seal(&content(4 * 16_384 - 116 - 32 - 64), small(), &ENTROPY).0;
    assert_eq!(longer.open_chunk(3, &whole[49_152..], &mut to), Err(OpenError::Trailing));
    let mut opening = Opening::new(opener);
    opening.update(&file[..40_000], &mut to).unwrap();
    assert_eq!(opening.finish().err(), Some(OpenError::Truncated));
}

/// A hop has the sealed file, its root and its groups: enough to verify every range, and nothing of the content.
#[test]
fn f13_a_blind_relay_verifies_what_it_cannot_read() {
    let content = b"4111111111111111;1999;".repeat(8_000);
    let (file, sealed) = seal(&content, ChunkSize::default(), &ENTROPY);
    let outboard = Outboard::of(&file);
    let size = file.len() as u64;
    let layout = SealedLayout::new(size, ChunkSize::default()).unwrap();
    let mut received = vec![0; file.len()];
    for chunk in [2, 0, 1] {
        let range = layout.groups_of(chunk);
        let group = |n: u64| file.chunks(16_384).nth(n as usize);
        let mut slice = Vec::new();
        Slice::encode(&outboard, size, &range, group, &mut slice).unwrap();
        let mut damaged = slice.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(Slice::open(outboard.root(), size, &range, &damaged).is_err());
        for (group, bytes) in Slice::open(outboard.root(), size, &range, &slice).unwrap().groups {
            let at = group as usize * 16_384;
            received[at..at + bytes.len()].copy_from_slice(bytes);
        }
    }
    let shown = [&received[..], outboard.root()].concat();
    let has = |part: &[u8]| shown.windows(part.len()).any(|window| window == part);
    assert!(!has(&content[..8]) && !has(&sealed.root) && !has(&sealed.commitment));
    let (opened, what) = open(&received, &key(1), &made_for(1)).unwrap();
    assert_eq!((opened, what.root), (content, sealed.root));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn fd02_no_flipped_bit_opens(len in 0_usize..60_000, at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let (mut file, _) = seal(&content(len), small(), &ENTROPY);
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        prop_assert!(open(&file, &key(1), &made_for(1)).is_err());
    }

    #[test]
    fn foreign_bytes_are_no_sealed_file(bytes in prop::collection::vec(any::<u8>(), 0..40_000), head in any::<bool>()) {
        let mut bytes = bytes;
        if head && bytes.len() > SealedHeader::BYTES {
            bytes[..4].copy_from_slice(&[1, 1, 0, 1]);
            bytes[4..36].copy_from_slice(&made_for(1).0);
        }
        prop_assert!(open(&bytes, &key(1), &made_for(1)).is_err());
    }
}

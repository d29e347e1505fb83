//! Any bytes as stored rows, proofs, names and sealed files: canonical or refused; and whatever was read can be used.

#![no_main]

use interbank_filexfer::pack::{Manifest, MemberReceipt};
use interbank_filexfer::sealed::{OpenError, Opener, Opening, OpeningKey, SealedFor, SealedHeader};
use interbank_filexfer::{
    Bitmap, FileName, Groups, Job, JobEvent, NameMapping, NameSet, Receipt, Request, Retry,
    SignedReceipt, SignedVerdict, Slice, Trail,
};
use libfuzzer_sys::fuzz_target;
use port::{Key, Tenant, Time, WireError};
use seal::{Head, Secret, SigningKey};
use std::sync::OnceLock;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says as what the rest is read, so that each form gets its share.
    let Some((form, bytes)) = bytes.split_first() else { return };
    match form % 13 {
        0 => job(bytes),
        1 => receipt(bytes),
        2 => bitmap(bytes),
        3 => slice(bytes),
        4 => name(bytes),
        5 => sealed(bytes),
        6 => mapping(bytes),
        7 => read(bytes, Request::parse, Request::encode),
        8 => read(bytes, SignedVerdict::parse, SignedVerdict::encode),
        9 => read(bytes, Receipt::parse, Receipt::encode),
        10 => manifest(bytes),
        11 => member(bytes),
        _ => trail(bytes),
    }
});

fn read<T: PartialEq + core::fmt::Debug>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, WireError>,
    encode: impl Fn(&T, &mut Vec<u8>) -> Result<(), WireError>,
) {
    let Ok(value) = parse(bytes) else { return };
    let mut back = Vec::with_capacity(bytes.len());
    encode(&value, &mut back).unwrap();
    assert_eq!(back, bytes);
}

fn job(bytes: &[u8]) {
    read(bytes, Job::parse, Job::encode);
    let Ok(job) = Job::parse(bytes) else { return };
    let _ = (job.next_deadline(), job.name_to_try(), job.key(Tenant::new(1)));
    let now = job.since.max(job.try_at);
    let retry = Retry::default();
    for event in [
        JobEvent::Schedule,
        JobEvent::Start,
        JobEvent::AllMoved,
        JobEvent::NameTaken,
        JobEvent::Interrupted { entropy: u64::MAX },
        JobEvent::Tick,
        JobEvent::Cancel,
    ] {
        if let Ok(next) = job.on(now, &event, &retry) {
            assert!(!job.state.is_final(), "{event:?} after the end");
            let mut stored = Vec::new();
            next.encode(&mut stored).unwrap();
            assert_eq!(Job::parse(&stored), Ok(next));
        }
    }
}

fn receipt(bytes: &[u8]) {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    read(bytes, SignedReceipt::parse, SignedReceipt::encode);
    let Ok(signed) = SignedReceipt::parse(bytes) else { return };
    let key = KEY.get_or_init(|| SigningKey::from_seed(&Secret::new([1; 32])));
    assert!(signed.verify(&key.verifying_key()).is_err(), "nobody signed this");
    // Whatever the proof says, its way is short.
    let _ = signed.verify_with(&mut |_, _| true);
}

fn manifest(bytes: &[u8]) {
    let length = Manifest::length(bytes);
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    assert_eq!(length, Ok(bytes.len()));
    let mut back = Vec::with_capacity(bytes.len());
    manifest.encode(&mut back).unwrap();
    assert_eq!(back, bytes);
    let mut end = u64::try_from(bytes.len()).unwrap();
    let mut names = NameSet::new();
    for part in manifest.parts() {
        assert_eq!(part.bytes.start, end);
        assert_eq!(names.insert(&part.entry.name), Ok(true));
        end = part.bytes.end;
    }
    assert_eq!(manifest.size(), end);
}

fn member(bytes: &[u8]) {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    read(bytes, MemberReceipt::parse, MemberReceipt::encode);
    let Ok(member) = MemberReceipt::parse(bytes) else { return };
    let key = KEY.get_or_init(|| SigningKey::from_seed(&Secret::new([1; 32])));
    assert!(member.verify(&key.verifying_key()).is_err(), "nobody signed this");
}

/// Rows behind each other: a length, then the row. The first is the header; others are segments by their place.
fn bitmap(bytes: &[u8]) {
    let (tenant, transfer) = (Tenant::new(1), interbank_filexfer::TransferId([1; 16]));
    let prefix = Bitmap::scan(tenant, &transfer).unwrap().prefix;
    let mut rest = bytes;
    let mut rows: Vec<(Key, Vec<u8>)> = Vec::new();
    while let Some((len, more)) = rest.split_first() {
        // Segments are 513 bytes: their lengths count double.
        let len = if rows.is_empty() { usize::from(*len) } else { usize::from(*len) * 3 };
        let (row, after) = more.split_at(len.min(more.len()));
        let number = u64::try_from(rows.len()).unwrap();
        let key = match number {
            0 => prefix.clone().raw(&[0]).unwrap(),
            _ => prefix.clone().raw(&[1]).unwrap().number(number - 1).unwrap(),
        };
        rows.push((key, row.to_vec()));
        rest = after;
    }
    let restored = Bitmap::restore(rows.iter().map(|(key, row)| (key, &row[..])));
    let Ok(Some(mut bitmap)) = restored else { return };
    let groups = bitmap.groups();
    assert!(bitmap.verified() <= groups.count());
    let _ = bitmap.row_keys(tenant, &transfer);
    let first = 0..1;
    if groups.contain(&first) {
        let _ = bitmap.mark(&first);
        assert!(bitmap.verified() <= groups.count());
    }
}

fn slice(bytes: &[u8]) {
    let Some((head, encoded)) = bytes.split_first_chunk::<16>() else { return };
    let [size, start, many] = [&head[..6], &head[6..11], &head[11..]]
        .map(|part| part.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)));
    let range = start..start.saturating_add(many);
    // Of no file that anybody knows: nothing may open but by chance of a hash.
    assert!(Slice::open(&[7; 32], size, &range, encoded).is_err());
    let _ = Slice::open_segment(&[7; 32], size, &range, encoded);
    let _ = Groups::new(size).contain(&range);
}

fn name(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let Ok(name) = FileName::new(text) else { return };
    assert_eq!(name.as_str(), text);
    assert!(!text.starts_with('/') && !text.contains('\\') && !text.contains('\0'));
    assert!(name.components().all(|part| !part.is_empty() && part != "." && part != ".."));
    let mut set = NameSet::new();
    assert_eq!(set.insert(&name), Ok(true));
    assert_eq!(set.insert(&name), Ok(false));
    if let Ok(folded) = FileName::new(&name.fold())
        && folded != name
    {
        assert!(set.insert(&folded).is_err(), "two names of one fold");
    }
    if let Ok(versioned) = name.versioned(2) {
        assert_ne!(versioned, name);
    }
}

fn mapping(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let parts: Vec<&str> = text.split('\n').collect();
    let Some((name, folders)) = parts.split_first() else { return };
    let pairs: Vec<(&str, &str)> =
        folders.as_chunks::<2>().0.iter().map(|[ours, theirs]| (*ours, *theirs)).collect();
    let (Ok(mapping), Ok(name)) = (NameMapping::new(&pairs), FileName::new(name)) else { return };
    if let Ok(there) = mapping.to_client(&name) {
        // What is a name there is checked as every name is.
        assert_eq!(FileName::new(there.as_str()), Ok(there));
    }
}

fn sealed(bytes: &[u8]) {
    static KEY: OnceLock<OpeningKey> = OnceLock::new();
    let key = KEY.get_or_init(|| OpeningKey::derive(&Secret::new([1; 32])));
    let size = u64::try_from(bytes.len()).unwrap();
    let Ok(header) = SealedHeader::parse(bytes) else {
        let opened = Opener::new(bytes, size, key, &SealedFor([0; 32]));
        return assert_eq!(opened.err(), Some(OpenError::NotSealed));
    };
    let mut back = Vec::new();
    header.encode(&mut back);
    assert_eq!(back, bytes[..SealedHeader::BYTES]);
    assert!(Opener::new(bytes, size, key, &header.made_for).is_err(), "nobody sealed this");
    // Whoever sealed it, chunks of these bytes do not open.
    let opener = Opener::with_content_key(bytes, size, Secret::new([2; 32]), &header.made_for);
    let Ok(opener) = opener else { return };
    assert!(opener.layout().size() < size);
    let (mut opening, mut to) = (Opening::new(opener), Vec::new());
    assert!(opening.update(bytes, &mut to).is_err() && to.is_empty());
}

fn trail(bytes: &[u8]) {
    let rows: Vec<&[u8]> = bytes.chunks(120).collect();
    let head = Head { link: [9; 32], count: 1 };
    assert!(Trail::verify(rows, head).is_err());
    let _ = Trail::resume(Tenant::new(1), Some(bytes)).map(|trail| trail.head());
    let _ = Time::EPOCH;
}

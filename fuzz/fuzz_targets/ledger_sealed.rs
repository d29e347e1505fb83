//! Any bytes as a document or a sealed one, and sealed ones that are changed: canonical or refused, and never opened wrongly.

#![no_main]

use interbank_ledger::{ChainId, Document, Height, NodeId, SealedDocument, SealingKey};
use libfuzzer_sys::fuzz_target;
use seal::Secret;
use std::sync::OnceLock;

fuzz_target!(|bytes: &[u8]| {
    let Some((form, bytes)) = bytes.split_first() else { return };
    let mut sealed = bytes.to_vec();
    if form & 1 == 1 {
        sealed = fixed().1.clone();
        for [high, low, with] in bytes.as_chunks::<3>().0.iter().take(8) {
            let at = usize::from(u16::from_be_bytes([*high, *low])) % sealed.len();
            sealed[at] ^= with;
        }
    }
    let (deed, right) = fixed();
    let Ok(read) = SealedDocument::parse(&sealed) else { return };
    let mut back = Vec::with_capacity(sealed.len());
    read.encode(&mut back).unwrap();
    assert_eq!(back, sealed);
    for reader in [1, 2] {
        let opened = read.open(CHAIN, &deed.commitment(), node(reader), &key(reader));
        if let Ok(opened) = opened {
            assert_eq!(&opened, deed);
            assert_eq!(read.digest(), SealedDocument::parse(right).unwrap().digest());
        }
    }
    // Under another chain or commitment nothing opens.
    assert!(read.open(ChainId([8; 32]), &deed.commitment(), node(1), &key(1)).is_err());
    assert!(read.open(CHAIN, &[8; 32], node(1), &key(1)).is_err());
});

fn fixed() -> &'static (Document, Vec<u8>) {
    static FIXED: OnceLock<(Document, Vec<u8>)> = OnceLock::new();
    FIXED.get_or_init(|| {
        let deed = Document::new("text/plain", b"This car is hers".to_vec(), [3; 32]).unwrap();
        let readers = [1, 2].map(|number| (node(number), key(number).public()));
        let sealed = SealedDocument::seal(CHAIN, &deed, &readers, &Secret::new([4; 32])).unwrap();
        let mut bytes = Vec::new();
        sealed.encode(&mut bytes).unwrap();
        (deed, bytes)
    })
}

fn node(number: u64) -> NodeId {
    NodeId(Height(number))
}

fn key(number: u64) -> SealingKey {
    SealingKey::from_seed(&Secret::new([u8::try_from(number).unwrap(); 32]))
}

const CHAIN: ChainId = ChainId([5; 32]);

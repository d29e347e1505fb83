//! Any text as a signed note with a checkpoint: printed as it was read, and believed only as it was signed.

#![no_main]

use interbank_ledger::{Checkpoint, Log, Note, leaf_hash};
use libfuzzer_sys::fuzz_target;
use seal::{Secret, SigningKey};

fuzz_target!(|bytes: &[u8]| {
    let Some((form, bytes)) = bytes.split_first() else { return };
    // Not the key of the seeds, which are signed too.
    let key = SigningKey::from_seed(&Secret::new([9; 32]));
    let mut log = Log::new();
    log.push(leaf_hash(b"first"));
    let own = Checkpoint::of("registry.example/things", &log);
    let signed = Note::new(&own.text()).unwrap().signed_by(&own.origin, &key);
    let mut text = bytes.to_vec();
    if form & 1 == 1 {
        // Places in the right one, and what they are xored with.
        text = signed.to_string().into_bytes();
        for [at, with] in bytes.as_chunks::<2>().0 {
            let at = usize::from(*at) % text.len();
            text[at] ^= with;
        }
    }
    let Ok(text) = core::str::from_utf8(&text) else { return };
    let Ok(note) = Note::parse(text) else { return };
    assert_eq!(note.to_string(), text);
    let checkpoint = Checkpoint::parse(&note);
    if let Ok(checkpoint) = &checkpoint {
        assert_eq!(checkpoint.text(), note.text());
    }
    if note.is_signed_by(&own.origin, &key.verifying_key()) {
        assert_eq!(checkpoint, Ok(own));
    }
});

//! The newest checkpoints of those who order: a node that follows is behind some of them, or ahead, and makes none of its own.

use ledger::{Checkpoint, Note};
use seal::VerifyingKey;
use std::collections::BTreeMap;

/// Checkpoints by who signed them, so that one orderer who lies crowds out nobody's but its own.
pub(crate) struct Checkpoints {
    origin: String,
    keys: Vec<VerifyingKey>,
    /// By the key, and the size of the log.
    kept: BTreeMap<([u8; 32], u64), Note>,
}

impl Checkpoints {
    pub(crate) fn new(origin: &str) -> Self {
        Self { origin: origin.into(), keys: Vec::new(), kept: BTreeMap::new() }
    }

    /// These keys count from now on.
    pub(crate) fn believe(&mut self, keys: Vec<VerifyingKey>) {
        if self.keys != keys {
            self.kept.retain(|(key, _), _| keys.iter().any(|it| it.to_bytes() == *key));
            self.keys = keys;
        }
    }

    /// Keeps a checkpoint once for each key that has signed it, with that signature alone; whoever brings it.
    pub(crate) fn take(&mut self, note: &Note) {
        let Ok(Checkpoint { size, .. }) = Checkpoint::parse(note) else { return };
        let Self { origin, keys, kept } = self;
        let alone = alone(note);
        for key in keys {
            let Some(own) = alone.iter().find(|it| it.is_signed_by(origin, key)) else { continue };
            let key = key.to_bytes();
            kept.insert((key, size), own.clone());
            let sizes = || kept.range((key, 0)..=(key, u64::MAX)).map(|(key, _)| *key);
            if sizes().count() > KEPT_MAX
                && let Some(oldest) = sizes().next()
            {
                kept.remove(&oldest);
            }
        }
    }

    /// A checkpoint of a log, signed once.
    pub(crate) fn of(&self, size: u64, root: [u8; 32]) -> Option<&Note> {
        let is_of = |note: &&Note| {
            Checkpoint::parse(note).is_ok_and(|it| (it.size, it.root) == (size, root))
        };
        self.kept.values().find(is_of)
    }
}

/// The same text under each of its signatures.
fn alone(note: &Note) -> Vec<Note> {
    let printed = note.to_string();
    let Some((text, lines)) = printed.rsplit_once("\n\n") else { return Vec::new() };
    lines.lines().filter_map(|line| Note::parse(&format!("{text}\n\n{line}\n")).ok()).collect()
}

/// So many of each orderer.
const KEPT_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Log;
    use seal::{Secret, SigningKey};

    const ORIGIN: &str = "registry.example";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&Secret::new([seed; 32]))
    }

    fn checkpoint(size: u64, root: [u8; 32]) -> Note {
        let it = Checkpoint { origin: ORIGIN.into(), size, root };
        Note::new(&it.text()).unwrap()
    }

    fn checkpoints() -> Checkpoints {
        let keys = (1..=4).map(|seed| key(seed).verifying_key()).collect();
        let mut checkpoints = Checkpoints::new(ORIGIN);
        checkpoints.believe(keys);
        checkpoints
    }

    #[test]
    fn one_who_lies_crowds_out_nobody() {
        let (mut kept, root) = (checkpoints(), Log::new().root());
        kept.take(&checkpoint(7, root).signed_by(ORIGIN, &key(1)));
        // Of the same size with another root, and of sizes that are not there yet.
        kept.take(&checkpoint(7, [9; 32]).signed_by(ORIGIN, &key(2)));
        for size in u64::MAX - 200..u64::MAX {
            kept.take(&checkpoint(size, [9; 32]).signed_by(ORIGIN, &key(2)));
        }
        assert!(kept.of(7, root).is_some());
        assert!(kept.of(7, [8; 32]).is_none());
        assert!(kept.kept.len() <= 4 * KEPT_MAX);
    }

    #[test]
    fn a_checkpoint_is_kept_with_one_signature_that_counts() {
        let (mut kept, root) = (checkpoints(), [5; 32]);
        kept.take(&checkpoint(7, root).signed_by(ORIGIN, &key(9)));
        assert!(kept.of(7, root).is_none(), "a stranger's counts nothing");
        let note = checkpoint(7, root).signed_by(ORIGIN, &key(9));
        kept.take(&note.signed_by(ORIGIN, &key(1)).signed_by(ORIGIN, &key(2)));
        let alone = [1, 2].map(|seed| checkpoint(7, root).signed_by(ORIGIN, &key(seed)));
        assert!(kept.of(7, root).is_some_and(|note| alone.contains(note)));
    }

    #[test]
    fn a_new_key_counts_from_now_on_and_a_replaced_one_no_more() {
        let (mut kept, root) = (checkpoints(), [5; 32]);
        kept.take(&checkpoint(7, root).signed_by(ORIGIN, &key(1)));
        kept.take(&checkpoint(8, root).signed_by(ORIGIN, &key(2)));
        kept.believe([2, 3, 4, 5].map(|seed| key(seed).verifying_key()).to_vec());
        assert!(kept.of(7, root).is_none() && kept.of(8, root).is_some());
        kept.take(&checkpoint(9, root).signed_by(ORIGIN, &key(1)));
        assert!(kept.of(9, root).is_none());
        kept.take(&checkpoint(9, root).signed_by(ORIGIN, &key(5)));
        assert!(kept.of(9, root).is_some());
    }
}

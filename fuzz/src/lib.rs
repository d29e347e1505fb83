//! What targets share: a store that fails, and drafts that are changed.

use interbank_simkit::{Fate, Faults, FaultyStore};
use port::blocking::{Store as _, decide};
use port::{Batch, DecideError, Decision, Expect, Key, Row};
use seal::SoftKeys;
use serde_json::{Value, json};

/// A store whose commits get lost, come late, come twice or end unknown, and whose rows may be damaged.
pub struct Ground {
    store: FaultyStore,
    damaged: bool,
}

impl Ground {
    /// On a store that is whole.
    pub fn new(store: FaultyStore) -> Self {
        Self { store, damaged: false }
    }

    /// The next commit has the fate that a byte says.
    pub fn tempt(&self, fate: u8) {
        self.store.set_faults(Faults::commits([(1, fate_of(fate))]));
    }

    /// A store that stopped goes on; what was not synced is gone, or lands.
    pub fn go_on(&self, fate: u8) {
        if self.store.is_down() {
            self.store.restart(fate & 0x80 != 0);
        }
    }

    /// All that was late arrives, and nothing fails any more.
    pub fn settle(&self) {
        self.store.settle();
        self.store.set_faults(Faults::None);
    }

    /// One byte of one row changes, or its end is cut: from here on nothing is right any more, and nothing may panic.
    pub fn damage(&mut self, on: u8, how: u8) {
        let rows = self.rows();
        if how < 192 || rows.is_empty() {
            return;
        }
        let (key, row) = &rows[usize::from(on) % rows.len()];
        let mut value = row.value.to_vec();
        let at = usize::from(how).wrapping_mul(31) % value.len().max(1);
        if on & 1 == 0 {
            value.truncate(at);
        } else if let Some(byte) = value.get_mut(at) {
            *byte ^= how;
        }
        self.damaged = true;
        let mut batch = Batch::new();
        batch.put(key.clone(), Expect::Any, value);
        self.store.set_faults(Faults::None);
        assert!(self.store.commit(&batch).is_ok());
    }

    /// Decides; `None` where the store failed, or the decision for a reason that it may have. Any other failure is a finding,
    /// unless rows were damaged.
    pub fn decide<D: Decision>(
        &self,
        mut decision: D,
        may_fail: impl Fn(&D::Error) -> bool,
    ) -> Option<D::Verdict> {
        match decide(&self.store, &SoftKeys::new(), &mut decision) {
            Ok(verdict) => Some(verdict),
            Err(DecideError::Store(_) | DecideError::Unknown(_) | DecideError::Busy) => None,
            Err(DecideError::Decision(why)) if may_fail(&why) => None,
            Err(why) => {
                assert!(self.damaged, "{why:?}");
                None
            }
        }
    }

    /// All rows.
    pub fn rows(&self) -> Vec<(Key, Row)> {
        self.store.snapshot().rows
    }

    /// Whether rows were damaged.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Whether a commit may still arrive.
    pub fn is_late(&self) -> bool {
        self.store.pending() > 0
    }
}

/// The number of the table of a row.
pub fn table_of(key: &Key) -> u8 {
    key.as_bytes()[Key::HEAD_BYTES - 1]
}

/// Whether a row belongs to somebody of this name.
pub fn is_of(key: &Key, name: &[u8]) -> bool {
    key.as_bytes()[Key::HEAD_BYTES..].windows(name.len()).any(|part| part == name)
}

/// Whose request lies in a row, by the last byte of the name, and which, by the last byte of its id.
pub fn request_of(key: &Key) -> (u8, u8) {
    let bytes = key.as_bytes();
    (bytes[bytes.len() - 17], bytes[bytes.len() - 1])
}

/// What becomes of a commit; half of all bytes let it be.
pub fn fate_of(byte: u8) -> Fate {
    match byte & 15 {
        0 => Fate::Conflict,
        1 => Fate::NotApplied,
        2 => Fate::UnknownApplied,
        3 => Fate::UnknownLost,
        4 => Fate::UnknownLate(u32::from(byte >> 4)),
        5 => Fate::CrashBefore,
        6 => Fate::CrashAfter,
        7 => Fate::CrashUnsynced,
        _ => Fate::Honest,
    }
}

/// A draft with some of it changed. Each four bytes are a change: at which of all its places, which kind, and to what; `words`
/// are those that may stand somewhere in it.
pub fn changed(mut draft: Value, changes: &[u8], words: &[&str]) -> Value {
    for change in changes.chunks_exact(4).take(16) {
        let at = u16::from_be_bytes([change[0], change[1]]);
        let mut left = usize::from(at) % count(&draft).max(1);
        if let Some(place) = place(&mut draft, &mut left) {
            *place = match (change[2] % 8, &*place) {
                (0, Value::Number(number)) => {
                    json!(number.as_i64().unwrap_or(0).wrapping_add(i64::from(change[3]) - 128))
                }
                (1, Value::Number(_)) => json!(1_i64.rotate_left(u32::from(change[3]))),
                (2, Value::Number(_)) => json!(i64::from(change[3]) * 100),
                (3, _) => {
                    json!(words[usize::from(change[3]) % words.len()])
                }
                (4, Value::Array(all)) => {
                    let mut all = all.clone();
                    let copy = all.get(usize::from(change[3]) % all.len().max(1)).cloned();
                    all.extend(copy);
                    json!(all)
                }
                (5, Value::Array(all)) => {
                    let mut all = all.clone();
                    all.pop();
                    json!(all)
                }
                (6, Value::Object(all)) => {
                    let mut all = all.clone();
                    all.insert(format!("new{}", change[3]), json!(change[3]));
                    json!(all)
                }
                (7, Value::Bool(flag)) => json!(!flag),
                (_, same) => same.clone(),
            };
        }
    }
    draft
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(all) => all.iter().map(count).sum(),
        Value::Object(all) => all.values().map(count).sum(),
        _ => 0_usize,
    }
}

fn place<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(all) => all.iter_mut().find_map(|one| place(one, left)),
        Value::Object(all) => all.values_mut().find_map(|one| place(one, left)),
        _ => None,
    }
}

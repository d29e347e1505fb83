//! Every answer to one key has the same bytes, in every state and after a restart (spec Sd11).

use crate::world::{Peek, Said, World};
use std::collections::BTreeMap;

pub(crate) fn holds<S: Peek>(world: &World<S>) -> Result<(), String> {
    let mut first = BTreeMap::new();
    for (said, _) in &world.said {
        if let Said::Told(key, bytes) = said {
            let known = first.entry(*key).or_insert(bytes);
            if *known != bytes {
                return Err(format!("two answers to {key:?}: {known:02x?} and {bytes:02x?}"));
            }
        }
    }
    Ok(())
}

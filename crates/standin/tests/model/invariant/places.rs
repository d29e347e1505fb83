//! What waits for delivery lies where the forwarder looks, nothing else does, and no entry is in two places.

use crate::world::{Peek, World};
use interbank_standin::{Entry, EntryRef};
use std::collections::BTreeSet;

pub(crate) fn holds<S: Peek>(world: &World<S>) -> Result<(), String> {
    let open = world.store.peek_all(&world.play.stand_in.open_entries());
    let open: Vec<Entry> = open.iter().map(|row| Entry::parse(&row.value).unwrap()).collect();
    if let Some(entry) = open.iter().find(|entry| !entry.state.waits()) {
        return Err(format!(
            "{:?} lies among those that wait: {:?}",
            entry.request.key, entry.state
        ));
    }
    let journal = world.journal();
    let waiting = journal.iter().filter(|entry| entry.state.waits()).count();
    if waiting != open.len() {
        return Err(format!("{waiting} wait, and {} lie where they should", open.len()));
    }
    let names: BTreeSet<EntryRef> = journal.iter().map(Entry::reference).collect();
    if names.len() == journal.len() { Ok(()) } else { Err("an entry is in two places".into()) }
}

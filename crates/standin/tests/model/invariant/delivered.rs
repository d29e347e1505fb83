//! Nothing that was owed waits any more, and accounts know it.

use crate::world::{Peek, World};
use interbank_standin::{AccountState, EntryState};

pub(crate) fn holds<S: Peek>(world: &World<S>) -> Result<(), String> {
    for entry in world.journal() {
        if entry.state == EntryState::Queued {
            return Err(format!("entry {} of {:?} waits still", entry.seq, entry.request.key));
        }
        let account = entry.request.account.token;
        let row = world.store.peek(&world.play.stand_in.account_key(&account));
        let row = row.ok_or("an entry without its account")?;
        let state = AccountState::parse(&row.value).map_err(|why| why.to_string())?;
        if state.undelivered != 0 {
            return Err(format!("{} entries of an account wait by its row", state.undelivered));
        }
    }
    Ok(())
}

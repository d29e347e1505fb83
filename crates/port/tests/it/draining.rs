//! Commits that follow one another go to the store together, and each has its fate told.

use interbank_port::outbox::OutboxError;
use interbank_port::{
    Batch, Commit, Committed, CrateTag, Effect, Expect, Input, Key, KeyQuestion, Machine,
    MemoryStore, Peer, ReadSet, Rows, Store, Tenant, Ticket, Time, blocking, drain,
};
use std::collections::VecDeque;
use std::sync::Mutex;

/// Owes effects, and stumbles over the fate of some.
#[derive(Default)]
struct Owing {
    effects: VecDeque<Effect>,
    stumbles_over: Option<u64>,
    fates: Vec<(u64, bool)>,
    rows: usize,
}

impl Machine for Owing {
    type Event = ();
    type Error = OutboxError;

    fn handle(&mut self, _: Time, input: Input<'_>) -> Result<(), OutboxError> {
        match input {
            Input::Committed { ticket, fate } => {
                self.fates.push((ticket.0, matches!(fate, Committed::Applied(_))));
                if self.stumbles_over == Some(ticket.0) {
                    Err(OutboxError::Stranger)
                } else {
                    Ok(())
                }
            }
            Input::Rows { rows: Some(_), .. } => {
                self.rows += 1;
                Ok(())
            }
            _ => Err(OutboxError::NotAsked),
        }
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn next_deadline(&self) -> Option<Time> {
        None
    }
}

/// Counts how many commits come at once.
#[derive(Default)]
struct Counting {
    rows: MemoryStore,
    groups: Mutex<Vec<usize>>,
}

impl Store for Counting {
    type Error = <MemoryStore as Store>::Error;

    async fn read(&self, want: &ReadSet) -> Result<Rows, Self::Error> {
        Store::read(&self.rows, want).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, Self::Error> {
        Store::commit(&self.rows, batch).await
    }

    async fn commit_each(&self, batches: &[Batch]) -> Vec<Result<Commit, Self::Error>> {
        self.groups.lock().unwrap().push(batches.len());
        Store::commit_each(&self.rows, batches).await
    }
}

fn key(n: u64) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 7).number(n).unwrap()
}

/// Two writers of one row with a third of another between them, a read, and one more.
fn owed() -> VecDeque<Effect> {
    let commit = |ticket, n| {
        let mut batch = Batch::new();
        batch.put(key(n), Expect::Absent, &b"row"[..]);
        Effect::Commit { ticket: Ticket(ticket), batch }
    };
    let read = Effect::Read { ticket: Ticket(9), want: ReadSet::points([key(1)]) };
    [commit(1, 1), commit(2, 2), commit(3, 1), read, commit(4, 4)].into()
}

fn run(machine: &mut Owing) -> (Result<(), OutboxError>, Vec<usize>) {
    let store = Counting::default();
    let keys = blocking::Immediate(Nothing);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let done = runtime.block_on(drain(machine, Time::from_ms(1), &store, &keys, &keys));
    (done.map(|_| ()), store.groups.into_inner().unwrap())
}

#[test]
fn commits_in_a_row_go_to_the_store_together_in_their_order() {
    let mut machine = Owing { effects: owed(), ..Owing::default() };
    let (done, groups) = run(&mut machine);
    assert_eq!((done, groups), (Ok(()), vec![3, 1]));
    assert_eq!(machine.fates, [(1, true), (2, true), (3, false), (4, true)]);
    assert_eq!(machine.rows, 1);
}

#[test]
fn a_machine_that_stumbles_has_the_other_fates_told_and_loses_no_effect() {
    let mut machine = Owing { effects: owed(), stumbles_over: Some(1), ..Owing::default() };
    let (done, _) = run(&mut machine);
    assert_eq!(done, Err(OutboxError::Stranger));
    assert_eq!(machine.fates, [(1, true), (2, true), (3, false)]);
    // The read had been taken already; what was not taken is still owed.
    assert_eq!((machine.rows, machine.effects.len()), (1, 1));
}

#[derive(Clone, Copy)]
struct Nothing;

impl blocking::Keys for Nothing {
    type Error = std::convert::Infallible;

    fn answer(
        &self,
        _: &[KeyQuestion],
    ) -> Result<Vec<interbank_port::KeyAnswer>, std::convert::Infallible> {
        Ok(Vec::new())
    }
}

impl blocking::Link for Nothing {
    type Error = std::convert::Infallible;

    fn send(&self, _: &Peer, _: &bytes::Bytes) -> Result<(), std::convert::Infallible> {
        Ok(())
    }
}

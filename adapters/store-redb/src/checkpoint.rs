//! Checkpoints: rows of the journal become rows of the tree.

use crate::Error;
use crate::database::{META, ROWS, STATE_KEY, Trouble};
use crate::memtable::Frozen;
use crate::queue::Worker;
use redb::Database;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Writes a frozen memtable into the tree in pieces, and with the last one the state that the tree has then.
///
/// Until then the state of the tree is the one before its segment, from which the journal leads on; that a part of the rows is newer
/// already does no harm, since the journal has them too.
///
/// `piece_rows` says before each piece how many rows it has, and `pause` after it, from the thousandths that have moved and
/// the time that the piece took, how long to leave disk and processor to others.
pub(crate) fn checkpoint(
    database: &Database,
    frozen: &Frozen,
    two_phase: bool,
    piece_rows: impl Fn() -> usize,
    pause: impl Fn(u64, Duration) -> Duration,
) -> Result<(), Trouble> {
    let all = frozen.rows.len();
    let mut rows = frozen.rows.iter().peekable();
    let mut record = Vec::new();
    loop {
        let begun = Instant::now();
        let mut transaction = database.begin_write()?;
        transaction.set_two_phase_commit(two_phase);
        {
            let mut tree = transaction.open_table(ROWS)?;
            for (at, (key, held)) in rows.by_ref().take(piece_rows()).enumerate() {
                // Whoever commits goes first where cores are few
                if at % YIELD_ROWS == 0 {
                    thread::yield_now();
                }
                match held {
                    Some(held) => {
                        record.clear();
                        held.encode(&mut record);
                        tree.insert(key.as_bytes(), record.as_slice())?;
                    }
                    None => {
                        tree.remove(key.as_bytes())?;
                    }
                }
            }
        }
        let is_last = rows.peek().is_none();
        if is_last {
            transaction.open_table(META)?.insert(STATE_KEY, frozen.after.encode().as_slice())?;
        }
        transaction.commit()?;
        if is_last {
            return Ok(());
        }
        let moved = thousandths((all - rows.len()) as u64, all as u64);
        thread::sleep(pause(moved, begun.elapsed()));
    }
}

pub(crate) fn thousandths(has: u64, enough: u64) -> u64 {
    has.saturating_mul(1_000) / enough.max(1)
}

const YIELD_ROWS: usize = 8;

/// The thread that moves rows while others commit; started when there are enough for the first time.
#[derive(Debug, Default)]
pub(crate) struct Checkpointer {
    bell: Arc<Bell>,
    thread: Worker,
}

#[derive(Debug, Default)]
struct Bell {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    wanted: bool,
    closed: bool,
}

impl Checkpointer {
    /// There are rows to move, which `work` does.
    pub(crate) fn tell(&self, work: impl Fn() + Send + 'static) -> Result<(), Error> {
        self.bell.ring(|told| told.wanted = true);
        self.thread.ensure("redb-checkpoint", || {
            let bell = Arc::clone(&self.bell);
            Box::new(move || {
                while bell.wait() {
                    work();
                }
            })
        })
    }

    /// Ends the thread after what it is at.
    pub(crate) fn close(&self) -> Result<(), Error> {
        self.bell.ring(|told| told.closed = true);
        self.thread.join()
    }
}

impl Bell {
    fn ring(&self, tell: impl FnOnce(&mut Told)) {
        tell(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Whether there is work; `false` when the store closes.
    fn wait(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if told.closed {
                return false;
            }
            if std::mem::take(&mut told.wanted) {
                return true;
            }
            told = self.changed.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

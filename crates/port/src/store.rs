//! Where rows live: the only storage trait of the family, in two colours.

use crate::{Batch, Commit, ReadSet, Rows};
use alloc::vec::Vec;
use core::fmt;

/// An ordered map of rows with versions and all-or-nothing commits; asynchronous colour.
///
/// # Contract
///
/// What every store promises, and what it costs where one does not. [`crate::conformance`] checks all of it.
///
/// 1. **One view.** [`read`](Self::read) answers the whole [`ReadSet`] from one consistent view that contains every commit
///    acknowledged before the call. *Otherwise* a decision joins an order to a binding that never stood beside it; versions
///    catch most of that at commit, but a refusal that writes nothing would be wrong and final.
/// 2. **All or nothing.** [`commit`](Self::commit) writes every change or none, and only if every expectation holds at that
///    moment, judged together with all other commits in one total order. *Otherwise* two payers pay one order.
/// 3. **Durable before `Applied`, and before it is read.** What was acknowledged, and what any read has shown, survives the
///    death of the process and of the machine, as far as the store's documentation says. *Otherwise* a payment that was
///    shown as paid is gone after a restart: after a commit of unknown fate the loops reveal what they read.
/// 4. **`Conflict` means nothing was written.** The caller decides again at once.
/// 5. **Versions** are the number of the commit: they grow over the whole store, and are not reused after a delete or a
///    restart. *Otherwise* a row deleted and written again looks unchanged, and a stale decision applies.
/// 6. **An error says which fault** ([`StoreError::fault`]). `NotApplied` must be certain; whatever is not certain is
///    `Unknown`. *Otherwise* the loop repeats a commit that is already there.
/// 7. **Scans** return rows in bytewise key order, at most the limit, none twice when paged with `after`.
///
/// Cancelling a `commit` future leaves the outcome unknown.
pub trait Store: Sync {
    /// What went wrong, with the fault it amounts to.
    type Error: StoreError;

    /// Answers all of `want` from one consistent view.
    fn read(&self, want: &ReadSet) -> impl Future<Output = Result<Rows, Self::Error>> + Send;

    /// Applies all of `batch` durably, or nothing.
    fn commit(&self, batch: &Batch) -> impl Future<Output = Result<Commit, Self::Error>> + Send;

    /// The same for several batches, in this order: each is judged against what those before it left, and has its own answer.
    ///
    /// One after the other unless a store does better: several may become durable together.
    fn commit_each(
        &self,
        batches: &[Batch],
    ) -> impl Future<Output = Vec<Result<Commit, Self::Error>>> + Send {
        async move {
            let mut answers = Vec::with_capacity(batches.len());
            for batch in batches {
                answers.push(self.commit(batch).await);
            }
            answers
        }
    }
}

impl<S: Store> Store for &S {
    type Error = S::Error;

    fn read(&self, want: &ReadSet) -> impl Future<Output = Result<Rows, Self::Error>> + Send {
        S::read(self, want)
    }

    fn commit(&self, batch: &Batch) -> impl Future<Output = Result<Commit, Self::Error>> + Send {
        S::commit(self, batch)
    }

    fn commit_each(
        &self,
        batches: &[Batch],
    ) -> impl Future<Output = Vec<Result<Commit, Self::Error>>> + Send {
        S::commit_each(self, batches)
    }
}

/// The fault that a store's error amounts to: what the loops need to know of it.
pub trait StoreError: core::error::Error + Send + Sync + 'static {
    /// Which fault it is.
    fn fault(&self) -> Fault;
}

/// What is known after a store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Stored bytes are not what was written; the operator has to act.
    Corrupt,
    /// Certainly nothing was written.
    NotApplied,
    /// The store cannot take a batch or an answer of this size.
    TooLarge,
    /// It may or may not have been written.
    Unknown,
}

impl Fault {
    /// Stable number, 140 to 143.
    pub const fn code(self) -> u32 {
        match self {
            Self::Corrupt => 140,
            Self::NotApplied => 141,
            Self::TooLarge => 142,
            Self::Unknown => 143,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "stored bytes are damaged",
            Self::NotApplied => "nothing was written",
            Self::TooLarge => "too large for the store",
            Self::Unknown => "it is not known whether the batch was written",
        })
    }
}

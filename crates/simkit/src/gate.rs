//! The place where a task waits for its turn.

use crate::{FaultyStore, SimError};
use port::{Batch, Commit, KeyAnswer, KeyQuestion, ReadSet, Rows};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

/// What a task of a [`crate::Stage`] sees of the world: the asynchronous store, each operation of which is one step.
///
/// Between any two operations of a task the interleaver may let others run, drop the task, or cut the power.
#[derive(Debug)]
pub struct Gate<V> {
    store: Arc<FaultyStore>,
    told: Arc<Mutex<Vec<V>>>,
    doing: Arc<Mutex<&'static str>>,
}

impl<V> Gate<V> {
    pub(crate) fn new(store: Arc<FaultyStore>) -> Self {
        Self { store, told: Arc::default(), doing: Arc::new(Mutex::new("start")) }
    }

    /// Somebody outside learns this now, and cannot be made to forget it: also if the task dies in the next step.
    pub fn tell(&self, verdict: V) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(verdict);
    }

    /// A step in which this task does nothing.
    pub async fn pause(&self) {
        self.turn("pause").await;
    }

    /// The key holder, whose answers take a step of their own. Where the key holder's state does not matter, lend it as
    /// [`port::blocking::Immediate`] instead: fewer steps, fewer orders.
    pub fn keys<K>(&self, keys: K) -> GatedKeys<K, V> {
        GatedKeys { keys, gate: self.clone() }
    }

    /// The store, without waiting for a turn.
    pub fn store(&self) -> &FaultyStore {
        &self.store
    }

    pub(crate) fn take_told(&self) -> Vec<V> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn doing(&self) -> &'static str {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self, doing: &'static str) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
        let mut waited = false;
        poll_fn(|_| {
            if waited {
                return Poll::Ready(());
            }
            waited = true;
            Poll::Pending
        })
        .await;
    }
}

impl<V> Clone for Gate<V> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), told: self.told.clone(), doing: self.doing.clone() }
    }
}

impl<V: Send> port::Store for Gate<V> {
    type Error = SimError;

    async fn read(&self, want: &ReadSet) -> Result<Rows, SimError> {
        self.turn("read").await;
        port::blocking::Store::read(&*self.store, want)
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, SimError> {
        self.turn("commit").await;
        port::blocking::Store::commit(&*self.store, batch)
    }
}

/// A key holder behind a [`Gate`].
#[derive(Debug)]
pub struct GatedKeys<K, V> {
    keys: K,
    gate: Gate<V>,
}

impl<K: port::blocking::Keys + Sync, V: Send> port::Keys for GatedKeys<K, V> {
    type Error = K::Error;

    async fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, K::Error> {
        self.gate.turn("keys").await;
        self.keys.answer(questions)
    }
}

//! One store, the tasks that race on it, and what must always hold.

use crate::run::caught;
use crate::{Ended, Failure, FaultyStore, Gate, Operation, Record};
use port::{DecideError, Decision, Snapshot};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The start of a simulated world; [`crate::every`] and [`crate::random`] play it.
///
/// `V` is what tasks end with: an enum of the caller's, so that different decisions mix. A task is asynchronous code over
/// a [`Gate`]; running [`port::decide`] or [`port::drain`] in it tests the very loops that integrators use.
pub struct Stage<'w, V> {
    store: Arc<FaultyStore>,
    tasks: Vec<Task<'w, V>>,
    invariants: Vec<Invariant<'w>>,
    deaths_left: usize,
    cuts_left: usize,
    embedded: bool,
    /// Steps that tasks took in this outage.
    down_steps: usize,
}

impl<'w, V: Send + 'w> Stage<'w, V> {
    /// A stage over this store.
    pub fn new(store: FaultyStore) -> Self {
        Self {
            store: Arc::new(store),
            tasks: Vec::new(),
            invariants: Vec::new(),
            deaths_left: 0,
            cuts_left: 0,
            embedded: false,
            down_steps: 0,
        }
    }

    /// A task that may start at any moment.
    pub fn spawn<F>(&mut self, name: impl Into<String>, task: impl FnOnce(Gate<V>) -> F) -> TaskId
    where
        F: Future<Output = V> + 'w,
    {
        self.add(name.into(), When::AtOnce, task)
    }

    /// A task that may start once another has ended in any way.
    pub fn spawn_after<F>(
        &mut self,
        earlier: TaskId,
        name: impl Into<String>,
        task: impl FnOnce(Gate<V>) -> F,
    ) -> TaskId
    where
        F: Future<Output = V> + 'w,
    {
        self.add(name.into(), When::After(earlier), task)
    }

    /// A task that starts only when all tasks of the other two kinds have ended: recovery, and a last look.
    pub fn spawn_last<F>(
        &mut self,
        name: impl Into<String>,
        task: impl FnOnce(Gate<V>) -> F,
    ) -> TaskId
    where
        F: Future<Output = V> + 'w,
    {
        self.add(name.into(), When::Last, task)
    }

    /// A decision that may start at any moment, made when it starts. Key questions take a step of their own.
    pub fn decide<D, K>(
        &mut self,
        name: impl Into<String>,
        keys: K,
        make: impl FnOnce() -> D + 'w,
        verdict: impl FnOnce(Decided<D, K>) -> V + 'w,
    ) -> TaskId
    where
        D: Decision + 'w,
        K: port::blocking::Keys + Sync + 'w,
    {
        self.spawn(name, |gate| async move {
            let mut decision = make();
            let keys = gate.keys(keys);
            verdict(port::decide(&gate, &keys, &mut decision).await)
        })
    }

    /// Something that happens in one step, at any moment: time passes, a key is revoked, an operator acts.
    pub fn act(
        &mut self,
        name: impl Into<String>,
        act: impl FnOnce(&FaultyStore) -> V + 'w,
    ) -> TaskId {
        self.spawn(name, |gate| async move { act(gate.store()) })
    }

    /// What must hold at the start and after every change of the rows.
    pub fn invariant(
        &mut self,
        name: &'static str,
        holds: impl Fn(&Snapshot) -> Result<(), String> + 'w,
    ) {
        self.invariants.push(Invariant { name, holds: Box::new(holds) });
    }

    /// At most so many tasks die, each between any two of its steps: its future is dropped.
    pub fn deaths(&mut self, max: usize) {
        self.deaths_left = max;
    }

    /// At most so often the power is cut, between any two steps: every task that has started dies, the store comes up
    /// again, and the tasks that had not started go on. Verdicts then take a step of their own to get out.
    pub fn power_cuts(&mut self, max: usize) {
        self.cuts_left = max;
    }

    /// The store lives in the process of the tasks: when it crashes by its plan, they die with it.
    pub fn embedded(&mut self) {
        self.embedded = true;
    }

    /// The store, to put rows into before the play begins.
    pub fn store(&self) -> &FaultyStore {
        &self.store
    }

    fn add<F>(&mut self, name: String, when: When, task: impl FnOnce(Gate<V>) -> F) -> TaskId
    where
        F: Future<Output = V> + 'w,
    {
        let gate = Gate::new(self.store.clone());
        let future: Running<'w, V> = Box::pin(task(gate.clone()));
        self.tasks.push(Task {
            name,
            when,
            gate,
            future: Some(future),
            ready: None,
            told: Vec::new(),
            called: None,
            returned: None,
            ended: Ended::NotStarted,
        });
        TaskId(self.tasks.len() - 1)
    }

    /// Plays to the end; `choose` picks one of the moves wherever there is more than one.
    pub(crate) fn play(
        mut self,
        choose: &mut dyn FnMut(&[Move]) -> Result<usize, String>,
    ) -> Result<Ending<V>, Failure> {
        let mut played = Vec::new();
        match self.play_on(&mut played, choose) {
            Ok(()) => Ok(self.end(played)),
            Err(why) => Err(Failure { trace: self.trace(&played), ..Failure::new(why) }),
        }
    }

    fn play_on(
        &mut self,
        played: &mut Vec<Played>,
        choose: &mut dyn FnMut(&[Move]) -> Result<usize, String>,
    ) -> Result<(), String> {
        self.check_invariants()?;
        loop {
            let moves = self.moves();
            let at = if moves.len() > 1 { choose(&moves)? } else { 0 };
            let Some(chosen) = moves.get(at).copied() else { return Ok(()) };
            if played.len() == STEPS_MAX {
                return Err(format!("does not end within {STEPS_MAX} steps"));
            }
            let changes = self.store.changes();
            let mut doing = "";
            let outcome = self.perform(chosen, played.len(), &mut doing);
            played.push(Played { chosen, doing, records: self.store.history_len() });
            outcome?;
            if self.store.changes() != changes {
                self.check_invariants()?;
            }
        }
    }

    fn moves(&self) -> Vec<Move> {
        if self.store.is_down() {
            return self.moves_while_down();
        }
        let mut moves = Vec::new();
        let mut running = false;
        for (at, task) in self.tasks.iter().enumerate() {
            let started = task.called.is_some();
            if task.has_ended() || !(started || self.may_start(task)) {
                continue;
            }
            moves.push(if task.ready.is_some() { Move::Reveal(at) } else { Move::Step(at) });
            if started && self.deaths_left > 0 {
                moves.push(Move::Die(at));
            }
            running |= started;
        }
        if self.cuts_left > 0 && running {
            moves.push(Move::PowerCut);
        }
        moves
    }

    /// The store comes up, or somebody who was in the middle of something notices that it is down.
    fn moves_while_down(&self) -> Vec<Move> {
        let mut moves = vec![Move::Restart { pending_lands: false }];
        if self.store.pending() > 0 {
            moves.push(Move::Restart { pending_lands: true });
        }
        if self.down_steps < DOWN_STEPS_MAX {
            let running = self.tasks.iter().enumerate().filter(|(_, task)| task.is_running());
            moves.extend(running.map(|(at, _)| Move::Step(at)));
        }
        moves
    }

    fn may_start(&self, task: &Task<'w, V>) -> bool {
        match task.when {
            When::AtOnce => true,
            When::After(TaskId(earlier)) => self.tasks.get(earlier).is_none_or(Task::has_ended),
            When::Last => {
                let mut others = self.tasks.iter().filter(|other| other.when != When::Last);
                others.all(Task::has_ended)
            }
        }
    }

    fn perform(
        &mut self,
        chosen: Move,
        now: usize,
        doing: &mut &'static str,
    ) -> Result<(), String> {
        match chosen {
            Move::Step(at) => {
                self.down_steps += usize::from(self.store.is_down());
                self.step(at, now, doing)?;
            }
            Move::Reveal(at) => self.reveal(at, now),
            Move::Die(at) => {
                self.deaths_left -= 1;
                self.tasks.get_mut(at).into_iter().for_each(Task::die);
            }
            Move::PowerCut => {
                self.cuts_left -= 1;
                self.store.crash();
                self.all_die();
            }
            Move::Restart { pending_lands } => {
                self.down_steps = 0;
                self.store.restart(pending_lands);
            }
        }
        Ok(())
    }

    fn step(&mut self, at: usize, now: usize, doing: &mut &'static str) -> Result<(), String> {
        let Some(task) = self.tasks.get_mut(at) else { return Ok(()) };
        caught(|| task.step(now, doing))?;
        if self.embedded && self.store.is_down() {
            self.all_die();
        } else if self.deaths_left == 0 && self.cuts_left == 0 {
            self.reveal(at, now);
        }
        Ok(())
    }

    fn reveal(&mut self, at: usize, now: usize) {
        let Some(task) = self.tasks.get_mut(at) else { return };
        if let Some(verdict) = task.ready.take() {
            task.told.push(verdict);
            task.returned = Some(now);
            task.ended = Ended::Returned;
        }
    }

    fn all_die(&mut self) {
        let started = self.tasks.iter_mut().filter(|task| task.called.is_some());
        started.filter(|task| !task.has_ended()).for_each(Task::die);
    }

    fn check_invariants(&self) -> Result<(), String> {
        if self.invariants.is_empty() {
            return Ok(());
        }
        let snapshot = self.store.snapshot();
        for Invariant { name, holds } in &self.invariants {
            caught(|| holds(&snapshot))
                .and_then(|found| found)
                .map_err(|why| format!("{name}: {why}"))?;
        }
        Ok(())
    }

    fn trace(&self, played: &[Played]) -> Vec<String> {
        trace(&self.tasks.iter().map(|task| &*task.name).collect::<Vec<_>>(), &self.store, played)
    }

    fn end(self, played: Vec<Played>) -> Ending<V> {
        let operations = self.tasks.into_iter().map(|task| Operation {
            name: task.name,
            called: task.called,
            returned: task.returned,
            told: task.told,
            ended: task.ended,
        });
        Ending { operations: operations.collect(), store: self.store, played }
    }
}

impl<V> fmt::Debug for Stage<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.tasks.iter().map(|task| &*task.name).collect();
        write!(f, "Stage({names:?})")
    }
}

/// What [`Stage::decide`] hands to the function that makes a verdict of the caller's of it.
pub type Decided<D, K> = Result<
    <D as Decision>::Verdict,
    DecideError<<D as Decision>::Error, crate::SimError, <K as port::blocking::Keys>::Error>,
>;

/// Names a task of one [`Stage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskId(usize);

impl TaskId {
    /// Its place in [`Ending::operations`].
    pub const fn index(self) -> usize {
        self.0
    }
}

/// How a play ended.
#[derive(Debug)]
pub struct Ending<V> {
    /// One for each task, in the order in which they were spawned.
    pub operations: Vec<Operation<V>>,
    store: Arc<FaultyStore>,
    played: Vec<Played>,
}

impl<V> Ending<V> {
    /// Everything that anybody outside was told, in the order of the tasks.
    pub fn told(&self) -> impl Iterator<Item = &V> {
        self.operations.iter().flat_map(|operation| &operation.told)
    }

    /// What one task ended with; `None` if it died or never started.
    pub fn verdict(&self, task: TaskId) -> Option<&V> {
        self.operations.get(task.0).and_then(Operation::verdict)
    }

    /// The store as it is now.
    pub fn store(&self) -> &FaultyStore {
        &self.store
    }

    /// The rows as they are now.
    pub fn snapshot(&self) -> Snapshot {
        self.store.snapshot()
    }

    /// How many steps it took.
    pub fn steps(&self) -> usize {
        self.played.len()
    }

    /// What happened, one line for each step and for each thing that it did to the store.
    pub fn trace(&self) -> Vec<String> {
        let names: Vec<&str> = self.operations.iter().map(|operation| &*operation.name).collect();
        trace(&names, &self.store, &self.played)
    }
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Step(usize),
    Reveal(usize),
    Die(usize),
    PowerCut,
    Restart { pending_lands: bool },
}

impl Move {
    /// Whether chance should choose it only now and then.
    pub(crate) const fn is_rare(self) -> bool {
        matches!(self, Self::Die(_) | Self::PowerCut)
    }
}

#[derive(Debug)]
struct Played {
    chosen: Move,
    doing: &'static str,
    /// How long the store's history was afterwards.
    records: usize,
}

type Holds<'w> = dyn Fn(&Snapshot) -> Result<(), String> + 'w;

struct Invariant<'w> {
    name: &'static str,
    holds: Box<Holds<'w>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    AtOnce,
    After(TaskId),
    Last,
}

/// A task between two of its steps.
type Running<'w, V> = Pin<Box<dyn Future<Output = V> + 'w>>;

struct Task<'w, V> {
    name: String,
    when: When,
    gate: Gate<V>,
    future: Option<Running<'w, V>>,
    /// The verdict, before anybody was told.
    ready: Option<V>,
    told: Vec<V>,
    called: Option<usize>,
    returned: Option<usize>,
    ended: Ended,
}

impl<V> Task<'_, V> {
    fn has_ended(&self) -> bool {
        matches!(self.ended, Ended::Returned | Ended::Died)
    }

    fn is_running(&self) -> bool {
        self.called.is_some() && !self.has_ended() && self.ready.is_none()
    }

    fn step(&mut self, now: usize, doing: &mut &'static str) {
        let mut context = Context::from_waker(Waker::noop());
        let Some(future) = &mut self.future else { return };
        let mut found = Poll::Pending;
        *doing = self.gate.doing();
        if self.called.is_none() {
            // The first poll goes up to the first gate, the second through it.
            self.called = Some(now);
            self.ended = Ended::Running;
            found = future.as_mut().poll(&mut context);
        }
        if found.is_pending() {
            *doing = self.gate.doing();
            found = future.as_mut().poll(&mut context);
        }
        self.told.append(&mut self.gate.take_told());
        if let Poll::Ready(verdict) = found {
            self.ready = Some(verdict);
            self.future = None;
        }
    }

    fn die(&mut self) {
        self.future = None;
        self.ready = None;
        self.ended = Ended::Died;
    }
}

fn trace(names: &[&str], store: &FaultyStore, played: &[Played]) -> Vec<String> {
    let history = store.history();
    let name = |at: usize| names.get(at).copied().unwrap_or("?");
    let mut lines = Vec::new();
    let mut told = 0;
    for step in played {
        lines.push(match step.chosen {
            Move::Step(at) => format!("{}: {}", name(at), step.doing),
            Move::Reveal(at) => format!("{}: the verdict gets out", name(at)),
            Move::Die(at) => format!("{}: dies", name(at)),
            Move::PowerCut => String::from("the power is cut"),
            Move::Restart { pending_lands: false } => String::from("the store is up again"),
            Move::Restart { pending_lands: true } => {
                String::from("the store is up again, with its unsynced tail")
            }
        });
        let records: &[Record] = history.get(told..step.records).unwrap_or(&[]);
        lines.extend(records.iter().map(|record| format!("    {record}")));
        told = step.records.max(told);
    }
    lines
}

/// So many steps meet a store that is down before it comes up again; a client that asks without end would never let it.
const DOWN_STEPS_MAX: usize = 2;

/// A play that goes on longer than this goes on for ever.
const STEPS_MAX: usize = 20_000;

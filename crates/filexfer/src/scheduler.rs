//! Whose turn it is.

use crate::{Error, JobId, PartyId};
use alloc::collections::{BTreeMap, VecDeque};

/// Jobs that are ready, in fair order: round robin over flows, by priority within a flow.
///
/// A flow is a requester and a destination. A destination has a few slots, so that one that is slow holds up nobody else,
/// and all together have a bound. A flow without a free slot keeps its place in the round. A small
/// file takes a small part of a slot, since many of them are on their way before one has arrived.
#[derive(Clone, Debug)]
pub struct Scheduler {
    config: Slots,
    flows: BTreeMap<Flow, BTreeMap<Turn, (JobId, usize)>>,
    round: VecDeque<Flow>,
    active: BTreeMap<(PartyId, JobId), (PartyId, usize)>,
    /// Parts of slots that are taken, of all destinations and of each.
    taken: usize,
    busy: BTreeMap<PartyId, usize>,
    waiting: BTreeMap<(PartyId, JobId), (Flow, Turn)>,
    arrivals: u64,
}

impl Scheduler {
    /// Without jobs.
    pub const fn new(config: Slots) -> Self {
        Self {
            config,
            flows: BTreeMap::new(),
            round: VecDeque::new(),
            active: BTreeMap::new(),
            taken: 0,
            busy: BTreeMap::new(),
            waiting: BTreeMap::new(),
            arrivals: 0,
        }
    }

    /// Adds a job that is ready; one that is in already stays where it is.
    ///
    /// # Errors
    /// [`Error::Busy`] if too many wait.
    pub fn push(
        &mut self,
        requester: &PartyId,
        destination: &PartyId,
        priority: u8,
        job: JobId,
    ) -> Result<(), Error> {
        self.push_sized(requester, destination, priority, job, u64::MAX)
    }

    /// The same for a file of so many bytes: one of up to [`Slots::SMALL_BYTES`] takes a part of a slot only, one of
    /// [`Slots::PARTS`].
    ///
    /// # Errors
    /// As [`Scheduler::push`].
    pub fn push_sized(
        &mut self,
        requester: &PartyId,
        destination: &PartyId,
        priority: u8,
        job: JobId,
        bytes: u64,
    ) -> Result<(), Error> {
        let parts = if bytes <= Slots::SMALL_BYTES { 1 } else { Slots::PARTS };
        let name = (requester.clone(), job);
        if self.active.contains_key(&name) || self.waiting.contains_key(&name) {
            return Ok(());
        }
        if self.waiting.len() >= self.config.waiting_max {
            return Err(Error::Busy);
        }
        let flow = (requester.clone(), destination.clone());
        if !self.flows.contains_key(&flow) {
            self.round.push_back(flow.clone());
        }
        self.arrivals += 1;
        // The highest priority first; of equals the first that came.
        let turn = (u8::MAX - priority, self.arrivals);
        self.flows.entry(flow.clone()).or_default().insert(turn, (job, parts));
        self.waiting.insert(name, (flow, turn));
        Ok(())
    }

    /// The next job that may start, which then has a slot until [`Scheduler::done`]. `can` says whether a destination can
    /// take one now.
    pub fn next(&mut self, mut can: impl FnMut(&PartyId) -> bool) -> Option<(PartyId, JobId)> {
        if self.taken >= self.config.active_max.saturating_mul(Slots::PARTS) {
            return None;
        }
        let most = self.config.per_destination.saturating_mul(Slots::PARTS);
        for at in 0..self.round.len() {
            let Some((requester, destination)) = self.round.get(at).cloned() else { break };
            let taken = self.busy.get(&destination).copied().unwrap_or(0);
            if taken >= most || !can(&destination) {
                continue;
            }
            // It was its turn: to the end of the round.
            let flow = self.round.remove(at)?;
            let jobs = self.flows.get_mut(&flow)?;
            let (_, (job, parts)) = jobs.pop_first()?;
            if jobs.is_empty() {
                self.flows.remove(&flow);
            } else {
                self.round.push_back(flow);
            }
            self.waiting.remove(&(requester.clone(), job));
            self.taken += parts;
            *self.busy.entry(destination.clone()).or_default() += parts;
            self.active.insert((requester.clone(), job), (destination, parts));
            return Some((requester, job));
        }
        None
    }

    /// A job has given its slot back, or waits no longer.
    pub fn done(&mut self, requester: &PartyId, job: JobId) {
        if let Some((destination, parts)) = self.active.remove(&(requester.clone(), job)) {
            self.taken -= parts;
            if let Some(taken) = self.busy.get_mut(&destination) {
                *taken -= parts;
                if *taken == 0 {
                    self.busy.remove(&destination);
                }
            }
            return;
        }
        let Some((flow, turn)) = self.waiting.remove(&(requester.clone(), job)) else { return };
        let Some(jobs) = self.flows.get_mut(&flow) else { return };
        jobs.remove(&turn);
        if jobs.is_empty() {
            self.flows.remove(&flow);
            self.round.retain(|other| *other != flow);
        }
    }

    /// How many have a slot.
    pub fn active(&self) -> usize {
        self.active.len()
    }

    /// How many wait for one.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// How many at a time; small files count as parts of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Of all destinations.
    pub active_max: usize,
    /// Of one destination.
    pub per_destination: usize,
    /// Jobs that may wait.
    pub waiting_max: usize,
}

impl Slots {
    /// Up to here a file is small: 64 KiB.
    pub const SMALL_BYTES: u64 = 64 << 10;

    /// So many small files have one slot together: 64.
    pub const PARTS: usize = 64;
}

impl Default for Slots {
    /// 256 at a time, 4 of one destination, 100,000 waiting.
    fn default() -> Self {
        Self { active_max: 256, per_destination: 4, waiting_max: 100_000 }
    }
}

/// Requester and destination.
type Flow = (PartyId, PartyId);
/// Inverted priority, then arrival.
type Turn = (u8, u64);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn party(n: usize) -> PartyId {
        PartyId::new(&alloc::format!("p{n}")).unwrap()
    }

    fn id(n: u32) -> JobId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        JobId(id)
    }

    #[test]
    fn flows_take_turns_and_priority_counts_within_one() {
        let mut scheduler = Scheduler::new(Slots { per_destination: 100, ..Slots::default() });
        for n in 0..3 {
            scheduler.push(&party(1), &party(9), 0, id(n)).unwrap();
        }
        scheduler.push(&party(1), &party(9), 5, id(7)).unwrap();
        scheduler.push(&party(2), &party(9), 0, id(8)).unwrap();
        scheduler.push(&party(2), &party(9), 0, id(8)).unwrap();
        let order: Vec<JobId> =
            core::iter::from_fn(|| scheduler.next(|_| true)).map(|(_, job)| job).collect();
        assert_eq!(order, [7, 8, 0, 1, 2].map(id));
        assert_eq!((scheduler.active(), scheduler.waiting()), (5, 0));
        scheduler.push(&party(2), &party(9), 0, id(8)).unwrap();
        assert_eq!(scheduler.waiting(), 0, "it has a slot");
    }

    #[test]
    fn fd10_one_slow_client_does_not_delay_the_others() {
        let slots = Slots { active_max: 60, per_destination: 2, waiting_max: 10_000 };
        let mut scheduler = Scheduler::new(slots);
        // The slow one has a thousand jobs before anybody else has one, and never finishes any.
        for n in 0..1_000 {
            scheduler.push(&party(1), &party(50), 255, id(n)).unwrap();
        }
        for client in 0..49 {
            for n in 0..10 {
                let job = id(10_000 + client * 100 + n);
                scheduler.push(&party(1), &party(client as usize), 0, job).unwrap();
            }
        }
        let mut served = 0;
        for _ in 0..20 {
            while scheduler.next(|_| true).is_some() {}
            let quick: Vec<_> = scheduler
                .active
                .iter()
                .filter(|(_, (to, _))| *to != party(50))
                .map(|(job, _)| job.clone())
                .collect();
            served += quick.len();
            for (requester, job) in quick {
                scheduler.done(&requester, job);
            }
        }
        assert_eq!((served, scheduler.active(), scheduler.waiting()), (490, 2, 998));
    }

    #[test]
    fn small_files_share_a_slot() {
        let slots = Slots { active_max: 3, per_destination: 2, waiting_max: 1_000 };
        let mut scheduler = Scheduler::new(slots);
        for n in 0..300 {
            scheduler.push_sized(&party(1), &party(2), 0, id(n), 4_096).unwrap();
        }
        scheduler.push_sized(&party(1), &party(3), 0, id(900), Slots::SMALL_BYTES + 1).unwrap();
        scheduler.push(&party(1), &party(3), 0, id(901)).unwrap();
        let started: Vec<(PartyId, JobId)> =
            core::iter::from_fn(|| scheduler.next(|_| true)).collect();
        // In turn: two slots of the large ones, and as many small ones as the third has room for.
        assert_eq!((started.len(), scheduler.active()), (2 + Slots::PARTS, 2 + Slots::PARTS));
        assert!(started.iter().any(|(_, job)| *job == id(901)));
        for (requester, job) in started {
            scheduler.done(&requester, job);
        }
        assert_eq!((scheduler.active(), scheduler.taken, scheduler.busy.len()), (0, 0, 0));
        assert!(scheduler.next(|_| true).is_some());
    }

    #[test]
    fn who_waits_is_bounded_and_can_leave() {
        let mut scheduler = Scheduler::new(Slots { waiting_max: 2, ..Slots::default() });
        scheduler.push(&party(1), &party(2), 0, id(1)).unwrap();
        scheduler.push(&party(1), &party(3), 0, id(2)).unwrap();
        assert_eq!(scheduler.push(&party(1), &party(2), 0, id(3)), Err(Error::Busy));
        scheduler.done(&party(1), id(1));
        scheduler.push(&party(1), &party(2), 0, id(3)).unwrap();
        assert_eq!(scheduler.next(|to| *to != party(3)), Some((party(1), id(3))));
        assert_eq!(scheduler.next(|to| *to != party(3)), None);
        assert_eq!(scheduler.next(|_| true), Some((party(1), id(2))));
    }

    proptest! {
        #[test]
        fn fd10_everybody_is_served_and_no_slot_is_lost(steps in prop::collection::vec((0..3_usize, 0..4_usize, 0..40_u32, 0..3_u8), 1..200)) {
            let slots = Slots { active_max: 5, per_destination: 2, waiting_max: 50 };
            let mut scheduler = Scheduler::new(slots);
            let mut active: Vec<(PartyId, JobId)> = Vec::new();
            for (from, to, job, kind) in steps {
                match kind {
                    0 => { let _ = scheduler.push(&party(from), &party(10 + to), 0, id(job)); }
                    1 => active.extend(scheduler.next(|_| true)),
                    _ => if let Some((who, job)) = active.pop() { scheduler.done(&who, job) },
                }
                prop_assert_eq!(scheduler.active(), active.len());
                prop_assert!(active.len() <= 5);
            }
            let waiting = scheduler.waiting();
            let mut served = 0;
            loop {
                match scheduler.next(|_| true) {
                    Some(next) => { active.push(next); served += 1; }
                    None => match active.pop() {
                        Some((who, job)) => scheduler.done(&who, job),
                        None => break,
                    },
                }
            }
            prop_assert_eq!((served, scheduler.waiting(), scheduler.busy.len()), (waiting, 0, 0));
        }
    }
}

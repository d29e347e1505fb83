//! The service node: collects, processes, and says at any time what a machine is.

use crate::intake::{checked_allotment, without_allotment};
use crate::reading::{Admit, admit, hold_age_max_ms};
use crate::{
    Assignment, Counts, Drift, DriftRule, Error, Flaw, Lloyd, Metrics, Misuse, OnSkew, Policy,
    Pushed, Sample, SeedSet, Signature, StageOne, StageTwo, TypeCount, TypeSeeding, Types, VmId,
    Window,
};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use port::{Clamp, Effect, Input, Machine, Time};

/// A machine (in the sense of [`port::Machine`]) that takes samples, keeps a bounded window of each virtual machine, and
/// answers type and load of each at any time.
///
/// It has no effects: it stores and sends nothing. Samples come by [`Node::take`], or as frames ([`Sample::encode`]) from
/// any peer: whoever passes frames on decides whom to believe. At its deadline it says [`NodeEvent::Due`], measures drift,
/// and refits the types if that is due; in between, machines are assigned to the types as they are. Types keep their
/// places over refits.
///
/// Times: a sample later than `now + skew_max_ms`, or outside of the policy's span, is skewed; one older than the window
/// is dropped. Clocks that step back are held.
#[derive(Clone, Debug)]
pub struct Node {
    metrics: Metrics,
    config: NodeConfig,
    seeds: SeedSet,
    machines: BTreeMap<VmId, Tracked>,
    types: Option<Types>,
    clamp: Clamp,
    due: Option<Time>,
    events: VecDeque<NodeEvent>,
    /// Of machines that were let go too.
    counts: Counts,
}

impl Node {
    /// Without machines.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] if a bound is 0, [`Misuse::Groups`] unless there are more groups than types,
    /// [`Misuse::Seeds`] if the seeds have another dimension than the metrics.
    pub fn new(metrics: Metrics, seeds: SeedSet, config: NodeConfig) -> Result<Self, Error> {
        let has_bounds = config.window_ms > 0
            && config.samples_max > 0
            && config.machines_max > 0
            && config.refit_ms > 0;
        if !has_bounds {
            return Err(Misuse::Bounds.into());
        }
        let most = match config.stage_two.groups {
            TypeCount::Fixed(groups) => groups,
            TypeCount::Chosen { most, .. } => most,
        };
        if most == 0 || most >= seeds.len() {
            return Err(Misuse::Groups.into());
        }
        if seeds.dimension() != metrics.dimension() {
            return Err(Misuse::Seeds.into());
        }
        if let TypeSeeding::Subset(which) = &config.stage_two.seeding {
            seeds.subset(which)?;
        }
        Ok(Self {
            metrics,
            config,
            seeds,
            machines: BTreeMap::new(),
            types: None,
            clamp: Clamp::new(),
            due: None,
            events: VecDeque::new(),
            counts: Counts::default(),
        })
    }

    /// Takes a raw sample. A flaw that the policy drops is counted and no error.
    ///
    /// # Errors
    /// [`Misuse`], [`Error::Refused`] by the policy, [`Error::Busy`] if the machine is new and there are too many.
    pub fn take(&mut self, now: Time, sample: &Sample) -> Result<(), Error> {
        let now = self.clamp.see(now);
        let is_known = self.machines.contains_key(&sample.vm);
        if !is_known && self.machines.len() >= self.config.machines_max {
            return Err(Error::Busy);
        }
        let mut tracked = match self.machines.get(&sample.vm) {
            Some(tracked) => TrackedInputs::of(tracked),
            None => TrackedInputs::new(&self.metrics),
        };
        if !sample.allotment.is_empty() {
            tracked.allotment = checked_allotment(&self.metrics, &sample.allotment)?;
        }
        if tracked.allotment.iter().any(|allotted| allotted.is_nan()) {
            return Err(Misuse::Allotment.into());
        }
        let mut counts = Counts { seen: 1, ..Counts::default() };
        let loads = self.admit(now, sample, &mut tracked, &mut counts)?;
        // nothing below is refused
        let (span_ms, samples_max) = (self.config.window_ms, self.config.samples_max);
        let window = Window::new(&self.seeds, span_ms, samples_max)?;
        let entry = self.machines.entry(sample.vm.clone()).or_insert_with(|| Tracked {
            inputs: TrackedInputs::new(&self.metrics),
            window,
            kind: None,
        });
        entry.inputs = tracked;
        let is_disordered = entry.window.latest().is_some_and(|latest| sample.at < latest);
        counts.disordered = u64::from(is_disordered);
        let fate = match &loads {
            Some(loads) => entry.window.push(&self.seeds, sample.at, loads)?,
            None => Pushed::TooOld,
        };
        counts.used = u64::from(fate == Pushed::Added);
        counts.joined = u64::from(fate == Pushed::Joined);
        counts.duplicate = counts.joined;
        counts.dropped = u64::from(fate == Pushed::TooOld);
        self.counts += counts;
        self.due.get_or_insert(now.plus_ms(self.config.refit_ms));
        Ok(())
    }

    /// The loads of a sample, or `None` if it is dropped.
    fn admit(
        &self,
        now: Time,
        sample: &Sample,
        tracked: &mut TrackedInputs,
        counts: &mut Counts,
    ) -> Result<Option<Vec<f64>>, Error> {
        let policy = &self.config.policy;
        let is_outside =
            policy.span.is_some_and(|(from, until)| sample.at < from || sample.at >= until);
        let mut is_dropped = false;
        if is_outside || sample.at > now.plus_ms(self.config.skew_max_ms) {
            counts.skewed = 1;
            match policy.skewed {
                // a time in the future would push all others out of the window
                OnSkew::Drop | OnSkew::Keep => is_dropped = true,
                OnSkew::Refuse => return Err(Flaw::Skewed.into()),
            }
        }
        let mut loads = vec![0.0; self.metrics.dimension()];
        let readings = sample.readings.iter().copied();
        let admitted =
            admit(&self.metrics, policy, &tracked.allotment, readings, counts, &mut loads)?;
        if is_dropped || admitted == Admit::Drop {
            return Ok(None);
        }
        let age_max_ms = hold_age_max_ms(policy);
        for (load, (since, last)) in loads.iter_mut().zip(&mut tracked.held) {
            if load.is_nan() {
                let is_usable = !last.is_nan() && sample.at >= *since;
                if !is_usable || sample.at.since_ms(*since) > age_max_ms {
                    return Ok(None);
                }
                *load = *last;
                counts.held += 1;
            } else if sample.at >= *since {
                (*since, *last) = (sample.at, *load);
            }
        }
        Ok(Some(loads))
    }

    /// What a machine is now: by its window and by the types as they are.
    ///
    /// # Errors
    /// [`Error::UnknownVm`]; [`Error::NoSamples`] if its window is empty or no types were fitted yet.
    pub fn answer(&self, vm: &VmId) -> Result<Standing, Error> {
        let tracked = self.machines.get(vm).ok_or(Error::UnknownVm)?;
        let types = self.types.as_ref().ok_or(Error::NoSamples)?;
        let signature = tracked.window.signature(&self.seeds)?;
        let lambda = signature.lambda();
        let assignment = types.assign(&types.features().of(&signature))?;
        let centre = types.kind(assignment.kind).map_or(&[][..], |kind| kind.lambda());
        let formula = self.config.stage_two.formula;
        Ok(Standing {
            load: formula.load_in_type(&lambda, centre),
            burstiness: signature.burstiness(formula),
            samples: signature.total(),
            latest: tracked.window.latest().unwrap_or(Time::EPOCH),
            lambda,
            assignment,
        })
    }

    /// Fits the types anew, whether that is due or not; they keep their places and names as far as they match.
    ///
    /// # Errors
    /// [`Error::NoSamples`] if no window has a sample, and what [`StageTwo::fit`] says; the former types stay.
    pub fn refit(&mut self, now: Time) -> Result<(), Error> {
        let now = self.clamp.see(now);
        self.refit_at(now, None)
    }

    fn refit_at(&mut self, now: Time, drift: Option<Drift>) -> Result<(), Error> {
        let signatures: Vec<Signature> = self
            .machines
            .values()
            .filter_map(|tracked| tracked.window.signature(&self.seeds).ok())
            .collect();
        let signatures: Vec<&Signature> = signatures.iter().collect();
        let fitted = self.config.stage_two.fit(&self.metrics, &signatures, Some(&self.seeds))?;
        let types = match &self.types {
            Some(before) => fitted.types.matched_to(before)?.0,
            None => fitted.types,
        };
        self.types = Some(types);
        self.due = Some(now.plus_ms(self.config.refit_ms));
        self.tell(NodeEvent::Refitted { drift });
        self.tell_changes();
        Ok(())
    }

    fn on_tick(&mut self, now: Time) -> Result<(), Error> {
        if self.due.is_none_or(|due| now < due) {
            return Ok(());
        }
        self.due = Some(now.plus_ms(self.config.refit_ms));
        self.tell(NodeEvent::Due);
        for tracked in self.machines.values_mut() {
            tracked.window.slide(&self.seeds, now)?;
        }
        // a machine of which nothing came for a whole window is gone
        self.machines.retain(|_, tracked| !tracked.window.is_empty());
        if self.machines.is_empty() {
            return Ok(());
        }
        let Some(types) = &self.types else { return self.refit_at(now, None) };
        let features: Vec<Vec<f64>> = self
            .machines
            .values()
            .filter_map(|tracked| tracked.window.signature(&self.seeds).ok())
            .map(|signature| types.features().of(&signature))
            .collect();
        let drift = self.config.drift.measure(types, &features)?;
        if drift.is_due {
            return self.refit_at(now, Some(drift));
        }
        self.tell_changes();
        Ok(())
    }

    /// Says which machines are of another type than before.
    fn tell_changes(&mut self) {
        let Some(types) = &self.types else { return };
        let mut changes = Vec::new();
        for (vm, tracked) in &mut self.machines {
            let Ok(signature) = tracked.window.signature(&self.seeds) else { continue };
            let Ok(found) = types.assign(&types.features().of(&signature)) else { continue };
            let before = tracked.kind.replace(found.kind);
            if before != Some(found.kind) {
                changes.push(NodeEvent::TypeChanged {
                    vm: vm.clone(),
                    from: before,
                    to: found.kind,
                });
            }
        }
        for change in changes {
            self.tell(change);
        }
    }

    /// The oldest event makes room: what is asked later is right all the same.
    fn tell(&mut self, event: NodeEvent) {
        let events_max = self.config.machines_max.saturating_mul(2).saturating_add(4);
        if self.events.len() >= events_max {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The types as they are; `None` before the first fit.
    pub const fn types(&self) -> Option<&Types> {
        self.types.as_ref()
    }

    /// The machines that there is something of.
    pub fn machines(&self) -> impl Iterator<Item = &VmId> {
        self.machines.keys()
    }

    /// What became of all samples so far.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// A stage 1 of the same seeds to full convergence, for recorded samples.
    ///
    /// # Errors
    /// As [`StageOne::new`].
    pub fn stage_one(&self, lloyd: Lloyd) -> Result<StageOne, Error> {
        let seeding = crate::Seeding::Given(self.seeds.clone());
        let none = core::iter::empty::<&crate::Samples>();
        StageOne::new(self.seeds.len(), self.metrics.dimension(), &seeding, lloyd, none)
    }
}

impl Machine for Node {
    type Event = NodeEvent;
    type Error = Error;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        match input {
            Input::Frame { bytes, .. } => {
                let sample = Sample::parse(bytes)?;
                self.take(now, &sample)
            }
            Input::Tick => {
                let now = self.clamp.see(now);
                self.on_tick(now)
            }
            // no effect of ours asks for any other input
            _ => Err(Misuse::Shape.into()),
        }
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        None
    }

    fn poll_event(&mut self) -> Option<NodeEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        self.due
    }
}

/// How a node works.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfig {
    /// For flaws of samples. Duplicates are joined by the highest load, and skewed samples are never kept.
    pub policy: Policy,
    /// Stage 2.
    pub stage_two: StageTwo,
    /// When types are fitted anew.
    pub drift: DriftRule,
    /// How long a sample counts, in milliseconds.
    pub window_ms: u64,
    /// Samples kept of a machine.
    pub samples_max: usize,
    /// Machines kept.
    pub machines_max: usize,
    /// How often drift is measured, in milliseconds.
    pub refit_ms: u64,
    /// How far a sample's time may lie ahead, in milliseconds.
    pub skew_max_ms: u64,
}

impl Default for NodeConfig {
    /// A day of at most 2,880 samples of at most 10,000 machines; drift every five minutes; a minute of skew.
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            stage_two: StageTwo::default(),
            drift: DriftRule::default(),
            window_ms: 86_400_000,
            samples_max: 2_880,
            machines_max: 10_000,
            refit_ms: 300_000,
            skew_max_ms: 60_000,
        }
    }
}

/// What a machine is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The type, and why.
    pub assignment: Assignment,
    /// The performance load value, 0 to 1.
    pub load: f64,
    /// The characteristic value over the window.
    pub lambda: Vec<f64>,
    /// How much more load its bursts are than its mean.
    pub burstiness: f64,
    /// Samples in the window.
    pub samples: u64,
    /// The latest sample's time.
    pub latest: Time,
}

/// What the embedder is told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// Time to pull from the sources.
    Due,
    /// The types were fitted anew.
    Refitted {
        /// The drift that made it due; `None` for the first fit and for one that was asked for.
        drift: Option<Drift>,
    },
    /// A machine is of another type than before.
    TypeChanged {
        /// Which.
        vm: VmId,
        /// `None` if it was of no type yet.
        from: Option<usize>,
        /// The type's place.
        to: usize,
    },
}

#[derive(Clone, Debug)]
struct Tracked {
    inputs: TrackedInputs,
    window: Window,
    kind: Option<usize>,
}

#[derive(Clone, Debug)]
struct TrackedInputs {
    allotment: Vec<f64>,
    /// The latest usable load of each metric.
    held: Vec<(Time, f64)>,
}

impl TrackedInputs {
    fn new(metrics: &Metrics) -> Self {
        Self {
            allotment: metrics.iter().map(without_allotment).collect(),
            held: vec![(Time::EPOCH, f64::NAN); metrics.dimension()],
        }
    }

    fn of(tracked: &Tracked) -> Self {
        tracked.inputs.clone()
    }
}

//! One storm for each seed: lies, losses, partitions, deaths, a store that fails. Then it is over, and everything has to be true.

use crate::liar::Liar;
use crate::network::{FAIR, Network, Weather};
use crate::node::TENANT;
use crate::place::*;
use interbank_order_malachite::{Misconduct, ValidatorEvent};
use ledger::*;
use port::{CrateTag, Key};
use simkit::{Failure, Faults, Odds, Rng, Seeds};
use std::collections::{BTreeMap, BTreeSet};

struct Storm {
    network: Network,
    rng: Rng,
    member: Member,
    /// What was submitted and not answered.
    open: Vec<Transaction>,
    /// What was told to be decided.
    decided: BTreeMap<[u8; 32], (Height, u32)>,
    registered: BTreeMap<FileId, Result<(), Rejected>>,
    heard: usize,
    seen: Vec<usize>,
}

/// What goes wrong.
#[derive(Clone, Copy)]
struct Odd {
    lies: bool,
    parts: bool,
    deaths: bool,
}

impl Storm {
    fn new(number: u64, validators: usize, odd: Odd) -> Self {
        let rng = Rng::new(number);
        let mut network = Network::of(rng.fork("network"), validators);
        if odd.lies {
            let mut nodes: Vec<_> = (0..validators).collect();
            rng.fork("liars").shuffle(&mut nodes);
            for at in nodes.into_iter().take((validators - 1) / 3) {
                network.liars.insert(at, Liar::new(id(at), seed(at)));
            }
        }
        if odd.deaths {
            let odds = Odds {
                conflict: 10,
                not_applied: 10,
                unknown_applied: 20,
                unknown_lost: 20,
                unknown_late: 20,
                crash: 20,
                read_fails: 10,
            };
            for (at, node) in network.nodes.iter().enumerate() {
                let plan = Faults::seeded(rng.fork(&format!("store {at}")), odds);
                node.store.set_faults(plan);
            }
        }
        let seen = vec![0; validators];
        Self {
            network,
            rng: rng.fork("storm"),
            member: Member::after(validators),
            open: Vec::new(),
            decided: BTreeMap::new(),
            registered: BTreeMap::new(),
            heard: 0,
            seen,
        }
    }

    fn turn(&mut self, odd: Odd) -> Result<(), Failure> {
        let count = self.network.nodes.len();
        match self.rng.below(12) {
            0..=2 => {
                let height = self.network.top();
                let number = u32::try_from(self.rng.below(4)).unwrap();
                let party = if self.rng.chance(1, 2) { 50 } else { 51 };
                let request = self.member.request(height, thing(number), party);
                self.open.push(request);
            }
            3 => {
                let loss = self.rng.below(300);
                let delay_max_ms = 1 + self.rng.below(800);
                self.network.weather = Weather { drop: loss, double: 100, delay_max_ms };
            }
            4 if odd.parts => {
                for part in &mut self.network.part {
                    *part = u8::from(self.rng.chance(1, 3));
                }
            }
            5 => self.network.part.fill(0),
            6..=7 if odd.deaths => {
                let at = self.rng.index(count);
                self.network.nodes[at].fuse = Some(self.rng.below(12));
            }
            8 if odd.deaths => {
                let at = self.rng.index(count);
                self.network.nodes[at].keys_fail = self.rng.below(3);
            }
            _ => self.submit_again()?,
        }
        let steps = (10 + self.rng.below(60)) * count as u64 / 4;
        self.go(steps)
    }

    fn submit_again(&mut self) -> Result<(), Failure> {
        let Some(transaction) = self.rng.pick(&self.open).cloned() else { return Ok(()) };
        let at = self.rng.index(self.network.nodes.len());
        self.network.submit(at, &transaction)
    }

    fn go(&mut self, steps: u64) -> Result<(), Failure> {
        for _ in 0..steps {
            self.network.step()?;
            for at in 0..self.network.nodes.len() {
                let node = &mut self.network.nodes[at];
                if node.store.is_down() {
                    node.store.restart_seeded(&mut self.rng);
                    node.die();
                    node.settle(self.network.now);
                    self.network.carry(at)?;
                }
                self.audit(at)?;
            }
        }
        self.hear()
    }

    /// What a node is told to audit, it approves.
    fn audit(&mut self, at: usize) -> Result<(), Failure> {
        let node = &self.network.nodes[at];
        let new = node.events[self.seen[at]..].to_vec();
        self.seen[at] = node.events.len();
        for event in new {
            if let ValidatorEvent::Requested(file) = event
                && self.rng.chance(1, 2)
            {
                let verdict = verdict(self.network.top(), file, id(at), seed(at));
                self.network.submit_own(at, verdict)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<(), Failure> {
        for (_, message) in &self.network.told[self.heard..] {
            match message {
                Message::Decided { digest, height, place } => {
                    let before = self.decided.insert(*digest, (*height, *place));
                    if before.is_some_and(|before| before != (*height, *place)) {
                        return Err("one transaction in two places".into());
                    }
                    self.open.retain(|it| it.digest().unwrap() != *digest);
                }
                Message::Refused { digest, .. } => {
                    self.open.retain(|it| it.digest().unwrap() != *digest);
                }
                Message::Concluded { file, outcome, .. } => {
                    let before = self.registered.insert(*file, *outcome);
                    if before.is_some_and(|before| before != *outcome) {
                        return Err("two outcomes of one audit".into());
                    }
                    self.open.retain(|it| it.file().unwrap() != Some(*file));
                }
                other => return Err(format!("a member is told {other:?}").into()),
            }
        }
        self.heard = self.network.told.len();
        Ok(())
    }

    /// The storm is over; liars go on.
    fn rest(&mut self) -> Result<(), Failure> {
        self.network.weather = FAIR;
        self.network.part.fill(0);
        for at in 0..self.network.nodes.len() {
            let node = &mut self.network.nodes[at];
            node.store.settle();
            node.store.set_faults(Faults::None);
            node.fuse = None;
            node.keys_fail = 0;
            if node.store.is_down() {
                node.store.restart(true);
            }
            node.die();
            node.settle(self.network.now);
            self.network.carry(at)?;
        }
        // What is on its way still arrives, and everybody hears where the others are.
        self.go(400)?;
        let height = self.network.top();
        let rounds = self.network.honest().filter_map(|at| {
            let node = &self.network.nodes[at];
            (node.height() == height).then(|| node.machine.round()).flatten()
        });
        let round = rounds.max().unwrap_or(0);
        let last = self.member.request(height, thing(99), 50);
        self.open.push(last.clone());
        let digest = last.digest().unwrap();
        for _ in 0..400 {
            if self.open.is_empty() && self.is_level() {
                break;
            }
            for transaction in self.open.clone() {
                let honest: Vec<_> = self.network.honest().collect();
                let at = honest[self.rng.index(honest.len())];
                self.network.submit(at, &transaction)?;
            }
            self.go(60)?;
        }
        if !self.open.is_empty() {
            return Err(format!("somebody is never answered: {}", self.network.report()).into());
        }
        if !self.is_level() {
            return Err(format!("somebody never catches up: {}", self.network.report()).into());
        }
        self.check(height, round, &digest)
    }

    fn is_level(&self) -> bool {
        let mut heads = self.network.honest().map(|at| {
            let chain = self.network.nodes[at].machine.chain()?;
            Some(chain.head()?.header.digest())
        });
        let first = heads.next().flatten();
        first.is_some() && heads.all(|head| head == first)
    }

    fn check(&self, height: Height, round: u32, last: &[u8; 32]) -> Result<(), Failure> {
        let honest: Vec<_> = self.network.honest().collect();
        let node = &self.network.nodes[honest[0]];
        let blocks = node.blocks();
        let mut chain = Chain::new(genesis()).unwrap();
        for block in &blocks {
            chain.take(block).map_err(|why| why.to_string())?;
        }
        for at in &honest {
            // Each may have other votes for the same block.
            let held = self.network.nodes[*at].machine.chain().unwrap();
            let heads = [held, &chain].map(|it| it.head().map(|head| head.header));
            if heads[0] != heads[1] || held.state() != chain.state() {
                return Err("the blocks do not lead to what a node holds".into());
            }
        }
        let mut places = BTreeMap::new();
        for record in blocks.iter().flat_map(Block::records) {
            let digest = record.transaction.digest().unwrap();
            if places.insert(digest, (record.height, record.place)).is_some() {
                return Err("one transaction stands in two places".into());
            }
        }
        if self.decided.iter().any(|(digest, told)| places.get(digest) != Some(told)) {
            return Err("what was told to be decided is not".into());
        }
        for (file, outcome) in &self.registered {
            let status = chain.state().file(*file).map(|file| &file.status);
            let is_true = match outcome {
                Ok(()) => status == Some(&Status::Registered),
                Err(why) => status == Some(&Status::Rejected(*why)),
            };
            if !is_true {
                return Err("what was told of an audit is not so".into());
            }
        }
        for number in [0, 1, 2, 3, 99] {
            let mut title = Title::new(thing(number), 1);
            for record in blocks.iter().flat_map(Block::records) {
                title.update(&record);
            }
            if title.owner() != chain.state().holding(thing(number)).map(|it| it.owner) {
                return Err("the history leads to another owner".into());
            }
        }
        self.check_proofs()?;
        // The first block after the repair, if it is not of before.
        let repaired = blocks.get(usize::try_from(height.0).unwrap());
        let Some(Certificate::Votes { round: decided, .. }) =
            repaired.map(|block| &block.header.certificate)
        else {
            return Err("nothing was decided after the repair".into());
        };
        if *decided > round + 10 || !places.contains_key(last) {
            return Err(format!("repaired in round {round}, decided in {decided}").into());
        }
        Ok(())
    }
}

impl Storm {
    /// Whoever was accused by a node has a proof of it in that node's store, and nobody else has.
    fn check_proofs(&self) -> Result<(), Failure> {
        let mut proven = BTreeSet::new();
        for at in self.network.honest() {
            let table = Key::new(CrateTag::LEDGER, TENANT, 34);
            let rows = self.network.nodes[at].store.snapshot().rows;
            for (_, row) in rows.iter().filter(|(key, _)| key.starts_with(&table)) {
                let proof = Misconduct::parse(genesis().chain().unwrap(), &row.value);
                let proof = proof.map_err(|why| why.to_string())?;
                let number = u8::try_from(proof.node().0.0 + 1).unwrap();
                let known = key(number).verifying_key();
                if !proof.is_proof(|_| Some(&known)) {
                    return Err("what is stored proves nothing".into());
                }
                proven.insert(proof.node());
            }
        }
        let accused: BTreeSet<_> = self.network.accused.keys().copied().collect();
        if accused.is_subset(&proven) { Ok(()) } else { Err("a proof is lost".into()) }
    }
}

/// As many as were asked for where optimized; few otherwise.
fn seeds(few: u64) -> Seeds {
    let seeds = Seeds::from_env(few);
    let schedules = if cfg!(debug_assertions) { seeds.schedules.min(few) } else { seeds.schedules };
    Seeds { schedules, ..seeds }
}

/// What happened in all storms of a test: one that nothing happens in proves nothing.
#[derive(Debug, Default)]
struct Ran {
    storms: u64,
    blocks: u64,
    deaths: u64,
    accused: usize,
}

fn run(name: &str, few: u64, validators: usize, odd: Odd) -> Ran {
    let mut ran = Ran::default();
    let storms = simkit::run_seeds(env!("CARGO_PKG_NAME"), name, seeds(few), |number| {
        let mut storm = Storm::new(number, validators, odd);
        for _ in 0..40 {
            storm.turn(odd)?;
        }
        storm.rest()?;
        ran.blocks += storm.network.decided;
        ran.deaths += storm.network.nodes.iter().map(|it| it.deaths).sum::<u64>();
        ran.accused += storm.network.accused.len();
        Ok(())
    });
    Ran { storms: storms.unwrap(), ..ran }
}

#[test]
fn ld10_four_validators_with_a_liar_have_one_history_and_lose_nothing() {
    let odd = Odd { lies: true, parts: false, deaths: true };
    let ran = run("four validators, one lies", 8, 4, odd);
    println!("{ran:?}");
    assert!(ran.blocks > 0 && ran.deaths > ran.storms);
    assert!(ran.accused > 0 || ran.storms < 3, "liars are caught");
}

#[test]
fn ld10_seven_validators_with_two_liars_have_one_history_and_lose_nothing() {
    let odd = Odd { lies: true, parts: true, deaths: true };
    let ran = run("seven validators, two lie", 3, 7, odd);
    println!("{ran:?}");
    assert!(ran.blocks > 0 && ran.deaths > ran.storms);
    assert!(ran.accused > 0 || ran.storms < 3, "liars are caught");
}

#[test]
fn ld11_a_network_that_was_parted_heals_to_one_history() {
    let odd = Odd { lies: false, parts: true, deaths: true };
    let ran = run("four validators, parted", 8, 4, odd);
    println!("{ran:?}");
    assert!(ran.blocks > 0 && ran.deaths > ran.storms);
    assert_eq!(ran.accused, 0);
}

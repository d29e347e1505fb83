//! One storm for each seed.

use crate::place::desk::*;
use crate::place::*;
use interbank_ledger::*;
use seal::Secret;
use simkit::{Failure, Faults, Odds, Rng};
use std::collections::BTreeMap;

/// A registry, its members with what they wait for, and what they were told.
struct Storm {
    rng: Rng,
    place: Place,
    desk: Desk,
    parties: Vec<Through>,
    /// What was submitted, and is submitted again until it is answered.
    open: Vec<(String, Transaction)>,
    /// What members believe, by digest.
    decided: BTreeMap<[u8; 32], (Height, u32)>,
    refused: BTreeMap<[u8; 32], Refusal>,
    concluded: BTreeMap<FileId, (Height, Result<(), Rejected>)>,
    /// Changes of a member's keys, with the sealing key that each names.
    changes: BTreeMap<[u8; 32], [u8; 32]>,
    seen: usize,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let rng = Rng::new(seed);
        let mut place = Place::new(policy());
        let parties = [(20, MEMBER_A), (21, MEMBER_A), (22, MEMBER_B), (23, MEMBER_B)];
        let parties = parties.map(|(seed, member)| place.party(seed, member)).to_vec();
        let mut desk = Desk::new(policy(), Faults::None);
        place.play(&mut desk);
        let odds = Odds {
            conflict: 20,
            not_applied: 20,
            unknown_applied: 40,
            unknown_lost: 30,
            unknown_late: 40,
            crash: 40,
            read_fails: 20,
        };
        desk.store.set_faults(Faults::seeded(rng.fork("store"), odds));
        Self {
            rng,
            place,
            desk,
            parties,
            open: Vec::new(),
            decided: BTreeMap::new(),
            refused: BTreeMap::new(),
            concluded: BTreeMap::new(),
            changes: BTreeMap::new(),
            seen: 0,
        }
    }

    fn turn(&mut self) -> Result<(), Failure> {
        if self.rng.chance(1, 3) {
            self.desk.fuse = Some(self.rng.below(9));
        }
        if self.rng.chance(1, 8) {
            self.desk.keys_fail = 1 + self.rng.below(2);
        }
        match self.rng.below(10) {
            0 if self.rng.chance(1, 6) => self.change_keys(),
            0..=2 => self.try_something(),
            3..=4 if !self.open.is_empty() => {
                let (member, transaction) = self.open[self.rng.index(self.open.len())].clone();
                self.desk.submit(&member, &transaction);
            }
            5..=7 => self.audit(),
            _ => self.desk.tick(self.rng.below(300)),
        }
        self.desk.fuse = None;
        if self.desk.store.is_down() {
            self.desk.store.restart_seeded(&mut self.rng);
            self.desk.die();
            self.desk.settle();
        }
        self.hear()
    }

    /// A member tries something that its view of the chain suggests.
    fn try_something(&mut self) {
        let Some(chain) = self.desk.machine.chain() else { return };
        self.place.follow(chain);
        self.know_keys();
        let party = *self.rng.pick(&self.parties).unwrap();
        let thing = thing(u32::try_from(self.rng.below(4)).unwrap());
        let holding = self.place.state.holding(thing);
        let member = if party.member == MEMBER_A { "m-a" } else { "m-b" };
        let transaction = match holding {
            None => self.place.request(thing, party),
            Some(Holding { file, owner }) => {
                let holder = *self.parties.iter().find(|it| it.party == owner).unwrap();
                let stage = self.place.stage(file);
                match self.rng.below(4) {
                    _ if stage == Stage::AwaitingRegistration => {
                        self.place.request_after(thing, holder, Some(file))
                    }
                    0 if party != holder => self.place.lease(file, holder, party, 1..2, false),
                    1 => {
                        let body = Body::Retire(Acted { on: self.place.on(file), by: holder });
                        self.place.transaction(body, &signers(&[holder]))
                    }
                    _ => self.place.transfer(file, holder, party),
                }
            }
        };
        self.open.push((member.into(), transaction.clone()));
        self.desk.submit(member, &transaction);
    }

    /// A member changes its keys: its sealing key is another one, its signing key the same under the next number.
    fn change_keys(&mut self) {
        let Some(chain) = self.desk.machine.chain() else { return };
        self.place.follow(chain);
        let newest = self.know_keys();
        let seed = u8::try_from(self.rng.below(256)).unwrap();
        let sealing = SealingKey::from_seed(&Secret::new([seed; 32])).public();
        let signing = key(4).verifying_key();
        let proof = Signer::Key(signing.to_bytes());
        self.place.know(proof, 0, key(4));
        let body = Body::RotateNode(RotateNode { node: MEMBER_B, newest, signing, sealing });
        let change = self.place.transaction(body, &[proof, Signer::Node(MEMBER_B)]);
        self.changes.insert(change.digest().unwrap(), sealing);
        self.open.push(("m-b".into(), change.clone()));
        self.desk.submit("m-b", &change);
    }

    /// Which number the key has by which the member signs.
    fn know_keys(&mut self) -> u16 {
        let newest = self.place.state.node(MEMBER_B).unwrap().ring.newest();
        self.place.know(Signer::Node(MEMBER_B), newest, key(4));
        newest
    }

    /// The supervision node audits what is to be audited; most of it is well.
    fn audit(&mut self) {
        let Some(chain) = self.desk.machine.chain() else { return };
        self.place.follow(chain);
        let files = chain.state().files().filter(|(_, file)| file.status == Status::Auditing);
        let files: Vec<_> = files.map(|(id, _)| id).collect();
        let Some(file) = self.rng.pick(&files).copied() else { return };
        let reasons: &[_] = if self.rng.chance(1, 6) { &[VerdictReason::Human] } else { &[] };
        let verdict = self.place.verdict(file, SUPERVISION, reasons);
        self.desk.own(&verdict);
    }

    /// What was told arrives, or gets lost; what contradicts an earlier answer is a failure.
    fn hear(&mut self) -> Result<(), Failure> {
        for (to, message) in &self.desk.told[self.seen..] {
            if self.rng.chance(1, 4) {
                continue;
            }
            match message {
                Message::Decided { digest, height, place } => {
                    let before = self.decided.insert(*digest, (*height, *place));
                    if before.is_some_and(|before| before != (*height, *place)) {
                        return Err("one transaction in two places".into());
                    }
                    self.open.retain(|(_, it)| it.digest().unwrap() != *digest);
                }
                Message::Refused { digest, why } => {
                    self.refused.insert(*digest, *why);
                    self.open.retain(|(_, it)| it.digest().unwrap() != *digest);
                }
                Message::Concluded { file, height, outcome } => {
                    let before = self.concluded.insert(*file, (*height, *outcome));
                    // Later states of a registered file have later heights; the outcome stays.
                    if before.is_some_and(|before| before.1 != *outcome) {
                        return Err("two outcomes of one audit".into());
                    }
                    self.open.retain(|(_, it)| it.file().unwrap() != Some(*file));
                }
                other => return Err(format!("told {other:?} to {to:?}").into()),
            }
        }
        self.seen = self.desk.told.len();
        Ok(())
    }

    /// The storm is over: everything is answered, and everything that was told is true.
    fn rest(&mut self) -> Result<(), Failure> {
        self.desk.store.settle();
        self.desk.store.set_faults(Faults::None);
        self.desk.keys_fail = 0;
        self.desk.die();
        self.desk.settle();
        for _ in 0..40 {
            for (member, transaction) in self.open.clone() {
                self.desk.submit(&member, &transaction);
            }
            self.desk.tick(200);
            self.hear()?;
        }
        if !self.open.is_empty() {
            return Err("somebody is never answered".into());
        }
        let blocks = self.desk.blocks();
        let mut chain = Chain::new(genesis(policy())).map_err(|why| why.to_string())?;
        for block in &blocks {
            chain.take(block).map_err(|why| why.to_string())?;
        }
        if &chain != self.desk.chain() {
            return Err("the blocks do not lead to what the node holds".into());
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
        // Who was refused is not in a block, unless the answer came after its window.
        let is_false = |(digest, why): (&[u8; 32], &Refusal)| {
            places.contains_key(digest) && *why != Refusal::OutsideWindow
        };
        if let Some((digest, why)) = self.refused.iter().find(|it| is_false(*it)) {
            let place = places[digest];
            return Err(format!("told {why:?} of what is decided at {place:?}").into());
        }
        // What is sealed for the member is sealed for the key of its last change.
        let changed = self.changes.iter().filter_map(|it| places.get(it.0).map(|at| (at, it.1)));
        let last = changed.max().map_or(identity("m-b", Role::Member, 4).sealing, |it| *it.1);
        if chain.state().node(MEMBER_B).unwrap().sealing != last {
            return Err("the sealing key is not that of the last change".into());
        }
        for (file, (_, outcome)) in &self.concluded {
            let status = chain.state().file(*file).map(|file| &file.status);
            let is_true = match (outcome, status) {
                (Err(told), Some(Status::Rejected(why))) => told == why,
                (Ok(()), Some(status)) => !matches!(status, Status::Rejected(_) | Status::Auditing),
                _ => false,
            };
            if !is_true {
                return Err("what was told of an audit is not so".into());
            }
        }
        for n in 0..4 {
            let mut title = Title::new(thing(n), policy().approvals);
            for record in blocks.iter().flat_map(Block::records) {
                title.update(&record);
            }
            let holding = chain.state().holding(thing(n));
            if title.owner() != holding.map(|it| it.owner) {
                return Err("the history leads to another owner".into());
            }
        }
        Ok(())
    }
}

#[test]
fn ld10_a_single_authority_that_dies_at_any_moment_loses_nothing_that_was_told() {
    let (mut deaths, mut blocks, mut decided, mut refused, mut concluded) = (0, 0, 0, 0, 0);
    let mut changed = 0;
    let ran = simkit::run(env!("CARGO_PKG_NAME"), "nothing told is lost", 20, |seed| {
        let mut storm = Storm::new(seed);
        for _ in 0..120 {
            storm.turn()?;
        }
        storm.rest()?;
        deaths += storm.desk.deaths;
        blocks += storm.desk.blocks().len();
        decided += storm.decided.len();
        refused += storm.refused.len();
        concluded += storm.concluded.len();
        changed += storm.desk.chain().state().node(MEMBER_B).unwrap().ring.newest() - 1;
        Ok(())
    });
    let ran = ran.unwrap();
    println!(
        "{ran} storms: {deaths} deaths, {blocks} blocks, {decided} decided, {refused} refused, {concluded} concluded, {changed} changes of keys"
    );
    // A storm that nothing happens in proves nothing.
    assert!(deaths > 5 * ran && concluded > 3 * usize::try_from(ran).unwrap());
    assert!(2 * u64::from(changed) > ran);
}

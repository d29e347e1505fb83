//! Nodes, what is under way between them, and what is true of all of it.

use crate::liar::Liar;
use crate::node::Node;
use crate::place::*;
use interbank_order_malachite::*;
use ledger::*;
use port::{Bytes, Machine as _, Peer, Snapshot, Time};
use simkit::{Failure, Rng};
use std::collections::BTreeMap;
use std::sync::OnceLock;

pub(crate) struct Network {
    pub(crate) rng: Rng,
    pub(crate) now: Time,
    pub(crate) nodes: Vec<Node>,
    pub(crate) liars: BTreeMap<usize, Liar>,
    /// Which part of the network each node is in.
    pub(crate) part: Vec<u8>,
    pub(crate) weather: Weather,
    /// No proposal arrives.
    pub(crate) is_mute: bool,
    /// By arrival.
    wires: BTreeMap<(Time, u64), (Peer, usize, Bytes)>,
    sent: u64,
    /// What members were told.
    pub(crate) told: Vec<(usize, Message)>,
    /// What stands at each height, by the first honest node that said so.
    blocks: BTreeMap<Height, [u8; 32]>,
    /// What honest nodes said, so that none contradicts itself.
    votes: BTreeMap<(NodeId, Height, u32, VoteKind), Option<[u8; 32]>>,
    claims: BTreeMap<(NodeId, Height, u32), Claim>,
    pub(crate) accused: BTreeMap<NodeId, Misconduct>,
    pub(crate) decided: u64,
}

/// How bad the network is: chances in thousandths, delays in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) drop: u64,
    pub(crate) double: u64,
    pub(crate) delay_max_ms: u64,
}

pub(crate) const FAIR: Weather = Weather { drop: 0, double: 0, delay_max_ms: 3 };

impl Network {
    pub(crate) fn new(rng: Rng, nodes: Vec<Node>) -> Self {
        let part = vec![0; nodes.len()];
        let mut network = Self {
            rng,
            now: START,
            nodes,
            liars: BTreeMap::new(),
            part,
            weather: FAIR,
            is_mute: false,
            wires: BTreeMap::new(),
            sent: 0,
            told: Vec::new(),
            blocks: BTreeMap::new(),
            votes: BTreeMap::new(),
            claims: BTreeMap::new(),
            accused: BTreeMap::new(),
            decided: 0,
        };
        for node in 0..network.nodes.len() {
            network.nodes[node].settle(network.now);
            network.carry(node).unwrap();
        }
        network
    }

    /// So many validators that have joined, one member, two parties.
    pub(crate) fn of(rng: Rng, validators: usize) -> Self {
        static FOUR: OnceLock<Vec<Snapshot>> = OnceLock::new();
        static SEVEN: OnceLock<Vec<Snapshot>> = OnceLock::new();
        let base = if validators == 4 { &FOUR } else { &SEVEN };
        let base = base.get_or_init(|| bring_up(validators));
        let nodes = base.iter().enumerate().map(|(at, it)| Node::calm(at, Some(it)));
        let mut network = Self::new(rng, nodes.collect());
        network.now = START.plus_ms(1_000_000);
        network
    }

    /// Another node on the network.
    pub(crate) fn add(&mut self, node: Node) {
        self.nodes.push(node);
        self.part.push(0);
        self.carry(self.nodes.len() - 1).unwrap();
    }

    /// The next thing happens: a frame arrives, or a deadline passes.
    pub(crate) fn step(&mut self) -> Result<(), Failure> {
        let arrival = self.wires.keys().next().map(|(at, _)| *at);
        let running = self.nodes.iter().enumerate().filter(|(_, it)| !it.is_down);
        let deadline = running
            .filter_map(|(at, node)| Some((node.machine.next_deadline()?.max(self.now), at)))
            .min();
        match (arrival, deadline) {
            (Some(at), deadline) if deadline.is_none_or(|(due, _)| at <= due) => {
                self.now = self.now.max(at);
                let Some((_, (from, to, bytes))) = self.wires.pop_first() else { return Ok(()) };
                if self.nodes[to].is_down {
                    return Ok(());
                }
                self.nodes[to].frame(self.now, &from, &bytes);
                self.carry(to)
            }
            (_, Some((at, node))) => {
                self.now = at;
                self.nodes[node].tick(at);
                self.carry(node)
            }
            _ => {
                self.now = self.now.plus_ms(100);
                Ok(())
            }
        }
    }

    /// Until something holds, or so many steps were made.
    pub(crate) fn until(
        &mut self,
        steps: u64,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> Result<(), Failure> {
        for _ in 0..steps {
            if holds(self) {
                return Ok(());
            }
            self.step()?;
        }
        Err(format!("it never comes to that: {}", self.report()).into())
    }

    /// Where everybody is: next height, round, what waits.
    pub(crate) fn report(&self) -> String {
        let nodes = self.nodes.iter().enumerate().map(|(at, it)| {
            let who = if self.liars.contains_key(&at) { "liar" } else { "node" };
            let (height, round) = (it.height().0, it.machine.round());
            format!("{who} {at} at {height} in {round:?} with {}", it.machine.waiting())
        });
        nodes.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn submit(&mut self, node: usize, transaction: &Transaction) -> Result<(), Failure> {
        if self.nodes[node].is_down {
            return Ok(());
        }
        let message = Message::Submit(Box::new(transaction.clone()));
        let frame = message.to_frame().unwrap();
        self.nodes[node].frame(self.now, &Peer::new(MEMBER).unwrap(), &frame);
        self.carry(node)
    }

    pub(crate) fn submit_own(&mut self, node: usize, it: Transaction) -> Result<(), Failure> {
        self.nodes[node].submit(self.now, it);
        self.carry(node)
    }

    pub(crate) fn honest(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|at| !self.liars.contains_key(at))
    }

    pub(crate) fn top(&self) -> Height {
        self.nodes.iter().map(Node::height).max().unwrap()
    }

    /// What a node did goes out, and is looked at.
    pub(crate) fn carry(&mut self, node: usize) -> Result<(), Failure> {
        let from = Peer::new(name(node)).unwrap();
        let out = std::mem::take(&mut self.nodes[node].out);
        let events = self.nodes[node].news();
        let is_honest = !self.liars.contains_key(&node);
        for (to, bytes) in out {
            if to.as_str() == MEMBER {
                let message = Message::parse(&bytes).unwrap();
                if is_honest && !self.rng.chance(self.weather.drop, 1_000) {
                    self.told.push((node, message));
                }
                continue;
            }
            let Some(to) = (0..self.nodes.len()).find(|at| name(*at) == to.as_str()) else {
                continue;
            };
            if is_honest {
                self.look_at(node, &bytes)?;
                self.put(&from, node, to, bytes, 0);
            } else if let Some(mut liar) = self.liars.remove(&node) {
                let chain = self.nodes[node].machine.chain();
                let lies = liar.twist(&mut self.rng, chain, to, &bytes);
                self.liars.insert(node, liar);
                lies.into_iter().for_each(|(late, lie)| self.put(&from, node, to, lie, late));
            }
        }
        for event in &events {
            match event {
                ValidatorEvent::Block(height) if is_honest => self.on_block(node, *height)?,
                ValidatorEvent::Misconduct(misconduct) if is_honest => {
                    self.on_misconduct(misconduct)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn put(&mut self, from: &Peer, node: usize, to: usize, bytes: Bytes, late_ms: u64) {
        let is_proposal = bytes.get(1) == Some(&32);
        let is_cut = self.part[node] != self.part[to] || (self.is_mute && is_proposal);
        if is_cut || self.rng.chance(self.weather.drop, 1_000) {
            return;
        }
        let copies = 1 + u64::from(self.rng.chance(self.weather.double, 1_000));
        for _ in 0..copies {
            let delay_ms = 1 + late_ms + self.rng.below(self.weather.delay_max_ms);
            self.sent += 1;
            let key = (self.now.plus_ms(delay_ms), self.sent);
            self.wires.insert(key, (from.clone(), to, bytes.clone()));
        }
    }

    /// Nobody honest says two things.
    fn look_at(&mut self, node: usize, bytes: &[u8]) -> Result<(), Failure> {
        if !Frame::is_one(bytes) {
            return Ok(());
        }
        let own = self.nodes[node].config.node;
        match Frame::parse(genesis().chain().unwrap(), bytes).map_err(|why| why.to_string())? {
            Frame::Votes(height, votes) => {
                for it in votes.into_iter().map(|it| it.vote).filter(|it| it.node == own) {
                    let key = (own, height, it.round, it.kind);
                    if *self.votes.entry(key).or_insert(it.value) != it.value {
                        return Err(format!("node {own} votes twice: {it:?}").into());
                    }
                }
            }
            Frame::Propose(proposal) => {
                let claim = proposal.claim.claim;
                let key = (own, claim.height, claim.round);
                if *self.claims.entry(key).or_insert(claim) != claim {
                    return Err(format!("node {own} proposes twice: {claim:?}").into());
                }
            }
            Frame::PassOn(_) | Frame::Cosign(..) => {}
        }
        Ok(())
    }

    /// One history.
    fn on_block(&mut self, node: usize, height: Height) -> Result<(), Failure> {
        let Some(chain) = self.nodes[node].machine.chain() else { return Ok(()) };
        let head = &chain.head().unwrap().header;
        if head.height == height {
            let digest = head.digest();
            if *self.blocks.entry(height).or_insert(digest) != digest {
                return Err(format!("two blocks at {height}").into());
            }
            self.decided += 1;
        }
        Ok(())
    }

    /// Whoever is accused has lied, and the proof says so.
    fn on_misconduct(&mut self, misconduct: &Misconduct) -> Result<(), Failure> {
        let node = misconduct.node();
        let is_liar = self.liars.keys().any(|at| self.nodes[*at].config.node == node);
        let seed = u8::try_from(node.0.0 + 1).unwrap();
        let key = key(seed).verifying_key();
        if !is_liar || !misconduct.is_proof(|_| Some(&key)) {
            return Err(format!("an honest node is accused: {misconduct:?}").into());
        }
        self.accused.insert(node, misconduct.clone());
        Ok(())
    }
}

/// A registry from its founder on: every node joins in a block that those before it decide.
fn bring_up(validators: usize) -> Vec<Snapshot> {
    let nodes = (0..validators).map(|at| Node::calm(at, None)).collect();
    let mut network = Network::new(Rng::new(1), nodes);
    let member = Member::after(validators);
    let mut steps = Vec::new();
    for at in 0..validators {
        steps.push(join(Height(at as u64), &name(at), Role::Supervision, seed(at)));
    }
    steps.push(member.join());
    let next = member.node.0.next();
    steps.extend([member.associate(next, 50), member.associate(next, 51)]);
    for (at, step) in steps.into_iter().enumerate() {
        network.submit_own(0, step).unwrap();
        let reached =
            |network: &Network| network.nodes.iter().all(|it| it.height() > Height(at as u64));
        network.until(20_000, reached).unwrap();
    }
    network.nodes.iter().map(|it| it.store.snapshot()).collect()
}

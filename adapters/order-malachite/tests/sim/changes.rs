//! Validators that come and go: a late joiner, a larger set, a revoked node.

use crate::network::Network;
use crate::node::Node;
use crate::place::*;
use interbank_order_malachite::{Claim, Frame, Proposal, SignedClaim, SignedVote, Validator};
use ledger::*;
use port::Peer;
use simkit::{Failure, Faults, FaultyStore, Rng};

/// A request goes through, by way of a node.
fn decide(network: &mut Network, member: &mut Member, at: usize, number: u32) -> Transaction {
    let request = member.request(network.top(), thing(number), 50);
    let file = request.file().unwrap().unwrap();
    network.submit(at, &request).unwrap();
    network
        .until(20_000, |it| {
            let chain = it.nodes[at].machine.chain();
            chain.is_some_and(|chain| chain.state().file(file).is_some())
        })
        .unwrap();
    request
}

#[test]
fn ld10_a_block_as_full_as_can_be_is_decided() {
    let mut network = Network::of(Rng::new(11), 4);
    let mut member = Member::after(4);
    let requests: Vec<_> =
        (0..90).map(|number| member.request(network.top(), thing(number), 50)).collect();
    let files: Vec<_> = requests.iter().map(|it| it.file().unwrap().unwrap()).collect();
    for request in &requests {
        network.submit(0, request).unwrap();
    }
    let count = |network: &Network, is: Status| {
        let chain = network.nodes[0].machine.chain();
        let file = |id: &FileId| chain.and_then(|chain| chain.state().file(*id));
        files.iter().filter_map(file).filter(|file| file.status == is).count()
    };
    network.until(20_000, |it| count(it, Status::Auditing) == files.len()).unwrap();
    // With each verdict the file and the thing change, and with each request a file; how many things the owner has is not stored.
    for (number, file) in (90..).zip(&files) {
        network.submit_own(0, verdict(network.top(), *file, id(0), seed(0))).unwrap();
        let request = member.request(network.top(), thing(number), 50);
        network.submit(0, &request).unwrap();
    }
    network.until(20_000, |it| count(it, Status::Registered) == files.len()).unwrap();
}

/// One of the nodes' own, and the block with it reaches these.
fn own(network: &mut Network, transaction: Transaction, reach: &[usize]) {
    let height = network.top();
    network.submit_own(0, transaction).unwrap();
    level(network, reach, height.next()).unwrap();
}

fn level(network: &mut Network, nodes: &[usize], height: Height) -> Result<(), Failure> {
    network.until(40_000, |it| nodes.iter().all(|at| it.nodes[*at].height() >= height))
}

/// A fifth supervision node, which nobody has heard of yet.
fn fifth(network: &mut Network) -> Node {
    let mut node = Node::new(4, NodeId(network.top()), FaultyStore::new(Faults::None));
    node.config.seeds = vec![Peer::new("s-2").unwrap()];
    node.die();
    node.settle(network.now);
    node
}

#[test]
fn ld12_a_late_joiner_reaches_the_same_roots_and_votes() {
    let mut network = Network::of(Rng::new(1), 4);
    let mut member = Member::after(4);
    // More blocks than are fetched at one time.
    for number in 0..20 {
        decide(&mut network, &mut member, 0, number);
    }
    let late = fifth(&mut network);
    network.add(late);
    let identity = join(network.top(), "s-5", Role::Supervision, seed(4));
    own(&mut network, identity, &[0, 1, 2, 3, 4]);
    let [old, late] = [&network.nodes[0], &network.nodes[4]].map(|it| it.machine.chain().unwrap());
    assert_eq!(late.head().unwrap().header, old.head().unwrap().header);
    assert_eq!(late.map().root(), old.map().root());
    assert_eq!(late.log().root(), old.log().root());
    // The block after its own is its to decide, too: of five, four have to vote, and one of the old ones is down.
    assert_eq!(network.nodes[4].machine.validators().len(), 5);
    network.nodes[3].is_down = true;
    decide(&mut network, &mut member, 4, 90);
    let top = network.top();
    level(&mut network, &[0, 1, 2, 4], top).unwrap();
    let blocks = network.nodes[0].blocks();
    let Certificate::Votes { votes, .. } = &blocks.last().unwrap().header.certificate else {
        panic!("blocks are voted for")
    };
    let voters: Vec<_> = votes.iter().map(|vote| vote.node).collect();
    assert_eq!(voters, [id(0), id(1), id(2), network.nodes[4].config.node]);
}

#[test]
fn ld13_a_revoked_validator_decides_nothing_more_and_what_it_decided_stays() {
    let mut network = Network::of(Rng::new(2), 4);
    let mut member = Member::after(4);
    decide(&mut network, &mut member, 0, 1);
    let revoked = revoke(network.top(), id(3));
    own(&mut network, revoked, &[0, 1, 2, 3]);
    let nodes = &network.nodes;
    assert!(nodes.iter().all(|it| it.machine.validators() == [id(0), id(1), id(2)]));
    // The three that are left decide without it; it follows.
    decide(&mut network, &mut member, 1, 2);
    let top = network.top();
    level(&mut network, &[0, 1, 2, 3], top).unwrap();
    // What it passes on for a member is not taken any more; the member goes to another node.
    let request = member.request(top, thing(3), 50);
    network.submit(3, &request).unwrap();
    for _ in 0..200 {
        network.step().unwrap();
    }
    assert_eq!(network.top(), top);
    network.submit(2, &request).unwrap();
    level(&mut network, &[0, 1, 2, 3], top.next()).unwrap();

    // Its vote in a block of later is refused, and every block of before still verifies.
    let blocks = network.nodes[0].blocks();
    let mut chain = Chain::new(genesis()).unwrap();
    let (last, before) = blocks.split_last().unwrap();
    before.iter().for_each(|block| {
        chain.take(block).unwrap();
    });
    let was_counted = |block: &Block| match &block.header.certificate {
        Certificate::Votes { votes, .. } => votes.iter().any(|vote| vote.node == id(3)),
        Certificate::Authority { .. } => false,
    };
    assert!(before.iter().any(was_counted) && !was_counted(last));
    let with = |change: &dyn Fn(u32, &mut Vec<VoteSignature>)| {
        let mut block = last.clone();
        let Certificate::Votes { round, votes } = &mut block.header.certificate else {
            panic!("blocks are voted for")
        };
        change(*round, votes);
        chain.clone().take(&block).map(|_| ()).map_err(|why| why.fault)
    };
    let signed = |round, node, seed| {
        let header = last.header.header;
        let (kind, value) = (VoteKind::Commit, Some(header.digest()));
        let vote = Vote { chain: header.chain, height: header.height, round, kind, value, node };
        let signature = key(seed).sign(&vote.to_sign());
        VoteSignature { node, key_number: 1, signature }
    };
    assert_eq!(with(&|_, _| ()), Ok(()));
    assert_eq!(with(&|round, votes| votes.push(signed(round, id(3), 4))), Err(BlockFault::Votes));
    assert_eq!(with(&|round, votes| votes[2] = signed(round, id(3), 4)), Err(BlockFault::Votes));
    // Fewer than it takes, one twice, one of another round, one by another's key, nobody but the proposer.
    assert_eq!(with(&|_, votes| votes.truncate(2)), Err(BlockFault::Votes));
    assert_eq!(with(&|_, votes| votes[1] = votes[0]), Err(BlockFault::Votes));
    let other = with(&|round, votes| votes[1] = signed(round + 1, id(1), 2));
    assert_eq!(other, Err(BlockFault::Signature));
    let other = with(&|round, votes| votes[1] = signed(round, id(1), 1));
    assert_eq!(other, Err(BlockFault::Signature));
    let mut alone = last.clone();
    let header = last.header.header;
    alone.header = SignedHeader::by_authority(header, 1, key(1).sign(&header.to_sign()));
    assert_eq!(chain.clone().take(&alone).unwrap_err().fault, BlockFault::Votes);
}

#[test]
fn ld11_the_smaller_part_decides_nothing_and_follows_when_it_heals() {
    let mut network = Network::of(Rng::new(3), 4);
    let mut member = Member::after(4);
    network.part = vec![1, 1, 0, 0];
    let request = member.request(network.top(), thing(1), 50);
    let before = network.top();
    for at in [0, 3] {
        network.submit(at, &request).unwrap();
    }
    for _ in 0..2_000 {
        network.step().unwrap();
    }
    assert_eq!(network.top(), before, "two of four decide nothing");
    network.part = vec![0, 0, 0, 1];
    level(&mut network, &[0, 1, 2], before.next()).unwrap();
    assert_eq!(network.nodes[3].height(), before);
    network.part.fill(0);
    level(&mut network, &[3], before.next()).unwrap();
    let heads = network.nodes.iter().map(|it| it.machine.chain().unwrap().head().unwrap().header);
    let mut heads: Vec<_> = heads.map(|it| it.digest()).collect();
    heads.dedup();
    assert_eq!(heads.len(), 1);
    // It was decided once, and both who were asked say where.
    let digest = request.digest().unwrap();
    let told: Vec<_> = network.told.iter().map(|(at, message)| (*at, message.clone())).collect();
    let decided = Message::Decided { digest, height: before, place: 0 };
    assert!(told.contains(&(0, decided.clone())) && told.contains(&(3, decided)));
}

#[test]
fn ld10_a_node_that_comes_up_many_rounds_later_is_of_use_again() {
    let mut network = Network::of(Rng::new(7), 4);
    let mut member = Member::after(4);
    let before = network.top();
    let request = member.request(before, thing(1), 50);
    // Three go from round to round, since no proposal arrives; the fourth is down.
    network.nodes[3].is_down = true;
    network.is_mute = true;
    network.submit(0, &request).unwrap();
    let rounds = 2 * Validator::ROUNDS_AHEAD;
    let is_late = |network: &Network| {
        let mut running = network.nodes[..3].iter();
        running.all(|it| it.machine.round().is_some_and(|round| round > rounds))
    };
    network.until(20_000, is_late).unwrap();
    assert_eq!(network.top(), before);
    // Now it takes the fourth, which knows of nothing.
    network.nodes[3].is_down = false;
    network.nodes[0].is_down = true;
    network.is_mute = false;
    level(&mut network, &[1, 2, 3], before.next()).unwrap();
}

#[test]
fn ld10_one_lie_about_a_round_makes_no_node_deaf_to_the_others() {
    let (mut network, request) = one_alone();
    let height = network.top();
    network.submit(ALONE, &request).unwrap();
    // Somebody voted as it should for a while. To this node it said that it is much further, and then it is silent.
    hand(&mut network, ALONE, 0, &votes(height, 1_000, VoteKind::Prepare, None, &[0]));
    // What the others say again begins with its vote.
    let reasons = votes(height, 11, VoteKind::Commit, None, &[0, 1, 3]);
    for _ in 0..2 {
        hand(&mut network, ALONE, 1, &reasons);
    }
    assert_eq!(network.nodes[ALONE].machine.round(), Some(11));
}

#[test]
fn ld10_a_node_that_skips_many_rounds_votes_as_before_after_a_stop() {
    let (mut network, request) = one_alone();
    let height = network.top();
    network.submit(ALONE, &request).unwrap();
    // No proposal comes in time: it votes for none.
    pass(&mut network, 1_000);
    // Then the block comes, with the votes of all the others; the key holder fails at the second vote.
    let proposal = propose(&network, &request, 0, 0);
    let value = proposal.header.digest();
    network.nodes[ALONE].keys_fail = 1;
    hand(&mut network, ALONE, 3, &Frame::Propose(Box::new(proposal)));
    hand(&mut network, ALONE, 0, &votes(height, 0, VoteKind::Prepare, Some(value), &[0, 1, 3]));
    // Before it is asked again, the others are far away.
    skip(&mut network, 100);
    network.now = network.now.plus_ms(500);
    let now = network.now;
    network.nodes[ALONE].tick(now);
    let commit = votes(height, 0, VoteKind::Commit, Some(value), &[ALONE]).to_bytes().unwrap();
    assert!(network.nodes[ALONE].out.iter().any(|(_, bytes)| *bytes == commit));
    network.carry(ALONE).unwrap();
    network.nodes[ALONE].die();
    network.nodes[ALONE].settle(now);
    network.carry(ALONE).unwrap();
    for _ in 0..20 {
        pass(&mut network, 250);
    }
}

#[test]
fn ld10_a_block_that_waits_for_its_signature_is_kept() {
    let (mut network, request) = one_alone();
    let height = network.top();
    network.submit(ALONE, &request).unwrap();
    // Its turn, and the key holder fails.
    network.nodes[ALONE].keys_fail = 1;
    skip(&mut network, 19);
    // Meanwhile come those that others proposed in other rounds, each another block.
    let others = (0..=25).filter(|round| (height.0 + u64::from(*round)) % 4 != ALONE as u64);
    let others: Vec<_> = others.collect();
    assert!(others.len() > 16);
    for round in others {
        let proposal = propose(&network, &request, round, u64::from(round));
        hand(&mut network, ALONE, 0, &Frame::Propose(Box::new(proposal)));
    }
    network.now = network.now.plus_ms(500);
    let now = network.now;
    network.nodes[ALONE].tick(now);
    let is_own = |bytes: &[u8]| match Frame::parse(genesis().chain().unwrap(), bytes) {
        Ok(Frame::Propose(it)) => it.claim.claim.node == id(ALONE),
        _ => false,
    };
    assert!(network.nodes[ALONE].out.iter().any(|(_, bytes)| is_own(bytes)));
}

#[test]
fn ld12_whoever_promises_blocks_and_sends_none_holds_nobody_up() {
    let mut network = Network::of(Rng::new(8), 4);
    let mut member = Member::after(4);
    let before = network.top();
    network.nodes[3].is_down = true;
    for number in 0..3 {
        decide(&mut network, &mut member, 0, number);
    }
    let top = network.top();
    level(&mut network, &[0, 1, 2], top).unwrap();
    let blocks = network.nodes[0].blocks();
    let second = blocks.iter().find(|it| it.header.header.height == before.next()).unwrap();
    network.nodes[3].is_down = false;
    network.nodes[0].is_down = true;
    // Always the first to say that it has more, and always with a block that is not the next one.
    let liar = Peer::new(name(0)).unwrap();
    let lies = [Message::Next(Height(1_000)), Message::Block(Box::new(second.clone()))];
    let lies = lies.map(|it| it.to_frame().unwrap());
    for _ in 0..5_000 {
        if network.nodes[3].height() == top {
            return;
        }
        for lie in &lies {
            let now = network.now;
            network.nodes[3].frame(now, &liar, lie);
            network.nodes[3].frame(now, &liar, lie);
            network.carry(3).unwrap();
        }
        network.step().unwrap();
    }
    panic!("it never catches up: {}", network.report());
}

/// The node that runs while the others are down, and hears what is said in their names.
const ALONE: usize = 2;

fn one_alone() -> (Network, Transaction) {
    let mut network = Network::of(Rng::new(9), 4);
    let request = Member::after(4).request(network.top(), thing(1), 50);
    for at in [0, 1, 3] {
        network.nodes[at].is_down = true;
    }
    (network, request)
}

fn hand(network: &mut Network, to: usize, from: usize, frame: &Frame) {
    let (now, from) = (network.now, Peer::new(name(from)).unwrap());
    network.nodes[to].frame(now, &from, &frame.to_bytes().unwrap());
    network.carry(to).unwrap();
}

fn pass(network: &mut Network, ms: u64) {
    network.now = network.now.plus_ms(ms);
    let now = network.now;
    network.nodes[ALONE].tick(now);
    network.carry(ALONE).unwrap();
}

/// So many say that they are in another round that not all of them lie.
fn skip(network: &mut Network, round: u32) {
    let votes = votes(network.top(), round, VoteKind::Prepare, None, &[0, 1]);
    // Of the first one is known only that its voter is there, until the second has come.
    for _ in 0..2 {
        hand(network, ALONE, 0, &votes);
    }
    assert_eq!(network.nodes[ALONE].machine.round(), Some(round));
}

/// The same vote by each of these.
fn votes(
    height: Height,
    round: u32,
    kind: VoteKind,
    value: Option<[u8; 32]>,
    by: &[usize],
) -> Frame {
    let chain = genesis().chain().unwrap();
    let votes = by.iter().map(|at| {
        let vote = Vote { chain, height, round, kind, value, node: id(*at) };
        let signature = key(seed(*at)).sign(&vote.to_sign());
        SignedVote { vote, key_number: 1, signature }
    });
    Frame::Votes(height, votes.collect())
}

/// What the proposer of a round proposes, so many milliseconds later.
fn propose(network: &Network, request: &Transaction, round: u32, later_ms: u64) -> Proposal {
    let mut chain = network.nodes[ALONE].machine.chain().unwrap().clone();
    let height = chain.next_height();
    let at = usize::try_from((height.0 + u64::from(round)) % 4).unwrap();
    let time = network.now.plus_ms(later_ms);
    let draft = chain.draft(time, id(at), std::slice::from_ref(request), 80);
    let value = draft.header.digest();
    let claim = Claim { chain: chain.id(), height, round, pol_round: None, value, node: id(at) };
    let signature = key(seed(at)).sign(&claim.to_sign());
    let claim = SignedClaim { claim, key_number: 1, signature };
    Proposal { claim, header: draft.header, transactions: draft.transactions, polka: Vec::new() }
}

#[test]
fn checkpoints_are_signed_by_every_validator_and_a_proof_needs_nobody() {
    let mut network = Network::of(Rng::new(6), 4);
    let mut member = Member::after(4);
    let request = decide(&mut network, &mut member, 0, 1);
    let keys: Vec<_> = (0..4).map(|at| key(seed(at)).verifying_key()).collect();
    let origin = genesis().origin().to_owned();
    let is_whole = |node: &Node| {
        let note = node.machine.checkpoint();
        note.is_some_and(|note| keys.iter().all(|key| note.is_signed_by(&origin, key)))
    };
    network.until(20_000, |it| it.nodes.iter().all(is_whole)).unwrap();
    // Also after a stop, when the others have nothing new to say.
    network.nodes[2].die();
    network.nodes[2].settle(network.now);
    network.carry(2).unwrap();
    network.until(20_000, |it| it.nodes.iter().all(is_whole)).unwrap();

    let node = &network.nodes[2];
    let chain = node.machine.chain().unwrap();
    let record = node.blocks().iter().flat_map(Block::records).last().unwrap();
    assert_eq!(record.transaction, request);
    let index = chain.log().size() - 1;
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    let path = chain.log().inclusion(index, index + 1).unwrap();
    let proof = RecordProof::new(bytes, index, path, node.machine.checkpoint().unwrap().clone());
    let proof = RecordProof::parse(&proof.to_string()).unwrap();
    let trust = Trust { chain: chain.id(), origin, keys, vouchers: 4 };
    assert_eq!(proof.verify(&trust), Ok(record));

    // Who owns what is proved by the votes for the newest block, of which one alone says little.
    let entry = EntryKey::Thing(thing(77));
    let head = chain.head().unwrap().clone();
    let prove = |head| EntryProof::new(head, entry, None, chain.map().prove(&entry.path()));
    let trust = Trust { vouchers: votes_needed(4), ..trust };
    let proof = prove(head.clone());
    assert_eq!(proof.verify_holding(&trust, thing(77)).unwrap().found, None);
    let Certificate::Votes { round, votes } = head.certificate else {
        panic!("blocks are voted for")
    };
    for votes in [votes[..1].to_vec(), vec![votes[0]; 3]] {
        let certificate = Certificate::Votes { round, votes };
        let proof = prove(SignedHeader { header: head.header, certificate });
        assert_eq!(proof.verify_holding(&trust, thing(77)), Err(ProofError::NotSigned));
        let credulous = Trust { vouchers: 1, ..trust.clone() };
        assert!(proof.verify_holding(&credulous, thing(77)).is_ok());
    }
}

#[test]
fn ld03_one_request_to_every_validator_is_decided_once() {
    let mut network = Network::of(Rng::new(4), 4);
    let mut member = Member::after(4);
    let request = member.request(network.top(), thing(1), 50);
    let before = network.top();
    for _ in 0..3 {
        for at in 0..4 {
            network.submit(at, &request).unwrap();
        }
    }
    level(&mut network, &[0, 1, 2, 3], before.next()).unwrap();
    for _ in 0..400 {
        network.step().unwrap();
    }
    assert_eq!(network.top(), before.next());
    let digest = request.digest().unwrap();
    let decided = Message::Decided { digest, height: before, place: 0 };
    for at in 0..4 {
        assert!(network.told.contains(&(at, decided.clone())));
    }
}

#[test]
fn ld02_two_requests_for_one_thing_wait_for_the_audit_and_one_wins() {
    let mut network = Network::of(Rng::new(5), 4);
    let mut member = Member::after(4);
    let height = network.top();
    let files: Vec<_> = [(0, 50), (2, 51)]
        .into_iter()
        .map(|(at, party)| {
            let request = member.request(height, thing(1), party);
            network.submit(at, &request).unwrap();
            request.file().unwrap().unwrap()
        })
        .collect();
    let is_there = |node: &Node, file| {
        node.machine.chain().is_some_and(|chain| chain.state().file(file).is_some())
    };
    network
        .until(20_000, |it| {
            it.nodes.iter().all(|node| files.iter().all(|file| is_there(node, *file)))
        })
        .unwrap();
    for (at, file) in [(1, files[0]), (3, files[1])] {
        let verdict = verdict(network.top(), file, id(at), seed(at));
        network.submit_own(at, verdict).unwrap();
    }
    let is_over = |node: &Node, file| {
        let chain = node.machine.chain();
        let file = chain.and_then(|chain| chain.state().file(file));
        file.is_some_and(|file| file.status != Status::Auditing)
    };
    network
        .until(20_000, |it| {
            it.nodes.iter().all(|node| files.iter().all(|file| is_over(node, *file)))
        })
        .unwrap();
    let chain = network.nodes[0].machine.chain().unwrap();
    let statuses: Vec<_> =
        files.iter().map(|file| chain.state().file(*file).unwrap().status.clone()).collect();
    let rejected = Status::Rejected(Rejected::AlreadyRegistered);
    assert!(statuses.contains(&Status::Registered) && statuses.contains(&rejected), "{statuses:?}");
    // Each member hears what came of its own, once, from the node that completed the audit.
    let concluded = network.told.iter().filter(|(_, it)| matches!(it, Message::Concluded { .. }));
    assert_eq!(concluded.count(), 2);
}

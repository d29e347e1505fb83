//! Any sequence of operations on a registry, through a node whose store fails and whose process dies: one owner of each thing, the
//! counts and the index right, the same chain by its blocks and by its snapshot, and nothing told that is not so.

#![no_main]

extern crate interbank_simkit as simkit;

#[path = "../../crates/ledger/tests/place/mod.rs"]
mod place;

use interbank_ledger::*;
use libfuzzer_sys::fuzz_target;
use place::desk::Desk;
use place::*;
use port::Tenant;
use simkit::{Fate, Faults};

fuzz_target!(|bytes: &[u8]| {
    let mut play = Play::new();
    // Every operation takes two bytes: which, and on what.
    for [op, on] in bytes.as_chunks::<2>().0.iter().take(48) {
        play.perform(*op, *on);
        play.see();
    }
    play.finish();
});

struct Play {
    place: Place,
    desk: Desk,
    parties: [Through; 3],
    files: Vec<FileId>,
}

impl Play {
    fn new() -> Self {
        let policy = Policy { window_max: 30, keep: 30, ..policy() };
        let (mut place, mut desk) = (Place::new(policy), Desk::new(policy, Faults::None));
        let parties = [(20, MEMBER_A), (21, MEMBER_B), (22, MEMBER_B)]
            .map(|(seed, member)| place.party(seed, member));
        place.play(&mut desk);
        Self { place, desk, parties, files: Vec::new() }
    }

    fn perform(&mut self, op: u8, on: u8) {
        match op % 16 {
            0..=9 => {
                if let Some(transaction) = self.transaction(op % 16, on) {
                    self.submit(&transaction);
                }
            }
            10 => self.register(on),
            11 => self.desk.fuse = Some(u64::from(on % 8)),
            12 => {
                let fates =
                    [Fate::UnknownLost, Fate::UnknownApplied, Fate::Conflict, Fate::NotApplied];
                let fate = fates[usize::from(on) % 4];
                self.desk.store.set_faults(Faults::commits([(1, fate)]));
            }
            13 => self.desk.keys_fail = u64::from(on % 3),
            14 => self.desk.tick(u64::from(on) * 10),
            _ => self.desk.die(),
        }
        self.desk.settle();
    }

    fn transaction(&mut self, op: u8, on: u8) -> Option<Transaction> {
        let party = |n: u8| self.parties[usize::from(n) % 3];
        if op == 0 {
            return Some(self.place.request(thing(u32::from(on % 4)), party(on >> 2)));
        }
        let file = *self.files.get(usize::from(on >> 3) % self.files.len().max(1))?;
        let it = self.place.state.file(file)?.clone();
        let of = |party: PartyId| *self.parties.iter().find(|it| it.party == party).unwrap();
        let (owner, holder, other) = (of(it.owner), of(it.holder()), party(on));
        let place = &mut self.place;
        let by_owner = Acted { on: place.on(file), by: owner };
        let supervised = Supervised { on: place.on(file), by: SUPERVISION, reference: [1; 32] };
        Some(match op {
            1 | 2 => {
                let reasons: &[_] = if on & 3 == 3 { &[VerdictReason::Human] } else { &[] };
                place.verdict(file, SUPERVISION, reasons)
            }
            3 | 4 => place.transfer(file, owner, other),
            5 => {
                let thing = it.thing;
                place.request_after(thing, holder, Some(file))
            }
            6 => place.transaction(Body::Retire(by_owner), &signers(&[owner])),
            7 => place.transaction(
                if it.frozen { Body::Unfreeze(supervised) } else { Body::Freeze(supervised) },
                &[Signer::Node(SUPERVISION)],
            ),
            8 => place.lease(file, owner, other, 0..u64::from(on % 8), on & 1 == 0),
            _ => {
                let mut files: Vec<FileId> =
                    place.state.purgeable(place.height).take(Purge::FILES_MAX).collect();
                files.sort();
                let body = Body::Purge(Purge { by: SUPERVISION, files });
                place.transaction(body, &[Signer::Node(SUPERVISION)])
            }
        })
    }

    /// Through to the verdict, so that there is something to work with.
    fn register(&mut self, on: u8) {
        let owner = self.parties[usize::from(on) % 3];
        let request = self.place.request(thing(u32::from(on >> 2) % 4), owner);
        self.submit(&request);
        let file = request.file().unwrap().unwrap();
        if self.place.state.file(file).is_some() {
            let verdict = self.place.verdict(file, SUPERVISION, &[]);
            self.submit(&verdict);
        }
    }

    /// Until it is answered, as a member does. The answer is what the state before says.
    fn submit(&mut self, transaction: &Transaction) {
        // What was under way is over first.
        for _ in 0..4 {
            self.desk.tick(100);
        }
        self.follow();
        let expected = self.place.state.judge(self.place.at(), transaction).map(|_| ());
        let digest = transaction.digest().unwrap();
        for _ in 0..6 {
            self.desk.told.clear();
            self.desk.now = self.desk.now.max(self.place.time);
            self.desk.submit("m-a", transaction);
            self.desk.tick(100);
            if !self.desk.told.is_empty() {
                break;
            }
        }
        let told = self.desk.told_to("m-a");
        let is_decided = match told.first() {
            Some(Message::Decided { digest: of, .. }) => *of == digest,
            Some(Message::Concluded { .. }) => true,
            Some(Message::Refused { digest: of, why }) => {
                assert_eq!((*of, Err(*why)), (digest, expected));
                false
            }
            _ => return self.follow(),
        };
        if is_decided {
            self.files.extend(transaction.file().unwrap());
        }
        self.follow();
    }

    fn follow(&mut self) {
        let Some(chain) = self.desk.machine.chain() else { return };
        self.place.follow(chain);
        let time = chain.head().unwrap().header.time;
        self.place.time = self.place.time.max(time);
        self.files.retain(|file| self.place.state.file(*file).is_some());
    }

    fn see(&self) {
        let state = &self.place.state;
        for number in 0..4 {
            let live = state.files().filter(|(_, it)| it.thing == thing(number) && it.is_live());
            let live = live.map(|(id, it)| Holding { file: id, owner: it.holder() });
            assert_eq!(live.collect::<Vec<_>>(), Vec::from_iter(state.holding(thing(number))));
        }
        for Through { party, .. } in self.parties {
            let owned = state.holdings().filter(|(_, holding)| holding.owner == party).count();
            assert_eq!(state.tally(party) as usize, owned);
        }
    }

    fn finish(mut self) {
        self.desk.store.set_faults(Faults::None);
        self.desk.keys_fail = 0;
        self.desk.fuse = None;
        self.desk.die();
        self.desk.settle();
        let chain = self.desk.chain();
        let mut followed = Chain::new(chain.state().genesis().clone()).unwrap();
        let mut index = Index::default();
        for block in self.desk.blocks() {
            followed.take(&block).unwrap().iter().for_each(|entry| index.update(entry));
        }
        assert_eq!(&followed, chain);
        assert_eq!(index, Index::of(chain.state()));
        let origin = chain.state().genesis().origin().to_owned();
        let trust =
            Trust { chain: chain.id(), origin, keys: vec![key(1).verifying_key()], vouchers: 1 };
        for Through { party, .. } in self.parties {
            let query = Query::Owner(party);
            let answer = index.answer(chain, &query, None).unwrap();
            assert_eq!(Findings::new(query).update(&trust, &answer), Ok(false));
        }
        let note = self.desk.machine.checkpoint().unwrap().clone();
        let snapshot = Snapshot::of(chain, Some(note)).unwrap();
        let genesis = chain.state().genesis().clone();
        let manifest = snapshot.manifest().clone();
        let mut joining = Joining::new(genesis, &trust, Tenant::new(1), manifest).unwrap();
        while let Some(number) = joining.wants() {
            joining.take(&snapshot.chunk(number).unwrap().unwrap()).unwrap();
        }
        assert_eq!(&joining.finish().unwrap().0, chain);
    }
}

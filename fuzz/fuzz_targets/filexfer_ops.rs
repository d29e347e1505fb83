//! Any sequence of operations on three sites: with frames lost, late, doubled and damaged, stores that fail and servers that
//! stop, every job ends once and rightly, and bytes of strangers are never a panic.

#![no_main]

extern crate interbank_simkit as simkit;

#[allow(dead_code)]
#[path = "../../crates/filexfer/tests/asking/mod.rs"]
mod asking;
#[path = "../../crates/filexfer/tests/sim/check.rs"]
mod check;
#[allow(dead_code)]
#[path = "../../crates/filexfer/tests/sim/disk.rs"]
mod disk;
#[path = "../../crates/filexfer/tests/sim/place.rs"]
mod place;
#[path = "../../crates/filexfer/tests/sim/work.rs"]
mod work;
#[allow(dead_code)]
#[path = "../../crates/filexfer/tests/sim/world.rs"]
mod world;

use asking::sign;
use interbank_filexfer::*;
use libfuzzer_sys::fuzz_target;
use port::blocking::decide;
use port::{Input, Machine as _, Peer};
use seal::SoftKeys;
use simkit::{Odds, Weather};
use world::{Roles, TENANT, World, bytes};

fuzz_target!(|bytes: &[u8]| {
    let Some((seed, ops)) = bytes.split_first_chunk::<2>() else { return };
    let mut play = Play::new(u64::from(u16::from_be_bytes(*seed)));
    // Every operation takes two bytes: which, and on what.
    for [op, on] in ops.as_chunks::<2>().0.iter().take(24) {
        play.perform(*op, *on);
    }
    play.finish();
});

struct Play {
    world: World,
    files: u32,
    /// A server says what it should not: jobs may end otherwise than they should, but nothing else may happen.
    is_hostile: bool,
}

impl Play {
    fn new(seed: u64) -> Self {
        let names = NameMapping::new(&[("", "mail")]).unwrap();
        let sftp = Profile::new(ProtocolName::new("sftp").unwrap()).collected().with_names(names);
        let world = World::serving(seed, |_| {}, &[("cc1", sftp)]);
        Self { world, files: 0, is_hostile: false }
    }

    fn perform(&mut self, op: u8, on: u8) {
        let site = 1 + on % 3;
        match op % 16 {
            0..=3 => self.submit(op, on),
            4 => {
                let kind = ["r", "c", "b", "cc", "bb"][usize::from(on / 3) % 5];
                self.world.crash(&format!("{kind}{site}"));
            }
            5 => {
                let kind = if on & 4 == 0 { "a" } else { "aa" };
                self.world.set_present(&format!("{kind}{site}"), on & 8 == 0);
            }
            6 => self
                .world
                .partition(["r1", "r2"][usize::from(on & 1)], ["r2", "r3"][usize::from(on & 1)]),
            7 => self.world.heal(),
            8 => {
                let part = |shift: u8, most: u16| u16::from(on >> shift & 3) * most / 3;
                let weather = Weather {
                    refuse: part(0, 100),
                    drop: part(2, 300),
                    double: part(4, 300),
                    delay_max_ms: 1 + u64::from(on >> 6) * 700,
                };
                self.world.weather(weather);
            }
            9 => {
                let rough = Odds { conflict: 0, not_applied: 0, crash: 20, ..Odds::ROUGH };
                self.world.faults(Some(if on & 1 == 0 { Odds::CALM } else { rough }));
            }
            10 => self.world.corruption = u64::from(on) * 2,
            11 => self.world.collect("cc1"),
            12 => self.intrude(on),
            13 => self.purge(on),
            14 => self.cancel(on),
            _ => self.world.run_until(self.world.now.plus_ms(1 + u64::from(on) * u64::from(on))),
        }
        self.world.run_until(self.world.now.plus_ms(1 + u64::from(on & 15) * 40));
    }

    fn submit(&mut self, op: u8, on: u8) {
        let requester = ["b1", "bb1", "b2", "b3"][usize::from(on & 3)];
        let site = &requester[requester.len() - 1..];
        let people = ["b1", "bb1", "b2", "b3", "c1", "cc1", "c2", "c3"];
        let (from, to) = if op % 4 == 3 {
            (format!("c{site}"), requester)
        } else {
            (requester.to_owned(), people[usize::from(on >> 2 & 7)])
        };
        let name = format!("f{}.csv", self.files);
        self.files += 1;
        let size = [0, 1, 16_384, 70_000][usize::from(op >> 4 & 3)];
        if on & 0x60 != 0 {
            self.world.put(&from, &name, bytes(size, on));
        }
        let mut request = self.world.request(requester, &from, to, &name);
        request.on_conflict = if op & 0x40 == 0 { OnConflict::Fail } else { OnConflict::Version };
        request.priority = op >> 6;
        request.deadline = (on & 0x80 != 0).then(|| self.world.now.plus_ms(90_000));
        let request = sign(request);
        self.world.submit(&request);
    }

    fn cancel(&mut self, on: u8) {
        let Some(request) = self.pick(on) else { return };
        let id = request.requester.as_str().to_owned();
        if let Roles::Backstage(machine) = &mut self.world.nodes.get_mut(&id).unwrap().role {
            machine.cancel(&request).unwrap();
        }
        self.world.attend(&id);
    }

    /// Somebody who is there says something out of place, about a transfer that there is.
    fn intrude(&mut self, on: u8) {
        self.is_hostile = true;
        let Some(request) = self.pick(on) else { return };
        let transfer = request.transfer().unwrap();
        let site = 1 + on % 3;
        let to = format!("{}{site}", ["r", "c", "b", "a"][usize::from(on >> 2 & 3)]);
        let from = format!("{}{site}", ["a", "r", "c", "b"][usize::from(on >> 4 & 3)]);
        let number = u64::from(on);
        let message = match on % 9 {
            0 => Message::Unstable { transfer },
            1 => Message::Want { transfer, range: number..number + 2 },
            2 => Message::Described { transfer, file: Some((number << 20, [on; 32])) },
            3 => Message::Taken {
                transfer,
                outcome: Err(Failure::NameTaken),
                receipt: vec![on].into(),
            },
            4 => Message::HandedOver { transfer, receipt: vec![on; 400].into() },
            5 => Message::Recorded { transfer },
            6 => Message::Fetch { transfer, name: FileName::new("f0.csv").unwrap() },
            7 => Message::Slice { transfer, range: 0..1, bytes: vec![on; 500].into() },
            _ => Message::Cancel { transfer },
        };
        let mut frame = message.to_frame().unwrap().to_vec();
        if on & 0x80 != 0 {
            let at = usize::from(on) % frame.len();
            frame[at] ^= on;
        }
        let from = Peer::new(&from[..]).unwrap();
        self.world.give(&to, |role, now| {
            let input = Input::Frame { from: &from, bytes: &frame };
            match role {
                Roles::Forwarder(machine) => machine.handle(now, input),
                Roles::Backstage(machine) => machine.handle(now, input),
                Roles::Access(machine) => machine.handle(now, input),
                Roles::Client(machine) => machine.handle(now, input),
            }
        });
    }

    /// Nothing here is old enough to be forgotten.
    fn purge(&mut self, on: u8) {
        let id = format!("{}{}", ["r", "c", "b"][usize::from(on / 3) % 3], 1 + on % 3);
        let now = self.world.now;
        let node = &self.world.nodes[&id];
        for table in [PurgeTable::Jobs, PurgeTable::Taken, PurgeTable::Inbox, PurgeTable::Receipts]
        {
            let mut purge = Purge::new(TENANT, Keeping::default(), now, table, None);
            if let Ok(purged) = decide(&node.store, &SoftKeys::new(), &mut purge) {
                assert_eq!(purged.rows, 0);
            }
        }
        self.world.attend(&id);
    }

    fn pick(&self, on: u8) -> Option<Request> {
        self.world.asked.get(usize::from(on) % self.world.asked.len().max(1)).cloned()
    }

    /// Everything stops failing, and has to come to its end.
    fn finish(&mut self) {
        let world = &mut self.world;
        world.corruption = 0;
        world.heal();
        world.weather(Weather { refuse: 0, drop: 0, double: 0, delay_max_ms: 40 });
        world.faults(None);
        for node in world.nodes.values() {
            node.store.settle();
        }
        for access in ["a1", "a2", "a3", "aa1", "aa2", "aa3"] {
            world.set_present(access, true);
        }
        for _ in 0..6 {
            world.collect("cc1");
            world.settle();
            if world.asked.iter().all(|request| world.is_over(request)) {
                break;
            }
            world.run_until(world.now.plus_ms(120_000));
        }
        world.collect("cc1");
        world.settle();
        let checked = world.check();
        assert!(self.is_hostile || checked.is_ok(), "{checked:?}");
    }
}

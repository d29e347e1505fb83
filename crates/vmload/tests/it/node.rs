//! The service node: collects, processes and answers.

use crate::world::{Rng, vm};
use interbank_vmload::*;
use port::{Input, Machine, Peer, Time};
use proptest::prelude::*;

const START: Time = Time::from_ms(1_700_000_000_000);

fn node(config: NodeConfig) -> Node {
    Node::new(Metrics::fractions(), SeedSet::axis(3).unwrap(), config).unwrap()
}

fn sample(name: &str, at: Time, loads: [f64; 3]) -> Sample {
    Sample { vm: vm(name), at, readings: loads.map(Some).into(), allotment: vec![] }
}

fn events(node: &mut Node) -> Vec<NodeEvent> {
    std::iter::from_fn(|| node.poll_event()).collect()
}

/// A source that has three machines, each of its own type.
struct ThreeMachines(Rng);

impl Source for ThreeMachines {
    type Error = std::convert::Infallible;

    fn pull(
        &mut self,
        now: Time,
        samples_max: usize,
        sink: &mut dyn FnMut(Sample),
    ) -> Result<usize, Self::Error> {
        let places =
            [("cpu-vm", [0.9, 0.2, 0.1]), ("mem-vm", [0.1, 0.8, 0.1]), ("io-vm", [0.2, 0.2, 0.9])];
        for (name, place) in places.iter().take(samples_max) {
            sink(sample(name, now, place.map(|load| load + self.0.noise(0.02))));
        }
        Ok(places.len().min(samples_max))
    }
}

#[test]
fn k16_a_node_collects_processes_and_answers() {
    let mut node = node(NodeConfig::default());
    let mut source = ThreeMachines(Rng(1));
    assert_eq!(node.answer(&vm("cpu-vm")), Err(Error::UnknownVm));
    let mut now = START;
    for _ in 0..3 {
        let mut pulled = Vec::new();
        source.pull(now, 100, &mut |sample| pulled.push(sample)).unwrap();
        for sample in &pulled {
            node.take(now, sample).unwrap();
        }
        assert!(node.poll_effect().is_none());
        now = node.next_deadline().unwrap().max(now);
        node.handle(now, Input::Tick).unwrap();
        assert_eq!(events(&mut node)[0], NodeEvent::Due);
    }
    for (name, kind) in [("cpu-vm", "cpu"), ("mem-vm", "memory"), ("io-vm", "io")] {
        let standing = node.answer(&vm(name)).unwrap();
        assert_eq!(node.types().unwrap().kind(standing.assignment.kind).unwrap().name(), kind);
        assert!((0.4..0.7).contains(&standing.load), "{}", standing.load);
        assert_eq!(standing.samples, 3);
    }
}

#[test]
fn k16_frames_are_samples_that_were_pushed() {
    let mut node = node(NodeConfig::default());
    let peer = Peer::new("collector").unwrap();
    let pushed = sample("a", START, [0.5; 3]);
    let mut bytes = Vec::new();
    pushed.encode(&mut bytes).unwrap();
    node.handle(START, Input::Frame { from: &peer, bytes: &bytes }).unwrap();
    assert_eq!(node.counts().used, 1);
    let cut = Input::Frame { from: &peer, bytes: &bytes[1..] };
    assert!(matches!(node.handle(START, cut), Err(Error::Corrupt(_))));
    assert_eq!(node.counts().seen, 1);
    node.refit(START).unwrap();
    assert!(node.answer(&vm("a")).is_ok());
}

#[test]
fn k16_what_moves_is_told_and_types_keep_their_places() {
    let config = NodeConfig { window_ms: 600_000, refit_ms: 60_000, ..NodeConfig::default() };
    let mut node = node(config);
    let mut now = START;
    let mut told = Vec::new();
    for minute in 0..40 {
        for n in 0..9 {
            // from minute 20 on the first three do what the second three do
            let of = if minute >= 20 && n < 3 { 1 } else { n / 3 };
            let loads = [[0.8, 0.2, 0.1], [0.2, 0.8, 0.1], [0.1, 0.1, 0.8]][of];
            node.take(now, &sample(&format!("vm-{n}"), now, loads)).unwrap();
        }
        now = now.plus_ms(60_000);
        node.handle(now, Input::Tick).unwrap();
        told.extend(events(&mut node));
    }
    let first = told.iter().filter(|e| matches!(e, NodeEvent::Refitted { drift: None })).count();
    assert_eq!(first, 1);
    let by_drift = told
        .iter()
        .any(|e| matches!(e, NodeEvent::Refitted { drift: Some(drift) } if drift.is_due));
    assert!(by_drift);
    let changed: Vec<_> = told
        .iter()
        .filter_map(|e| match e {
            NodeEvent::TypeChanged { vm, from: Some(from), to } => Some((vm.as_str(), *from, *to)),
            _ => None,
        })
        .collect();
    for n in 0..3 {
        assert!(
            changed.iter().any(|(vm, _, to)| *vm == format!("vm-{n}") && *to == 1),
            "{changed:?}"
        );
    }
    // those that did the same all along are still of the type they were
    for n in 3..9 {
        assert_eq!(node.answer(&vm(&format!("vm-{n}"))).unwrap().assignment.kind, n / 3);
    }
}

#[test]
fn bounds_hold_and_refusals_change_nothing() {
    let config = NodeConfig { machines_max: 2, samples_max: 3, ..NodeConfig::default() };
    let mut node = node(config);
    for n in 0..10 {
        node.take(START, &sample("a", START.plus_ms(n), [0.1; 3])).unwrap();
        node.take(START, &sample("b", START.plus_ms(n), [0.2; 3])).unwrap();
    }
    assert_eq!(node.take(START, &sample("c", START, [0.1; 3])), Err(Error::Busy));
    assert_eq!(node.machines().count(), 2);
    node.refit(START).unwrap();
    assert_eq!(node.answer(&vm("a")).unwrap().samples, 3);
    let short = Sample { readings: vec![Some(0.1)], ..sample("a", START, [0.0; 3]) };
    let before = *node.counts();
    assert_eq!(node.take(START, &short), Err(Misuse::Shape.into()));
    assert_eq!(*node.counts(), before);
}

#[test]
fn clocks_that_are_wrong_are_counted_and_do_no_harm() {
    let mut node = node(NodeConfig { window_ms: 1_000, skew_max_ms: 10, ..NodeConfig::default() });
    node.take(START, &sample("a", START, [0.5; 3])).unwrap();
    // far ahead: would empty the window
    node.take(START, &sample("a", START.plus_ms(11), [1.0; 3])).unwrap();
    node.take(START, &sample("a", START.minus_ms(1_000), [1.0; 3])).unwrap();
    node.take(START, &sample("a", START, [0.5, 0.6, 0.5])).unwrap();
    // the node's own clock steps back: held
    node.take(START.minus_ms(5_000), &sample("a", START.plus_ms(5), [0.5; 3])).unwrap();
    let counts = node.counts();
    assert_eq!((counts.seen, counts.used, counts.dropped, counts.joined), (5, 2, 2, 1));
    assert_eq!((counts.skewed, counts.disordered, counts.duplicate), (1, 1, 1));
    node.refit(START).unwrap();
    let lambda = node.answer(&vm("a")).unwrap().lambda;
    assert!((lambda[1] - 0.55).abs() < 1e-9);
}

#[test]
fn machines_that_fall_silent_are_let_go() {
    let mut node = node(NodeConfig { window_ms: 1_000, refit_ms: 400, ..NodeConfig::default() });
    node.take(START, &sample("a", START, [0.5; 3])).unwrap();
    node.handle(START.plus_ms(500), Input::Tick).unwrap();
    assert!(node.answer(&vm("a")).is_ok());
    node.handle(START.plus_ms(1_500), Input::Tick).unwrap();
    assert_eq!(node.answer(&vm("a")), Err(Error::UnknownVm));
    // early and repeated ticks are harmless
    node.handle(START, Input::Tick).unwrap();
    node.handle(START.plus_ms(1_500), Input::Tick).unwrap();
}

#[test]
fn configurations_that_make_no_sense_are_refused() {
    let make = |config| Node::new(Metrics::fractions(), SeedSet::axis(3).unwrap(), config).err();
    let zero = NodeConfig { window_ms: 0, ..NodeConfig::default() };
    assert_eq!(make(zero), Some(Misuse::Bounds.into()));
    let mut config = NodeConfig::default();
    config.stage_two.groups = TypeCount::Fixed(4);
    assert_eq!(make(config), Some(Misuse::Groups.into()));
    let wrong = Node::new(Metrics::fractions(), SeedSet::axis(4).unwrap(), NodeConfig::default());
    assert_eq!(wrong.err(), Some(Misuse::Seeds.into()));
}

#[test]
fn the_bytes_of_a_sample_are_these() {
    let sample = Sample {
        vm: vm("vm"),
        at: Time::from_ms(0x0102),
        readings: vec![None, Some(1.0)],
        allotment: vec![2.0, 0.5],
    };
    let mut bytes = Vec::new();
    sample.encode(&mut bytes).unwrap();
    let mut want =
        vec![1, 2, b'v', b'm', 0, 0, 0, 0, 0, 0, 1, 2, 2, 0, 1, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0];
    want.extend([2, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x3F, 0xE0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes, want);
    assert_eq!(Sample::parse(&bytes), Ok(sample));
}

proptest! {
    #[test]
    fn any_bytes_are_a_sample_of_one_encoding_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), flip in any::<(usize, u8)>()) {
        let mut valid = Vec::new();
        sample("vm-1", START, [0.1, f64::NAN, f64::INFINITY]).encode(&mut valid).unwrap();
        let at = flip.0 % valid.len();
        valid[at] ^= flip.1;
        for bytes in [bytes, valid] {
            if let Ok(sample) = Sample::parse(&bytes) {
                let mut again = Vec::new();
                sample.encode(&mut again).unwrap();
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn the_order_between_machines_changes_no_answer(
        samples in prop::collection::vec((0_u8..4, 0_u64..50, [0.0..1.0, 0.0..1.0, 0.0..1.0_f64]), 1..60),
    ) {
        let run = |order: &[(u8, u64, [f64; 3])]| {
            let mut node = node(NodeConfig::default());
            for (n, at, loads) in order {
                node.take(START, &sample(&format!("vm-{n}"), START.plus_ms(*at), *loads)).unwrap();
            }
            node.refit(START).unwrap();
            let names: Vec<VmId> = node.machines().cloned().collect();
            names.iter().map(|vm| node.answer(vm).unwrap()).collect::<Vec<_>>()
        };
        let reversed: Vec<_> = samples.iter().rev().copied().collect();
        prop_assert_eq!(run(&samples), run(&reversed));
    }
}

//! Any bytes as a sent sample: canonical or refused; and a node takes whatever was read, or says why not.

#![no_main]

use interbank_vmload::{Metric, Metrics, Node, NodeConfig, Sample, Scale, SeedSet};
use libfuzzer_sys::fuzz_target;
use port::Time;

fuzz_target!(|bytes: &[u8]| {
    let Ok(sample) = Sample::parse(bytes) else { return };
    let mut back = Vec::with_capacity(bytes.len());
    assert_eq!(sample.encode(&mut back), Ok(()));
    assert_eq!(back, bytes);

    let names = ["cpu", "memory", "io"];
    let metrics = names.map(|name| Metric::new(name, Scale::Allotment).unwrap());
    let metrics = Metrics::new(metrics.into()).unwrap();
    let seeds = SeedSet::axis(3).unwrap();
    let mut node = Node::new(metrics, seeds, NodeConfig::default()).unwrap();
    let taken = node.take(sample.at, &sample);
    let _ = node.refit(sample.at);
    let late = Time::from_ms(sample.at.as_ms().saturating_add(1));
    assert_eq!(node.take(late, &sample).is_ok(), taken.is_ok());
    if let Ok(standing) = node.answer(&sample.vm) {
        assert!((0.0..=1.0).contains(&standing.load));
    }
});

//! This host, live: a source that is pulled, and a node that answers.

use crate::failure::Failure;
use crate::options::Options;
use crate::say;
use port::Time;
use samples::proc::ProcSource;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vmload::{Node, NodeConfig, SeedSet, Source as _, VmId};

/// Prints a line for each sample, until as many as asked for came.
pub(crate) fn watch(options: &Options) -> Result<(), Failure> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::Run(format!("cannot watch this host: {why}"));
    let core = |why: vmload::Error| failed(&why);
    let vm = VmId::new("this host").map_err(|why| failed(&why))?;
    let metrics = ProcSource::metrics();
    let seeds = SeedSet::axis(metrics.dimension()).map_err(|why| failed(&why))?;
    let mut node = Node::new(metrics, seeds, NodeConfig::default()).map_err(core)?;
    let mut source = ProcSource::new(vm.clone());
    let interval = Duration::from_millis(options.interval.unwrap_or(INTERVAL_MS));
    let mut taken = 0;
    let mut pulled = Vec::new();
    if !options.json {
        say(&format!(
            "{:>8} {:>8} {:>8} {:>8}  {:<10} {}",
            "cpu", "memory", "io", "load", "type", "bursts"
        ))?;
    }
    source.pull(now(), 1, &mut |_| {}).map_err(|why| failed(&why))?;
    while options.samples.is_none_or(|most| taken < most) {
        sleep(interval);
        let now = now();
        source.pull(now, 1, &mut |sample| pulled.push(sample)).map_err(|why| failed(&why))?;
        for sample in pulled.drain(..) {
            node.take(now, &sample).map_err(core)?;
            if node.types().is_none() {
                node.refit(now).map_err(core)?;
            }
            let standing = match node.answer(&vm) {
                Ok(standing) => standing,
                // a host without devices has no usable sample
                Err(vmload::Error::NoSamples) => continue,
                Err(why) => return Err(core(why)),
            };
            let kind = node.types().and_then(|types| types.kind(standing.assignment.kind));
            let kind = kind.map_or("", |kind| kind.name());
            let [cpu, memory, io] = [0, 1, 2].map(|at| sample.readings.get(at).copied().flatten());
            taken += 1;
            if options.json {
                let line = serde_json::json!({
                    "at_ms": now.as_ms(), "cpu": cpu, "memory": memory, "io": io, "load": standing.load,
                    "type": kind, "burstiness": standing.burstiness, "samples": standing.samples,
                });
                say(&line.to_string())?;
            } else {
                let percent = |load: Option<f64>| {
                    load.map_or("-".into(), |load| format!("{:.1} %", load * 100.0))
                };
                let [cpu, memory, io, load] = [cpu, memory, io, Some(standing.load)].map(percent);
                say(&format!(
                    "{cpu:>8} {memory:>8} {io:>8} {load:>8}  {kind:<10} {:.3}",
                    standing.burstiness
                ))?;
            }
        }
    }
    Ok(())
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

const INTERVAL_MS: u64 = 1_000;

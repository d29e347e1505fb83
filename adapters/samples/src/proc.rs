//! This host's load, from `/proc`.

use crate::Error;
use port::Time;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use vmload::{Metrics, Sample, Source, VmId};

/// Samples the kernel's counters: one sample for each call, over the time since the call before.
///
/// The metrics are [`Metrics::fractions`]: `cpu`, the share of time that processors were not idle or waiting for disks;
/// `memory`, the share that is not available to new programs; `io`, the busiest of all disks and network devices, a
/// disk by the share of time with a request in flight, a network device by its bytes of what the link carries.
#[derive(Clone, Debug)]
pub struct ProcSource {
    vm: VmId,
    root: PathBuf,
    link_bytes_per_s: f64,
    before: Option<(Time, Counters)>,
}

impl ProcSource {
    /// This host, under this name.
    pub fn new(vm: VmId) -> Self {
        Self::at(vm, Path::new("/proc"), GIGABIT_BYTES_PER_S)
    }

    /// Another place that looks like `/proc`, as of a container's host; and what each link carries in one direction.
    pub fn at(vm: VmId, root: &Path, link_bytes_per_s: f64) -> Self {
        Self { vm, root: root.into(), link_bytes_per_s, before: None }
    }

    /// What it measures.
    pub fn metrics() -> Metrics {
        Metrics::fractions()
    }

    fn read(&self, file: &'static str) -> Result<String, Error> {
        let text = fs::read_to_string(self.root.join(file));
        text.map_err(|why| Error::Unreadable { line: 0, kind: why.kind() })
    }

    /// As [`ProcSource::read`]; empty where the kernel has no such file, as in some containers.
    fn read_if_there(&self, file: &'static str) -> Result<String, Error> {
        match self.read(file) {
            Err(Error::Unreadable {
                kind: ErrorKind::NotFound | ErrorKind::PermissionDenied,
                ..
            }) => Ok(String::new()),
            other => other,
        }
    }

    fn counters(&self) -> Result<Counters, Error> {
        let (busy, total) = processors(&self.read("stat")?).ok_or(Error::Proc("stat"))?;
        Ok(Counters {
            busy,
            total,
            disks: disks(&self.read_if_there("diskstats")?),
            links: links(&self.read_if_there("net/dev")?),
        })
    }
}

impl Source for ProcSource {
    type Error = Error;

    /// One sample, or none at the first call and when no time has passed.
    fn pull(
        &mut self,
        now: Time,
        samples_max: usize,
        sink: &mut dyn FnMut(Sample),
    ) -> Result<usize, Error> {
        if samples_max == 0 {
            return Ok(0);
        }
        let after = self.counters()?;
        let memory = memory(&self.read("meminfo")?).ok_or(Error::Proc("meminfo"))?;
        let Some((since, before)) = self.before.replace((now, after.clone())) else {
            return Ok(0);
        };
        let passed_ms = now.since_ms(since);
        let ticks = after.total.saturating_sub(before.total);
        if passed_ms == 0 || ticks == 0 {
            // counters go on from the older ones, so that nothing is lost
            self.before = Some((since, before));
            return Ok(0);
        }
        let cpu = float(after.busy.saturating_sub(before.busy)) / float(ticks);
        let io = after.io_since(&before, float(passed_ms), self.link_bytes_per_s);
        let readings = vec![Some(cpu.min(1.0)), Some(memory), io];
        sink(Sample { vm: self.vm.clone(), at: now, readings, allotment: Vec::new() });
        Ok(1)
    }
}

#[derive(Clone, Debug)]
struct Counters {
    /// Ticks of all processors.
    busy: u64,
    total: u64,
    /// Name, and milliseconds with a request in flight.
    disks: Vec<(String, u64)>,
    /// Name, and bytes in and out.
    links: Vec<(String, [u64; 2])>,
}

impl Counters {
    /// The busiest device, 0 to 1; `None` if there is no device at all.
    fn io_since(&self, before: &Self, passed_ms: f64, link_bytes_per_s: f64) -> Option<f64> {
        let disks = self.disks.iter().filter_map(|(name, after)| {
            let (_, before) = before.disks.iter().find(|(other, _)| other == name)?;
            Some(float(after.saturating_sub(*before)) / passed_ms)
        });
        let links = self.links.iter().filter_map(|(name, after)| {
            let (_, before) = before.links.iter().find(|(other, _)| other == name)?;
            let bytes =
                after.iter().zip(before).map(|(after, before)| after.saturating_sub(*before));
            Some(float(bytes.max().unwrap_or(0)) * 1_000.0 / passed_ms / link_bytes_per_s)
        });
        disks.chain(links).map(|load| load.min(1.0)).reduce(f64::max)
    }
}

/// Busy and all ticks; guests' ticks are part of user's already.
fn processors(stat: &str) -> Option<(u64, u64)> {
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Option<Vec<u64>> =
        all.split_whitespace().take(8).map(|tick| tick.parse().ok()).collect();
    let ticks = ticks.filter(|ticks| ticks.len() >= 4)?;
    let total = ticks.iter().fold(0_u64, |sum, &tick| sum.saturating_add(tick));
    let waiting = ticks.get(4).copied().unwrap_or(0);
    let idle = ticks.get(3)?.saturating_add(waiting);
    Some((total.saturating_sub(idle), total))
}

fn memory(meminfo: &str) -> Option<f64> {
    let value = |key: &str| -> Option<u64> {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
        rest.strip_prefix(':')?.split_whitespace().next()?.parse().ok()
    };
    let total = value("MemTotal").filter(|&total| total > 0)?;
    let available = value("MemAvailable").or_else(|| value("MemFree"))?;
    Some(float(total.saturating_sub(available)) / float(total))
}

/// Whole disks: partitions repeat what their disk counts, and loop and memory devices are no disks.
fn disks(diskstats: &str) -> Vec<(String, u64)> {
    let mut disks: Vec<(String, u64)> = Vec::new();
    for line in diskstats.lines() {
        let mut cells = line.split_whitespace().skip(2);
        let (Some(name), Some(busy_ms)) = (cells.next(), cells.nth(9)) else { continue };
        let is_made_up = ["loop", "ram", "zram"].iter().any(|kind| name.starts_with(kind));
        // the kernel lists a disk before its partitions
        let is_part = disks.iter().any(|(disk, _)| is_part(name, disk));
        if let (false, false, Ok(busy_ms)) = (is_made_up, is_part, busy_ms.parse()) {
            disks.push((name.into(), busy_ms));
        }
    }
    disks
}

/// A partition is its disk and a number, `sda1`; behind a disk that ends with one itself, `nvme0n1p1`: `md12` is no part of `md1`.
fn is_part(name: &str, disk: &str) -> bool {
    let rest = name.strip_prefix(disk);
    let number = if disk.ends_with(|last: char| last.is_ascii_digit()) {
        rest.and_then(|rest| rest.strip_prefix('p'))
    } else {
        rest
    };
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn links(net_dev: &str) -> Vec<(String, [u64; 2])> {
    let link = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        let name = name.trim();
        let mut counters = counters.split_whitespace().map(str::parse);
        let received = counters.next()?.ok()?;
        let sent = counters.nth(7)?.ok()?;
        (name != "lo").then(|| (name.to_owned(), [received, sent]))
    };
    net_dev.lines().filter_map(link).collect()
}

#[allow(clippy::cast_precision_loss, reason = "counters of one interval are far below 2⁵³")]
const fn float(n: u64) -> f64 {
    n as f64
}

const GIGABIT_BYTES_PER_S: f64 = 125_000_000.0;

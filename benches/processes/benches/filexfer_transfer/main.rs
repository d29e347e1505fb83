//! Files from one site to another over loopback, on this machine's disk, beside what a user would take instead: an rsync
//! daemon with `--fsync`, scp, a plain TCP copy and a copy through bare quinn with fsync.
//!
//! Ours is `filexfer-site` as its users run it: two sites in two processes, with TCP and TLS 1.3 between them, or with QUIC, and the
//! command that asks and waits for the result. What counts is the time of that command, of `rsync` and of `scp`. All send the same file
//! from the same disk to the same disk, in rounds of one run each, whose order turns from round to round.
//!
//! The source is in the page cache: it is read before each run. What was written before is on disk: `sync` runs before each
//! run. `scp` does not force what it writes to disk; the others do.
//!
//! The files are under `benches/target/`; `INTERBANK_BENCH_DIR` names another disk. `INTERBANK_BENCH_MIB` makes the large file
//! smaller, to try the bench out: what it says then is not what the figures' names say.

mod bare_quinn;
mod content;
mod copy;
mod measure;
mod resume;
mod rsync;
mod scp;
mod sites;

use bare_quinn::BareQuinn;
use copy::plain_copy;
use interbank_benches_processes::{Figures, disk};
use measure::{Ratios, settle, timed};
use rsync::Rsync;
use scp::Scp;
use sites::{Over, Sites};
use std::fs;
use std::path::Path;
use std::time::Duration;

fn main() {
    let is_quick = std::env::args().any(|arg| arg == "--quick");
    let disk = tempfile::tempdir_in(disk()).unwrap();
    let figures = Figures::new("filexfer_transfer");
    large(disk.path(), if is_quick { 3 } else { 10 }, &figures);
    small(disk.path(), if is_quick { 2_000 } else { 10_000 }, &figures);
    memory(disk.path(), &figures);
    resume::decide(disk.path(), is_quick, &figures);
}

/// 1 GiB, round after round.
fn large(disk: &Path, rounds: usize, figures: &Figures) {
    let (sites, over_quic) =
        (Sites::new(disk, "large", Over::Tls), Sites::new(disk, "quic", Over::Quic));
    let (rsync, scp, quinn) = (Rsync::new(disk), Scp::new(disk), BareQuinn::new());
    let source = sites.outgoing("gib.bin");
    let bytes = large_bytes();
    let root = content::write(&source, bytes);
    fs::hard_link(&source, over_quic.outgoing("gib.bin")).unwrap();
    let plain = disk.join("plain.bin");
    let (running, running_quic) = (sites.run(), over_quic.run());
    let mut seconds: [Vec<f64>; CONTENDERS.len()] = Default::default();
    for round in 0..rounds {
        for turn in 0..CONTENDERS.len() {
            let who = (round + turn) % CONTENDERS.len();
            let target = match who {
                OURS => sites.incoming("gib.bin"),
                RSYNC => rsync.target("gib.bin"),
                SCP => scp.target("gib.bin"),
                OURS_OVER_QUIC => over_quic.incoming("gib.bin"),
                _ => plain.clone(),
            };
            settle(&source);
            let took = timed(|| match who {
                OURS => running.send(&["gib.bin"]),
                RSYNC => rsync.send(&source),
                SCP => scp.send(&source),
                OURS_OVER_QUIC => running_quic.send(&["gib.bin"]),
                BARE_QUINN => quinn.copy(&source, &target),
                _ => plain_copy(&source, &target),
            });
            let who_is = CONTENDERS[who];
            assert_eq!(content::root(&target), root, "{who_is} did not deliver the file");
            fs::remove_file(target).unwrap();
            seconds[who].push(took.as_secs_f64());
        }
    }
    for (name, seconds) in CONTENDERS.into_iter().zip(&seconds) {
        let rate = bytes as f64 / 1e6 / measure::median(seconds);
        figures.put(&format!("gib/{name}"), rate, "MB/s");
    }
    for (ours, theirs) in
        [(OURS, RSYNC), (OURS, SCP), (OURS, PLAIN_TCP), (OURS_OVER_QUIC, BARE_QUINN)]
    {
        let ratios = Ratios::new(&seconds[theirs], &seconds[ours]);
        let name = CONTENDERS[theirs];
        figures.put(&format!("gib/ratio_{name}"), ratios.mean(), "×");
        figures.put(&format!("gib/ratio_{name}_low"), ratios.low(), "×");
    }
}

const CONTENDERS: [&str; 6] = ["ours", "rsync", "scp", "plain_tcp", "ours_quic", "bare_quinn"];
const OURS: usize = 0;
const RSYNC: usize = 1;
const SCP: usize = 2;
const PLAIN_TCP: usize = 3;
const OURS_OVER_QUIC: usize = 4;
const BARE_QUINN: usize = 5;

/// Many files of 4 KiB, each verified, durable and receipted, in packs and with a request for each, beside one `scp -r` of their
/// folder.
fn small(disk: &Path, many: usize, figures: &Figures) {
    let per_s = |took: Duration| many as f64 / took.as_secs_f64();
    let packing = Sites::new(disk, "packed", Over::Tls).unpacking();
    let names = write_small(&packing, many);
    let running = packing.run();
    settle(&packing.outgoing("many"));
    let took = timed(|| running.send_packed(&names));
    for name in &names {
        assert!(packing.incoming(name).is_file(), "{name} is not there");
    }
    assert_eq!(running.member_receipts(), many, "files with receipts that prove themselves");
    figures.put("small/packed", per_s(took), "files/s");
    drop(running);
    let sites = Sites::new(disk, "small", Over::Tls);
    let folder = sites.outgoing("many");
    let names = write_small(&sites, many);
    let running = sites.run();
    settle(&folder);
    let took = timed(|| running.send(&names));
    assert_eq!(fs::read_dir(sites.incoming("many")).unwrap().count(), many);
    assert_eq!(running.receipted(), many, "files with receipts");
    figures.put("small/ours", per_s(took), "files/s");
    drop(running);
    let scp = Scp::new(disk);
    settle(&folder);
    let took = timed(|| scp.send_folder(&folder));
    assert_eq!(fs::read_dir(scp.target("many")).unwrap().count(), many);
    figures.put("small/scp", per_s(took), "files/s");
}

fn write_small(sites: &Sites, many: usize) -> Vec<String> {
    fs::create_dir(sites.outgoing("many")).unwrap();
    let names: Vec<String> = (0..many).map(|n| format!("many/{n:05}.bin")).collect();
    for name in &names {
        content::write(&sites.outgoing(name), 4_096);
    }
    names
}

/// What a transfer adds to the memory of a process, at most: the larger of both ends.
fn memory(disk: &Path, figures: &Figures) {
    for (name, bytes) in [("64mib", large_bytes() / 16), ("1gib", large_bytes())] {
        let sites = Sites::new(disk, name, Over::Tls);
        content::write(&sites.outgoing("file.bin"), bytes);
        let running = sites.run();
        let before = running.resident();
        running.send(&["file.bin"]);
        let (now, peak) = (before.into_iter().zip(running.peak()), running.peak());
        let most = now.map(|(before, peak)| peak - before).fold(0.0, f64::max);
        figures.put(&format!("memory/{name}"), most / MIB, "MiB");
        let whole = peak.into_iter().fold(0.0, f64::max);
        figures.put(&format!("memory/{name}_process"), whole / MIB, "MiB");
    }
}

/// 1 GiB.
fn large_bytes() -> u64 {
    let mib = std::env::var("INTERBANK_BENCH_MIB").map_or(1_024, |text| text.parse().unwrap());
    mib << 20
}

const MIB: f64 = 1_048_576.0;

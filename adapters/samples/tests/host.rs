//! A host's `/proc`, recorded and live.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use interbank_samples::Error;
use interbank_samples::proc::ProcSource;
use port::Time;
use std::fs;
use std::path::Path;
use vmload::{Sample, Source as _, VmId};

fn vm() -> VmId {
    VmId::new("host").expect("a name")
}

fn record(root: &Path, cpu: &str, disk_ms: u64, sent: u64) {
    fs::create_dir_all(root.join("net")).expect("a folder");
    let write = |name: &str, text: String| fs::write(root.join(name), text).expect("a file");
    write("stat", format!("cpu  {cpu}\ncpu0 1 2 3 4\nctxt 5\n"));
    write("meminfo", "MemTotal: 8000 kB\nMemFree: 100 kB\nMemAvailable:    6000 kB\n".into());
    write(
        "diskstats",
        format!(
            "   7  0 loop0 9 0 0 0 0 0 0 0 0 99999 0\n 259  0 nvme0n1 5 0 0 0 0 0 0 0 0 {disk_ms} 0 0\n \
             259  1 nvme0n1p1 5 0 0 0 0 0 0 0 0 88888 0 0\n"
        ),
    );
    write(
        "net/dev",
        format!(
            "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n    lo: 999 0 0 0 0 0 0 0 999 0\n  \
             eth0: 100 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n"
        ),
    );
}

fn pull(source: &mut ProcSource, s: u64) -> Option<Sample> {
    let mut pulled = Vec::new();
    let count =
        source.pull(Time::from_s(s), 10, &mut |sample| pulled.push(sample)).expect("it is there");
    assert_eq!(count, pulled.len());
    pulled.pop()
}

#[test]
fn k01_a_host_is_sampled_between_calls() {
    let folder = tempfile::tempdir().expect("a folder");
    record(folder.path(), "100 0 100 800 0 0 0 0 50 0", 1_000, 0);
    let mut source = ProcSource::at(vm(), folder.path(), 1_000.0);
    assert_eq!(pull(&mut source, 10), None);
    // 60 busy ticks, 100 idle ones and 40 of waiting; half of ten seconds with a request in flight
    record(folder.path(), "130 10 120 900 40 0 0 0 70 0", 6_000, 2_000);
    let sample = pull(&mut source, 20).expect("a sample");
    assert_eq!(sample.readings, [Some(0.3), Some(0.25), Some(0.5)]);
    assert_eq!(sample.at, Time::from_s(20));
    // now the network is busier: 9,000 of 10,000 bytes
    record(folder.path(), "230 10 120 900 40 0 0 0 70 0", 6_000, 11_000);
    let sample = pull(&mut source, 30).expect("a sample");
    assert_eq!(sample.readings, [Some(1.0), Some(0.25), Some(0.9)]);
    assert_eq!(pull(&mut source, 30), None, "no time has passed");
}

#[test]
fn k01_disks_with_numbers_are_not_parts_of_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let io = |other: &str, busy_ms: u64| {
        record(folder.path(), "1 2 3 4", 0, 0);
        let line = |name: &str, ms: u64| format!(" 9 0 {name} 5 0 0 0 0 0 0 0 0 {ms} 0 0\n");
        let text = line("md1", 0) + &line("sda", 0) + &line(other, 0);
        fs::write(folder.path().join("diskstats"), &text).expect("a file");
        let mut source = ProcSource::at(vm(), folder.path(), 1.0);
        assert_eq!(pull(&mut source, 10), None);
        fs::write(folder.path().join("stat"), "cpu 2 2 3 5\n").expect("a file");
        let text = line("md1", 0) + &line("sda", 0) + &line(other, busy_ms);
        fs::write(folder.path().join("diskstats"), text).expect("a file");
        pull(&mut source, 20).expect("a sample").readings[2]
    };
    for disk in ["md12", "sdab", "md1q2"] {
        assert_eq!(io(disk, 5_000), Some(0.5), "{disk}");
    }
    for part in ["md1p2", "sda1", "sda12"] {
        assert_eq!(io(part, 5_000), Some(0.0), "{part}");
    }
}

#[test]
fn k01_missing_and_damaged_files_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut source = ProcSource::at(vm(), folder.path(), 1.0);
    let mut ignore = |_: Sample| {};
    let missing = source.pull(Time::EPOCH, 1, &mut ignore).expect_err("there is nothing");
    assert_eq!(missing.code(), 9300);
    record(folder.path(), "1 2", 0, 0);
    assert_eq!(source.pull(Time::EPOCH, 1, &mut ignore), Err(Error::Proc("stat")));
    record(folder.path(), "1 2 3 4", 0, 0);
    fs::remove_file(folder.path().join("diskstats")).expect("it is there");
    fs::remove_file(folder.path().join("net/dev")).expect("it is there");
    assert_eq!(pull(&mut source, 1), None);
    fs::write(folder.path().join("stat"), "cpu 2 2 3 5\n").expect("a file");
    assert_eq!(pull(&mut source, 2).expect("a sample").readings, [Some(0.5), Some(0.25), None]);
}

#[cfg(target_os = "linux")]
#[test]
fn k01_this_host_is_sampled() {
    let mut source = ProcSource::new(vm());
    assert_eq!(pull(&mut source, 1), None);
    // ticks are hundredths of a second
    std::thread::sleep(std::time::Duration::from_millis(60));
    let sample = pull(&mut source, 2).expect("ticks have passed");
    let within = |reading: &Option<f64>| reading.is_none_or(|load| (0.0..=1.0).contains(&load));
    assert!(sample.readings.iter().all(within), "{sample:?}");
    assert!(sample.readings[1].is_some_and(|memory| memory > 0.0));
}

//! The program from outside: what it prints, and how it ends.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

const HEADER: &str = "Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage [%];\t\
    Memory capacity provisioned [KB];\tMemory usage [KB];\tDisk read throughput [KB/s];\tDisk write throughput [KB/s];\t\
    Network received throughput [KB/s];\tNetwork transmitted throughput [KB/s]\n";

fn run(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_vmload-report");
    Command::new(program).args(arguments).output().expect("it starts")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn json(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Twelve samples, every second one a burst.
fn machine(cpu: f64, memory: f64) -> String {
    let row = |n: u32| {
        let cpu = if n.is_multiple_of(2) { cpu * 1.5 } else { cpu * 0.5 };
        let (mhz, kb) = (cpu * 1_000.0, memory * 1_000.0);
        format!("{};\t1;\t1000;\t{mhz};\t0;\t1000;\t{kb};\t0;\t0;\t0;\t0\n", 1_000 + n * 300)
    };
    HEADER.to_owned() + &(0..12).map(row).collect::<String>()
}

fn fleet(folder: &Path) {
    fs::write(folder.join("a.csv"), machine(0.6, 0.1)).expect("a file");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(machine(0.1, 0.8).as_bytes()).expect("memory");
    fs::write(folder.join("b.csv.gz"), gzip.finish().expect("memory")).expect("a file");
    fs::write(folder.join("c.csv"), HEADER).expect("a file");
    fs::write(folder.join("notes.md"), "not a machine").expect("a file");
}

#[test]
fn k07_every_machine_has_type_and_load_or_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    fleet(folder.path());
    let report = json(&[folder.path().to_str().expect("a plain path"), "--json"]);
    let machines = report["machines"].as_array().expect("a list");
    assert_eq!(machines.len(), 2);
    let b = &machines[0];
    assert_eq!((b["vm"].as_str(), b["type"].as_str()), (Some("b"), Some("memory")));
    let a = &machines[1];
    assert_eq!((a["vm"].as_str(), a["type"].as_str()), (Some("a"), Some("cpu")));
    // mean (0.6, 0.1, 0): the length over that of full load
    let load = (0.37_f64 / 3.0).sqrt();
    assert_eq!(a["marks"], serde_json::json!(["bursty"]));
    assert_eq!(a["metrics"]["cpu"]["allotted"], 1_000.0);
    assert!((a["load"].as_f64().expect("a number") - load).abs() < 1e-9, "{a}");
    assert!((a["metrics"]["cpu"]["max"].as_f64().expect("a number") - 0.9).abs() < 1e-9);
    assert!(a["burstiness"].as_f64().expect("a number") > 0.0);
    assert_eq!(a["counts"]["used"], 12);
    assert_eq!(report["unusable"][0]["vm"], "c");
    assert_eq!(report["unusable"][0]["code"], vmload::Error::NoSamples.code());
    let spare = report["capacity"]["cpu"]["spare"].as_f64().expect("a number");
    assert!((spare - (0.0 + 1_000.0 * (1.0 - 1.25 * 0.15))).abs() < 1e-6, "{spare}");
}

#[test]
fn k15_threads_change_nothing() {
    let one = run(&["--json", "--threads", "1"]);
    let three = run(&["--json", "--threads", "3"]);
    assert!(one.status.success() && one.stdout == three.stdout);
}

#[test]
fn k11_other_layouts_and_numbers_of_types() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a plain path");
    for (name, loads) in [
        ("one", "5\n6\n"),
        ("two_example_org_557", "50\n60\n"),
        ("three", "90\n99\n"),
        ("four", "9\n"),
    ] {
        fs::write(folder.path().join(name), loads).expect("a file");
    }
    let report = json(&[path, "--layout", "planetlab", "--types", "2", "--json"]);
    assert_eq!(report["metrics"], serde_json::json!(["cpu"]));
    assert_eq!(
        (report["types"].as_array().map(Vec::len), report["machines"][0]["vm"].as_str()),
        (Some(2), Some("three"))
    );

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a plain path");
    fs::write(folder.path().join("x.tsv"), "when\tused\tsize\n1\t2\t8\n2\t6\t8\n").expect("a file");
    let report = json(&[
        path,
        "--layout",
        "columns",
        "--separator",
        "tab",
        "--time",
        "when",
        "--metric",
        "memory,KB=used/size",
        "--types",
        "1",
        "--json",
    ]);
    assert_eq!(report["machines"][0]["lambda"], serde_json::json!([0.5]));
    assert_eq!(report["units"], serde_json::json!({ "memory": "KB" }));
}

#[test]
fn k01_failures_are_one_sentence_and_a_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a plain path");
    let ends = |arguments: &[&str], code: i32, sentence: &str| {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(sentence), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty());
    };
    ends(&[path], 3, "has no .csv");
    ends(&["/nowhere/at/all"], 3, "cannot use the folder");
    ends(&["--types", "0"], 2, "--types");
    ends(&[path, "--io-full", "-1"], 2, "positive");
    ends(&["--layout", "planetlab"], 2, "needs a folder");
    ends(&["/nowhere/at/all", "--html", "/nowhere/at/all.html"], 5, "cannot write");
    ends(&[path, "--layout", "columns"], 2, "--time");
    fs::write(folder.path().join("a.csv"), HEADER.to_owned() + "7;x\n").expect("a file");
    ends(&[path, "--strict"], 4, "a.csv: line 2: a column is missing");
    ends(&[path], 1, "no usable samples");
    fs::write(folder.path().join("a.csv"), "x\n").expect("a file");
    ends(&[path], 4, "there is no column");
    ends(&["--html", "/nowhere/at/all.html"], 5, "cannot write");
    // Found out before the folder is read.
    let file = format!("{path}/a.csv");
    ends(&["/nowhere/at/all", "--html", path], 5, "cannot write");
    ends(&["/nowhere/at/all", "--html", &format!("{file}/page.html")], 5, "cannot write");
    // What would be left aside in silence.
    ends(&[path, "--time", "#0"], 2, "--layout columns");
    ends(&[path, "--layout", "planetlab", "--no-header"], 2, "--layout columns");
    ends(&[path, "--samples", "3"], 2, "--samples");
    ends(&["--samples", "3"], 2, "--host");
    ends(&[path, "--interval", "100"], 2, "--interval");
}

#[test]
fn k01_damaged_and_meagre_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a plain path");
    let refused = |sentence: &str| {
        let output = run(&[path]);
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(said(&output).contains(sentence), "{}", said(&output));
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(machine(0.1, 0.8).as_bytes()).expect("memory");
    let gzip = gzip.finish().expect("memory");
    let file = folder.path().join("a.csv.gz");
    fs::write(&file, gzip.split_at(gzip.len() / 2).0).expect("a file");
    refused("a.csv.gz: the file is cut off after line");
    let mut damaged = gzip.clone();
    let middle = damaged.len() / 2;
    damaged.splice(middle..middle + 8, [0xff; 8]);
    fs::write(&file, damaged).expect("a file");
    refused("a.csv.gz: ");
    fs::remove_file(&file).expect("it was there");

    // One row is a report, page and all; rows of a machine that is off are left out, and told.
    let row = "1375308176;\t1;\t1000;\t250;\t0;\t1000;\t500;\t0;\t0;\t0;\t0\n";
    let off = "1375308476;\t0;\t0;\t0;\t0;\t1000;\t500;\t0;\t0;\t0;\t0\n";
    fs::write(folder.path().join("b.csv"), HEADER.to_owned() + row + off).expect("a file");
    let page = folder.path().join("page.html");
    let report = json(&[path, "--json", "--html", page.to_str().expect("plain")]);
    assert_eq!(report["machines"][0]["lambda"], serde_json::json!([0.25, 0.5, 0.0]));
    let notes = report["notes"].as_array().expect("a list");
    assert!(notes[0].as_str().is_some_and(|note| note.starts_with("1 row ")), "{notes:?}");
    assert!(notes.iter().any(|note| note.as_str().is_some_and(|note| note.starts_with("io: "))));
    let page = fs::read_to_string(page).expect("it is there");
    assert!(page.contains("class='line' d='M0 150H1'") && !page.contains("NaN"));
}

#[test]
fn k07_the_table_names_units_and_what_could_be_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    fleet(folder.path());
    let output = run(&[folder.path().to_str().expect("a plain path")]);
    let text = String::from_utf8(output.stdout).expect("text");
    let line = |start: &str| {
        let found = text.lines().find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_else(|| panic!("no {start}: {text}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("cpu  ")[1], "1");
    assert_eq!(line("capacity"), ["capacity", "allotted", "mean", "use", "p95", "use", "spare"]);
    // a keeps 0.9 and b 0.15 of 1 GHz each, and a quarter of that
    assert!(text.contains("813 MHz"), "{text}");
    assert!(text.contains("c: there are no usable samples"), "{text}");
}

#[test]
fn k16_this_host_answers() {
    let output = run(&["--host", "--json", "--interval", "100", "--samples", "2"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.lines().count(), 2);
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert!(line["load"].as_f64().is_some_and(|load| (0.0..=1.0).contains(&load)), "{line}");
    }
}

#[test]
fn k07_names_of_files_stay_text_on_the_page() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("<b onclick='x'>&.csv"), machine(0.5, 0.5)).expect("a file");
    let page = folder.path().join("page.html");
    let arguments =
        [folder.path().to_str().expect("plain"), "--html", page.to_str().expect("plain")];
    assert!(run(&arguments).status.success());
    let page = fs::read_to_string(page).expect("it is there");
    assert!(page.contains("&lt;b onclick=&#39;x&#39;&gt;&amp;") && !page.contains("<b onclick"));
    assert!(!page.contains("://"), "nothing is loaded from elsewhere");
}

//! The program as it is run: a short run with outages, orders to a host, and what is said about wrong arguments.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iso8583-switch"));
    command.args(arguments);
    command
}

fn short_run(messages: &str, more: &[&str]) -> Output {
    let short = [
        "run",
        "--messages",
        messages,
        "--outages",
        "3",
        "--rate",
        "250",
        "--accounts",
        "300",
        "--hurry",
        "5",
        "--outage-ms",
        "700",
        "--opening-minor",
        "200000",
        "--json",
    ];
    program(&short).args(more).output().unwrap()
}

fn report_of(output: &Output) -> serde_json::Value {
    let (text, why) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{why}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn books_equal_what_terminals_were_told_after_three_outages() {
    let report = report_of(&short_run("3000", &[]));
    let count = |name: &str| report[name].as_i64().unwrap_or_else(|| panic!("{name}: {report}"));
    assert_eq!((count("answered"), count("unanswered"), count("differing")), (3_000, 0, 0));
    assert_eq!(
        (count("books_missing"), count("books_extra"), count("books_other_amount")),
        (0, 0, 0)
    );
    assert_eq!(count("truth_minor"), count("books_minor"));
    assert!(report["fault"].is_null(), "{report}");
    // It was a storm, and not a calm day: stand-in decided, entries were delivered, answers came again.
    for name in [
        "approved",
        "reversed",
        "compared",
        "diversions",
        "stood_in",
        "advices",
        "delivered",
        "host_asked",
        "truth_minor",
    ] {
        assert!(count(name) > 0, "{name}: {report}");
    }
}

#[test]
fn books_equal_what_terminals_were_told_with_rows_in_a_folder_and_packed_fields() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("rows");
    let more = ["--store", store.to_str().unwrap(), "--codings", "packed", "--seed", "2"];
    let report = report_of(&short_run("1000", &more));
    assert_eq!(report["answered"], 1_000);
    assert_eq!(report["truth_minor"], report["books_minor"]);
    assert!(report["delivered"].as_i64().unwrap() > 0, "{report}");
    // No card number rests there: all of them begin with the same eight digits.
    for entry in std::fs::read_dir(&store).unwrap() {
        let mut bytes = Vec::new();
        std::fs::File::open(entry.unwrap().path()).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(
            !bytes
                .windows(10)
                .any(|some| some.starts_with(b"62000000") && some.iter().all(u8::is_ascii_digit))
        );
    }
}

#[test]
fn a_host_obeys_orders() {
    let mut host = Process(
        program(&["host", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut said = String::new();
    BufReader::new(host.0.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    let orders = said.trim().rsplit(' ').next().unwrap();
    let mut stream = TcpStream::connect(orders).unwrap();
    stream.write_all(b"stop\nslow 5\nsleep\nbooks\n").unwrap();
    let answers: Vec<String> = BufReader::new(stream).lines().take(4).map(Result::unwrap).collect();
    assert_eq!(
        answers,
        [
            "now: stop",
            "now: slow 5",
            "say up, stop, slow MILLISECONDS or lose PERCENT, or books",
            "0 requests and 0 advices, 0 of them repeats; 0 posted, in minor units",
        ]
    );
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let missing =
        program(&["switch", "--parameters", "/nowhere", "--issuer", "a", "--public-key", "00"]);
    for (mut command, code) in [
        (missing, 3),
        (program(&["load", "--switch", "127.0.0.1:1", "--messages", "1"]), 4),
        (program(&["run", "--messages", "0"]), 2),
    ] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
    }
}

/// Ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

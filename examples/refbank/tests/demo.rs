//! The demo as a program: its claims, and its code read back by other readers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and may talk"
)]

mod running;

use running::{program, run};
use serde_json::Value;
use std::process::Command;

#[test]
fn the_summary_says_that_each_step_holds() {
    let output = run(&["demo", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    assert_eq!(summary["ok"], true);
    let steps = summary["steps"].as_array().expect("steps");
    let names: Vec<_> = steps.iter().filter_map(|step| step["name"].as_str()).collect();
    for name in [
        "picture-decoded",
        "signature-checked",
        "forgery-refused",
        "wrong-pin-refused",
        "paid-once",
        "replay-same-outcome",
        "code-used-once",
        "restart-keeps",
        "refund-partial",
        "refund-bounded",
        "empty-account-declined",
        "cancelled-unpayable",
        "new-phone-asks-pin",
        "home-needs-no-pin",
        "elsewhere-refused",
        "car-pays",
        "thief-refused",
        "trips-checked",
        "late-answer-stood-in",
        "reversal-stood-in",
        "outage-noticed",
        "outage-approves",
        "outage-declines",
        "outage-restart",
        "outage-drained",
        "paid-after-return",
        "books-equal",
        "reconciled",
        "settlement-delivered",
        "settlement-receipts",
        "settlement-totals",
        "settlement-no-accounts",
        "settlement-damage-refused",
        "settlement-tampering-refused",
        "settlement-refusal-tells-nothing",
        "settlement-waits",
        "settlement-trail",
        "books-balance",
        "audit-intact",
    ] {
        assert!(names.contains(&name), "{name} is missing");
    }
    assert!(steps.iter().all(|step| step["holds"] == true));
    assert!(summary["order"]["code"].as_str().is_some_and(|code| code.starts_with("QP1.")));
}

/// Debian's rsvg-convert and zbarimg share nothing with ours: one draws, the other reads.
#[test]
fn an_independent_reader_reads_the_svg() {
    let reader = program("INTERBANK_ZBARIMG", &["zbarimg"], "zbar-tools");
    let folder = tempfile::tempdir().expect("a folder");
    let drawer = program("INTERBANK_RSVG", &["rsvg-convert"], "librsvg2-bin");
    let (svg, png) = (folder.path().join("order.svg"), folder.path().join("order.png"));
    let output = run(&["demo", "--json", "--svg", svg.to_str().expect("a plain path")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    let drawn = Command::new(drawer).arg("--output").arg(&png).arg(&svg).output();
    let drawn = drawn.expect("rsvg-convert runs");
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    let read = Command::new(reader).args(["--quiet", "--raw"]).arg(&png).output();
    let read = read.expect("zbarimg runs");
    let told = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert_eq!(Some(told.trim()), summary["order"]["code"].as_str());
}

#[test]
fn the_drawing_in_the_terminal_can_be_read() {
    let output = run(&["demo"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).expect("text");
    let is_drawn = |line: &&str| {
        line.chars().count() > 20 && line.chars().all(|c| matches!(c, ' ' | '█' | '▀' | '▄'))
    };
    let drawn: Vec<Vec<char>> =
        told.lines().filter(is_drawn).map(|line| line.chars().collect()).collect();
    let width = drawn.first().map(Vec::len).expect("a drawing");
    // Two rows of modules a line; what is inked is light on a dark terminal.
    let is_light = |x: usize, y: usize| {
        let c = drawn.get(y / 2).and_then(|line| line.get(x)).copied().unwrap_or('█');
        matches!((c, y % 2), ('█', _) | ('▀', 0) | ('▄', 1))
    };
    let side = width * MODULE_PX;
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| {
        if is_light(x / MODULE_PX, y / MODULE_PX) { 255 } else { 0 }
    });
    let grids = picture.detect_grids();
    assert_eq!(grids.len(), 1);
    let (_, text) = grids[0].decode().expect("it can be read");
    assert!(text.starts_with("QP1."), "{text}");
}

#[test]
fn a_file_that_cannot_be_written_is_one_sentence() {
    let output = run(&["demo", "--svg", "/nowhere/at/all.svg"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.starts_with("refbank: cannot write /nowhere/at/all.svg"), "{told}");
}

const MODULE_PX: usize = 4;

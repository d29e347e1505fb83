//! Small files that travel together.

use crate::home::{Home, bytes, until};
use std::fs;
use std::path::{Path, PathBuf};

/// A site whose archive makes files of packs.
fn unpacking() -> Home {
    let home = Home::new();
    home.change("root = \"files/archive\" }", "root = \"files/archive\" }\nunpack = true");
    home
}

/// Files for the archive, with their content.
fn small_files(home: &Home, many: usize) -> Vec<(String, Vec<u8>)> {
    let files = (0..many)
        .map(|n| (format!("out/{}/{n:04}.csv", n % 3), bytes(n * 7, (n % 251).to_le_bytes()[0])));
    let files: Vec<(String, Vec<u8>)> = files.collect();
    for (name, content) in &files {
        let path = home.path("files/ledger").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    files
}

fn submit<'a>(options: &[&'a str], files: &'a [(String, Vec<u8>)]) -> Vec<&'a str> {
    let to = ["submit", "--as", "ledger", "--to", "archive", "--pack"];
    let names = files.iter().map(|(name, _)| name.as_str());
    to.into_iter().chain(options.iter().copied()).chain(names).collect()
}

/// Files below a folder that are packs, or not visible yet.
fn left(folder: &Path) -> Vec<PathBuf> {
    let mut left = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_own = path.components().any(|part| part.as_os_str() == ".filexfer-unpacking");
        if path.is_dir() {
            left.extend(self::left(&path));
        } else if is_own || path.extension().is_some_and(|extension| extension == "pack") {
            left.push(path);
        }
    }
    left
}

#[test]
fn small_files_travel_together_and_each_has_its_receipt() {
    let home = unpacking();
    let mut files = small_files(&home, 300);
    // One that is not small has a request of its own.
    files.push(("large.bin".into(), bytes(700_000, 9)));
    fs::write(home.path("files/ledger/large.bin"), &files[300].1).unwrap();
    let _servers = home.start(&["run"]);
    let made = home.json(&submit(&["--wait"], &files));
    let made = made.as_array().unwrap();
    let packed: u64 = made.iter().filter_map(|one| one["files"].as_u64()).sum();
    assert_eq!((packed, made.len()), (300, 2), "{made:?}");
    for (name, content) in &files {
        assert!(fs::read(home.path("files/archive").join(name)).unwrap() == *content, "{name}");
    }
    until("the packs to go", || {
        let folders = ["ledger", "archive"].map(|party| home.path("files").join(party));
        folders.iter().all(|folder| left(folder).is_empty()).then_some(())
    });
    // A receipt of one file, which needs no server, and proves nothing of another file.
    let id = made.iter().find(|one| one["files"].is_u64()).unwrap()["id"].as_str().unwrap();
    let to = home.path("");
    let save = ["receipts", "save", "--as", "ledger", "--id", id, "--to", to.to_str().unwrap()];
    let saved = home.json(&[&save[..], &["--file", "1/0103.csv"]].concat());
    let receipt = saved["saved"][0].as_str().unwrap();
    let content = |name: &str| home.path("files/archive/out").join(name).display().to_string();
    let verify = ["receipts", "verify", receipt, "--content"];
    let verified = home.json(&[&verify[..], &[&content("1/0103.csv")]].concat());
    let expected = ("archive", "handed-over", "1/0103.csv");
    let field = |name: &str| verified[0][name].as_str().unwrap();
    assert_eq!((field("party"), field("stage"), field("file")), expected, "{verified}");
    let said = home.failure(6, &[&verify[..], &[&content("2/0104.csv")]].concat());
    assert!(said.contains("it is about other content"), "{said}");
    let mut changed = fs::read(receipt).unwrap();
    let at = changed.windows(10).position(|bytes| bytes == b"1/0103.csv").unwrap();
    changed[at + 5] = b'9';
    fs::write(receipt, changed).unwrap();
    let said = home.failure(6, &["receipts", "verify", receipt]);
    assert!(said.contains("not in the signed batch"), "{said}");
    // All of them, and those of the pack.
    let all = home.json(&save);
    let all: Vec<&str> =
        all["saved"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    assert!(all.len() > 300, "{}", all.len());
    home.json(&[&["receipts", "verify"][..], &all].concat());
    let said = home.failure(2, &[&save[..], &["--file", "nothing.csv"]].concat());
    assert!(said.contains("no receipt for nothing.csv"), "{said}");
}

#[test]
fn a_pack_waits_for_a_name_that_is_taken_also_over_a_kill() {
    let home = unpacking();
    let files = small_files(&home, 20);
    let taken = home.path("files/archive/out/1/0010.csv");
    fs::create_dir_all(taken.parent().unwrap()).unwrap();
    fs::write(&taken, b"somebody else's").unwrap();
    let servers = home.start(&["run"]);
    let said = home.failure(1, &submit(&["--wait", "--timeout-s", "3"], &files));
    assert!(said.contains("its files were not taken within 3 s: does archive unpack?"), "{said}");
    let waits = home.json(&["status", "--of", "archive"])["arrivals"][0]["waits"].clone();
    assert!(
        waits.as_str().unwrap().contains("something else is there as out/1/0010.csv"),
        "{waits}"
    );
    assert!(!home.path("files/archive/out/0/0000.csv").exists());
    servers.kill();
    let _servers = home.start(&["run"]);
    fs::remove_file(&taken).unwrap();
    until("all files", || {
        let there = |(name, content): &(String, Vec<u8>)| {
            fs::read(home.path("files/archive").join(name)).is_ok_and(|found| found == *content)
        };
        files.iter().all(there).then_some(())
    });
    until("the receipt", || {
        let status = home.json(&["status", "--of", "ledger"]);
        (status["requests"][0]["is_handed_over"] == true).then_some(())
    });
    until("the packs to go", || {
        let folders = ["ledger", "archive"].map(|party| home.path("files").join(party));
        folders.iter().all(|folder| left(folder).is_empty()).then_some(())
    });
}

#[test]
fn who_does_not_unpack_gets_a_pack_and_can_unpack_it_by_hand() {
    let home = Home::new();
    let files = small_files(&home, 5);
    let servers = home.start(&["run"]);
    let made = home.json(&submit(&[], &files));
    let id = made["id"].as_str().unwrap();
    let pack = home.path("files/archive/out").join(format!("{id}.pack"));
    until("the pack", || pack.exists().then_some(()));
    let made = home.json(&["status", "--of", "archive", "--id", id]);
    assert_eq!(made["arrivals"][0]["waits"], serde_json::Value::Null);
    drop(servers);
    let unpacked = home.unpack(&pack);
    assert!(unpacked.status.success(), "{unpacked:?}");
    for (name, content) in &files {
        assert!(fs::read(home.path("files/archive").join(name)).unwrap() == *content, "{name}");
    }
    fs::write(&pack, b"no pack").unwrap();
    let refused = home.unpack(&pack);
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.trim_end().ends_with(".pack: the file is no pack"), "{said}");
}

#[test]
fn what_cannot_be_packed_is_said() {
    let home = unpacking();
    let files = small_files(&home, 3);
    let _servers = home.start(&["run"]);
    let said = home.failure(2, &submit(&["--on-conflict", "version"], &files));
    assert!(said.contains("take no versions"), "{said}");
    let said = home.failure(2, &submit(&["--from", "merchant"], &files));
    assert!(said.contains("--from"), "{said}");
    // What is not there is refused as ever, and what is, arrives.
    let mut some = files.clone();
    some.push(("out/missing.csv".into(), Vec::new()));
    let said = home.failure(4, &submit(&["--wait"], &some));
    assert!(said.contains("out/missing.csv: "), "{said}");
    until("the others", || {
        let there = |(name, _): &(String, Vec<u8>)| home.path("files/archive").join(name).exists();
        files.iter().all(there).then_some(())
    });
    home.change(
        "root = \"files/archive\" }\nunpack",
        "s3 = { bucket = \"b\", endpoint = \"https://x\" } }\nunpack",
    );
    let said = home.failure(3, &["check"]);
    assert!(said.contains("archive: unpack is for folders"), "{said}");
}

#[test]
fn what_nobody_waits_for_leaves_no_pack_behind() {
    let home = unpacking();
    let files = small_files(&home, 3);
    fs::create_dir_all(home.path("files/archive")).unwrap();
    fs::write(home.path("files/archive/day.csv"), b"1;2").unwrap();
    let servers = home.start(&["run"]);
    // Refused: there is no grant for it.
    let refused = ["submit", "--as", "archive", "--to", "merchant", "--pack", "day.csv"];
    let said = home.failure(4, &refused);
    assert!(said.contains("5044"), "{said}");
    until("the refused pack to go", || left(&home.path("files/archive")).is_empty().then_some(()));
    assert!(home.path("files/archive/day.csv").exists());
    // Delivered, with a stop before it was removed: its name is known.
    home.json(&submit(&["--wait"], &files));
    servers.kill();
    // One that was written when the process was killed, before anybody was asked for it.
    let id = "00".repeat(16);
    let lost = home.path("files/ledger/out").join(format!("{id}.pack"));
    fs::write(&lost, b"pack").unwrap();
    let intent = home.path("files/ledger/.filexfer-unpacking/900.intent");
    fs::write(intent, format!("out/{id}.pack")).unwrap();
    // And one of the user's, which only looks like one.
    let mine = home.path("files/ledger/out").join(format!("{}.pack", "11".repeat(16)));
    fs::write(&mine, b"mine").unwrap();
    let _servers = home.start(&["run"]);
    assert_eq!(left(&home.path("files/ledger")), [mine]);
}

#[test]
fn what_is_of_another_class_or_too_young_is_judged_by_itself() {
    let home = unpacking();
    home.change("classes = {", "settle_ms = 400, classes = {");
    let mut files = small_files(&home, 4);
    files.push(("settlement/day.csv".into(), b"1;2".to_vec()));
    fs::create_dir_all(home.path("files/ledger/settlement")).unwrap();
    fs::write(home.path("files/ledger/settlement/day.csv"), b"1;2").unwrap();
    // A folder that leaves no room for the name of a pack.
    let deep = format!("{}/f.csv", vec!["d".repeat(123); 8].join("/"));
    let path = home.path("files/ledger").join(&deep);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, b"1").unwrap();
    files.insert(0, (deep, b"1".to_vec()));
    let _servers = home.start(&["run"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    // Somebody may still write it.
    fs::write(home.path("files/ledger").join(&files[2].0), &files[2].1).unwrap();
    let said = home.failure(4, &submit(&["--wait"], &files));
    assert!(said.contains(&format!("{}: ", files[2].0)), "{said}");
    for (name, content) in files.iter().filter(|(name, _)| *name != files[2].0) {
        until("the others", || {
            let found = fs::read(home.path("files/archive").join(name));
            found.is_ok_and(|found| found == *content).then_some(())
        });
    }
    // The folder of `settlement` is of that class, and a pack would not have been.
    let status = home.json(&["status", "--of", "ledger"]);
    let names = status["requests"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"settlement/day.csv") && names.contains(&files[2].0.as_str()));
    assert_eq!(names.iter().filter(|name| name.ends_with(".pack")).count(), 1, "{names:?}");
}

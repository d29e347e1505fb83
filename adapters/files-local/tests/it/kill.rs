//! SIGKILL in the middle of writing: what was on disk at a checkpoint is there, and the rest can be written again.

use crate::home::{Home, T, bytes, name, store};
use filexfer::{Groups, Place};
use interbank_files_local::{Error, LocalFiles};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

const LEN: usize = 6_000_000;

/// Run by the other tests in a process of its own: copies, and says how many groups are on disk.
#[test]
fn child() {
    let Ok(root) = std::env::var("INTERBANK_FILES_KILL") else { return };
    let home = Home::new();
    let mut options = home.options();
    for (id, folder) in [("one", "one"), ("two", "two")] {
        options.stores.get_mut(&store(id)).unwrap().root = format!("{root}/{folder}").into();
    }
    let files = LocalFiles::open(options).unwrap();
    let (from, into) = (Place::Store(store("one")), Place::Store(store("two")));
    files.prepare(T, &from, &name("a"), None).unwrap().unwrap();
    let count = Groups::new(LEN as u64).count();
    for group in 0..count {
        assert!(files.copy(&T, &from, &into, &(group..group + 1)).unwrap());
        if group % 10 == 9 {
            files.sync(&T, &into).unwrap();
            println!("synced {}", group + 1);
        }
    }
    // Not further: the parent kills it long before.
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[test]
fn what_was_synced_survives_a_kill_and_the_rest_is_written_again() {
    let content = bytes(LEN, 3);
    for stop in [1, 7, 20] {
        let home = Home::new();
        home.put("one", "a", &content);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--nocapture"])
            .env("INTERBANK_FILES_KILL", home.root.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let synced = lines.filter_map(|line| line.split("synced ").nth(1)?.parse::<u64>().ok());
        let synced = synced.take(stop).last().unwrap();
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        let files = home.open();
        let (from, into) = (Place::Store(store("one")), Place::Store(store("two")));
        let held = files.unpublished(&into).unwrap()[&T];
        assert!(held >= synced * Groups::BYTES, "{held} after {synced} groups");
        let own = home.own("two");
        let written = fs::read(home.path("two", &format!(".filexfer-unpublished/{}", own[0])));
        let durable = usize::try_from(synced * Groups::BYTES).unwrap();
        assert!(written.unwrap()[..durable] == content[..durable]);
        assert!(!home.path("two", "a").exists());
        // Only what was not reported is written again.
        files.prepare(T, &from, &name("a"), None).unwrap().unwrap();
        let count = Groups::new(LEN as u64).count();
        assert!(files.copy(&T, &from, &into, &(synced..count)).unwrap());
        files.sync(&T, &into).unwrap();
        assert_eq!(files.publish(&T, &into, &name("a"), false).unwrap(), Ok(()));
        files.discard(&T, &into).unwrap();
        assert!(home.get("two", "a") == content);
    }
}

/// A file system that is really full: a limit on the size of files stands in for it, which gives the same kind of error.
#[test]
fn a_full_disk_is_said_so_and_can_be_tried_again() {
    let Ok(_) = std::env::var("INTERBANK_FILES_FULL") else {
        // The signal that comes with the limit is ignored from the shell on: then it is an error like any other.
        let status = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["kill::a_full_disk_is_said_so_and_can_be_tried_again", "--exact"])
            .env("INTERBANK_FILES_FULL", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    };
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let home = Home::new();
    let files = home.open();
    let into = Place::Store(store("two"));
    let most = getrlimit(Resource::Fsize).maximum;
    let limit = |current| {
        setrlimit(Resource::Fsize, Rlimit { current, maximum: most }).unwrap();
    };
    let group = vec![7; 16_384];
    files.write(&T, &into, &[(0, &group)]).unwrap();
    limit(Some(20_000));
    assert_eq!(files.write(&T, &into, &[(1, &group), (2, &group)]), Err(Error::Full));
    limit(most);
    // It does not count as written.
    assert_eq!(files.unpublished(&into).unwrap()[&T], 16_384);
    files.write(&T, &into, &[(1, &group), (2, &group)]).unwrap();
    files.sync(&T, &into).unwrap();
    assert_eq!(files.publish(&T, &into, &name("a"), false).unwrap(), Ok(()));
    assert_eq!(home.get("two", "a"), vec![7; 3 * 16_384]);
}

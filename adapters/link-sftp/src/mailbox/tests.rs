use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// To `ledger`, whose folder is `shop`.
fn open(root: &Path, limits: MailboxLimits) -> Result<Mailbox, OpenError> {
    Mailbox::open(root, BTreeMap::from([(ledger(), "shop".to_owned())]), limits)
}

fn ledger() -> PartyId {
    PartyId::new("ledger").unwrap()
}

fn name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

const OVER: How = How { create: true, exclusive: false, truncate: true };
const ON: How = How { create: false, exclusive: false, truncate: false };

fn push(mailbox: &Mailbox, text: &str, content: &[u8]) -> Option<Whole> {
    let upload = mailbox.upload(&ledger(), &name(text), OVER).unwrap();
    mailbox.write(&upload, 0, content).unwrap();
    mailbox.close(&upload).unwrap()
}

/// What a machine reads when it is asked for a file.
fn given(mailbox: &Mailbox, text: &str) -> Option<Vec<u8>> {
    let transfer = TransferId([1; 16]);
    let from = filexfer::Place::Spool;
    let work = Work::Prepare { transfer, from, name: name(text), stamp: None };
    let Work::Prepare { name, .. } = mailbox.at_home(work) else { panic!("other work") };
    fs::read(mailbox.root().join(name.as_str())).ok()
}

#[test]
fn what_is_closed_is_whole_and_what_is_not_waits_also_over_a_stop() {
    let home = tempfile::tempdir().unwrap();
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    assert_eq!(open(home.path(), MailboxLimits::default()).err(), Some(OpenError::InUse));
    let whole = push(&mailbox, "a/day.csv", b"1;2").unwrap();
    assert_eq!((whole.name.as_str(), whole.size), ("shop/a/day.csv", 3));
    let half = mailbox.upload(&ledger(), &name("half"), OVER).unwrap();
    mailbox.write(&half, 0, b"abc").unwrap();
    assert_eq!(given(&mailbox, "shop/a/day.csv").as_deref(), Some(&b"1;2"[..]));
    assert_eq!(given(&mailbox, "shop/half"), None, "not whole");
    assert_eq!(given(&mailbox, "a/day.csv"), None, "not so in requests");
    drop((half, mailbox));
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    assert_eq!(mailbox.under_way(), std::slice::from_ref(&whole));
    assert_eq!(mailbox.look(&ledger(), &name("half")).map(|about| about.size), Ok(3));
    let half = mailbox.upload(&ledger(), &name("half"), ON).unwrap();
    mailbox.write(&half, 3, b"def").unwrap();
    assert!(mailbox.close(&half).unwrap().is_some());
    assert_eq!(given(&mailbox, "shop/half").as_deref(), Some(&b"abcdef"[..]));
    mailbox.conclude(&whole.job, true).unwrap();
    assert_eq!(given(&mailbox, "shop/a/day.csv"), None);
    assert_eq!(mailbox.look(&ledger(), &name("a")), Err(BadPath::Missing.into()));
}

#[test]
fn a_file_on_its_way_is_left_alone_and_one_that_failed_can_be_sent_again() {
    let home = tempfile::tempdir().unwrap();
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    let whole = push(&mailbox, "f", b"1").unwrap();
    assert_eq!(mailbox.upload(&ledger(), &name("f"), OVER).err(), Some(Error::Busy));
    assert_eq!(mailbox.remove(&ledger(), &name("f")), Err(Error::Busy));
    assert_eq!(mailbox.rename(&ledger(), &name("f"), &name("g")), Err(Error::Busy));
    // Neither a folder of that name nor a file in one that is a file.
    assert_eq!(mailbox.upload(&ledger(), &name("f/g"), OVER).err(), Some(Error::Exists));
    mailbox.conclude(&whole.job, false).unwrap();
    let again = mailbox.rename(&ledger(), &name("f.failed"), &name("f")).unwrap().unwrap();
    assert_ne!(again.job, whole.job);
    // What one job says does not touch the other.
    mailbox.conclude(&whole.job, true).unwrap();
    assert_eq!(mailbox.under_way(), [again]);
}

#[test]
fn there_are_no_holes_and_no_more_than_the_quota() {
    let home = tempfile::tempdir().unwrap();
    let limits = MailboxLimits { quota_bytes: 10, files_max: 2, ..MailboxLimits::default() };
    let mailbox = open(home.path(), limits).unwrap();
    let open = |text: &str, how| mailbox.upload(&ledger(), &name(text), how);
    let upload = open("a.part", OVER).unwrap();
    assert_eq!(mailbox.write(&upload, 1, b"b"), Err(Error::Hole));
    // Behind a fault nothing is written, and clients close all the same: that makes no file of it.
    assert_eq!(mailbox.write(&upload, 0, b"a"), Err(Error::Hole));
    assert_eq!(mailbox.close(&upload), Err(Error::Hole));
    let upload = open("a.part", ON).unwrap();
    mailbox.write(&upload, 0, b"12345678").unwrap();
    mailbox.write(&upload, 4, b"567890").unwrap();
    assert_eq!(mailbox.write(&upload, 8, b"901"), Err(Error::Full));
    assert_eq!(mailbox.write(&open("a.part", ON).unwrap(), u64::MAX, b"1"), Err(Error::Full));
    let upload = open("a.part", ON).unwrap();
    mailbox.truncate(&upload, 2).unwrap();
    assert_eq!(mailbox.close(&upload), Ok(None), "a temporary name");
    assert_eq!(mailbox.truncate(&open("a.part", ON).unwrap(), 11), Err(Error::Hole));
    push(&mailbox, "b", b"12345678").unwrap();
    assert_eq!(open("c", OVER).err(), Some(Error::TooMany));
    // What was thrown away has room.
    mailbox.remove(&ledger(), &name("a.part")).unwrap();
    assert_eq!(mailbox.write(&open("c", OVER).unwrap(), 0, b"123"), Err(Error::Full));
    mailbox.write(&open("c", ON).unwrap(), 0, b"12").unwrap();
}

#[test]
fn whoever_opens_last_writes() {
    let home = tempfile::tempdir().unwrap();
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    let first = mailbox.upload(&ledger(), &name("f"), OVER).unwrap();
    mailbox.write(&first, 0, b"ab").unwrap();
    let second = mailbox.upload(&ledger(), &name("f"), ON).unwrap();
    assert_eq!(mailbox.write(&first, 2, b"xx"), Err(Error::Busy));
    assert_eq!(mailbox.truncate(&first, 0), Err(Error::Busy));
    assert_eq!(mailbox.close(&first), Err(Error::Busy));
    mailbox.write(&second, 2, b"cd").unwrap();
    assert_eq!(mailbox.close(&second).unwrap().unwrap().size, 4);
    assert_eq!(mailbox.write(&second, 4, b"ef"), Err(Error::Busy), "it is whole");
    assert_eq!(given(&mailbox, "shop/f").as_deref(), Some(&b"abcd"[..]));
}

#[test]
fn what_a_stop_left_in_between_is_removed() {
    let home = tempfile::tempdir().unwrap();
    let whole = push(&open(home.path(), MailboxLimits::default()).unwrap(), "f", b"1").unwrap();
    let outbox = home.path().join("outbox");
    let before: BTreeSet<String> = on_disk(&outbox);
    let digits = "ab".repeat(16);
    for left in ["content", "new"] {
        fs::write(outbox.join(format!("{digits}.{left}")), b"left").unwrap();
    }
    fs::write(outbox.join(format!("{}.record", "cd".repeat(16))), b"half of one").unwrap();
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    assert_eq!(mailbox.under_way(), [whole]);
    assert_eq!(on_disk(&outbox), before);
}

#[test]
fn old_uploads_go_and_files_on_their_way_stay() {
    let home = tempfile::tempdir().unwrap();
    let limits = MailboxLimits { partial_kept_ms: 1_000, ..MailboxLimits::default() };
    let mailbox = open(home.path(), limits).unwrap();
    push(&mailbox, "whole", b"1").unwrap();
    push(&mailbox, "half.part", b"1");
    let now = SystemTime::now();
    assert_eq!(mailbox.sweep(now), Ok(0));
    assert_eq!(mailbox.sweep(now + Duration::from_secs(5)), Ok(1));
    assert_eq!(mailbox.under_way().len(), 1);
}

#[test]
fn a_file_is_fetched_when_all_of_it_went_out() {
    let home = tempfile::tempdir().unwrap();
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    let transfer = TransferId([7; 16]);
    let at = publish(&mailbox, "in/day.csv", b"0123456789");
    // On disk, and not said to be published.
    assert_eq!(mailbox.fetch(&name("in/day.csv")).err(), Some(BadPath::Missing.into()));
    assert_eq!(mailbox.offers(None), Ok(BTreeMap::new()));
    let digits = content_of(b"0123456789");
    mailbox.offer(name("in/day.csv"), transfer, digits, false);
    assert!(mailbox.offers(None).unwrap().contains_key("in"));
    assert_eq!(mailbox.offers(Some(&name("in"))).unwrap()["day.csv"].size, 10);
    let first = mailbox.fetch(&name("in/day.csv")).unwrap();
    assert_eq!(mailbox.read(&first, 0, 4).as_deref(), Ok(&b"0123"[..]));
    assert_eq!(mailbox.fetched(&first), None);
    assert_eq!(mailbox.take_away(&name("in/day.csv")), Err(Error::Denied));
    let second = mailbox.fetch(&name("in/day.csv")).unwrap();
    assert_eq!(mailbox.read(&second, 3, 100).as_deref(), Ok(&b"3456789"[..]));
    assert_eq!(mailbox.read(&second, 10, 100).as_deref(), Ok(&b""[..]));
    assert_eq!(mailbox.fetched(&second), Some(transfer));
    mailbox.handed_over(&transfer);
    assert_eq!(mailbox.fetched(&second), None, "once is enough");
    // Another file under that name is another file.
    let next = TransferId([8; 16]);
    mailbox.offer(name("in/day.csv"), next, digits, false);
    assert_eq!(mailbox.fetched(&second), None);
    assert_eq!(mailbox.take_away(&name("in/day.csv")), Err(Error::Denied));
    mailbox.handed_over(&next);
    mailbox.take_away(&name("in/day.csv")).unwrap();
    assert!(!at.exists());
    assert!(on_disk(&home.path().join("inbox")).is_empty());
}

/// What a machine does when it publishes: a file that is complete takes the name in one step.
fn publish(mailbox: &Mailbox, text: &str, content: &[u8]) -> PathBuf {
    let (transfer, into) = (TransferId([1; 16]), filexfer::Place::Spool);
    let work = Work::Publish { transfer, into, name: name(text), replace: true };
    let Work::Publish { name: at, .. } = mailbox.at_home(work) else { panic!("other work") };
    let (at, fresh) = (mailbox.root().join(at.as_str()), mailbox.root().join("fresh"));
    fs::write(&fresh, content).unwrap();
    fs::rename(fresh, &at).unwrap();
    at
}

fn content_of(bytes: &[u8]) -> Content {
    Content { size: len_u64(bytes), root: *blake3::hash(bytes).as_bytes() }
}

/// A client takes all of a file; whether that counts.
fn fetch(mailbox: &Mailbox, text: &str) -> Option<TransferId> {
    let fetch = mailbox.fetch(&name(text)).unwrap();
    mailbox.read(&fetch, 0, 100).unwrap();
    mailbox.fetched(&fetch)
}

/// A machine publishes a new version over the one that was fetched, and tells it a moment later.
#[test]
fn a_version_that_is_not_told_yet_is_not_removed_as_the_one_before() {
    for (old, new) in [(&b"old"[..], &b"new"[..]), (b"old", b"longer")] {
        let home = tempfile::tempdir().unwrap();
        let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
        let (one, two) = (TransferId([1; 16]), TransferId([2; 16]));
        let at = publish(&mailbox, "a", old);
        mailbox.offer(name("a"), one, content_of(old), false);
        assert_eq!(fetch(&mailbox, "a"), Some(one));
        mailbox.handed_over(&one);
        publish(&mailbox, "a", new);
        assert_eq!(mailbox.take_away(&name("a")), Err(Error::Busy));
        assert_eq!(fs::read(&at).unwrap(), new);
        assert_eq!(mailbox.fetch(&name("a")).err(), Some(BadPath::Missing.into()), "of the first");
        mailbox.offer(name("a"), two, content_of(new), false);
        assert_eq!(fetch(&mailbox, "a"), Some(two));
        mailbox.handed_over(&two);
        mailbox.take_away(&name("a")).unwrap();
        assert!(on_disk(&home.path().join("inbox")).is_empty());
    }
}

/// A stop between the two: the next process knows of the first version and finds the second.
#[test]
fn what_is_offered_after_a_stop_counts_only_if_it_is_what_its_receipt_says() {
    let home = tempfile::tempdir().unwrap();
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    let (one, two) = (TransferId([1; 16]), TransferId([2; 16]));
    let at = publish(&mailbox, "a", b"new");
    mailbox.offer(name("a"), one, content_of(b"old"), false);
    assert_eq!(fetch(&mailbox, "a"), None, "a receipt would say that the first was fetched");
    assert_eq!(fetch(&mailbox, "a"), None);
    // The same where the first was fetched before the stop.
    mailbox.offer(name("a"), one, content_of(b"old"), true);
    assert_eq!(mailbox.take_away(&name("a")), Err(Error::Busy));
    assert_eq!(fs::read(&at).unwrap(), b"new");
    // Half of what went out before it was told is of the same file, and counts for nothing.
    let early = mailbox.fetch(&name("a")).unwrap();
    mailbox.offer(name("a"), two, content_of(b"new"), false);
    mailbox.read(&early, 0, 3).unwrap();
    assert_eq!(mailbox.fetched(&early), None);
    assert_eq!(fetch(&mailbox, "a"), Some(two));
}

#[test]
fn a_removal_that_was_stopped_half_way_never_was_or_is_over() {
    let home = tempfile::tempdir().unwrap();
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    let at = publish(&mailbox, "a", b"old");
    drop(mailbox);
    let gone = at.with_extension("gone");
    fs::rename(&at, &gone).unwrap();
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    assert_eq!(fs::read(&at).unwrap(), b"old");
    drop(mailbox);
    // A newer one has the name by now.
    fs::rename(&at, &gone).unwrap();
    fs::write(&at, b"new").unwrap();
    let _mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    assert_eq!(fs::read(&at).unwrap(), b"new");
    assert!(!gone.exists());
}

#[test]
fn a_file_that_failed_stays_also_where_its_name_can_grow_no_longer() {
    let home = tempfile::tempdir().unwrap();
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    let long = "n".repeat(FileName::COMPONENT_BYTES_MAX - 3);
    let whole = push(&mailbox, &long, b"1").unwrap();
    mailbox.conclude(&whole.job, false).unwrap();
    assert_eq!(mailbox.under_way(), []);
    assert_eq!(mailbox.look(&ledger(), &name(&long)).map(|about| about.kind), Ok(Kind::Partial));
    drop(mailbox);
    let mailbox = open(home.path(), MailboxLimits::default()).unwrap();
    let again = mailbox.rename(&ledger(), &name(&long), &name("short")).unwrap().unwrap();
    assert_ne!(again.job, whole.job);
    assert_eq!(given(&mailbox, "shop/short").as_deref(), Some(&b"1"[..]));
}

#[test]
fn folders_of_destinations_are_apart() {
    let home = tempfile::tempdir().unwrap();
    let with = |folders: &[(&str, &str)]| {
        let to = folders.iter().map(|(to, at)| (PartyId::new(to).unwrap(), (*at).to_owned()));
        Mailbox::open(home.path(), to.collect(), MailboxLimits::default()).map(drop)
    };
    assert_eq!(with(&[("a", "x"), ("b", "y")]), Ok(()));
    for wrong in
        [&[("a", "x"), ("b", "x")][..], &[("a", "x"), ("b", "x/y")], &[("a", "")], &[("a", "../x")]]
    {
        assert_eq!(with(wrong), Err(OpenError::Folder), "{wrong:?}");
    }
}

fn on_disk(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// One step of a client, its other session, or what stands behind.
#[derive(Clone, Debug)]
enum Step {
    Open(usize, bool),
    Write(usize, usize, Vec<u8>),
    Cut(usize, usize),
    Close(usize),
    Rename(usize, usize),
    Remove(usize),
    Conclude(usize, bool),
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    let file = 0_usize..NAMES.len();
    prop_oneof![
        3 => (file.clone(), any::<bool>()).prop_map(|(file, truncate)| Step::Open(file, truncate)),
        4 => (file.clone(), 0_usize..12, prop::collection::vec(any::<u8>(), 0..8))
            .prop_map(|(file, at, bytes)| Step::Write(file, at, bytes)),
        1 => (file.clone(), 0_usize..12).prop_map(|(file, size)| Step::Cut(file, size)),
        2 => file.clone().prop_map(Step::Close),
        2 => (file.clone(), file.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => file.clone().prop_map(Step::Remove),
        2 => (file, any::<bool>()).prop_map(|(file, done)| Step::Conclude(file, done)),
        1 => Just(Step::Stop),
    ]
}

const NAMES: [&str; 6] = ["a", "b.part", "c/d", "c/e", "\u{e9}", "a.failed"];
const QUOTA: u64 = 24;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// A map from names to bytes says what has to come out.
    #[test]
    fn it_is_what_a_map_says(steps in prop::collection::vec(step(), 0..40)) {
        let home = tempfile::tempdir().unwrap();
        let limits = MailboxLimits { quota_bytes: QUOTA, ..MailboxLimits::default() };
        let mut mailbox = open(home.path(), limits).unwrap();
        let mut model: BTreeMap<&str, (Vec<u8>, Option<JobId>)> = BTreeMap::new();
        let mut uploads: BTreeMap<usize, (Upload, bool)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Open(file, truncate) => {
                    let how = How { create: true, exclusive: false, truncate };
                    let opened = mailbox.upload(&ledger(), &name(NAMES[file]), how);
                    let is_busy = model.get(NAMES[file]).is_some_and(|(_, job)| job.is_some());
                    prop_assert_eq!(opened.is_ok(), !is_busy);
                    if let Ok(upload) = opened {
                        let (content, _) = model.entry(NAMES[file]).or_default();
                        if truncate {
                            content.clear();
                        }
                        uploads.insert(file, (upload, true));
                    }
                }
                Step::Write(file, at, bytes) => {
                    let Some((upload, is_right)) = uploads.get_mut(&file) else { continue };
                    let held: usize = model.values().map(|(content, _)| content.len()).sum();
                    let done = mailbox.write(upload, at as u64, &bytes);
                    let (content, _) = model.get_mut(NAMES[file]).unwrap();
                    let (from, end) = (at, at + bytes.len());
                    let more = end.saturating_sub(content.len());
                    let fits = more == 0 || (held + more) as u64 <= QUOTA;
                    prop_assert_eq!(done.is_ok(), *is_right && from <= content.len() && fits);
                    *is_right &= done.is_ok();
                    if done.is_ok() {
                        content.resize(content.len().max(end), 0);
                        content[from..end].copy_from_slice(&bytes);
                    }
                }
                Step::Cut(file, size) => {
                    let Some((upload, is_right)) = uploads.get_mut(&file) else { continue };
                    let (content, _) = model.get_mut(NAMES[file]).unwrap();
                    let done = mailbox.truncate(upload, size as u64);
                    prop_assert_eq!(done.is_ok(), *is_right && size <= content.len());
                    *is_right &= done.is_ok();
                    if done.is_ok() {
                        content.truncate(size);
                    }
                }
                Step::Close(file) => {
                    let Some((upload, is_right)) = uploads.remove(&file) else { continue };
                    let closed = mailbox.close(&upload);
                    prop_assert_eq!(closed.is_ok(), is_right);
                    let Ok(whole) = closed else { continue };
                    prop_assert_eq!(whole.is_some(), !is_temporary(&name(NAMES[file])));
                    let (content, job) = model.get_mut(NAMES[file]).unwrap();
                    *job = whole.as_ref().map(|whole| whole.job);
                    if let Some(whole) = whole {
                        prop_assert_eq!(whole.size, content.len() as u64);
                    }
                }
                Step::Rename(from, to) => {
                    let done = mailbox.rename(&ledger(), &name(NAMES[from]), &name(NAMES[to]));
                    let is_free = !model.contains_key(NAMES[to]);
                    let may = model.get(NAMES[from]).is_some_and(|(_, job)| job.is_none()) && is_free;
                    prop_assert_eq!(done.is_ok(), may);
                    if let Ok(whole) = done {
                        uploads.remove(&from);
                        let (content, _) = model.remove(NAMES[from]).unwrap();
                        model.insert(NAMES[to], (content, whole.map(|whole| whole.job)));
                    }
                }
                Step::Remove(file) => {
                    let done = mailbox.remove(&ledger(), &name(NAMES[file]));
                    let may = model.get(NAMES[file]).is_some_and(|(_, job)| job.is_none());
                    prop_assert_eq!(done.is_ok(), may);
                    if may {
                        model.remove(NAMES[file]);
                        uploads.remove(&file);
                    }
                }
                Step::Conclude(file, is_delivered) => {
                    let Some((content, Some(job))) = model.get(NAMES[file]).cloned() else { continue };
                    mailbox.conclude(&job, is_delivered).unwrap();
                    model.remove(NAMES[file]);
                    if !is_delivered {
                        let failed = match NAMES[file] {
                            "a" => "a.failed",
                            "c/d" => "c/d.failed",
                            "c/e" => "c/e.failed",
                            _ => "\u{e9}.failed",
                        };
                        uploads.remove(&5);
                        model.insert(failed, (content, None));
                    }
                }
                Step::Stop => {
                    uploads.clear();
                    drop(mailbox);
                    mailbox = open(home.path(), limits).unwrap();
                }
            }
            let jobs: BTreeSet<[u8; 16]> = mailbox.under_way().iter().map(|whole| whole.job.0).collect();
            let expected: BTreeSet<[u8; 16]> =
                model.values().filter_map(|(_, job)| job.map(|job| job.0)).collect();
            prop_assert_eq!(jobs, expected);
            for (text, (content, job)) in &model {
                let about = mailbox.look(&ledger(), &name(text)).unwrap();
                prop_assert_eq!(about.size, content.len() as u64);
                let seen = given(&mailbox, &format!("shop/{text}"));
                prop_assert_eq!(seen.as_ref(), job.map(|_| content));
            }
            // Two files each, and no text of a client among their names.
            let names = on_disk(&home.path().join("outbox"));
            prop_assert_eq!(names.len(), 2 * model.len());
            for on_disk in names {
                let (digits, ending) = on_disk.split_once('.').unwrap();
                prop_assert!(parse_hex(digits).is_some() && matches!(ending, "content" | "record"));
            }
        }
    }
}

//! Many small files as one, and back.

use filexfer::FileName;
use filexfer::pack::{Entry, Manifest, PackError};
use interbank_files_local::{OpenError, PackingError, Packs, Small};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

struct Root {
    home: tempfile::TempDir,
    packs: Packs,
}

fn name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

impl Root {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let packs = Packs::open(home.path(), 0o640).unwrap();
        Self { home, packs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    fn get(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    fn unpack(&self, pack: &str) -> Result<Manifest, PackingError> {
        self.packs.unpack(&[name(pack)]).remove(0)
    }

    /// Files that are not visible.
    fn files_left(&self) -> usize {
        let names = fs::read_dir(self.path(".filexfer-unpacking")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".intent")).count()
    }

    /// A pack of files that are not there, under a name.
    fn pack(&self, as_name: &str, files: &[(&str, &[u8])], replaces: bool) -> Manifest {
        let files = files.iter().map(|(file, content)| {
            (name(file), Small { content: content.to_vec(), changed: SystemTime::now() })
        });
        let files: Vec<(FileName, Small)> = files.collect();
        self.packs.write(&name(as_name), &files, replaces).unwrap().0
    }
}

#[test]
fn files_of_one_root_are_files_of_another() {
    let (one, two) = (Root::new(), Root::new());
    let contents: Vec<(String, Vec<u8>)> = (0..40_usize)
        .map(|n| (format!("out/{}/{n}.csv", n % 3), vec![n.to_le_bytes()[0]; n * 1_000]))
        .collect();
    contents.iter().for_each(|(name, content)| one.put(name, content));
    let old = SystemTime::now() - Duration::from_secs(500);
    for (file, _) in &contents {
        fs::File::options().write(true).open(one.path(file)).unwrap().set_modified(old).unwrap();
    }
    let read = contents.iter().map(|(file, _)| {
        let small = one.packs.read(&name(file), 1 << 20).unwrap().unwrap();
        (name(&file["out/".len()..]), small)
    });
    let read: Vec<(FileName, Small)> = read.collect();
    let (manifest, root) = one.packs.write(&name("out/day.pack"), &read, false).unwrap();
    let pack = one.get("out/day.pack").unwrap();
    assert_eq!(root, *blake3::hash(&pack).as_bytes());
    assert_eq!(manifest.size(), pack.len() as u64);
    // No younger than its files: who waits until files are old enough need not wait for it.
    let changed = fs::metadata(one.path("out/day.pack")).unwrap().modified().unwrap();
    assert_eq!(changed, old);
    two.put("in/day.pack", &pack);
    assert_eq!(two.unpack("in/day.pack"), Ok(manifest));
    for (file, content) in &contents {
        assert_eq!(two.get(&file.replace("out/", "in/")).as_ref(), Some(content), "{file}");
    }
    assert_eq!((one.files_left(), two.files_left()), (0, 0));
    let mode = fs::metadata(two.path("in/0/0.csv")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0);
    two.packs.remove(&name("in/day.pack")).unwrap();
    two.packs.remove(&name("in/day.pack")).unwrap();
    assert_eq!(two.get("in/day.pack"), None);
    assert_eq!(two.unpack("in/day.pack"), Err(PackingError::Missing));
}

#[test]
fn what_is_no_small_file_at_rest_is_not_read() {
    let root = Root::new();
    root.put("large", vec![0; 1_001]);
    root.put("right", vec![0; 1_000]);
    symlink(root.path("right"), root.path("link")).unwrap();
    symlink(root.home.path(), root.path("folder")).unwrap();
    let read =
        |file: &str| root.packs.read(&name(file), 1_000).unwrap().map(|small| small.content.len());
    assert_eq!(read("right"), Some(1_000));
    for file in ["large", "link", "missing", "folder", "folder/right", ".filexfer"] {
        assert_eq!(read(file), None, "{file}");
    }
}

#[test]
fn nothing_of_a_pack_is_visible_if_one_of_its_files_is_wrong() {
    let root = Root::new();
    root.pack("p", &[("a", b"1"), ("b", b"2"), ("c", b"3")], false);
    let mut bytes = root.get("p").unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    root.put("p", &bytes);
    assert_eq!(root.unpack("p"), Err(PackingError::Pack(PackError::Content)));
    bytes.push(0);
    root.put("p", &bytes);
    assert_eq!(root.unpack("p"), Err(PackingError::Pack(PackError::Size)));
    root.put("p", b"pack");
    assert_eq!(root.unpack("p"), Err(PackingError::Pack(PackError::NotAPack)));
    root.put("p", b"");
    assert_eq!(root.unpack("p"), Err(PackingError::Pack(PackError::NotAPack)));
    for file in ["a", "b", "c"] {
        assert_eq!(root.get(file), None);
    }
    assert_eq!(root.files_left(), 0);
}

#[test]
fn a_name_that_is_taken_keeps_the_whole_pack_back() {
    let root = Root::new();
    root.put("b", b"other");
    root.pack("p", &[("a", b"1"), ("b", b"2")], false);
    assert_eq!(root.unpack("p"), Err(PackingError::Taken(name("b"))));
    assert_eq!((root.get("a"), root.files_left()), (None, 0));
    fs::remove_file(root.path("b")).unwrap();
    assert!(root.unpack("p").is_ok());
    assert_eq!((root.get("a"), root.get("b")), (Some(b"1".to_vec()), Some(b"2".to_vec())));
    // One that replaces does, but for what is no file.
    root.pack("q", &[("a", b"new"), ("b", b"2")], true);
    let before = fs::metadata(root.path("b")).unwrap().ino();
    assert!(root.unpack("q").is_ok());
    assert_eq!(root.get("a"), Some(b"new".to_vec()));
    assert_eq!(
        fs::metadata(root.path("b")).unwrap().ino(),
        before,
        "the same content is left alone"
    );
    fs::remove_file(root.path("a")).unwrap();
    fs::create_dir(root.path("a")).unwrap();
    assert_eq!(root.unpack("q"), Err(PackingError::Taken(name("a"))));
    assert!(root.path("a").is_dir());
    // The name of a pack itself is taken, too.
    let files = [(name("z"), Small { content: Vec::new(), changed: SystemTime::now() })];
    let twice = root.packs.write(&name("q"), &files, false);
    assert_eq!(twice.err(), Some(PackingError::Taken(name("q"))));
}

#[test]
fn doing_it_again_does_the_rest() {
    let root = Root::new();
    let files: Vec<(String, Vec<u8>)> =
        (0..20_usize).map(|n| (format!("f{n}"), vec![n.to_le_bytes()[0]; 5_000])).collect();
    let some: Vec<(&str, &[u8])> = files.iter().map(|(name, c)| (&name[..], &c[..])).collect();
    root.pack("p", &some, false);
    assert!(root.unpack("p").is_ok());
    // A stop between two names.
    for n in [3, 4, 17] {
        fs::remove_file(root.path(&format!("f{n}"))).unwrap();
    }
    let kept = fs::metadata(root.path("f5")).unwrap().ino();
    assert!(root.unpack("p").is_ok());
    assert!(files.iter().all(|(name, content)| root.get(name).as_ref() == Some(content)));
    assert_eq!(fs::metadata(root.path("f5")).unwrap().ino(), kept);
}

#[test]
fn packs_are_unpacked_together_and_each_for_itself() {
    let root = Root::new();
    root.pack("1.pack", &[("a", b"1"), ("b", b"2")], false);
    root.pack("2.pack", &[("b", b"2"), ("c", b"3")], false);
    root.pack("3.pack", &[("d", b"4"), ("a", b"other")], false);
    root.put("4.pack", b"no pack");
    let names = ["1.pack", "2.pack", "3.pack", "4.pack", "5.pack"].map(name);
    let done = root.packs.unpack(&names);
    assert!(done[0].is_ok() && done[1].is_ok(), "{done:?}");
    assert_eq!(done[2], Err(PackingError::Taken(name("a"))));
    assert_eq!(done[3], Err(PackingError::Pack(PackError::NotAPack)));
    assert_eq!(done[4], Err(PackingError::Missing));
    assert_eq!(root.get("c"), Some(b"3".to_vec()));
    // Not half of it.
    assert_eq!(root.get("d"), None);
    assert_eq!(root.files_left(), 0);
}

#[test]
fn of_packs_with_names_in_common_each_counts_for_the_next() {
    let root = Root::new();
    root.put("x", b"1");
    root.pack("1.pack", &[("x", b"2")], true);
    root.pack("2.pack", &[("x", b"1"), ("y", b"1")], true);
    root.pack("3.pack", &[("y/z", b"1"), ("w", b"1")], true);
    let done = root.packs.unpack(&["1.pack", "2.pack", "3.pack"].map(name));
    assert!(done[0].is_ok() && done[1].is_ok(), "{done:?}");
    assert_eq!(root.get("x"), Some(b"1".to_vec()), "as the last one says that was taken");
    assert!(done[2].is_err());
    assert_eq!(root.get("w"), None);
}

#[test]
fn a_pack_that_nobody_knows_of_is_found_after_a_stop() {
    let root = Root::new();
    root.pack("out/1.pack", &[("a", b"1")], false);
    root.pack("out/2.pack", &[("b", b"1")], false);
    root.packs.settled(&name("out/1.pack"));
    assert_eq!(root.packs.unsettled(), [name("out/2.pack")]);
    let Root { home, packs } = root;
    drop(packs);
    // And one whose name was not written to its end.
    fs::write(home.path().join(".filexfer-unpacking/9.intent"), b"").unwrap();
    let packs = Packs::open(home.path(), 0o640).unwrap();
    assert_eq!(packs.unsettled(), [name("out/2.pack")]);
    packs.remove(&name("out/2.pack")).unwrap();
    packs.settled(&name("out/2.pack"));
    assert_eq!(fs::read_dir(home.path().join(".filexfer-unpacking")).unwrap().count(), 0);
    assert!(home.path().join("out/1.pack").exists() && !home.path().join("out/2.pack").exists());
}

#[test]
fn a_file_that_may_still_be_written_is_not_read_for_a_pack() {
    let home = tempfile::tempdir().unwrap();
    let packs = Packs::open(home.path(), 0o640).unwrap().settle(60_000);
    let age = |seconds: i64| {
        let path = home.path().join("a");
        fs::write(&path, b"half").unwrap();
        let now = SystemTime::now();
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let at = if seconds > 0 { now - distance } else { now + distance };
        fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        packs.read(&name("a"), 100).unwrap().is_some()
    };
    assert_eq!([100, 30, -100].map(age), [true, false, false]);
}

#[test]
fn fd04_nothing_is_written_through_a_link() {
    let (root, outside) = (Root::new(), tempfile::tempdir().unwrap());
    symlink(outside.path(), root.path("away")).unwrap();
    symlink(outside.path().join("x"), root.path("x")).unwrap();
    root.pack("p", &[("away/a", b"1")], true);
    root.pack("q", &[("x", b"1")], true);
    assert!(matches!(root.unpack("p"), Err(PackingError::Files(_))));
    assert_eq!(root.unpack("q"), Err(PackingError::Taken(name("x"))));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    // A manifest that leads out of the folder is none.
    let good = Manifest::new(vec![Entry::of(name("ab/c"), b"1")], false).unwrap();
    let mut bytes = Vec::new();
    good.encode(&mut bytes).unwrap();
    let at = bytes.windows(4).position(|bytes| bytes == b"ab/c").unwrap();
    bytes[at..at + 4].copy_from_slice(b"../c");
    bytes.push(b'1');
    root.put("r", bytes);
    assert!(matches!(root.unpack("r"), Err(PackingError::Pack(PackError::Name(_)))));
    assert_eq!(root.unpack("away/p"), Err(PackingError::Files(interbank_files_local::Error::Path)));
}

#[test]
fn one_process_has_the_packs_of_a_root() {
    let root = Root::new();
    let again = Packs::open(root.home.path(), 0o640);
    assert_eq!(again.err(), Some(OpenError::InUse));
    let missing = Packs::open(Path::new("/no/such/folder"), 0o640);
    assert!(matches!(missing.err(), Some(OpenError::Root(_))));
    // What a stop left is removed, and nothing else.
    let Root { home, packs } = root;
    drop(packs);
    let own = home.path().join(".filexfer-unpacking");
    fs::write(own.join("17"), b"half").unwrap();
    fs::write(own.join("notes"), b"mine").unwrap();
    drop(Packs::open(home.path(), 0o640).unwrap());
    assert!(!own.join("17").exists() && own.join("notes").exists());
}

//! Links, pipes and odd names: nothing leads out of a root.

use crate::home::{Home, T, name, store};
use filexfer::{Failure, FileKind, FileName, Place, TransferId};
use interbank_files_local::{Error, LocalFiles, OpenError};
use rustix::fs::{CWD, RenameFlags};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn no_name_leads_out_of_the_root() {
    let home = Home::new();
    let outside = home.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), b"secret").unwrap();
    let one = home.path("one", "");
    symlink(&outside, one.join("folder")).unwrap();
    symlink(outside.join("secret"), one.join("file")).unwrap();
    symlink("..", one.join("up")).unwrap();
    symlink("/", one.join("slash")).unwrap();
    symlink("loop", one.join("loop")).unwrap();
    symlink("nowhere", one.join("dangling")).unwrap();
    let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
    rustix::fs::mknodat(CWD, one.join("pipe"), fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(one.join("socket")).unwrap();
    fs::create_dir(one.join("plain")).unwrap();
    fs::write(one.join("plain/file"), b"x").unwrap();

    let files = home.open();
    let place = Place::Store(store("one"));
    let kind = |of: &str| files.look(&store("one"), &name(of)).unwrap().map(|found| found.kind);
    for link in ["folder", "folder/secret", "folder/none", "file", "up", "up/outside/secret"] {
        assert_eq!(kind(link), Some(FileKind::Link), "{link}");
    }
    for link in ["slash/etc/passwd", "loop", "loop/x", "dangling", "dangling/x"] {
        assert_eq!(kind(link), Some(FileKind::Link), "{link}");
    }
    assert_eq!(kind("plain"), Some(FileKind::Folder));
    assert_eq!((kind("pipe"), kind("socket")), (Some(FileKind::Device), Some(FileKind::Device)));
    assert_eq!((kind("none"), kind("none/x"), kind("plain/file/x")), (None, None, None));

    // Nothing of that is read, also where the look was forgotten; nothing waits for the other end of a pipe.
    let not = ["folder/secret", "file", "up/outside/secret", "loop", "dangling", "pipe", "socket"];
    for not in not.into_iter().chain(["plain", "none", "plain/file/x"]) {
        assert_eq!(files.prepare(T, &place, &name(not), None).unwrap(), None, "{not}");
    }
    // Nothing is written through it.
    files.write(&T, &place, &[(0, b"evil")]).unwrap();
    files.sync(&T, &place).unwrap();
    for link in ["folder/new", "up/new", "slash/tmp/new", "dangling/new", "plain/file/new"] {
        for replace in [false, true] {
            let done = files.publish(&T, &place, &name(link), replace);
            assert_eq!(done, Err(Error::Path), "{link}");
        }
    }
    // A name that is a link is taken, or replaced as a link: what it leads to is not touched.
    let publish = |to: &str, replace| files.publish(&T, &place, &name(to), replace).unwrap();
    assert_eq!(publish("file", false), Err(Failure::NameTaken));
    assert_eq!(publish("dangling", false), Err(Failure::NameTaken));
    assert_eq!(publish("file", true), Ok(()));
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert!(!one.join("nowhere").exists());
    // The names of what is unpublished are none that anybody can ask for.
    for own in [".filexfer-unpublished/x", ".FILEXFER-unpublished", "../two/a", "/etc/passwd"] {
        assert!(FileName::new(own).is_err(), "{own}");
    }
}

#[test]
fn a_link_in_place_of_unpublished_content_is_not_followed() {
    let home = Home::new();
    let victim = home.root.path().join("victim");
    fs::write(&victim, b"untouched").unwrap();
    let place = Place::Store(store("one"));
    {
        let files = home.open();
        let content = format!(".filexfer-unpublished/{}.content", "07".repeat(16));
        symlink(&victim, home.path("one", &content)).unwrap();
        let planted = TransferId([7; 16]);
        assert!(files.write(&planted, &place, &[(0, b"evil")]).is_err());
        assert!(files.sync(&planted, &place).is_err());
        let published = files.publish(&planted, &place, &name("a"), false);
        assert_eq!(published, Err(Error::NoContent));
    }
    assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    // The folder itself as a link: nothing is opened.
    let own = home.path("one", ".filexfer-unpublished");
    fs::remove_dir_all(&own).unwrap();
    symlink(home.root.path(), &own).unwrap();
    assert!(matches!(LocalFiles::open(home.options()), Err(OpenError::Root(_))));
}

#[test]
fn a_folder_that_turns_into_a_link_between_two_steps_leads_nowhere() {
    let home = Home::new();
    let outside = home.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let files = home.open();
    let place = Place::Store(store("one"));
    files.write(&T, &place, &[(0, b"content")]).unwrap();
    let folder = home.path("one", "folder");
    let link = home.path("one", "link");
    fs::create_dir(&folder).unwrap();
    symlink(&outside, &link).unwrap();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for n in 0..200 {
            // Published in the folder, or refused since it was a link at that moment.
            let _ = files.publish(&T, &place, &name(&format!("folder/{n}")), false);
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "written through a link");
}

use super::*;
use crate::{Content, MailboxLimits};
use filexfer::{FileName, Reason, TransferId};
use proptest::prelude::*;
use russh_sftp::protocol::StatusCode;
use russh_sftp::server::StatusReply;
use std::path::Path;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A desk that answers what it is told to, and keeps what it is told.
struct Told {
    answer: Asked,
    events: Mutex<Vec<Event>>,
    fetched: Mutex<Vec<TransferId>>,
}

impl Desk for Told {
    async fn ask(&self, _: &PartyId, _: &Whole) -> Asked {
        self.answer
    }

    async fn fetched(&self, _: &PartyId, transfer: TransferId) {
        self.fetched.lock().unwrap().push(transfer);
    }

    fn on_event(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

fn ledger() -> PartyId {
    PartyId::new("ledger").unwrap()
}

fn session(root: &Path, answer: Asked) -> Session<Told> {
    let to = BTreeMap::from([(ledger(), "shop".to_owned())]);
    let mailbox = Arc::new(Mailbox::open(root, to, MailboxLimits::default()).unwrap());
    let desk = Told { answer, events: Mutex::default(), fetched: Mutex::default() };
    Session::new(PartyId::new("shop").unwrap(), mailbox, Arc::new(desk), 4)
}

/// Something that was published for the client.
fn publish(session: &Session<Told>, name: &str, content: &[u8]) {
    let name = FileName::new(name).unwrap();
    let (transfer, into) = (TransferId([9; 16]), filexfer::Place::Spool);
    let work = filexfer::Work::Publish { transfer, into, name: name.clone(), replace: false };
    let filexfer::Work::Publish { name: at, .. } = session.mailbox.at_home(work) else {
        panic!("other work")
    };
    std::fs::write(session.mailbox.root().join(at.as_str()), content).unwrap();
    let root = *blake3::hash(content).as_bytes();
    let size = u64::try_from(content.len()).unwrap();
    session.mailbox.offer(name, transfer, Content { size, root }, false);
}

fn code<T>(answer: Answer<T>) -> StatusCode {
    match answer {
        Ok(_) => StatusCode::Ok,
        Err(refusal) => StatusReply::from(refusal).status_code,
    }
}

const PUT: OpenFlags = OpenFlags::WRITE.union(OpenFlags::CREATE).union(OpenFlags::TRUNCATE);

async fn put<D: Desk>(session: &mut Session<D>, path: &str, content: &[u8]) -> Answer<Status> {
    let opened = session.open(1, path.into(), PUT, FileAttributes::empty()).await?;
    session.write(2, opened.handle.clone(), 0, content.to_vec()).await?;
    session.close(3, opened.handle).await
}

#[tokio::test]
async fn closing_says_what_was_judged() {
    let home = tempfile::tempdir().unwrap();
    let mut accepted = session(home.path(), Asked::Accepted);
    assert_eq!(code(put(&mut accepted, "/outbox/ledger/a", b"1").await), StatusCode::Ok);
    assert_eq!(accepted.mailbox.under_way().len(), 1);
    // It is on its way.
    assert_eq!(code(put(&mut accepted, "/outbox/ledger/a", b"2").await), StatusCode::Failure);

    let home = tempfile::tempdir().unwrap();
    let mut refused = session(home.path(), Asked::Refused(Reason::UnknownParty));
    let done = put(&mut refused, "/outbox/ledger/a", b"1").await;
    assert_eq!(code(done), StatusCode::PermissionDenied);
    assert_eq!(code(refused.stat(4, "/outbox/ledger/a".into()).await), StatusCode::NoSuchFile);
    assert_eq!(std::fs::read_dir(home.path().join("outbox")).unwrap().count(), 0);

    let home = tempfile::tempdir().unwrap();
    let mut unanswered = session(home.path(), Asked::Unanswered);
    let done = put(&mut unanswered, "/outbox/ledger/a", b"1").await;
    assert_eq!(code(done), StatusCode::Failure);
    assert_eq!(unanswered.mailbox.under_way().len(), 1);
}

#[tokio::test]
async fn a_way_out_is_written_down_and_a_look_at_what_is_not_there_is_not() {
    let home = tempfile::tempdir().unwrap();
    let mut session = session(home.path(), Asked::Accepted);
    for path in ["/inbox/../../etc/passwd", "/etc/passwd", "/inbox/none"] {
        let opened = session.open(1, path.into(), OpenFlags::READ, FileAttributes::empty()).await;
        assert_ne!(code(opened), StatusCode::Ok, "{path}");
    }
    let (client, operation) = (session.client.clone(), "open");
    let refused = Event::Refused { client, operation, why: BadPath::Traversal.into() };
    assert_eq!(*session.desk.events.lock().unwrap(), [refused]);
}

/// A desk beside which somebody hurries after jobs that are over.
struct Hurried(Arc<Mailbox>, Asked);

impl Desk for Hurried {
    async fn ask(&self, _: &PartyId, whole: &Whole) -> Asked {
        assert_eq!(self.0.under_way(), []);
        self.0.conclude(&whole.job, false).unwrap();
        self.1
    }

    async fn fetched(&self, _: &PartyId, _: TransferId) {}

    fn on_event(&self, _: Event) {}
}

#[tokio::test]
async fn what_was_refused_leaves_nothing_also_if_others_knew_it_first() {
    for (answer, left) in [(Asked::Refused(Reason::UnknownParty), 0), (Asked::Unanswered, 1)] {
        let home = tempfile::tempdir().unwrap();
        let mailbox = session(home.path(), answer).mailbox;
        let desk = Arc::new(Hurried(Arc::clone(&mailbox), answer));
        let party = PartyId::new("shop").unwrap();
        let mut session = Session::new(party, Arc::clone(&mailbox), desk, 4);
        assert_ne!(code(put(&mut session, "/outbox/ledger/a", b"1").await), StatusCode::Ok);
        let failed = || mailbox.look(&ledger(), &FileName::new("a.failed").unwrap());
        assert_eq!(failed(), Err(BadPath::Missing.into()));
        // Nobody waits for the verdict any more: others go after the job.
        let under_way = mailbox.under_way();
        assert_eq!(under_way.len(), left);
        for whole in under_way {
            mailbox.conclude(&whole.job, false).unwrap();
            assert_eq!(failed().map(|about| about.size), Ok(1));
        }
    }
}

#[tokio::test]
async fn a_file_is_fetched_when_its_last_byte_went_out_and_it_is_closed() {
    let home = tempfile::tempdir().unwrap();
    let mut session = session(home.path(), Asked::Accepted);
    publish(&session, "day.csv", b"0123456789");
    let open = |session: &mut Session<Told>| {
        let mailbox = Arc::clone(&session.mailbox);
        session.opened += 1;
        let handle = format!("f{}", session.opened);
        let fetch = mailbox.fetch(&FileName::new("day.csv").unwrap()).unwrap();
        session.handles.insert(handle.clone(), Open::Fetch(Arc::new(fetch)));
        handle
    };
    let first = open(&mut session);
    session.read(1, first.clone(), 0, 6).await.unwrap();
    session.close(2, first).await.unwrap();
    assert!(session.desk.fetched.lock().unwrap().is_empty());
    let second = open(&mut session);
    assert_eq!(session.read(3, second.clone(), 6, 100).await.unwrap().data, b"6789");
    assert_eq!(code(session.read(4, second.clone(), 10, 100).await), StatusCode::Eof);
    assert!(session.desk.fetched.lock().unwrap().is_empty(), "not closed yet");
    session.close(5, second).await.unwrap();
    assert_eq!(*session.desk.fetched.lock().unwrap(), [TransferId([9; 16])]);
}

#[tokio::test]
async fn there_are_only_so_many_handles_and_none_is_another_ones() {
    let home = tempfile::tempdir().unwrap();
    let mut session = session(home.path(), Asked::Accepted);
    publish(&session, "a", b"1");
    let mut handles = Vec::new();
    for id in 0..4 {
        handles.push(session.opendir(id, "/".into()).await.unwrap().handle);
    }
    assert_eq!(code(session.opendir(9, "/".into()).await), StatusCode::Failure);
    let opened = session.open(9, "/inbox/a".into(), OpenFlags::READ, FileAttributes::empty()).await;
    assert_eq!(code(opened), StatusCode::Failure);
    let folder = handles[0].clone();
    assert_eq!(code(session.read(9, folder.clone(), 0, 1).await), StatusCode::PermissionDenied);
    assert_eq!(
        code(session.write(9, folder.clone(), 0, vec![1]).await),
        StatusCode::PermissionDenied
    );
    session.close(9, folder.clone()).await.unwrap();
    assert_eq!(code(session.close(9, folder).await), StatusCode::Failure);
    assert_eq!(code(session.readdir(9, "77".into()).await), StatusCode::Failure);
}

#[tokio::test]
async fn a_listing_shows_the_folders_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let mut session = session(home.path(), Asked::Unanswered);
    publish(&session, "in/a", b"1");
    let _ = put(&mut session, "/outbox/ledger/b/c", b"2").await;
    let mut list = async |path: &str| {
        let handle = session.opendir(1, path.into()).await.map_err(|_| path.to_owned())?.handle;
        let mut names = Vec::new();
        while let Ok(page) = session.readdir(2, handle.clone()).await {
            names.extend(page.files.into_iter().map(|file| file.filename));
        }
        session.close(3, handle).await.map_err(|_| path.to_owned())?;
        Ok::<_, String>(names.join(" "))
    };
    for (path, names) in [
        ("/", ". .. inbox outbox"),
        ("/outbox", ". .. ledger"),
        ("/outbox/ledger", ". .. b"),
        ("/outbox/ledger/b", ". .. c"),
        ("/inbox", ". .. in"),
        ("/inbox/in", ". .. a"),
    ] {
        assert_eq!(list(path).await.as_deref(), Ok(names), "{path}");
    }
    for path in ["/outbox/archive", "/inbox/none", "/outbox/ledger/x", "/etc", "/inbox/.."] {
        assert!(list(path).await.is_err(), "{path}");
    }
}

/// Texts of what attacks are made of.
fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("outbox".to_owned()),
        Just("inbox".to_owned()),
        Just("ledger".to_owned()),
        Just("..".to_owned()),
        Just("etc/passwd".to_owned()),
        Just("secret".to_owned()),
        Just("a\0b".to_owned()),
        Just("．．".to_owned()),
        "[a-z.]{1,5}",
        any::<String>(),
    ];
    let parts = (prop::collection::vec(part, 0..6), any::<bool>());
    parts.prop_map(|(parts, root)| format!("{}{}", if root { "/" } else { "" }, parts.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is asked for: nothing outside of the mailbox is read, changed or seen.
    #[test]
    fn no_path_reaches_anything_else(paths in prop::collection::vec((path(), path()), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("secret"), b"secret").unwrap();
        std::fs::write(home.path().join("box-secret"), b"secret").unwrap();
        let mut session = session(&home.path().join("box"), Asked::Unanswered);
        runtime.block_on(async {
            for (one, other) in paths {
                for flags in [OpenFlags::READ, PUT, OpenFlags::READ | OpenFlags::WRITE, OpenFlags::empty()] {
                    let opened = session.open(1, one.clone(), flags, FileAttributes::empty()).await;
                    if let Ok(Handle { handle, .. }) = opened {
                        // Nothing was published: what opens is to be written.
                        assert_eq!(flags.bits(), PUT.bits());
                        session.write(1, handle.clone(), 0, b"x".to_vec()).await.unwrap();
                        let _ = session.close(1, handle).await;
                    }
                }
                let _ = session.stat(1, one.clone()).await;
                let _ = session.rename(1, one.clone(), other.clone()).await;
                let _ = session.remove(1, one.clone()).await;
                let _ = session.setstat(1, one.clone(), FileAttributes { size: Some(0), ..FileAttributes::empty() }).await;
                let _ = session.realpath(1, one.clone()).await;
                assert!(session.mkdir(1, one.clone(), FileAttributes::empty()).await.is_err());
                assert!(session.rmdir(1, one.clone()).await.is_err());
                assert!(session.symlink(1, one.clone(), other.clone()).await.is_err());
                assert!(session.readlink(1, one.clone()).await.is_err());
                if let Ok(Handle { handle, .. }) = session.opendir(1, one).await {
                    while let Ok(page) = session.readdir(1, handle.clone()).await {
                        assert!(page.files.iter().all(|file| file.filename != "box-secret"));
                    }
                    session.close(1, handle).await.unwrap();
                }
            }
        });
        let mut names: Vec<String> = std::fs::read_dir(home.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        prop_assert_eq!(names, ["box", "box-secret", "secret"]);
        for file in ["secret", "box-secret"] {
            prop_assert_eq!(std::fs::read(home.path().join(file)).unwrap(), b"secret");
        }
        let is_ours = |folder: &str, endings: &[&str]| {
            let names = std::fs::read_dir(home.path().join("box").join(folder)).unwrap();
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).all(|name| {
                name.split_once('.').is_some_and(|(digits, ending)| {
                    digits.len() == 32
                        && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
                        && endings.contains(&ending)
                })
            })
        };
        prop_assert!(is_ours("outbox", &["content", "record"]) && is_ours("inbox", &["whole"]));
    }

    /// Bytes that are no packets, or packets that make no sense, end a session or are answered.
    #[test]
    fn any_bytes_are_answered_or_end_it(packets in prop::collection::vec(
        (prop_oneof![1_u8..21, any::<u8>()], prop::collection::vec(any::<u8>(), 0..40)), 0..12
    ), tail in prop::collection::vec(any::<u8>(), 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let home = tempfile::tempdir().unwrap();
        let session = session(home.path(), Asked::Unanswered);
        let desk = Arc::downgrade(&session.desk);
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(64 << 10);
            let guard = crate::guard::Guard::new(server, 1_024);
            let config = russh_sftp::server::Config { max_client_packet_len: 1_024 };
            russh_sftp::server::run_with_config(guard, session, config).await;
            for (kind, body) in packets {
                let len = u32::try_from(body.len() + 1).unwrap();
                client.write_all(&len.to_be_bytes()).await.unwrap();
                client.write_all(&[kind]).await.unwrap();
                client.write_all(&body).await.unwrap();
            }
            client.write_all(&tail).await.unwrap();
            client.shutdown().await.unwrap();
            let mut answers = Vec::new();
            client.read_to_end(&mut answers).await.unwrap();
            // The session is gone: it did not hang, and did not take what follows for packets.
            for _ in 0..1_000 {
                if desk.strong_count() == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            panic!("the session goes on");
        });
    }
}

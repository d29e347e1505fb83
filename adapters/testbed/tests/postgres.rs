//! A real server: killed, started again, copied, limited, left behind and found again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use interbank_testbed::{Fate, Installation, Postgres, Proxy};
use std::fs::Permissions;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_server_has_its_own_port_data_and_settings_and_leaves_nothing() {
    let one = Postgres::options().fast().set("work_mem", "5MB").start().unwrap();
    let two = Postgres::start().unwrap();
    assert_ne!(one.port(), two.port());
    for server in [&one, &two] {
        assert!((20_000..30_000).contains(&server.port()));
        assert_eq!(server.sql("SHOW max_connections").unwrap(), "200");
        assert_eq!(server.sql("SHOW server_encoding").unwrap(), "UTF8");
        let order = "SELECT datcollate FROM pg_database WHERE datname = 'postgres'";
        assert_eq!(server.sql(order).unwrap(), "C");
    }
    let shown = |server: &Postgres, name| server.sql(&format!("SHOW {name}")).unwrap();
    assert_eq!([shown(&one, "fsync"), shown(&two, "fsync")], ["off", "on"]);
    assert_eq!(shown(&one, "work_mem"), "5MB");
    one.sql("CREATE TABLE only_here (id int)").unwrap();
    assert!(two.sql("SELECT * FROM only_here").is_err());
    let (folder, port) = (two.data_dir(), two.port());
    assert!(folder.join("PG_VERSION").is_file());
    drop(two);
    assert!(!folder.exists() && TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(one.sql("SELECT 1").unwrap(), "1", "others go on");
}

#[test]
fn killed_it_loses_its_sessions_and_keeps_what_was_committed() {
    let server = Postgres::start().unwrap();
    let port = server.port();
    server.sql("CREATE TABLE kept (id int)").unwrap();
    for round in 0..3 {
        server.sql(&format!("INSERT INTO kept VALUES ({round})")).unwrap();
        let mut session = session(&server, "SELECT pg_sleep(600)");
        await_sessions(&server, 1);
        let pid = server.pid().unwrap();
        server.kill();
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        assert_eq!(server.pid(), None);
        assert!(!session.wait().unwrap().success());
        assert!(server.sql("SELECT 1").is_err());
        server.restart().unwrap();
        assert_eq!(server.port(), port);
        assert_eq!(server.sql("SELECT count(*) FROM kept").unwrap(), (round + 1).to_string());
    }
    assert_eq!(server.log().matches("was not properly shut down").count(), 3);
    server.stop().unwrap();
    assert!(server.sql("SELECT 1").is_err());
    server.restart().unwrap();
    server.restart().unwrap();
    assert_eq!(server.sql("SELECT count(*) FROM kept").unwrap(), "3");
}

#[test]
fn a_port_that_somebody_took_meanwhile_is_waited_for() {
    let server = Postgres::options().fast().start().unwrap();
    server.kill();
    let taken = TcpListener::bind(server.addr()).unwrap();
    let thief = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(400));
        drop(taken);
    });
    server.restart().unwrap();
    thief.join().unwrap();
    assert!(server.log().contains("could not bind"), "{}", server.log());
    assert_eq!(server.sql("SELECT 1").unwrap(), "1");
}

#[test]
fn settings_change_while_it_runs_and_nonsense_is_refused() {
    let server = Postgres::options().fast().start().unwrap();
    server.set("statement_timeout", "50ms").unwrap();
    let refused = server.sql("SELECT pg_sleep(60)").unwrap_err().to_string();
    assert!(refused.contains("statement timeout"), "{refused}");
    server.set("search_path", "'it''s', public").unwrap();
    let refused = server.set("statement_timeout", "soon").unwrap_err().to_string();
    assert!(refused.contains("invalid value"), "{refused}");
    server.set("statement_timeout", 0).unwrap();
    assert_eq!(server.sql("SELECT 'still here' FROM pg_sleep(0.1)").unwrap(), "still here");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let refused = Postgres::options().set("shared_buffers", "plenty").start().unwrap_err();
    assert!(refused.to_string().contains("invalid value"), "{refused}");
    let refused = Installation::at(Path::new("/etc/passwd")).unwrap_err();
    assert!(refused.to_string().contains("no program"), "{refused}");
}

#[test]
fn with_a_password_nobody_gets_in_without_it() {
    let server = Postgres::options().fast().password().start().unwrap();
    assert_eq!(server.sql("SELECT 1").unwrap(), "1");
    let url = server.url();
    let (_, word) = url.split_once(':').unwrap().1.split_once(':').unwrap();
    let word = word.split('@').next().unwrap();
    assert_eq!(word.len(), 32);
    assert!(psql(&url).success());
    for wrong in [url.replace(word, "guess"), url.replace(&format!(":{word}"), "")] {
        assert!(!psql(&wrong).success());
    }
}

#[test]
fn lines_of_the_gate_go_before_the_one_that_lets_everybody_in() {
    let options = Postgres::options()
        .fast()
        .gate("host all guest all scram-sha-256")
        .gate("host all stranger all reject");
    for server in [options.clone().start().unwrap(), options.password().start().unwrap()] {
        let roles = "CREATE ROLE guest LOGIN PASSWORD 'word'; \
                     CREATE ROLE stranger LOGIN PASSWORD 'word'";
        server.sql(roles).unwrap();
        let lets_in =
            |role: &str| psql(&format!("postgresql://{role}@{}/postgres", server.addr())).success();
        assert!(psql(&server.url()).success());
        assert!(lets_in("guest:word") && !lets_in("guest:guess"));
        assert!(!lets_in("stranger:word"));
    }
}

#[test]
fn databases_are_apart() {
    let server = Postgres::options().fast().start().unwrap();
    let url = server.database("one_1").unwrap();
    assert!(url.ends_with(&format!("@127.0.0.1:{}/one_1", server.port())));
    assert!(psql(&url).success());
    assert!(server.database("one_1").is_err());
    for wrong in ["", "A", "a b", "a;b", "a\"b"] {
        assert!(server.database(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_standby_follows_and_takes_no_writes() {
    let primary = Postgres::start().unwrap();
    primary.sql("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").unwrap();
    let standby = Postgres::standby_of(&primary).unwrap();
    primary.sql("INSERT INTO t VALUES (2)").unwrap();
    standby.catch_up(&primary).unwrap();
    assert_eq!(standby.sql("SELECT sum(id) FROM t").unwrap(), "3");
    let refused = standby.sql("INSERT INTO t VALUES (3)").unwrap_err().to_string();
    assert!(refused.contains("read-only"), "{refused}");
}

#[test]
fn limited_files_are_a_full_disk_and_room_again_heals_it() {
    let server = Postgres::start().unwrap();
    server
        .sql("CREATE TABLE big (text text); ALTER TABLE big ALTER text SET STORAGE plain")
        .unwrap();
    server.limit_files(Some(17 * 1024 * 1024 + 4_096)).unwrap();
    let grow = "INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 30000)";
    let refused = server.sql(grow).unwrap_err().to_string();
    assert!(refused.contains("could not extend file"), "{refused}");
    assert_eq!(server.sql("SELECT count(*) FROM big").unwrap(), "0");
    server.limit_files(None).unwrap();
    server.sql(grow).unwrap();
    assert_eq!(server.sql("SELECT count(*) FROM big").unwrap(), "30000");
}

#[test]
fn a_table_on_a_full_disk_takes_what_there_is_room_for() {
    let server = Postgres::options().fast().start().unwrap();
    let tables = "CREATE TABLE other (id int); CREATE TABLE t (text text); \
                  ALTER TABLE t ALTER text SET STORAGE plain; INSERT INTO t VALUES ('first')";
    server.sql(tables).unwrap();
    assert!(server.make_room("t").is_err() && server.fill_disk("t", u64::MAX).is_err());
    server.fill_disk("t", 3).unwrap();
    // a page for each row
    let insert = || server.sql("INSERT INTO t SELECT repeat('x', 5000)");
    let mut taken = 0;
    let refused = loop {
        match insert() {
            Ok(_) => taken += 1,
            Err(why) => break why.to_string(),
        }
        assert!(taken < 100);
    };
    assert!(refused.contains("No space left on device"), "{refused}");
    assert!((3..=4).contains(&taken), "{taken}");
    assert!(insert().is_err());
    server.sql("INSERT INTO other VALUES (1)").unwrap();
    server.make_room("t").unwrap();
    insert().unwrap();
    let rows = server.sql("SELECT count(*) FROM t").unwrap();
    assert_eq!(rows, (taken + 2).to_string());
}

#[test]
fn a_cut_during_commit_is_applied_and_not_heard_of() {
    let server = Postgres::start().unwrap();
    server.sql("CREATE TABLE t (id int)").unwrap();
    let proxy = Proxy::to(server.addr()).unwrap();
    let through = server.url_of(proxy.addr(), "postgres");
    let insert = |url: &str| {
        let mut psql = client(url);
        psql.args(["-c", "INSERT INTO t VALUES (1)"]).stderr(Stdio::null());
        psql.status().unwrap().success()
    };
    assert!(insert(&through));
    let count = || server.sql("SELECT count(*) FROM t").unwrap();
    for (fate, applied) in [(Fate::CutBefore, false), (Fate::CutAfter, true)] {
        server.sql("TRUNCATE t").unwrap();
        proxy.trap(0, fate);
        assert!(!insert(&through), "{fate:?}");
        assert_eq!(count(), if applied { "1" } else { "0" }, "{fate:?}");
    }
    assert_eq!(proxy.counts().requests, 3, "logging in is no request");
}

#[test]
fn a_detached_server_is_found_again_and_strangers_are_not() {
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o711)).unwrap();
    let folder = home.path().join("server");
    assert!(Postgres::attach(&folder).unwrap().is_none());
    let server = Postgres::options().fast().password().detached(&folder).start().unwrap();
    let (url, pid) = (server.url(), server.pid());
    drop(server);
    let found = Postgres::attach(&folder).unwrap().unwrap();
    assert_eq!((found.url(), found.pid()), (url, pid));
    assert_eq!(found.sql("SHOW fsync").unwrap(), "off");
    found.set("work_mem", "6MB").unwrap();
    assert_eq!(found.sql("SHOW fsync").unwrap(), "off", "other settings stay");

    // the number of the process is given to somebody else
    found.kill();
    let file = folder.join("data/postmaster.pid");
    let text = std::fs::read_to_string(&file).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(&file, format!("{}\n{rest}", std::process::id())).unwrap();
    assert!(Postgres::attach(&folder).unwrap().is_none());
    std::fs::write(&file, text).unwrap();
    found.restart().unwrap();
    found.remove().unwrap();
    assert!(!folder.exists());
}

#[test]
fn whatever_ends_a_test_its_servers_end_and_their_data_goes() {
    if std::env::var_os("TESTBED_VICTIM").is_some() {
        let server = Postgres::options().fast().start().unwrap();
        println!("\nserver {} {}", server.pid().unwrap(), server.data_dir().display());
        std::thread::sleep(Duration::from_secs(600));
        return;
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "whatever_ends_a_test_its_servers_end_and_their_data_goes",
        ])
        .env("TESTBED_VICTIM", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = std::io::BufReader::new(victim.stdout.take().unwrap());
    let line = std::io::BufRead::lines(out)
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("server ").map(str::to_owned))
        .unwrap();
    let (pid, data) = line.split_once(' ').unwrap();
    let (process, data) = (PathBuf::from(format!("/proc/{pid}/cmdline")), PathBuf::from(data));
    assert!(data.is_dir() && !std::fs::read(&process).unwrap().is_empty());
    victim.kill().unwrap();
    victim.wait().unwrap();
    let home = data.parent().and_then(Path::parent).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    // a process that nobody collected has no command line any more
    while (home.exists() || !std::fs::read(&process).unwrap_or_default().is_empty())
        && Instant::now() < until
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!home.exists(), "{}", home.display());
    assert!(std::fs::read(&process).unwrap_or_default().is_empty());
}

fn session(server: &Postgres, sql: &str) -> Child {
    let mut psql = client(&server.url());
    psql.args(["-c", sql]).stderr(Stdio::null()).spawn().unwrap()
}

fn await_sessions(server: &Postgres, count: usize) {
    let until = Instant::now() + Duration::from_secs(10);
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    while server.sql(asleep).unwrap() != count.to_string() {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn psql(url: &str) -> std::process::ExitStatus {
    client(url).args(["-c", "SELECT 1"]).stderr(Stdio::null()).status().unwrap()
}

fn client(url: &str) -> Command {
    let mut psql = Command::new(Installation::find().unwrap().programs().join("psql"));
    psql.args(["-XqAtw", "-d", url]).stdin(Stdio::null()).stdout(Stdio::null());
    psql
}

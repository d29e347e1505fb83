//! Stores in buckets, at a server that speaks S3.

use crate::home::{Home, bytes, until};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

#[test]
fn files_go_from_a_folder_to_a_bucket_and_on_to_a_client_and_back() {
    let home = Home::new();
    let s3 = Server::start(&home.path("s3"));
    s3.in_bucket(&home, "archive", "prefix = \"hq/archive\"");
    // More than a piece of 8 MiB, so that it goes up in parts.
    let content = bytes(9_000_001, 1);
    fs::write(home.path("files/ledger/out.bin"), &content).unwrap();
    fs::write(home.path("files/ledger/empty.bin"), b"").unwrap();
    fs::write(home.path("files/merchant/in.bin"), &content).unwrap();
    for (from, to) in [("archive", "*"), ("merchant", "archive")] {
        home.append(&format!(
            "\n[[grant]]\nfrom = \"{from}\"\nto = \"{to}\"\nsize_max = 1_073_741_824\n"
        ));
    }
    // What was left behind by a stop, and belongs to no job, goes at the start.
    let unpublished = s3.object("hq/archive/.filexfer-unpublished");
    let left = unpublished.join("ab".repeat(16));
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("0000000000"), b"left").unwrap();
    let servers = home.start(&["run"]);
    assert_eq!(files_in(&unpublished), 0);
    let send = |by: &str, to: &str, name: &str| {
        home.json(&["submit", "--wait", "--as", by, "--to", to, "--on-conflict", "version", name])
    };
    let sent = send("ledger", "archive", "out.bin");
    assert_eq!((&sent["state"], &sent["receipts"]), (&"delivered".into(), &3.into()), "{sent}");
    assert!(fs::read(s3.object("hq/archive/out.bin")).unwrap() == content);
    assert_eq!(send("ledger", "archive", "empty.bin")["state"], "delivered");
    assert!(fs::read(s3.object("hq/archive/empty.bin")).unwrap().is_empty());
    // From the bucket to a client, and to a folder.
    for to in ["merchant", "ledger"] {
        let sent = send("archive", to, "out.bin");
        assert_eq!(sent["state"], "delivered", "{sent}");
    }
    assert!(fs::read(home.path("files/merchant/out.bin")).unwrap() == content);
    assert!(fs::read(home.path("files/ledger/out.v2.bin")).unwrap() == content);
    // From a client, over its line.
    let fetch = ["submit", "--wait", "--as", "archive", "--from", "merchant", "--to", "archive"];
    assert_eq!(home.json(&[&fetch[..], &["in.bin"]].concat())["state"], "delivered");
    assert!(fs::read(s3.object("hq/archive/in.bin")).unwrap() == content);
    // A name that is taken is kept, and nothing unpublished is left.
    fs::write(home.path("files/ledger/out.bin"), b"another").unwrap();
    let refused =
        home.failure(5, &["submit", "--wait", "--as", "ledger", "--to", "archive", "out.bin"]);
    assert!(refused.contains("(5031)"), "{refused}");
    assert!(fs::read(s3.object("hq/archive/out.bin")).unwrap() == content);
    let (id, to) = (sent["id"].as_str().unwrap(), home.path(""));
    let save = ["receipts", "save", "--as", "ledger", "--id", id, "--to", to.to_str().unwrap()];
    let receipts = home.json(&save);
    assert_eq!(receipts["saved"].as_array().unwrap().len(), 3);
    until("nothing unpublished", || (files_in(&unpublished) == 0).then_some(()));
    assert!(!servers.log().contains(SECRET));
}

#[test]
fn a_kill_in_the_middle_leaves_no_half_object_and_the_file_arrives() {
    let home = Home::new();
    let s3 = Server::start(&home.path("s3"));
    s3.in_bucket(&home, "archive", "");
    // So slow that the middle is long; afterwards as fast as it can.
    home.change("[forwarder]\n", "[forwarder]\nbytes_per_s = 1_048_576\n");
    let content = bytes(24 << 20, 2);
    fs::write(home.path("files/ledger/out.bin"), &content).unwrap();
    let servers = home.start(&["run"]);
    let asked = home.json(&["submit", "--as", "ledger", "--to", "archive", "out.bin"]);
    let id = asked["id"].as_str().unwrap();
    // In the middle: parts of it are staged.
    until("a part", || (files_in(&s3.object(".filexfer-unpublished")) > 0).then_some(()));
    servers.kill();
    assert!(!s3.object("out.bin").exists());
    home.change("bytes_per_s = 1_048_576\n", "");
    let _servers = home.start(&["run"]);
    until("the delivery", || {
        let status = home.json(&["status", "--of", "ledger", "--id", id]);
        (status["requests"][0]["state"] == "delivered").then_some(())
    });
    assert!(fs::read(s3.object("out.bin")).unwrap() == content);
}

#[test]
fn two_stores_share_a_bucket_by_parts_of_it() {
    let home = Home::new();
    let s3 = Server::start(&home.path("s3"));
    s3.in_bucket(&home, "archive", "prefix = \"hq\"");
    s3.in_bucket(&home, "ledger", "prefix = \"hq/ledger\"");
    let said = home.failure(3, &["check"]);
    assert!(said.contains("two parties have the bucket files, or a part of it"), "{said}");
    home.change("prefix = \"hq\"", "prefix = \"hq/led\"");
    let content = bytes(100_000, 3);
    fs::create_dir_all(s3.object("hq/ledger")).unwrap();
    fs::write(s3.object("hq/ledger/out.bin"), &content).unwrap();
    let _servers = home.start(&["run"]);
    let sent = home.json(&["submit", "--wait", "--as", "ledger", "--to", "archive", "out.bin"]);
    assert_eq!(sent["state"], "delivered", "{sent}");
    assert!(fs::read(s3.object("hq/led/out.bin")).unwrap() == content);
}

#[test]
fn what_is_wrong_with_a_bucket_is_said_in_one_sentence() {
    let s3 = |home: &Home| Server::start(&home.path("s3"));
    // Without asking anybody.
    for (from, to, words) in [
        ("credentials = \"keys/s3.toml\"", "", "say where its credentials are"),
        ("endpoint = \"http://127.0.0.1", "endpoint = \"http://192.0.2.1", "give https://host"),
        (
            "endpoint = \"http://127.0.0.1",
            "endpoint = \"http://127.0.0.1@192.0.2.1",
            "the endpoint is more than https://host",
        ),
        (
            "bucket = \"files\"",
            "bucket = \"files\", secret_access_key = \"between-the-two-of-us\"",
            "unknown field `secret_access_key`",
        ),
        ("bucket = \"files\"", "bucket = \"files/../up\"", "the bucket \"files/../up\" is none"),
        (
            "bucket = \"files\"",
            "bucket = \"files\", prefix = \"../up\"",
            "the prefix \"../up\" is none",
        ),
        (
            "s3 = {",
            "root = \"files/archive\", s3 = {",
            "give root, for a folder, or s3, for a bucket",
        ),
        ("s3 = {", "cached = true, s3 = {", "cached is for folders"),
        ("s3 = {", "settle_ms = 5, s3 = {", "settle_ms is for folders"),
    ] {
        let home = Home::new();
        s3(&home).in_bucket(&home, "archive", "");
        home.change(from, to);
        let said = home.failure(3, &["check"]);
        assert!(is_one_sentence(&said) && said.contains(words), "{said}");
    }
    let home = Home::new();
    let server = s3(&home);
    server.in_bucket(&home, "archive", "");
    let one = |code: i32, words: &str| {
        let said = home.failure(code, &["forwarder"]);
        assert!(is_one_sentence(&said) && said.contains(words), "{said}");
    };
    let keys = home.path("keys/s3.toml");
    let right = fs::read_to_string(&keys).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o640)).unwrap();
    one(3, "chmod 600");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&keys, format!("{right}\nmore = \"{SECRET}\"")).unwrap();
    one(3, "does not hold access_key_id and secret_access_key");
    fs::write(&keys, right.replace(SECRET, "another")).unwrap();
    one(1, "refuses the credentials for the bucket files");
    fs::write(&keys, &right).unwrap();
    home.change("bucket = \"files\"", "bucket = \"none\"");
    one(1, "there is no bucket none at http://127.0.0.1:");
    home.change("bucket = \"none\"", "bucket = \"files\"");
    // A server that has no TLS.
    home.change("endpoint = \"http:", "endpoint = \"https:");
    one(1, "cannot be reached, or its certificate is not believed");
    home.change("endpoint = \"https:", "endpoint = \"http:");

    // From the environment, by name.
    let variables = [("SITE_S3_ID", KEY), ("SITE_S3_SECRET", SECRET)];
    home.change(
        "credentials = \"keys/s3.toml\"",
        "environment = { access_key_id = \"SITE_S3_ID\", secret_access_key = \"SITE_S3_SECRET\" }",
    );
    one(1, "the variable that environment names for access_key_id is not set");
    drop(home.start_with(&["forwarder"], &variables));
    let wrong = [variables[0], ("SITE_S3_SECRET", "another")];
    let said = home.failure_with(1, &["forwarder"], &wrong);
    assert!(is_one_sentence(&said) && said.contains("refuses the credentials"), "{said}");
    let address = server.address;
    drop(server);
    let said = home.failure_with(1, &["forwarder"], &variables);
    let words = format!("http://{address} cannot be reached");
    assert!(is_one_sentence(&said) && said.contains(&words), "{said}");
}

/// A server that speaks S3, on loopback, on a folder; it ends with the test.
struct Server {
    address: SocketAddr,
    root: PathBuf,
    _runtime: Runtime,
}

impl Server {
    fn start(root: &Path) -> Self {
        fs::create_dir_all(root.join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(root).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = Runtime::new().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let connections = Builder::new(TokioExecutor::new());
                    let _ = connections.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, root: root.to_owned(), _runtime: runtime }
    }

    /// Puts a store of a site into the bucket, with credentials in a file.
    fn in_bucket(&self, home: &Home, store: &str, more: &str) {
        let keys = home.path("keys/s3.toml");
        let text = format!("access_key_id = \"{KEY}\"\nsecret_access_key = \"{SECRET}\"\n");
        fs::write(&keys, text).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        let s3 = format!(
            "s3 = {{ bucket = \"{BUCKET}\", endpoint = \"http://{}\", credentials = \"keys/s3.toml\"{more} }}",
            self.address
        );
        home.change(&format!("root = \"files/{store}\""), &s3);
    }

    fn object(&self, name: &str) -> PathBuf {
        self.root.join(BUCKET).join(name)
    }
}

fn is_one_sentence(said: &str) -> bool {
    said.trim_end().lines().count() == 1 && !said.contains(SECRET)
}

/// Files in a folder and below.
fn files_in(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |path: PathBuf| if path.is_dir() { files_in(&path) } else { 1 };
    entries.map(|entry| count(entry.path())).sum()
}

const BUCKET: &str = "files";
const KEY: &str = "filexfer";
const SECRET: &str = "between-the-two-of-us";

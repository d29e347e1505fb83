//! A client that speaks only SFTP, with the `sftp`, `scp` and `ssh` of OpenSSH.

use crate::home::{Home, Running, bytes, free_port, until};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A site whose client `merchant` speaks only SFTP.
struct Shop {
    home: Home,
    port: u16,
}

impl Shop {
    fn new() -> Self {
        let home = Home::new();
        let port = free_port();
        for key in ["keys/sftp", "merchant_key", "other_key"] {
            let args = ["-q", "-t", "ed25519", "-N", "", "-C", "somebody", "-f"];
            let made = openssh("ssh-keygen").args(args).arg(home.path(key)).status().unwrap();
            assert!(made.success());
        }
        let public = fs::read_to_string(home.path("merchant_key.pub")).unwrap();
        home.change(
            "root = \"files/merchant\"",
            &format!(
                "root = \"files/merchant\"\nquota_bytes = 10_000_000\nsftp = {{ keys = [\"{}\"], \
                 to = {{ ledger = \"merchant\", archive = \"of-merchant\" }} }}",
                public.trim_end()
            ),
        );
        home.append(&format!(
            "\n[sftp]\nid = \"sftp\"\nlisten = \"127.0.0.1:{port}\"\nhost_key = \"keys/sftp\"\ndesk = \"ledger\"\n"
        ));
        let host = fs::read_to_string(home.path("keys/sftp.pub")).unwrap();
        fs::write(home.path("known"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        Self { home, port }
    }

    /// A program of OpenSSH with what it needs to log in.
    fn program(&self, name: &str, key: &str) -> Command {
        let mut command = openssh(name);
        command.args(["-F", "none", "-i"]).arg(self.home.path(key));
        for option in ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"] {
            command.args(["-o", option]);
        }
        command.arg("-o").arg(format!("UserKnownHostsFile={}", self.home.path("known").display()));
        command.arg("-o").arg(format!("Port={}", self.port));
        command.current_dir(self.home.path(""));
        command
    }

    /// Starts `sftp` with a batch.
    fn begin(&self, user: &str, key: &str, options: &[&str], batch: &str) -> Child {
        let mut command = self.program("sftp", key);
        command.args(options).args(["-b", "-"]).arg(format!("{user}@127.0.0.1"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
        child
    }

    fn batch(&self, batch: &str) -> Output {
        self.begin("merchant", "merchant_key", &[], batch).wait_with_output().unwrap()
    }

    /// A batch that has to succeed, and what it printed.
    fn done(&self, batch: &str) -> String {
        let output = self.batch(batch);
        assert!(output.status.success(), "{batch}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A batch that has to fail, and what was said then.
    fn fails(&self, batch: &str) -> String {
        let output = self.batch(batch);
        assert!(!output.status.success(), "{batch}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.home.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.home.path(name)).ok()
    }

    fn requests(&self) -> Vec<Value> {
        let status = self.home.json(&["status", "--of", "ledger"]);
        status["requests"].as_array().unwrap().clone()
    }

    /// The bytes of all that the client wrote, whole or not.
    fn held(&self) -> u64 {
        let found = fs::read_dir(self.home.path("files/merchant/outbox")).unwrap();
        let contents = found.map(|entry| entry.unwrap().path());
        let contents = contents.filter(|path| path.extension().is_some_and(|end| end == "content"));
        contents.map(|path| fs::metadata(path).map_or(0, |found| found.len())).sum()
    }

    fn start(&self) -> Running {
        self.home.start(&["run"])
    }
}

#[test]
fn what_is_pushed_arrives_and_what_is_sent_is_fetched() {
    let shop = Shop::new();
    let content = bytes(3_000_000, 1);
    shop.put("out.bin", &content);
    let servers = shop.start();
    // Whole when it is closed; gone from the outbox when it is there.
    let seen = shop.done("pwd\nls -la\nls outbox\nput out.bin outbox/ledger/2026/out.bin\n");
    for word in ["Remote working directory: /", "outbox/ledger", "outbox/archive", "inbox"] {
        assert!(seen.contains(word), "{word}: {seen}");
    }
    until("the push", || {
        shop.read("files/ledger/merchant/2026/out.bin").filter(|got| *got == content)
    });
    let request = until("the result", || {
        shop.requests().into_iter().find(|request| request["is_over"] == true)
    });
    assert_eq!((&request["state"], &request["from"]), (&"delivered".into(), &"merchant".into()));
    assert_eq!(request["root"], blake3::hash(&content).to_hex().as_str());
    until("an empty outbox", || (shop.held() == 0).then_some(()));
    // By another program of it, which writes over what is there and cuts it off.
    let mut scp = shop.program("scp", "merchant_key");
    let sent = scp.args(["-s", "-p", "out.bin", "merchant@127.0.0.1:outbox/ledger/scp.bin"]);
    let sent = sent.output().unwrap();
    assert!(sent.status.success(), "{sent:?}");
    until("the copy", || shop.read("files/ledger/merchant/scp.bin").filter(|got| *got == content));
    // The other way: delivered into the mailbox, handed over when it was fetched.
    fs::create_dir(shop.home.path("files/ledger/day")).unwrap();
    shop.put("files/ledger/day/in.bin", &content);
    let send = ["submit", "--as", "ledger", "--to", "merchant", "day/in.bin", "--wait"];
    let sent = shop.home.json(&send);
    assert_eq!((&sent["state"], &sent["is_handed_over"]), (&"delivered".into(), &false.into()));
    assert!(shop.fails("rm inbox/day/in.bin\n").contains("Permission denied"));
    // A restart forgets nothing.
    servers.kill();
    let _servers = shop.start();
    let listed = shop.done("ls -l inbox\nls -l inbox/day\nget inbox/day/in.bin got.bin\n");
    assert!(listed.contains("3000000") && listed.contains("in.bin"), "{listed}");
    assert!(shop.read("got.bin").unwrap() == content);
    let id = sent["id"].as_str().unwrap();
    until("the hand-over", || {
        let status = shop.home.json(&["status", "--of", "ledger", "--id", id]);
        (status["requests"][0]["is_handed_over"] == true).then_some(())
    });
    let to = shop.home.path("");
    let save = ["receipts", "save", "--as", "ledger", "--id", id, "--to", to.to_str().unwrap()];
    let saved = shop.home.json(&save);
    let saved: Vec<&str> =
        saved["saved"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    let verified = shop.home.json(&[&["receipts", "verify"][..], &saved].concat());
    let stages: Vec<&str> =
        verified.as_array().unwrap().iter().map(|row| row["stage"].as_str().unwrap()).collect();
    assert!(stages.iter().any(|stage| stage.contains("handed")), "{verified}");
    // Now it may go.
    shop.done("rm inbox/day/in.bin\n");
    assert!(shop.fails("get inbox/day/in.bin again.bin\n").contains("not found"));
}

#[test]
fn a_client_killed_in_the_middle_goes_on_and_nothing_half_is_seen() {
    let shop = Shop::new();
    let content = bytes(4_000_000, 2);
    shop.put("big.bin", &content);
    shop.put("files/ledger/big.bin", &content);
    let _servers = shop.start();
    // 16 Mbit/s, so that there is a middle.
    let slow = ["-l", "16000"];
    let mut put =
        shop.begin("merchant", "merchant_key", &slow, "put big.bin outbox/ledger/big.bin\n");
    until("a part", || (shop.held() > 300_000).then_some(()));
    put.kill().unwrap();
    put.wait().unwrap();
    let listed = shop.done("ls -l outbox/ledger\n");
    assert!(listed.contains("-rw-------") && listed.contains("big.bin"), "{listed}");
    let part = shop.held();
    assert!((300_000..4_000_000).contains(&part), "{part}");
    assert!(shop.requests().is_empty() && !shop.home.path("files/ledger/merchant").exists());
    shop.done("reput big.bin outbox/ledger/big.bin\n");
    until("the rest", || shop.read("files/ledger/merchant/big.bin").filter(|got| *got == content));
    // And the other way.
    let sent =
        shop.home.json(&["submit", "--as", "ledger", "--to", "merchant", "big.bin", "--wait"]);
    let mut get = shop.begin("merchant", "merchant_key", &slow, "get inbox/big.bin half.bin\n");
    let half = || shop.read("half.bin").map_or(0, |got| got.len());
    until("a part", || (half() > 300_000).then_some(()));
    get.kill().unwrap();
    get.wait().unwrap();
    assert!(half() < content.len());
    let is_handed_over = || {
        let id = sent["id"].as_str().unwrap();
        let status = shop.home.json(&["status", "--of", "ledger", "--id", id]);
        status["requests"][0]["is_handed_over"] == true
    };
    assert!(!is_handed_over());
    shop.done("reget inbox/big.bin half.bin\n");
    assert!(shop.read("half.bin").unwrap() == content);
    until("the hand-over", || is_handed_over().then_some(()));
}

#[test]
fn who_is_a_stranger_and_what_leads_elsewhere_is_refused() {
    let shop = Shop::new();
    shop.put("a.csv", b"1;2");
    let servers = shop.start();
    for (user, key) in
        [("merchant", "other_key"), ("ledger", "merchant_key"), ("root", "merchant_key")]
    {
        let output = shop.begin(user, key, &[], "ls\n").wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && said.contains("Permission denied (publickey)"),
            "{said}"
        );
    }
    until("the strangers", || (servers.log().matches("sftp.stranger").count() >= 3).then_some(()));
    // Nothing but SFTP, and nothing weaker.
    let shell = shop.program("ssh", "merchant_key").args(["merchant@127.0.0.1", "id"]).output();
    let shell = shell.unwrap();
    assert!(!shell.status.success() && shell.stdout.is_empty(), "{shell:?}");
    let weak = ["-o", "Ciphers=aes128-ctr"];
    let output = shop.begin("merchant", "merchant_key", &weak, "ls\n").wait_with_output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("no matching cipher"));
    for batch in [
        "get ../../../etc/passwd x\n",
        "get /etc/passwd x\n",
        "get /inbox/../../etc/passwd x\n",
        "put a.csv /etc/x\n",
        "put a.csv outbox/ledger/../../../x\n",
        "put a.csv outbox/x\n",
        "put a.csv inbox/x\n",
        "put a.csv outbox/nobody/x\n",
        "put a.csv outbox/ledger/aux.csv\n",
        "put a.csv \"outbox/ledger/a\\\\..\\\\b\"\n",
        "ls /etc\n",
        "cd ..\n",
        "mkdir outbox/ledger/x\n",
        "ln -s /etc/passwd outbox/ledger/x\n",
        "ln a b\n",
        "rmdir inbox\n",
        "chmod 777 inbox\n",
        "rename outbox inbox\n",
    ] {
        shop.fails(batch);
    }
    assert!(!shop.home.path("x").exists());
    // The registry allows it no more than its grants do, and says no more than that.
    let said = shop.fails("put a.csv outbox/archive/a.csv\n");
    assert!(said.contains("Permission denied"), "{said}");
    until("the refusal", || servers.log().contains("code=5044").then_some(()));
    let listed = shop.done("ls -l outbox/archive\nls -l outbox/ledger\n");
    assert!(!listed.contains("csv") && shop.held() == 0, "{listed}");
    let archive = fs::read_dir(shop.home.path("files/archive")).unwrap();
    assert_eq!(archive.count(), 1, "nothing but its own");
    assert_eq!(shop.requests().len(), 1);
}

#[test]
fn bounds_are_kept_and_what_failed_can_be_sent_again() {
    let shop = Shop::new();
    shop.home.change("quota_bytes = 10_000_000", "quota_bytes = 1_000_000");
    shop.home.change("size_max = 1_073_741_824", "size_max = 600_000");
    shop.put("quota.bin", &bytes(1_500_000, 3));
    shop.put("large.bin", &bytes(700_000, 4));
    let right = bytes(500_000, 5);
    shop.put("right.bin", &right);
    let _servers = shop.start();
    assert!(shop.fails("put quota.bin outbox/ledger/quota.bin\n").contains("Failure"));
    assert!(shop.held() <= 1_000_000 && shop.requests().is_empty());
    shop.done("rm outbox/ledger/quota.bin\n");
    // Judged when it is whole; nothing of it stays.
    assert!(shop.fails("put large.bin outbox/ledger/large.bin\n").contains("Failure"));
    assert_eq!((shop.requests()[0]["code"].as_u64(), shop.held()), (Some(5_049), 0));
    // More is to come under a temporary name.
    fs::create_dir(shop.home.path("files/ledger/merchant")).unwrap();
    shop.put("files/ledger/merchant/right.bin", b"taken");
    shop.done("put right.bin outbox/ledger/.right.part\n");
    assert_eq!((shop.requests().len(), shop.held()), (1, 500_000));
    shop.done("rename outbox/ledger/.right.part outbox/ledger/right.bin\n");
    // The name is taken there: the client sees that it failed, and sends it again.
    until("the failure", || {
        shop.done("ls -l outbox/ledger\n").contains("right.bin.failed").then_some(())
    });
    fs::remove_file(shop.home.path("files/ledger/merchant/right.bin")).unwrap();
    shop.done("rename outbox/ledger/right.bin.failed outbox/ledger/right.bin\n");
    until("the file", || shop.read("files/ledger/merchant/right.bin").filter(|got| *got == right));
    until("an empty outbox", || (shop.held() == 0).then_some(()));
}

#[test]
fn without_a_desk_a_push_waits_and_is_asked_for_later() {
    let shop = Shop::new();
    shop.home.change("desk = \"ledger\"", "desk = \"ledger\"\nverdict_ms = 300");
    shop.put("a.csv", b"1;2");
    let others = ["run", "--only", "r1", "--only", "a-merchant", "--only", "sftp"];
    let servers = shop.home.start(&others);
    assert!(shop.fails("put a.csv outbox/ledger/a.csv\n").contains("Failure"));
    // It is whole, and its own: not written again, not removed, seen.
    assert!(shop.done("ls -l outbox/ledger\n").contains("-r--------"));
    shop.fails("put a.csv outbox/ledger/a.csv\n");
    shop.fails("rm outbox/ledger/a.csv\n");
    // Both may stop before there is a desk.
    servers.kill();
    let _servers = shop.home.start(&others);
    let _ledger = shop.home.start(&["backstage", "--id", "ledger"]);
    until("the file", || shop.read("files/ledger/merchant/a.csv"));
    until("an empty outbox", || (shop.held() == 0).then_some(()));
    assert_eq!(shop.requests().len(), 1);
}

/// A program that comes with `sftp`.
fn openssh(name: &str) -> Command {
    let sftp = std::env::var_os("INTERBANK_SFTP").map(PathBuf::from).or_else(|| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).map(|folder| folder.join("sftp")).find(|path| path.is_file())
    });
    let Some(sftp) = sftp else {
        panic!("sftp is needed: apt-get install openssh-client, or set INTERBANK_SFTP to its path");
    };
    Command::new(sftp.parent().unwrap_or(Path::new("")).join(name))
}

//! A bank that runs, and a visitor that talks HTTP to it: for the tests of this package.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A process of the bank; killed when dropped.
pub(crate) struct Bank {
    child: Child,
    pub(crate) address: String,
}

impl Bank {
    /// Starts the bank on a free port.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// Starts the bank on a free port, with further arguments.
    pub(crate) fn start_with(data: &Path, arguments: &[&str]) -> Self {
        let mut child = command()
            .args(["--listen", "127.0.0.1:0", "--log", "debug", "--data"])
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log(data))
            .spawn()
            .expect("the bank starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it is");
        let address = line.trim().rsplit('/').next().unwrap_or_default().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line:?}; {}", read_log(data));
        Self { child, address }
    }

    /// Ends it without warning, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end, and returns its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(told.success());
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the bank does not end");
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program.
pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_refbank"))
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("the program runs")
}

/// What the bank logged.
pub(crate) fn read_log(data: &Path) -> String {
    std::fs::read_to_string(log_path(data)).unwrap_or_default()
}

fn log(data: &Path) -> Stdio {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(log_path(data));
    file.expect("the log can be written").into()
}

fn log_path(data: &Path) -> PathBuf {
    data.with_extension("log")
}

/// A program that a test needs, by an environment variable or by the search path; says what to do where there is none.
pub(crate) fn program(variable: &str, names: &[&str], package: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        assert!(path.exists(), "{variable} names {}, which does not exist", path.display());
        return path;
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("this test needs {}: apt-get install {package}, or set {variable}", names[0])
    })
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one request and reads the whole response.
pub(crate) fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit can be set");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).expect("the request is taken");
    // Who refuses a body by its length may not read it.
    let _ = stream.write_all(body);
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("there is an answer");
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("headers end");
        match line.trim_end().split_once(": ").or_else(|| line.trim_end().split_once(':')) {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut response = Response { status, headers, body: Vec::new() };
    match response.header("content-length").and_then(|len| len.parse::<usize>().ok()) {
        Some(len) => {
            response.body.resize(len, 0);
            reader.read_exact(&mut response.body).expect("the body is whole");
        }
        None => {
            let _ = reader.read_to_end(&mut response.body);
        }
    }
    response
}

/// Somebody with a browser that knows cookies and forms, and nothing else.
pub(crate) struct Visitor {
    pub(crate) address: String,
    pub(crate) cookie: String,
    pub(crate) token: String,
}

impl Visitor {
    /// Opens the merchant's page and takes cookie and token from it.
    pub(crate) fn new(bank: &Bank) -> Self {
        let page = send(&bank.address, "GET", "/merchant", &[], b"");
        assert_eq!(page.status, 200);
        let cookie = page.header("set-cookie").expect("a session begins");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let token = between(&page.text(), "name=\"csrf\" value=\"", "\"").expect("a token");
        Self { address: bank.address.clone(), cookie, token }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        send(&self.address, "GET", path, &[("Cookie", &self.cookie)], b"")
    }

    /// Sends a form with the token.
    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let token = ("csrf", &*self.token);
        let all: Vec<_> = fields.iter().copied().chain([token]).collect();
        let headers =
            [("Cookie", &*self.cookie), ("Content-Type", "application/x-www-form-urlencoded")];
        send(&self.address, "POST", path, &headers, urlencoded(&all).as_bytes())
    }

    /// Uploads a picture to a phone.
    pub(crate) fn upload(&self, phone: &str, token: &str, picture: &[u8]) -> Response {
        let mut body = Vec::new();
        body.extend_from_slice(
            format!(
                "--edge\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n\
                 --edge\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"code.png\"\r\n\
                 Content-Type: image/png\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(picture);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let headers =
            [("Cookie", &*self.cookie), ("Content-Type", "multipart/form-data; boundary=edge")];
        send(&self.address, "POST", &format!("/wallet/{phone}/scan"), &headers, &body)
    }

    /// Makes an order and returns the path of its page.
    pub(crate) fn order(&self, key: &str, amount: &str) -> String {
        let fields = [("key", key), ("amount", amount), ("note", "Flat white")];
        let made = self.post("/merchant/orders", &fields);
        assert_eq!(made.status, 303, "{}", made.text());
        made.header("location").expect("where it is").to_owned()
    }

    /// Scans an order's screen and returns the code that the confirmation page carries.
    pub(crate) fn scan(&self, phone: &str, order: &str) -> String {
        let picture = format!("{order}/code.png");
        let page = self.post(&format!("/wallet/{phone}/screen"), &[("picture", &picture)]);
        assert_eq!(page.status, 200, "{}", page.text());
        between(&page.text(), "name=\"code\" value=\"", "\"").expect("a code")
    }

    /// Confirms with a PIN.
    pub(crate) fn confirm(&self, phone: &str, code: &str, pin: &str) -> Response {
        self.post(&format!("/wallet/{phone}/pay"), &[("code", code), ("pin", pin)])
    }

    /// What an order's page says about its state.
    pub(crate) fn standing(&self, order: &str) -> String {
        let page = self.get(order);
        assert_eq!(page.status, 200);
        between(&page.text(), "data-standing=\"", "\"").expect("a state")
    }

    /// Waits until the order stands so.
    pub(crate) fn until(&self, order: &str, want: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.standing(order) != want {
            assert!(Instant::now() < deadline, "still {}", self.standing(order));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The text between two others.
pub(crate) fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found.to_owned())
}

fn urlencoded(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'-' | b'_' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

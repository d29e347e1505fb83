//! A browser, driven by the W3C WebDriver protocol over plain HTTP.

use crate::running::{program, send};
use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Chromium with one session. Dropping it ends the session first: a driver that is killed leaves its browser running.
pub(crate) struct Browser {
    driver: Child,
    address: String,
    session: String,
    _profile: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts driver and browser.
    pub(crate) fn start() -> Self {
        // One at a time: a browser takes all processors when it starts.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let chromium = program(
            "INTERBANK_CHROMIUM",
            &["chromium", "chromium-browser", "google-chrome"],
            "chromium",
        );
        let driver = program("INTERBANK_CHROMEDRIVER", &["chromedriver"], "chromium-driver");
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver starts");
        let stdout = driver.stdout.take().expect("its output is piped");
        let port = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, port) = line.split_once("started successfully on port ")?;
                Some(port.trim_end_matches('.').to_owned())
            })
            .expect("the driver says its port");
        let profile = tempfile::tempdir().expect("a folder");
        let address = format!("127.0.0.1:{port}");
        let mut browser =
            Self { driver, address, session: String::new(), _profile: profile, _turn: turn };
        let folder = browser._profile.path().display();
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            // A page may be on its way: what is looked for is waited for.
            "timeouts": { "implicit": 10_000 },
            "goog:chromeOptions": {
                "binary": chromium,
                "args": [
                    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update",
                    "--disable-sync", "--disable-dev-shm-usage", "--window-size=1200,900",
                    format!("--user-data-dir={folder}"),
                ],
            },
        } } });
        let answer = browser.command("POST", "/session", &capabilities);
        browser.session = answer["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    /// Opens a page.
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Where the browser is.
    pub(crate) fn url(&self) -> String {
        self.get("/url").as_str().unwrap_or_default().to_owned()
    }

    /// This window.
    pub(crate) fn window(&self) -> String {
        self.get("/window").as_str().expect("a window").to_owned()
    }

    /// Opens another window and goes there.
    pub(crate) fn new_window(&self) -> String {
        let opened = self.post("/window/new", &json!({ "type": "window" }));
        let handle = opened["handle"].as_str().expect("a window").to_owned();
        self.switch(&handle);
        handle
    }

    /// Goes to a window.
    pub(crate) fn switch(&self, handle: &str) {
        self.post("/window", &json!({ "handle": handle }));
    }

    /// Clicks.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Clicks on what leads to another page, or to this one anew, and waits until that is there.
    pub(crate) fn submit(&self, selector: &str) {
        self.run("window.isOld = true");
        self.click(selector);
        self.until("return !window.isOld && document.readyState === 'complete'");
    }

    /// Types.
    pub(crate) fn enter(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.post(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// The text that is shown.
    pub(crate) fn text(&self, selector: &str) -> String {
        let element = self.find(selector);
        let text = self.get(&format!("/element/{element}/text"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script in the page and returns what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a script until it returns something else than `null` and `false`.
    pub(crate) fn until(&self, script: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let value = self.run(script);
            if !value.is_null() && value != false {
                return value;
            }
            assert!(Instant::now() < deadline, "never: {script}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Shows the page as a screen of this width would.
    pub(crate) fn resize(&self, width: u32, height: u32, dark: bool) {
        let mobile = width < 600;
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile }),
        );
        let scheme = if dark { "dark" } else { "light" };
        let feature = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": feature }));
    }

    /// Keeps a picture of the page.
    pub(crate) fn screenshot(&self, name: &str) {
        let encoded = self.get("/screenshot");
        let png = Base64::decode_vec(encoded.as_str().unwrap_or_default()).expect("a picture");
        let folder = screenshots();
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), png).expect("it is kept");
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    fn find(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        let element = found.as_object().and_then(|found| found.values().next());
        element.and_then(Value::as_str).unwrap_or_else(|| panic!("no {selector}")).to_owned()
    }

    fn get(&self, path: &str) -> Value {
        self.command("GET", &format!("/session/{}{path}", self.session), &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.command("POST", &format!("/session/{}{path}", self.session), body)
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let headers = [("Content-Type", "application/json; charset=utf-8")];
        let response = send(&self.address, method, path, &headers, &bytes);
        let mut answer: Value =
            serde_json::from_slice(&response.body).expect("the driver answers in JSON");
        assert_eq!(response.status, 200, "{method} {path}: {answer}");
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // Not `command`: this may run while a test panics.
            let path = format!("/session/{}", self.session);
            let address = self.address.clone();
            let _ = std::panic::catch_unwind(|| send(&address, "DELETE", &path, &[], b""));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

static TURN: Mutex<()> = Mutex::new(());

/// Where pictures are kept: `target/refbank-screenshots`.
pub(crate) fn screenshots() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    target.join("refbank-screenshots")
}

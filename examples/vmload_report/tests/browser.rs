//! The page in a real browser: it is laid out, its script runs, and a point opens its machine.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

/// Clicks the last point, whose machine is closed, and writes down what can be seen then.
const VISIT: &str = "<script>
  const point = [...document.querySelectorAll('.pick')].at(-1);
  const machine = [...document.querySelectorAll('.vm')].find((one) => one.dataset.vm === point.dataset.vm);
  const before = machine.open;
  point.dispatchEvent(new MouseEvent('click'));
  const line = machine.querySelector('.time .line').getBoundingClientRect();
  const sideways = document.scrollingElement.scrollWidth > innerWidth;
  document.title = [before, machine.open, line.width > 100, sideways, document.querySelectorAll('.vm').length].join(' ');
</script></html>";

#[test]
fn k07_a_point_opens_its_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    let program = env!("CARGO_BIN_EXE_vmload-report");
    let written = Command::new(program).arg("--html").arg(&page).output().expect("it starts");
    assert!(written.status.success());
    let text = fs::read_to_string(&page).expect("it is there").replace("</html>", VISIT);
    fs::write(&page, text).expect("a file");
    let chromium = std::env::var("INTERBANK_CHROMIUM").unwrap_or_else(|_| "chromium".into());
    let visit = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
        ])
        .args(["--window-size=1200,900", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("a browser: install chromium, or say where it is in INTERBANK_CHROMIUM");
    let dom = String::from_utf8_lossy(&visit.stdout);
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    assert_eq!(title, Some("false true true false 48"));
}

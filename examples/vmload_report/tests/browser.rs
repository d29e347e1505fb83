//! The page in a real browser: it is laid out, its plots are drawn, its script runs, and a point opens its machine.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs before everything else, so that no error of the page is missed.
const WATCH: &str = "<script>
  const failures = [];
  addEventListener('error', (event) => failures.push(event.message));
  addEventListener('securitypolicyviolation', (event) => failures.push(event.violatedDirective));
</script><style>";

/// Uses the page as a reader would, and writes down what can be seen then.
const VISIT: &str = "<script>{
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const box = (element) => element.getBoundingClientRect();
  const overlap = (elements) => elements.some((one, at) => elements.slice(at + 1).some((other) => {
    const [a, b] = [box(one), box(other)];
    return a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  }));
  const inside = (outer, inner) => inner.left >= outer.left - 1 && inner.right <= outer.right + 1
    && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
  const plots = all('.plots svg');
  const seen = {
    machines: all('.vm').length,
    plots: plots.length,
    points: plots.map((plot) => all('circle', plot).filter((point) => box(point).width > 2 && inside(box(plot), box(point))).length),
    labels: plots.some((plot) => overlap(all('text', plot))) || overlap(all('.vm[open] .dates span')),
    sideways: document.scrollingElement.scrollWidth > innerWidth,
    dark: getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)',
  };
  const point = all('circle.pick').at(-1);
  const machine = all('.vm').find((one) => one.dataset.vm === point.dataset.vm);
  seen.before = machine.open;
  point.dispatchEvent(new MouseEvent('click'));
  seen.after = machine.open;
  seen.lines = all('.line', machine).every((line) => box(line).width > 200 && inside(box(line.ownerSVGElement), box(line)));
  seen.dates = all('.dates span', machine).map((date) => date.textContent);
  seen.spreads = all('.box', machine).every((spread) => box(spread).width > 60);
  const find = document.querySelector('#find');
  find.value = ' Batch';
  find.dispatchEvent(new Event('input'));
  seen.found = all('.vm').filter((one) => box(one).height > 0).map((one) => one.dataset.vm).sort();
  const order = document.querySelector('#order');
  order.value = 'vm';
  order.dispatchEvent(new Event('change'));
  seen.first = document.querySelector('.vm').dataset.vm;
  seen.failures = failures;
  document.title = JSON.stringify(seen);
}</script></html>";

#[test]
fn k07_the_page_is_drawn_and_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    let program = env!("CARGO_BIN_EXE_vmload-report");
    let written = Command::new(program).arg("--html").arg(&page).output().expect("it starts");
    assert!(written.status.success());
    let text = fs::read_to_string(&page).expect("it is there");
    let text = text.replacen("<style>", WATCH, 1).replace("</html>", VISIT);
    fs::write(&page, text).expect("a file");
    for (width, dark) in [(1_200, false), (500, true)] {
        let seen = visit(folder.path(), &page, width, dark);
        let expected = json!({
            "machines": 48, "plots": 3, "points": [48, 48, 48], "labels": false, "sideways": false, "dark": dark,
            "before": false, "after": true, "lines": true, "spreads": true,
            "dates": (5..=11).map(|day| format!("{day} Jan")).collect::<Vec<_>>(),
            "found": (1..=8).map(|number| format!("batch-{number:02}")).collect::<Vec<_>>(),
            "first": "backup-01", "failures": [],
        });
        assert_eq!(seen, expected, "{width} wide");
    }
}

/// What the page says after a visit.
fn visit(folder: &Path, page: &Path, width: u32, dark: bool) -> Value {
    let chromium = std::env::var("INTERBANK_CHROMIUM").unwrap_or_else(|_| "chromium".into());
    let visit = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--dump-dom",
        ])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--blink-settings=preferredColorScheme={}", if dark { 0 } else { 1 }))
        .arg(format!("--user-data-dir={}", folder.join(width.to_string()).display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("a browser: install chromium, or say where it is in INTERBANK_CHROMIUM");
    let dom = String::from_utf8_lossy(&visit.stdout);
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    let title = title.expect("a title").replace("&amp;", "&");
    serde_json::from_str(&title).unwrap_or_else(|_| panic!("it was not visited: {title}"))
}

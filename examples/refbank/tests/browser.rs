//! The bank in a real browser: an order is paid end to end, in two windows.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and may talk"
)]

mod running;
mod webdriver;

use running::{Bank, Visitor, read_log};
use webdriver::{Browser, screenshots};

const PIN: &str = "258036";

#[test]
fn an_order_is_paid_in_two_windows() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let bank = Bank::start(&data);
    let browser = Browser::start();
    let home = format!("http://{}", bank.address);

    browser.open(&format!("{home}/merchant"));
    browser.enter("#amount", "12.50");
    browser.enter("#note", "Flat white, almond croissant");
    browser.click("#create");
    browser.until("return document.querySelector('.qr svg') !== null");
    assert_eq!(browser.text("#state"), "Waiting for payment");
    browser.until(
        "return /\\d:\\d\\d left/.test(document.querySelector('[data-expires]').textContent)",
    );
    browser.screenshot("pay-1-order-shown");
    // Seen only by this page: a reload would forget it.
    browser.run(
        "window.paidAt = null;
         new MutationObserver(() => {
           const state = document.getElementById('state');
           if (state && state.textContent === 'Paid') window.paidAt ??= Date.now();
         }).observe(document.body, { childList: true, subtree: true });",
    );
    let merchant = browser.window();

    browser.new_window();
    browser.open(&format!("{home}/wallet/ava"));
    browser.until("return document.querySelector('.screen img')?.naturalWidth > 100");
    browser.screenshot("pay-2-wallet");
    browser.click(".screen");
    browser.until("return document.getElementById('pin') !== null");
    assert_eq!(browser.text("#total"), "12.50 EUR");
    assert_eq!(browser.text("#payee"), "Corner Coffee");
    browser.screenshot("pay-3-approve");

    browser.enter("#pin", "000000");
    browser.click("#confirm");
    browser.until("return document.getElementById('error') !== null");
    assert_eq!(browser.text("#error"), "Account or reply is not right.");
    browser.screenshot("pay-4-wrong-pin");

    browser.enter("#pin", PIN);
    browser.click("#confirm");
    browser.until("return document.getElementById('result') !== null");
    assert_eq!(browser.text("#result"), "Paid");
    browser.screenshot("pay-5-outcome");

    browser.switch(&merchant);
    let paid_at = browser.until("return window.paidAt").as_u64().expect("a time");
    let answered = accepted_at(&read_log(&data));
    let took_ms = (paid_at % DAY_MS + DAY_MS - answered) % DAY_MS;
    println!("shown as paid {took_ms} ms after the answer");
    assert!(took_ms <= 1_000, "the merchant's page took {took_ms} ms");
    assert_eq!(browser.text("#state"), "Paid");
    assert!(
        browser
            .run("return document.getElementById('announce').textContent")
            .as_str()
            .is_some_and(|said| said.starts_with("Paid."))
    );
    browser.screenshot("pay-6-paid");

    browser.run("document.getElementById('refund').value = '2.00'");
    browser.click("#give-back");
    browser.until("return document.getElementById('state')?.textContent === 'Partly refunded'");
    browser.until("return document.querySelector('.refunds .badge')?.textContent === 'given back'");
    browser.screenshot("pay-7-refunded");
    browser.open(&format!("{home}/bank"));
    assert_eq!(browser.text("#chain"), "chain intact");
    browser.screenshot("pay-8-bank");
}

#[test]
fn a_phone_at_home_pays_without_the_pin_and_a_car_as_it_is_driven() {
    let folder = tempfile::tempdir().expect("a folder");
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let browser = Browser::start();
    let home = format!("http://{}", bank.address);
    let approve = |key: &str| {
        let order = visitor.order(key, "4.80");
        browser.open(&format!("{home}/wallet/ava"));
        browser.until("return document.querySelector('.screen img')?.naturalWidth > 100");
        browser.click(".screen");
        browser.until("return document.getElementById('without-pin') !== null");
        order
    };

    browser.open(&format!("{home}/wallet/ava"));
    browser.click("#weeks-at-home");
    browser.until("return document.getElementById('notice') !== null");
    let order = approve("first");
    browser.screenshot("risk-1-approve");
    browser.click("#without-pin");
    browser.until("return document.getElementById('result') !== null");
    assert_eq!(browser.text("#result"), "Paid");
    assert!(browser.text("#familiarity").ends_with('%'));
    assert!(browser.text("#reasons").contains("usual devices of dwell type 2 are here"));
    browser.screenshot("risk-2-paid-without-pin");
    assert_eq!(visitor.standing(&order), "Paid");

    let order = approve("second");
    browser.run("document.getElementById('place').value = 'elsewhere'");
    browser.click("#without-pin");
    browser.until("return document.getElementById('error') !== null");
    assert_eq!(browser.text("#error"), "Paying without the PIN is refused here.");
    browser.screenshot("risk-3-refused");
    assert_eq!(visitor.standing(&order), "Waiting for payment");

    for (trip, result, level) in [("usual", "Paid by the car", "low"), ("thief", "Refused", "high")]
    {
        browser.open(&format!("{home}/fuel"));
        browser.run(&format!("document.getElementById('trip').value = '{trip}'"));
        browser.click("#pay");
        browser.until("return document.getElementById('result') !== null");
        assert_eq!(browser.text("#result"), result);
        assert_eq!(browser.text("#level"), level);
        let marks = browser.run("return document.querySelectorAll('.pieces circle').length");
        assert!(marks.as_u64().is_some_and(|marks| marks >= 5), "{marks}");
        browser.screenshot(&format!("risk-4-{trip}"));
    }
}

#[test]
fn an_outage_is_seen_through_at_the_operator_s_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let browser = Browser::start();
    let home = format!("http://{}", bank.address);
    let state = |want: &str| {
        browser
            .until(&format!("return document.getElementById('state')?.textContent === '{want}'"));
    };
    let paid = |key: &str, amount: &str| {
        let order = visitor.order(key, amount);
        let code = visitor.scan("ava", &order);
        assert_eq!(visitor.confirm("ava", &code, PIN).status, 303);
        order
    };

    browser.open(&format!("{home}/bank"));
    browser.run("document.querySelector('a[href=\"/operator\"]').click()");
    state("online");
    browser.screenshot("outage-1-online");
    browser.click("#down");
    browser.until("return document.getElementById('mood')?.textContent === 'does not answer'");
    // The page is not loaded again: it is told.
    browser.run("window.here = true");
    state("stand-in");
    visitor.until(&paid("a", "4.00"), "Paid");
    visitor.until(&paid("b", "5.00"), "Paid");
    visitor.until(&paid("large", "60.00"), "Waiting for payment");
    browser.until("return Number(document.getElementById('waiting')?.textContent) >= 2");
    assert_eq!(browser.text("#exposure"), "9.00");
    assert_eq!(browser.run("return window.here"), true);
    browser.screenshot("outage-2-stand-in");
    for (screen, width, dark) in
        [("phone", 390, false), ("dark", 390, true), ("desktop", 1200, false)]
    {
        browser.resize(width, 844, dark);
        browser.open(&format!("{home}/operator"));
        browser.screenshot(&format!("outage-{screen}"));
        let found = browser.run(&INSPECT.replace("WIDTH", &width.to_string()));
        let found = found.as_array().expect("a list");
        assert!(found.is_empty(), "{screen}: {found:#?}");
    }

    browser.click("#up");
    state("draining");
    browser.screenshot("outage-3-draining");
    state("online");
    browser.until("return document.getElementById('queue')?.textContent === 'all delivered'");
    assert_eq!(browser.text("#waiting"), "0");
    browser.open(&format!("{home}/operator"));
    assert_eq!(browser.text("#agrees"), "all agree");
    let matched = "return document.querySelector('[data-found=matched] strong').textContent";
    assert_eq!(browser.run(matched), "2");
    browser.screenshot("outage-4-agreed");

    browser.enter("#reason", "upgrade of the books");
    browser.click("#force-stand-in");
    browser.until(
        "return document.getElementById('forced')?.textContent.includes('upgrade of the books')",
    );
    state("forced stand-in");
    browser.click("#release");
    state("online");
}

#[test]
fn a_business_day_is_closed_and_its_files_are_followed_at_the_settlement_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let bank = Bank::start(&data);
    let visitor = Visitor::new(&bank);
    let browser = Browser::start();
    let home = format!("http://{}", bank.address);
    let text = |id: &str, want: &str| {
        browser.until(&format!("return document.getElementById('{id}')?.textContent === '{want}'"));
    };
    let state = |name: &str, want: &str| {
        browser.until(&format!(
            "return [...document.querySelectorAll('.transfers li')].some((one) =>
               one.textContent.includes('{name}') && one.dataset.state === '{want}')"
        ));
    };
    let figure = |of: &str| {
        let script = format!(
            "return document.querySelector('[data-merchant=\"Corner Coffee\"] [data-{of}]').textContent"
        );
        browser.run(&script).as_str().unwrap_or_default().to_owned()
    };
    let paid = |key: &str, amount: &str| {
        let order = visitor.order(key, amount);
        let code = visitor.scan("ava", &order);
        assert_eq!(visitor.confirm("ava", &code, PIN).status, 303);
        visitor.until(&order, "Paid");
    };

    paid("first", "12.50");
    browser.open(&format!("{home}/bank"));
    browser.run("document.querySelector('a[href=\"/settlement\"]').click()");
    text("state", "open");
    browser.open(&format!("{home}/settlement"));
    assert_eq!([figure("filed"), figure("unfiled")], ["0.00", "12.50"]);
    browser.screenshot("settlement-1-open");
    browser.click("#close");
    state("-000001.csv", "entered");
    text("files", "all entered");
    text("books", "books agree");
    browser.until("return document.querySelector('[data-merchant=\"Corner Coffee\"] [data-entered]')?.textContent === '12.50'");
    assert_eq!([figure("filed"), figure("unfiled")], ["12.50", "0.00"]);
    let receipts = browser.run(
        "return [...document.querySelectorAll('.receipts .badge.good')].map((one) => one.textContent).join()",
    );
    assert_eq!(receipts, "sent,verified,entered");
    assert_eq!(browser.run("return document.querySelectorAll('.badge.warn').length"), 0);
    browser.screenshot("settlement-2-entered");

    // What the page hands out is what arrived.
    let received = std::fs::read_dir(data.join("merchant-banks/north-bank/files/north-bank"));
    let received = received.expect("a folder").next().expect("a file").expect("an entry");
    let name = received.file_name().into_string().expect("a plain name");
    let received = std::fs::read(received.path()).expect("a file");
    assert_eq!(visitor.get("/settlement/files/north-bank/1").body, received);
    assert_eq!(visitor.get("/settlement/files/harbour-bank/1").status, 404);

    // A bank that is away gets its file when it is back; a part that is damaged is sent again.
    paid("second", "4.00");
    browser.open(&format!("{home}/settlement"));
    browser.submit("#attend-north-bank");
    browser.until("return document.getElementById('attend-north-bank')?.value === 'yes'");
    browser.submit("#damage");
    browser.click("#close");
    text("files", "on their way");
    browser.until("return document.querySelector('[data-merchant=\"Corner Coffee\"] [data-filed]')?.textContent === '16.50'");
    assert_eq!(figure("entered"), "12.50");
    browser.screenshot("settlement-3-waits");
    browser.click("#attend-north-bank");
    state("-000002.csv", "entered");
    text("refused-parts", "1");
    browser.until("return document.querySelector('[data-merchant=\"Corner Coffee\"] [data-entered]')?.textContent === '16.50'");

    // Refusals have a number, and are the same whether the file is there or not.
    for (desk, name, to, code) in [
        ("settlement-desk", format!("north-bank/{name}"), "harbour-bank", "5047"),
        ("reporting-desk", "north-bank/none.csv".into(), "north-bank", "5045"),
        ("settlement-desk", "north-bank/none.csv".into(), "north-bank", "5047"),
        ("settlement-desk", "../keys.json".into(), "north-bank", "5046"),
        ("settlement-desk", "north-bank/none.csv".into(), "reporting-desk", "5044"),
    ] {
        browser.open(&format!("{home}/settlement"));
        // What is kept up to date may be replaced between finding and reading.
        let before = browser.run("return Number(document.getElementById('refused').textContent)");
        let before = before.as_u64().expect("a number");
        browser.run(&format!("document.getElementById('desk').value = '{desk}'"));
        browser.run(&format!("document.getElementById('to').value = '{to}'"));
        browser.enter("#name", &name);
        browser.click("#ask");
        text("refused", &(before + 1).to_string());
        let why = "return document.querySelector('.transfers .why code').textContent";
        assert_eq!(browser.run(why), code, "{desk} {name} {to}");
    }
    browser.open(&format!("{home}/settlement"));
    assert_eq!(browser.text("#trail"), "chain intact");
    for (screen, width, dark) in
        [("phone", 390, false), ("dark", 390, true), ("desktop", 1200, false)]
    {
        browser.resize(width, 844, dark);
        browser.open(&format!("{home}/settlement"));
        browser.screenshot(&format!("settlement-{screen}"));
        browser.run("document.getElementById('transfers').scrollIntoView()");
        browser.screenshot(&format!("settlement-{screen}-requests"));
        let found = browser.run(&INSPECT.replace("WIDTH", &width.to_string()));
        let found = found.as_array().expect("a list");
        assert!(found.is_empty(), "{screen}: {found:#?}");
    }

    // After a power cut everything is as it was.
    bank.kill();
    let bank = Bank::start(&data);
    browser.open(&format!("http://{}/settlement", bank.address));
    text("state", "open");
    text("files", "all entered");
    state("-000002.csv", "entered");
    assert_eq!(browser.run("return document.querySelectorAll('.transfers li').length"), 7);
}

#[test]
fn pictures_can_be_uploaded_and_pasted() {
    let folder = tempfile::tempdir().expect("a folder");
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let order = visitor.order("first", "3.20");
    let picture = folder.path().join("code.png");
    let png = visitor.get(&format!("{order}/code.png")).body;
    std::fs::write(&picture, png).expect("a picture");
    let browser = Browser::start();
    let phone = format!("http://{}/wallet/ava", bank.address);

    browser.open(&phone);
    browser.enter("#picture", picture.to_str().expect("a plain path"));
    browser.click("#read");
    browser.until("return document.getElementById('pin') !== null");
    assert_eq!(browser.text("#total"), "3.20 EUR");

    // A picture of the merchant's page as the browser paints it, not the symbol alone.
    browser.open(&format!("http://{}{order}", bank.address));
    browser.until("return document.querySelector('.qr svg') !== null");
    browser.screenshot("upload-page");
    browser.open(&phone);
    let painted = screenshots().join("upload-page.png");
    browser.enter("#picture", painted.to_str().expect("a plain path"));
    browser.click("#read");
    browser.until("return document.getElementById('pin') !== null");

    browser.open(&phone);
    browser.run(&format!(
        "fetch('{order}/code.png').then((response) => response.blob()).then((blob) => {{
           const clipboard = new DataTransfer();
           clipboard.items.add(new File([blob], 'code.png', {{ type: 'image/png' }}));
           document.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: clipboard, cancelable: true }}));
         }});"
    ));
    browser.until("return document.getElementById('pin') !== null");
    assert_eq!(browser.text("#total"), "3.20 EUR");
    assert!(browser.url().ends_with("/wallet/ava/scan"));
}

#[test]
fn pages_are_readable_on_every_screen() {
    let folder = tempfile::tempdir().expect("a folder");
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let paid = visitor.order("paid", "12.50");
    let code = visitor.scan("ava", &paid);
    visitor.confirm("ava", &code, PIN);
    let cancelled = visitor.order("cancelled", "8.00");
    visitor.post(&format!("{cancelled}/cancel"), &[]);
    let open = visitor.order("open", "4.20");
    let browser = Browser::start();
    let pages = [
        ("home", "/"),
        ("merchant", "/merchant"),
        ("order-open", &open),
        ("order-paid", &paid),
        ("order-cancelled", &cancelled),
        ("wallets", "/wallet"),
        ("phone", "/wallet/ava"),
        ("bank", "/bank"),
        ("operator", "/operator"),
        ("settlement", "/settlement"),
        ("error", "/nothing"),
    ];
    for (screen, width, height, dark) in
        [("desktop", 1200, 900, false), ("phone", 390, 844, false), ("dark", 390, 844, true)]
    {
        browser.resize(width, height, dark);
        for (name, path) in pages {
            browser.open(&format!("http://{}{path}", bank.address));
            browser.until("return document.readyState === 'complete'");
            browser.screenshot(&format!("{screen}-{name}"));
            let found = browser.run(&INSPECT.replace("WIDTH", &width.to_string()));
            let found = found.as_array().expect("a list");
            assert!(found.is_empty(), "{screen}, {path}: {found:#?}");
        }
    }
}

/// Lists what hinders people: fields without labels, pictures without text, faint text, pages that scroll sideways.
const INSPECT: &str = r#"
  const found = [];
  const parse = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== 'none') return null;
      const colour = parse(style.backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  if (!document.documentElement.lang) found.push('no language');
  if (document.querySelectorAll('h1').length > 1) found.push('more than one h1');
  if (!document.title) found.push('no title');
  if (document.scrollingElement.scrollWidth > WIDTH) found.push('scrolls sideways');
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
    if (!field.labels?.length) found.push('no label: ' + field.name);
  }
  for (const picture of document.querySelectorAll('img:not([alt]), svg:not([role]):not([aria-hidden] svg):not([aria-hidden])')) {
    found.push('no text for a picture: ' + picture.outerHTML.slice(0, 80));
  }
  for (const button of document.querySelectorAll('button, a')) {
    if (!button.textContent.trim() && !button.getAttribute('aria-label')) found.push('no text: ' + button.outerHTML.slice(0, 80));
  }
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const box = element.getBoundingClientRect();
    if (!own || box.width < 2 || box.left < 0 || element.closest('svg, noscript')) continue;
    const style = getComputedStyle(element);
    const back = ground(element);
    if (!back) continue;
    const [a, b] = [light(parse(style.color)), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(`faint (${ratio.toFixed(2)}): ${element.textContent.trim().slice(0, 40)}`);
  }
  return found;
"#;

/// When the bank took the answer, by its log, in milliseconds of the day.
fn accepted_at(log: &str) -> u64 {
    let line = log.lines().find(|line| line.contains("pay.accepted")).expect("it was taken");
    let time = running::between(line, "T", "Z").expect("a time");
    let mut parts = time.split([':', '.']).map(|part| part.parse::<u64>().expect("a number"));
    let mut next = || parts.next().expect("a part");
    ((next() * 60 + next()) * 60 + next()) * 1_000 + next() / 1_000
}

const DAY_MS: u64 = 86_400_000;

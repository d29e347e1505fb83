//! The program as it is run: a short run with outages, orders to a host, and what is said about wrong arguments.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use port::{Amount, Currency, Time};
use standin::ResponseCode;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::RwLock;
use std::time::{SystemTime, UNIX_EPOCH};
use wire_iso8583::{Codings, Dialect, FrameDecoder, Framing, Incoming, Message, Mti};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iso8583-switch"));
    command.args(arguments);
    command
}

fn short_run(messages: &str, more: &[&str]) -> Output {
    let short = [
        "run",
        "--messages",
        messages,
        "--outages",
        "3",
        "--rate",
        "250",
        "--accounts",
        "300",
        "--hurry",
        "5",
        "--outage-ms",
        "700",
        "--opening-minor",
        "200000",
        "--json",
    ];
    let _beside_others = STORMS.read().unwrap();
    program(&short).args(more).output().unwrap()
}

/// Runs with outages take all of a small machine: what measures time waits until they are over.
static STORMS: RwLock<()> = RwLock::new(());

fn report_of(output: &Output) -> serde_json::Value {
    let (text, why) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{why}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn books_equal_what_terminals_were_told_after_three_outages() {
    let report = report_of(&short_run("3000", &[]));
    let count = |name: &str| report[name].as_i64().unwrap_or_else(|| panic!("{name}: {report}"));
    assert_eq!((count("answered"), count("unanswered"), count("differing")), (3_000, 0, 0));
    assert_eq!(
        (count("books_missing"), count("books_extra"), count("books_other_amount")),
        (0, 0, 0)
    );
    assert_eq!(count("truth_minor"), count("books_minor"));
    assert!(report["fault"].is_null(), "{report}");
    // Every advice of store-and-forward said that stand-in had answered, what and when.
    assert_eq!(count("host_explained") + count("host_handed_on"), count("host_advices"));
    // It was a storm, and not a calm day: stand-in decided, entries were delivered, answers came again.
    for name in [
        "approved",
        "reversed",
        "compared",
        "diversions",
        "stood_in",
        "advices",
        "delivered",
        "host_asked",
        "host_handed_on",
        "truth_minor",
    ] {
        assert!(count(name) > 0, "{name}: {report}");
    }
}

#[test]
fn in_a_calm_run_every_answer_is_the_hosts() {
    let calm = ["run", "--messages", "600", "--outages", "0", "--rate", "200", "--json"];
    let alone = STORMS.write().unwrap();
    let output = program(&calm).output().unwrap();
    drop(alone);
    let report = report_of(&output);
    let count = |name: &str| report[name].as_i64().unwrap_or_else(|| panic!("{name}: {report}"));
    assert_eq!((count("answered"), count("unmatched")), (600, 0));
    // A machine that stands still for seconds loses an answer now and then; it does not lose those to advices.
    assert!(count("host_handed_on") > 20, "{report}");
    assert!(count("stood_in") * 5 < count("host_handed_on"), "{report}");
}

#[test]
fn books_equal_what_terminals_were_told_with_rows_in_a_folder_and_packed_fields() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("rows");
    let more = ["--store", store.to_str().unwrap(), "--codings", "packed", "--seed", "2"];
    let report = report_of(&short_run("1000", &more));
    assert_eq!(report["answered"], 1_000);
    assert_eq!(report["truth_minor"], report["books_minor"]);
    assert!(report["delivered"].as_i64().unwrap() > 0, "{report}");
    // No card number rests there: all of them begin with the same eight digits.
    for entry in std::fs::read_dir(&store).unwrap() {
        let mut bytes = Vec::new();
        std::fs::File::open(entry.unwrap().path()).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(
            !bytes
                .windows(10)
                .any(|some| some.starts_with(b"62000000") && some.iter().all(u8::is_ascii_digit))
        );
    }
}

#[test]
fn a_host_obeys_orders() {
    let mut host = Process(
        program(&["host", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut said = String::new();
    BufReader::new(host.0.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    let orders = said.trim().rsplit(' ').next().unwrap();
    let mut stream = TcpStream::connect(orders).unwrap();
    stream.write_all(b"stop\nslow 5\nsleep\nbooks\n").unwrap();
    let answers: Vec<String> = BufReader::new(stream).lines().take(4).map(Result::unwrap).collect();
    assert_eq!(
        answers,
        [
            "now: stop",
            "now: slow 5",
            "say up, stop, slow MILLISECONDS or lose PERCENT, or books",
            "0 requests and 0 advices, 0 of them repeats; 0 posted, in minor units",
        ]
    );
}

#[test]
fn a_host_is_answered_what_its_network_messages_ask_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let switch = ["switch", "--listen", "127.0.0.1:0", "--host", &at];
    let _switch = Process(program(&switch).stdout(Stdio::null()).spawn().unwrap());
    let mut host = Line::new(listener.accept().unwrap().0);
    // Echo, sign-on, and a change of keys, which this switch has no part in.
    for (stan, function, code) in [(1, "301", "00"), (2, "001", "00"), (3, "161", "30")] {
        let mut asked = Message::new(Mti::NETWORK_REQUEST);
        asked.set_stan(stan).unwrap().set_transmitted(Time::from_s(1_785_000_000)).unwrap();
        asked.set(70, function).unwrap();
        host.say(&asked);
        // Probes of the switch's own may come in between.
        let answer = host.hear(Mti::NETWORK_RESPONSE);
        assert_eq!(answer.message().stan(), Ok(Some(stan)));
        assert_eq!(answer.message().text(39), Some(code), "{function}");
    }
}

#[test]
fn what_a_host_answers_to_an_acquirers_advice_reaches_the_acquirer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let switch = ["switch", "--listen", "127.0.0.1:0", "--host", &at];
    let mut switch = Process(program(&switch).stdout(Stdio::piped()).spawn().unwrap());
    let mut host = Line::new(listener.accept().unwrap().0);
    let mut said = String::new();
    BufReader::new(switch.0.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    let at = said.strip_prefix("acquirers connect to ").unwrap().split(',').next().unwrap();
    let mut acquirer = Line::new(TcpStream::connect(at).unwrap());
    // The line to the host is up once a probe has come by it.
    let probe = host.hear(Mti::NETWORK_REQUEST);
    host.say(&probe.answer_code(ResponseCode::APPROVED).unwrap());
    // More of them than time-outs divert a host for, each with a code that stand-in has no reason to give.
    for stan in 1..=12 {
        let told = [Mti::AUTHORIZATION_ADVICE, Mti::FINANCIAL_ADVICE, Mti::REVERSAL_ADVICE];
        let told = told[usize::try_from(stan % 3).unwrap()];
        acquirer.say(&advice(told, stan));
        let asked = host.hear(told);
        host.say(&asked.answer_code(ResponseCode::new(*b"77").unwrap()).unwrap());
        let answer = acquirer.hear(told.response().unwrap());
        assert_eq!(answer.message().stan(), Ok(Some(stan)));
        assert_eq!(answer.message().text(39), Some("77"), "{told}");
    }
}

/// A purchase that an acquirer tells of, or the reversal of one.
fn advice(mti: Mti, stan: u32) -> Message {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut message = Message::new(mti);
    message.set(2, "6200000000000005").unwrap();
    message.set_amount(Amount::new(100, Currency::parse("CNY").unwrap())).unwrap();
    message.set_stan(stan).unwrap().set_transmitted(Time::from_s(now)).unwrap();
    message.set_terminal("TERM0001").unwrap().set(14, "4912").unwrap().set(22, "050").unwrap();
    message.set(25, "00").unwrap().set(32, "1111").unwrap().set(100, "6222").unwrap();
    if mti == Mti::REVERSAL_ADVICE {
        let mut original = message.clone();
        original.set_mti(Mti::FINANCIAL_REQUEST);
        original.set_stan(1_000 + stan).unwrap();
        message.set_original(&original.as_original().unwrap()).unwrap();
    } else {
        message.set(3, "000000").unwrap();
    }
    message
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let missing =
        program(&["switch", "--parameters", "/nowhere", "--issuer", "a", "--public-key", "00"]);
    let folder = tempfile::tempdir().unwrap();
    let (store, secret) = (folder.path().to_str().unwrap(), folder.path().join("secret"));
    std::fs::write(&secret, [7; 33]).unwrap();
    let key = "0".repeat(64);
    for (mut command, code) in [
        (missing, 3),
        (program(&["switch", "--secret", secret.to_str().unwrap()]), 3),
        (program(&["switch", "--secret", store]), 3),
        // Without a set to check they would be left aside in silence.
        (program(&["switch", "--issuer", "a", "--public-key", &key]), 2),
        (program(&["switch", "--institution", "7"]), 2),
        (program(&["run", "--messages", "1", "--store", store]), 2),
        (program(&["load", "--switch", "127.0.0.1:1", "--messages", "1"]), 4),
        (program(&["run", "--messages", "0"]), 2),
    ] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
    }
}

/// One side of a connection.
struct Line {
    stream: TcpStream,
    decoder: FrameDecoder,
    network: Dialect,
}

impl Line {
    fn new(stream: TcpStream) -> Self {
        let network = Dialect::iso1987(Codings::ASCII).unwrap();
        Self { stream, decoder: FrameDecoder::new(Framing::BINARY_2), network }
    }

    fn say(&mut self, message: &Message) {
        let (mut bytes, mut frame) = (Vec::new(), Vec::new());
        message.encode(&self.network, &mut bytes).unwrap();
        Framing::BINARY_2.put(&bytes, &mut frame).unwrap();
        self.stream.write_all(&frame).unwrap();
    }

    /// The next message of this type. Probes are answered meanwhile, and what else comes is passed over.
    fn hear(&mut self, mti: Mti) -> Incoming {
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            let Some(frame) = self.decoder.take(&mut &byte[..]).unwrap() else { continue };
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let incoming = Incoming::parse(frame, &self.network, Time::from_s(now)).unwrap();
            if incoming.message().mti() == mti {
                return incoming;
            }
            if incoming.message().mti() == Mti::NETWORK_REQUEST {
                self.say(&incoming.answer_code(ResponseCode::APPROVED).unwrap());
            }
        }
    }
}

/// Ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

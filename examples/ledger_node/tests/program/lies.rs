//! A member that lies gets no signature under something else than its user asked for.

use crate::home::Home;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

const CAR: &str = "vin:CAR";
const BOAT: &str = "boat:BOAT";

/// Between a user and a member, in the member's place: changes what the user asks for.
struct Liar {
    lie: Arc<Mutex<Lie>>,
}

type Lie = Box<dyn Fn(&mut Value) + Send>;

impl Liar {
    fn at(home: &Home, member: &str) -> Self {
        let socket = home.path(member).join("state/socket");
        let honest = socket.with_file_name("honest");
        fs::rename(&socket, &honest).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        let lie: Arc<Mutex<Lie>> = Arc::new(Mutex::new(Box::new(|_| {})));
        let told = Arc::clone(&lie);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut question: Value = serde_json::from_str(&line(&stream)).unwrap();
                told.lock().unwrap()(&mut question);
                let mut honest = UnixStream::connect(&honest).unwrap();
                writeln!(honest, "{question}").unwrap();
                // Who asked may have gone meanwhile.
                let _ = stream.write_all(line(&honest).as_bytes());
            }
        });
        Self { lie }
    }

    /// From now on, every wish has something else at this place.
    fn changes(&self, pointer: &'static str, to: impl Into<Value>) {
        let to = to.into();
        *self.lie.lock().unwrap() = Box::new(move |question| {
            if let Some(place) = question.pointer_mut(pointer) {
                *place = to.clone();
            }
        });
    }
}

fn line(stream: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_member_that_lies_gets_no_signature_under_something_else() {
    let home = Home::new(1, 1, &[]);
    let _nodes = home.start_all();
    home.party("member-1", "alice");
    let bob = home.party("member-1", "bob");
    let bank = home.json("member-1", &["party", "bank"]);
    let mallory = home.json("member-1", &["party", "mallory"]);
    let deed = home.write("deed.txt", b"it is hers");
    for thing in [CAR, BOAT] {
        let register = ["register", &deed, "--thing", thing, "--type", "toy", "--as", "alice"];
        home.json("member-1", &register);
    }
    let offer = |thing: &str| {
        let offer = ["transfer", "offer", thing, "--to", &bob, "--as", "alice"];
        home.json("member-1", &offer)["offer"].as_str().unwrap().to_owned()
    };
    let (car, boat) = (offer(CAR), offer(BOAT));
    let liar = Liar::at(&home, "member-1");
    let refused = |args: &[&str]| {
        let said = home.failure(1, "member-1", args);
        assert!(said.contains("built something else than was asked for"), "{args:?}: {said}");
    };
    let witness = bank["public_key"].as_str().unwrap();
    let paid = ["--pay", "invoice 1", "--witness", witness, "--pay-within", "500"];
    let sell = ["transfer", "offer", CAR, "--to", &bob, "--as", "alice"];
    let sell_paid = [&sell[..], &paid].concat();
    liar.changes("/wish/thing", BOAT);
    refused(&sell);
    refused(&["lien", "offer", CAR, "--to", &bob, "--reference", "loan", "--as", "alice"]);
    liar.changes("/wish/to", mallory["party"].clone());
    refused(&sell);
    liar.changes("/wish/settlement", Value::Null);
    refused(&sell_paid);
    liar.changes("/wish/settlement/witness", mallory["public_key"].clone());
    refused(&sell_paid);
    liar.changes("/wish/settlement/reference", "invoice 2");
    refused(&sell_paid);
    for blocks in [1, 5_000] {
        liar.changes("/wish/settlement/blocks", blocks);
        refused(&sell_paid);
    }
    liar.changes("/wish/reference", "more");
    refused(&["lien", "offer", CAR, "--to", &bob, "--reference", "loan", "--as", "alice"]);
    liar.changes("/wish/document", "bm90IGhlcnM=");
    refused(&["register", &deed, "--thing", "toy:1", "--type", "toy", "--as", "alice"]);
    liar.changes("/wish/offer", json!(boat));
    refused(&["transfer", "accept", &car, "--as", "bob"]);
    liar.changes("/wish/is_intermediary", true);
    refused(&["party", "carol"]);
    // Which file a thing has is proved, and the proof is of that thing.
    liar.changes("/what", BOAT);
    let said = home.failure(6, "member-1", &sell);
    assert!(said.contains("proved another thing"), "{said}");
    // It is the lies that were refused.
    liar.changes("/nothing", Value::Null);
    home.json("member-1", &sell_paid);
    home.json("member-1", &["transfer", "accept", &car, "--as", "bob"]);
    assert_eq!(home.json("member-1", &["show", CAR])["owner"]["name"], "bob");
    assert_eq!(home.json("member-1", &["show", BOAT])["owner"]["name"], "alice");
}

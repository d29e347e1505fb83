//! What another node signs about a node changes nothing.

use crate::home::Home;
use crate::rowed::seed;
use crate::sealing::{document, register};
use ledger::{
    Body, ChainId, Height, Message, NodeId, Refusal, RotateNode, SealingKey, Signer, Transaction,
    Window,
};
use link_tls::{Contact, Identity, Incoming, Limits, Options, TlsLink};
use port::{Link as _, Peer};
use seal::{Secret, SigningKey};
use std::fs;
use std::time::Duration;

#[test]
fn ld08_nobody_changes_the_sealing_key_of_another_node() {
    let home = Home::new(1, 2, &[]);
    let _nodes: Vec<_> = ["supervision-1", "member-1"].map(|name| (name, home.start(name))).into();
    home.party("member-1", "alice");
    // The second member's link is in somebody's hands, with its key.
    let status = home.json("supervision-1", &["status"]);
    let chain = ChainId(digits(status["chain"].as_str().unwrap()));
    let window = Window::new(Height(status["height"].as_u64().unwrap()), 50);
    let own = |seed: &str| SigningKey::from_seed(&Secret::new(digits(seed.get(..64).unwrap())));
    let (next, second) = (own(&"7e".repeat(32)), own(&seed(&home, "member-2", "signing.seed")));
    let sealing = SealingKey::from_seed(&Secret::new([8; 32])).public();
    let signing = next.verifying_key();
    let proof = Signer::Key(signing.to_bytes());
    let change = |node: u64, sealing: [u8; 32]| {
        let node = NodeId(Height(node));
        let body = RotateNode { node, newest: 1, signing: signing.clone(), sealing };
        let change = Transaction::new(chain, window, Body::RotateNode(body));
        change.sign(proof, 0, &next).unwrap()
    };
    let node = |number: u64| Signer::Node(NodeId(Height(number)));
    let foreign = change(1, sealing);
    let forged = [
        // Its own key under the other's name; its own name; neither.
        (foreign.clone().sign(node(1), 1, &second).unwrap(), Refusal::BadSignature),
        (foreign.clone().sign(node(2), 1, &second).unwrap(), Refusal::Oversigned),
        (foreign, Refusal::Unsigned),
        // For itself, a key that would keep everybody from sealing.
        (change(2, [0; 32]).sign(node(2), 1, &second).unwrap(), Refusal::UnusableKey),
    ];
    for (transaction, why) in forged {
        assert_eq!(submitted(&home, "member-2", "supervision-1", transaction), Err(why));
    }
    // With its own signature, for itself, it may.
    let right = change(2, sealing).sign(node(2), 1, &second).unwrap();
    submitted(&home, "member-2", "supervision-1", right).unwrap();
    assert_eq!(home.json("member-1", &["status"])["sealing_key"], 1);
    let file = register(&home, "member-1", "alice", "toy:1");
    assert_eq!(document(&home, "member-1", &file).as_deref(), Some("toy:1"));
}

/// Hands a transaction over in a node's name, and waits for what becomes of it.
fn submitted(home: &Home, from: &str, to: &str, transaction: Transaction) -> Result<(), Refusal> {
    let read = |name: &str| fs::read(home.path(from).join(name)).unwrap();
    let config = fs::read_to_string(home.path(to).join("node.toml")).unwrap();
    let listen = config.lines().find_map(|line| line.strip_prefix("listen = ")).unwrap();
    let peer = |name: &str| Peer::new(name).unwrap();
    let contact = Contact { peer: peer(to), address: Some(listen.trim_matches('"').into()) };
    let options = Options {
        name: peer(from),
        identity: Identity::new(read("tls.pem"), read("tls.key")),
        roots: read("../roots.pem"),
        listen: None,
        contacts: vec![contact],
        limits: Limits::default(),
    };
    let digest = transaction.digest().unwrap();
    let message = Message::Submit(Box::new(transaction)).to_frame().unwrap();
    // The channel of the ledger's messages.
    let frame = [&[1], &message[..]].concat().into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let (link, mut inbox) = TlsLink::open(options).await.unwrap();
        let answered = async {
            loop {
                match inbox.recv().await.unwrap() {
                    Incoming::Connected(who) => link.send(&who, &frame).await.unwrap(),
                    Incoming::Frame(got) if got.bytes().first() == Some(&1) => {
                        match Message::parse(&got.bytes()[1..]).unwrap() {
                            Message::Refused { digest: it, why } if it == digest => {
                                return Err(why);
                            }
                            Message::Decided { digest: it, .. } if it == digest => return Ok(()),
                            _ => {}
                        }
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), answered).await
    });
    answer.unwrap()
}

fn digits(text: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

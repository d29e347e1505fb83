//! One operation on a bank: made by the referee, written on a line, done by whoever reads it.

use crate::bank::{Bank, cny, order, server};
use interbank_qrpay::*;
use port::blocking::Immediate;
use port::outbox::Entry;
use port::{DecideError, Decision, Key, Store, Time, Version};
use seal::{AccountRef, Audited};
use std::fmt::Debug;

/// What is to be done. Everything drawn is in it: whoever does it on the same rows does the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Issue { key: String, entropy: [u8; 32] },
    Refresh { uid: Uid, entropy: [u8; 32] },
    Redeem { request: PaymentRequest, token: AccountRef },
    Cancel { uid: Uid },
    Refund { uid: Uid, payment: PaymentId, id: String, minor: u64 },
    Lapse { uid: Uid, payment: PaymentId },
    Settle { key: Key, version: Version, entry: Vec<u8>, answer: Vec<u8> },
    Bind { device: usize, name: String, entropy: [u8; 32] },
    Revoke { device: usize },
    Lock { device: usize },
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Issued(Issued),
    Accepted(Accepted),
    Refunded(Refunded),
    /// Granted or declined, in words.
    Other(String),
}

impl Told {
    /// In one line, with all that a client learns.
    pub(crate) fn text(&self) -> String {
        match self {
            // a code has to be the same to the last byte; its words do not show all of it
            Self::Issued(issued) => {
                format!("{issued:?} {:?} {:?}", issued.code.challenge, issued.code.terms)
            }
            Self::Accepted(accepted) => format!("{accepted:?}"),
            Self::Refunded(refunded) => format!("{refunded:?}"),
            Self::Other(words) => words.clone(),
        }
    }
}

impl Job {
    /// Does it, through the loop that integrators use.
    pub(crate) async fn perform<S: Store>(
        &self,
        bank: &Bank,
        server: &PaymentServer,
        store: &S,
        now: Time,
    ) -> Told {
        let desk = Bench { bank, store };
        match self.clone() {
            Self::Issue { key, entropy } => {
                let issue = server.issue(now, &entropy, order(&key)).unwrap();
                desk.decide(issue, Told::Issued).await
            }
            Self::Refresh { uid, entropy } => {
                desk.decide(server.refresh(now, &entropy, uid, None), Told::Issued).await
            }
            Self::Redeem { request, token } => {
                desk.decide(server.redeem(now, request, token), Told::Accepted).await
            }
            Self::Cancel { uid } => desk.decide(server.cancel(now, uid), words).await,
            Self::Refund { uid, payment, id, minor } => {
                let amount = cny(i64::try_from(minor).unwrap());
                let refund = server.refund(now, uid, payment, id, amount).unwrap();
                desk.decide(refund, Told::Refunded).await
            }
            Self::Lapse { uid, payment } => {
                desk.decide(server.lapse(now, uid, payment), words).await
            }
            Self::Settle { key, version, entry, answer } => {
                let entry = Entry::parse(&entry).unwrap();
                let settle = server.settle(now, key, version, &entry, &answer).unwrap();
                desk.decide(settle, words).await
            }
            Self::Bind { device, name, entropy } => {
                let holder = &bank.devices[device];
                let name = DeviceId::new(name).unwrap();
                let secret = DeviceSecret::draw(&entropy);
                let use_key = use_key(&secret, None, &holder.account, &name, 1).unwrap();
                let enrolled = Enrolled::Hmac { use_key, typed_digits: 8 };
                let bind = server.bind(now, &entropy, holder.token, name, 1, enrolled).unwrap();
                desk.decide(bind, words).await
            }
            Self::Revoke { device } => {
                let holder = &bank.devices[device];
                let change = Rebinding::Revoke(holder.name.clone());
                desk.decide(server.rebind(now, holder.token, change), words).await
            }
            Self::Lock { device } => {
                let token = bank.devices[device].token;
                desk.decide(server.rebind(now, token, Rebinding::Lock), words).await
            }
        }
    }

    pub(crate) fn line(&self) -> String {
        match self {
            Self::Issue { key, entropy } => format!("issue {} {}", hex(key), hex(entropy)),
            Self::Refresh { uid, entropy } => {
                format!("refresh {} {}", hex(uid.as_bytes()), hex(entropy))
            }
            Self::Redeem { request, token } => {
                let mut bytes = Vec::new();
                request.encode(&mut bytes);
                format!("redeem {} {}", hex(bytes), hex(token.as_bytes()))
            }
            Self::Cancel { uid } => format!("cancel {}", hex(uid.as_bytes())),
            Self::Refund { uid, payment, id, minor } => {
                let (uid, payment) = (hex(uid.as_bytes()), hex(payment.0));
                format!("refund {uid} {payment} {} {}", hex(id), hex(minor.to_be_bytes()))
            }
            Self::Lapse { uid, payment } => {
                format!("lapse {} {}", hex(uid.as_bytes()), hex(payment.0))
            }
            Self::Settle { key, version, entry, answer } => {
                let version = hex(version.as_u64().to_be_bytes());
                format!("settle {} {version} {} {}", hex(key.as_bytes()), hex(entry), hex(answer))
            }
            Self::Bind { device, name, entropy } => {
                format!("bind {} {} {}", device_hex(*device), hex(name), hex(entropy))
            }
            Self::Revoke { device } => format!("revoke {}", device_hex(*device)),
            Self::Lock { device } => format!("lock {}", device_hex(*device)),
        }
    }

    pub(crate) fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let kind = words.next().unwrap();
        let mut next = || unhex(words.next().unwrap());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let uid = |bytes: Vec<u8>| Uid::new(bytes).unwrap();
        let payment = |bytes: Vec<u8>| PaymentId(bytes.try_into().unwrap());
        let drawn = |bytes: Vec<u8>| -> [u8; 32] { bytes.try_into().unwrap() };
        let number = |bytes: Vec<u8>| u64::from_be_bytes(bytes.try_into().unwrap());
        match kind {
            "issue" => Self::Issue { key: text(next()), entropy: drawn(next()) },
            "refresh" => Self::Refresh { uid: uid(next()), entropy: drawn(next()) },
            "redeem" => Self::Redeem {
                request: PaymentRequest::parse(&next()).unwrap(),
                token: AccountRef::from_bytes(next().try_into().unwrap()),
            },
            "cancel" => Self::Cancel { uid: uid(next()) },
            "refund" => Self::Refund {
                uid: uid(next()),
                payment: payment(next()),
                id: text(next()),
                minor: number(next()),
            },
            "lapse" => Self::Lapse { uid: uid(next()), payment: payment(next()) },
            "settle" => Self::Settle {
                key: Key::from_bytes(&next()).unwrap(),
                version: Version::new(number(next())),
                entry: next(),
                answer: next(),
            },
            "bind" => {
                Self::Bind { device: device(&next()), name: text(next()), entropy: drawn(next()) }
            }
            "revoke" => Self::Revoke { device: device(&next()) },
            "lock" => Self::Lock { device: device(&next()) },
            other => panic!("no job is called {other}"),
        }
    }
}

/// The server of each process: the same everywhere.
pub(crate) fn payment_server() -> PaymentServer {
    server(Policy::default())
}

struct Bench<'a, S> {
    bank: &'a Bank,
    store: &'a S,
}

impl<S: Store> Bench<'_, S> {
    async fn decide<D, T: Debug>(&self, mut decision: D, granted: fn(T) -> Told) -> Told
    where
        D: Decision<Verdict = Audited<Verdict<T>>>,
    {
        match port::decide(self.store, &Immediate(&self.bank.keys), &mut decision).await {
            Ok(Audited { verdict: Verdict::Granted(what), .. }) => granted(what),
            Ok(Audited { verdict: Verdict::Declined(why), .. }) => {
                Told::Other(format!("declined: {why:?}"))
            }
            // nobody disturbs the store: whatever fails is a finding
            Err(DecideError::Busy) => panic!("conflicts without end"),
            Err(why) => panic!("{}: {why:?}", why.code()),
        }
    }
}

fn words<T: Debug>(granted: T) -> Told {
    Told::Other(format!("{granted:?}"))
}

fn device_hex(device: usize) -> String {
    hex([u8::try_from(device).unwrap()])
}

fn device(bytes: &[u8]) -> usize {
    bytes[0].into()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    // an empty word would not be one
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if text.is_empty() { "-".into() } else { text }
}

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

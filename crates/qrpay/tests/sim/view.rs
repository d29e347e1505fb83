//! The rows at one moment, read by their specification.

use interbank_qrpay::*;
use port::outbox::Entry;
use port::wire::Reader;
use port::{Answers, Decision, Key, Row, Rows, Snapshot, Step, Version};

pub(crate) struct View {
    pub(crate) items: Vec<(Uid, Item)>,
    pub(crate) outcomes: Vec<OutcomeRow>,
    pub(crate) payments: Vec<PaymentRow>,
    pub(crate) refunds: Vec<RefundRow>,
    pub(crate) owed: Vec<(Entry, Instruction)>,
    /// Keys and values, as they lie.
    pub(crate) raw: Vec<(Key, Row)>,
}

pub(crate) struct PaymentRow {
    pub(crate) uid: Uid,
    pub(crate) id: PaymentId,
    pub(crate) payment: Payment,
}

pub(crate) struct RefundRow {
    pub(crate) payment: PaymentId,
    pub(crate) id: Vec<u8>,
    pub(crate) refund: Refund,
}

pub(crate) struct OutcomeRow {
    pub(crate) uid: Uid,
    pub(crate) payment: PaymentId,
    pub(crate) reply: Vec<u8>,
    pub(crate) version: Version,
}

impl View {
    pub(crate) fn of(snapshot: &Snapshot, server: &PaymentServer) -> Result<Self, String> {
        let mut view = Self {
            items: Vec::new(),
            outcomes: Vec::new(),
            payments: Vec::new(),
            refunds: Vec::new(),
            owed: Vec::new(),
            raw: snapshot.rows.clone(),
        };
        for (key, row) in &snapshot.rows {
            view.add(key, row, server).ok_or_else(|| format!("a row of no known form: {key:?}"))?;
        }
        Ok(view)
    }

    pub(crate) fn item(&self, uid: &Uid) -> Option<&Item> {
        self.items.iter().find(|(one, _)| one == uid).map(|(_, item)| item)
    }

    pub(crate) fn payment(&self, id: PaymentId) -> Option<&Payment> {
        self.payments.iter().find(|row| row.id == id).map(|row| &row.payment)
    }

    fn add(&mut self, key: &Key, row: &Row, server: &PaymentServer) -> Option<()> {
        let table = *key.as_bytes().get(9)?;
        let mut parts = Reader::new(key.as_bytes().get(Key::HEAD_BYTES..)?);
        match table {
            1 => {
                let uid = uid(&mut parts)?;
                let item = item(server, &uid, row)?;
                self.items.push((uid, item));
            }
            3 => {
                let uid = uid(&mut parts)?;
                let mut value = Reader::new(&row.value);
                value.version(1).ok()?;
                value.fixed(16).ok()?;
                let payment = PaymentId(value.array().ok()?);
                // Amount, currency, payee, time, kind of the reply.
                value.fixed(11).ok()?;
                value.lp8().ok()?;
                value.fixed(9).ok()?;
                let reply = value.lp8().ok()?.to_vec();
                value.finish().ok()?;
                self.outcomes.push(OutcomeRow { uid, payment, reply, version: row.version });
            }
            4 => {
                let uid = uid(&mut parts)?;
                let id = PaymentId(parts.array().ok()?);
                let payment = Payment::parse(&row.value).ok()?;
                self.payments.push(PaymentRow { uid, id, payment });
            }
            5 => {
                uid(&mut parts)?;
                let payment = PaymentId(parts.array().ok()?);
                let id = parts.lp8().ok()?.to_vec();
                self.refunds.push(RefundRow {
                    payment,
                    id,
                    refund: Refund::parse(&row.value).ok()?,
                });
            }
            0xFE => {
                let entry = Entry::parse(&row.value).ok()?;
                let instruction = Instruction::parse(&entry.content).ok()?;
                self.owed.push((entry, instruction));
            }
            2 | 6 => {}
            _ => return None,
        }
        Some(())
    }
}

fn uid(parts: &mut Reader<'_>) -> Option<Uid> {
    Uid::new(parts.lp8().ok()?.to_vec()).ok()
}

fn item(server: &PaymentServer, uid: &Uid, row: &Row) -> Option<Item> {
    let mut look = server.look_up(uid.clone());
    let _ = look.begin();
    let rows = Rows { points: vec![Some(row.clone())], scans: Vec::new() };
    match look.step(Answers { rows, keys: Vec::new() }).ok()? {
        Step::Done(found) => found.verdict.map(|found| found.item),
        Step::Ask(_) => None,
    }
}

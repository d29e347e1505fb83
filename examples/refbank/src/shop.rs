//! The merchant's side of the bank: orders, what the shop's display shows, refunds.

use crate::bank::{Bank, PAYEE, merchant};
use crate::clock;
use crate::rows;
use crate::trouble::Trouble;
use bytes::Bytes;
use interbank::port::wire::{Reader, Writer};
use interbank::port::{
    Amount, Batch, Expect, Key, KeyError, ReadSet, Row, Scan, Store as _, Time, WireError,
};
use interbank::qrpay::{
    ChallengeState, IssueRequest, Issued, Item, Payee, Payment, PaymentId, PaymentState, Price,
    Refund, Refunded, State, Uid, Verdict,
};

impl Bank {
    /// Issues an order. The same key with the same amount is the same order.
    pub(crate) async fn issue(
        &self,
        key: &str,
        amount: Amount,
        note: &str,
    ) -> Result<Verdict<Issued>, Trouble> {
        let request =
            IssueRequest::order(merchant()?, key.as_bytes().to_vec(), amount, Payee::new(PAYEE)?);
        let now = clock::now();
        let issue = self.server().issue(now, &clock::entropy()?, request)?;
        let note = encode_note(note)?;
        let also = |verdict: &Verdict<Issued>, batch: &mut Batch| -> Result<(), KeyError> {
            if let Verdict::Granted(issued) = verdict
                && !issued.repeated
            {
                batch.put(rows::listing(now, &issued.uid)?, Expect::Absent, Bytes::new());
                batch.put(rows::note(&issued.uid)?, Expect::Absent, note.clone());
                show(issued, batch)?;
            }
            Ok(())
        };
        let verdict = self.decide_with(issue, also).await?;
        self.note(&verdict, "order.issued");
        Ok(verdict)
    }

    /// Shows a new code for an order; the one before stays valid for a few seconds.
    pub(crate) async fn refresh(&self, uid: Uid) -> Result<Verdict<Issued>, Trouble> {
        let refresh = self.server().refresh(clock::now(), &clock::entropy()?, uid, None);
        let also = |verdict: &Verdict<Issued>, batch: &mut Batch| match verdict {
            // The item's version guards this row: both change together.
            Verdict::Granted(issued) => show(issued, batch),
            Verdict::Declined(_) => Ok(()),
        };
        let verdict = self.decide_with(refresh, also).await?;
        self.note(&verdict, "order.refreshed");
        Ok(verdict)
    }

    /// Withdraws an order that is not paid.
    pub(crate) async fn cancel(&self, uid: Uid) -> Result<Verdict<State>, Trouble> {
        let verdict = self.decide(self.server().cancel(clock::now(), uid.clone())).await?;
        tracing::info!(event = "order.cancelled", %uid, granted = verdict.declined().is_none());
        self.changed(&uid);
        Ok(verdict)
    }

    /// Gives back all or part of a payment. The same refund number with the same amount is the same refund.
    pub(crate) async fn refund(
        &self,
        uid: Uid,
        payment: PaymentId,
        refund: &str,
        amount: Amount,
    ) -> Result<Verdict<Refunded>, Trouble> {
        let number = refund.as_bytes().to_vec();
        let refund = self.server().refund(clock::now(), uid.clone(), payment, number, amount)?;
        let verdict = self.decide(refund).await?;
        tracing::info!(event = "order.refunded", %uid, granted = verdict.declined().is_none());
        self.owe();
        self.changed(&uid);
        Ok(verdict)
    }

    /// One order.
    pub(crate) async fn order(&self, uid: &Uid) -> Result<Option<Order>, Trouble> {
        Ok(self.read_orders(vec![uid.clone()]).await?.pop())
    }

    /// The last orders, newest first.
    pub(crate) async fn orders(&self, limit: usize) -> Result<Vec<Order>, Trouble> {
        let want = ReadSet::scan(Scan::first(rows::listed(), limit));
        let found = self.vault().read(&want).await.map_err(Trouble::store)?;
        let page = found.scans.into_iter().next().unwrap_or_default();
        self.read_orders(page.iter().filter_map(|(key, _)| rows::listing_uid(key)).collect()).await
    }

    /// Deletes what the shop kept about orders whose record is over.
    pub(crate) async fn purge_orders(&self, now: Time) -> Result<(), Trouble> {
        let policy = &self.server().config().policy;
        let kept_ms = policy.record_kept_ms.saturating_add(policy.order_valid_ms);
        let mut after = None;
        loop {
            let scan = Scan { prefix: rows::listed(), after, limit: Scan::ROWS_MAX };
            let found = self.vault().read(&ReadSet::scan(scan)).await.map_err(Trouble::store)?;
            let page = found.scans.into_iter().next().unwrap_or_default();
            let mut over = Vec::new();
            for (key, _) in &page {
                let created = rows::listing_created(key).unwrap_or(now);
                if now.since_ms(created) >= kept_ms
                    && let Some(uid) = rows::listing_uid(key)
                {
                    over.extend([rows::note(&uid)?, rows::display(&uid)?, key.clone()]);
                }
            }
            self.delete(over).await?;
            match page.last() {
                Some((key, _)) if page.len() == Scan::ROWS_MAX => after = Some(key.clone()),
                _ => return Ok(()),
            }
        }
    }

    async fn read_orders(&self, uids: Vec<Uid>) -> Result<Vec<Order>, Trouble> {
        let mut points = Vec::with_capacity(3 * uids.len());
        let mut scans = Vec::with_capacity(uids.len());
        for uid in &uids {
            points.extend([self.server().item_key(uid), rows::note(uid)?, rows::display(uid)?]);
            scans.push(Scan::first(self.server().payments(uid), ATTEMPTS_SHOWN));
        }
        let found = self.vault().read(&ReadSet { points, scans }).await.map_err(Trouble::store)?;
        let mut orders = Vec::with_capacity(uids.len());
        for (at, (uid, payments)) in uids.into_iter().zip(&found.scans).enumerate() {
            let Some([Some(item), note, display]) = found.points.get(3 * at..3 * at + 3) else {
                continue;
            };
            let item = Item::parse(&item.value)?;
            let mut order = Order::new(uid, &item, note.as_ref(), display.as_ref())?;
            order.take_payments(&item, payments)?;
            if let Some((id, _)) = &order.payment {
                order.refunds = self.read_refunds(&order.uid, id).await?;
            }
            orders.push(order);
        }
        Ok(orders)
    }

    async fn read_refunds(&self, uid: &Uid, id: &PaymentId) -> Result<Vec<Refund>, Trouble> {
        let want = ReadSet::scan(Scan::first(self.server().refunds(uid, id), REFUNDS_SHOWN));
        let found = self.vault().read(&want).await.map_err(Trouble::store)?;
        let page = found.scans.into_iter().next().unwrap_or_default();
        let refunds = page.iter().map(|(_, row)| Refund::parse(&row.value));
        let mut refunds = refunds.collect::<Result<Vec<_>, _>>()?;
        refunds.sort_by_key(|refund| refund.granted);
        Ok(refunds)
    }

    fn note(&self, verdict: &Verdict<Issued>, event: &'static str) {
        match verdict {
            Verdict::Granted(issued) => {
                tracing::info!(event, uid = %issued.uid, repeated = issued.repeated);
                self.changed(&issued.uid);
            }
            Verdict::Declined(why) => tracing::info!(event, code = why.code()),
        }
    }
}

/// An order as the merchant sees it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) uid: Uid,
    pub(crate) note: String,
    pub(crate) price: Price,
    pub(crate) created: Time,
    state: State,
    valid_until: Time,
    /// What the display shows.
    pub(crate) shown: Option<Shown>,
    /// The payment that holds the order.
    pub(crate) payment: Option<(PaymentId, Payment)>,
    /// The accounting system's code of the last attempt that it declined.
    pub(crate) declined: Option<u32>,
    pub(crate) refunds: Vec<Refund>,
}

impl Order {
    fn new(
        uid: Uid,
        item: &Item,
        note: Option<&Row>,
        display: Option<&Row>,
    ) -> Result<Self, Trouble> {
        let shown = display.map(|row| Shown::parse(&row.value, item)).transpose()?;
        Ok(Self {
            uid,
            note: note.map(|row| read_note(&row.value)).transpose()?.unwrap_or_default(),
            price: item.price.clone(),
            created: item.created,
            state: item.state,
            valid_until: item.valid_until,
            shown,
            payment: None,
            declined: None,
            refunds: Vec::new(),
        })
    }

    fn take_payments(&mut self, item: &Item, rows: &[(Key, Row)]) -> Result<(), Trouble> {
        let mut last = Time::EPOCH;
        for (key, row) in rows {
            let payment = Payment::parse(&row.value)?;
            let id = key.as_bytes().last_chunk().copied().map(PaymentId);
            if item.payment.is_some() && item.payment == id {
                self.payment = id.map(|id| (id, payment));
            } else if payment.state == PaymentState::Declined && payment.accepted >= last {
                last = payment.accepted;
                self.declined = Some(payment.cause);
            }
        }
        Ok(())
    }

    /// Where it stands, in the merchant's eyes.
    pub(crate) fn standing(&self, now: Time) -> Standing {
        match self.state {
            State::Cancelled => Standing::Cancelled,
            State::Accepted => Standing::Settling,
            State::Lapsed => Standing::Lapsed,
            State::Paid => match &self.payment {
                Some((_, payment)) if payment.refunded_minor > 0 => {
                    if payment.refundable().is_positive() {
                        Standing::PartlyRefunded
                    } else {
                        Standing::Refunded
                    }
                }
                _ => Standing::Paid,
            },
            State::Open if now >= self.valid_until => Standing::Over,
            State::Open => match &self.shown {
                Some(shown) if shown.blocked => Standing::CodeBlocked,
                Some(shown) if now.is_before_s(shown.expires_s) => Standing::Waiting,
                _ => Standing::CodeExpired,
            },
        }
    }

    /// What can still be refunded.
    pub(crate) fn refundable(&self) -> Option<Amount> {
        let (_, payment) = self.payment.as_ref()?;
        Some(payment.refundable()).filter(|amount| amount.is_positive())
    }
}

/// What the display shows.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// The text of the code.
    pub(crate) code: String,
    /// Valid before this second.
    pub(crate) expires_s: u64,
    /// Whether wrong answers used it up.
    pub(crate) blocked: bool,
}

impl Shown {
    fn parse(bytes: &[u8], item: &Item) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let reference = reader.u32()?;
        let expires_s = reader.u64()?;
        let code = Reader::text(reader.lp16()?)?.into();
        reader.finish()?;
        let displayed = item.challenges.iter().find(|one| one.reference == reference);
        let blocked = displayed.is_some_and(|one| one.state == ChallengeState::Killed);
        Ok(Self { code, expires_s, blocked })
    }
}

/// Where an order stands, in the merchant's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    CodeExpired,
    CodeBlocked,
    Settling,
    Paid,
    PartlyRefunded,
    Refunded,
    Cancelled,
    Over,
    Lapsed,
}

impl Standing {
    /// One or two words.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting for payment",
            Self::CodeExpired => "Code expired",
            Self::CodeBlocked => "Code blocked",
            Self::Settling => "Settling",
            Self::Paid => "Paid",
            Self::PartlyRefunded => "Partly refunded",
            Self::Refunded => "Refunded",
            Self::Cancelled => "Cancelled",
            Self::Over => "Expired",
            Self::Lapsed => "Not settled",
        }
    }

    /// One sentence.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Waiting => "Show the code to the customer.",
            Self::CodeExpired => "Its two minutes are over. Show a new code.",
            Self::CodeBlocked => "It was answered wrongly five times. Show a new code.",
            Self::Settling => "The customer confirmed. The account is being debited.",
            Self::Paid => "The customer's account was debited. You can hand over the goods.",
            Self::PartlyRefunded => "Paid; part of it was given back.",
            Self::Refunded => "Paid, and all of it was given back.",
            Self::Cancelled => "You withdrew this order. It cannot be paid.",
            Self::Over => "Nobody paid this order in time.",
            Self::Lapsed => "The accounting system did not answer in time. A late debit goes back.",
        }
    }

    /// Which colour says it as well.
    pub(crate) const fn tone(self) -> &'static str {
        match self {
            Self::Waiting | Self::Settling => "pending",
            Self::Paid => "good",
            Self::PartlyRefunded | Self::Refunded | Self::Cancelled => "quiet",
            Self::CodeExpired | Self::CodeBlocked | Self::Over | Self::Lapsed => "warn",
        }
    }

    /// Whether a new code can be shown and the order withdrawn.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::CodeExpired | Self::CodeBlocked)
    }

    /// Whether the order was paid.
    pub(crate) const fn is_paid(self) -> bool {
        matches!(self, Self::Paid | Self::PartlyRefunded | Self::Refunded)
    }
}

/// The longest note, in bytes.
pub(crate) const NOTE_BYTES_MAX: usize = 120;

fn show(issued: &Issued, batch: &mut Batch) -> Result<(), KeyError> {
    let text = issued.code.to_text();
    let mut bytes = Vec::with_capacity(text.len() + 16);
    let mut writer = Writer::new(&mut bytes, 1);
    writer.u32(issued.challenge_ref).u64(issued.expires_s);
    // A code is at most 512 bytes.
    writer.lp16(text.as_bytes()).map_err(|_| KeyError::TooLong)?;
    batch.put(rows::display(&issued.uid)?, Expect::Any, bytes);
    Ok(())
}

fn encode_note(note: &str) -> Result<Bytes, WireError> {
    let mut bytes = Vec::with_capacity(note.len() + 2);
    Writer::new(&mut bytes, 1).lp8(note.as_bytes())?;
    Ok(bytes.into())
}

fn read_note(bytes: &[u8]) -> Result<String, WireError> {
    let mut reader = Reader::new(bytes);
    reader.version(1)?;
    let note = Reader::text(reader.lp8()?)?.into();
    reader.finish()?;
    Ok(note)
}

const ATTEMPTS_SHOWN: usize = 64;
const REFUNDS_SHOWN: usize = 100;

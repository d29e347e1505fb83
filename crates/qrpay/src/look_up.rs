//! Looking at an item or a payment, for pages, reports and support.

use crate::item::Item;
use crate::payment::{Payment, PaymentId, Refund};
use crate::server::Setup;
use crate::table::{self, point};
use crate::{Error, PaymentServer, Uid};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{Answers, Ask, Batch, Conclusion, Decision, Key, ReadSet, Scan, Step, Version};

impl PaymentServer {
    /// Looks at an item; the verdict is `None` if there is none.
    pub fn look_up(&self, uid: Uid) -> LookUp {
        LookUp { setup: self.setup.clone(), uid }
    }

    /// Looks at a payment with its refunds (the first 100); the verdict is `None` if there is none.
    pub fn look_up_payment(&self, uid: Uid, payment: PaymentId) -> LookUpPayment {
        LookUpPayment { setup: self.setup.clone(), uid, payment }
    }

    /// Lists items in the order of their identifiers, up to 100 at a time.
    pub fn list_items(&self, after: Option<Key>) -> ListItems {
        ListItems { setup: self.setup.clone(), after }
    }
}

/// An item as it stands, and the commit that made it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundItem {
    /// The item.
    pub item: Item,
    /// The version of its row.
    pub version: Version,
}

/// The decision to look at an item.
#[derive(Clone, Debug)]
pub struct LookUp {
    setup: Arc<Setup>,
    uid: Uid,
}

impl Decision for LookUp {
    type Verdict = Option<FoundItem>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let key = table::item(self.setup.tenant(), &self.uid);
        Ask::rows(ReadSet::points([key]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let row = point(&answers, 0)?;
        let verdict = row
            .map(|row| Item::parse(&row.value).map(|item| FoundItem { item, version: row.version }))
            .transpose()?;
        Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }))
    }
}

/// A payment with its refunds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPayment {
    /// The payment.
    pub payment: Payment,
    /// Its refunds by the merchant's refund id.
    pub refunds: Vec<(Bytes, Refund)>,
}

/// The decision to look at a payment.
#[derive(Clone, Debug)]
pub struct LookUpPayment {
    setup: Arc<Setup>,
    uid: Uid,
    payment: PaymentId,
}

impl Decision for LookUpPayment {
    type Verdict = Option<FoundPayment>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let tenant = self.setup.tenant();
        let point = table::payment(tenant, &self.uid, &self.payment);
        let prefix = table::refunds(tenant, &self.uid, &self.payment);
        let mut want = ReadSet::points([point]);
        want.scans.push(Scan::first(prefix, PAGE_ROWS));
        Ask::rows(want)
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let Some(row) = point(&answers, 0)? else {
            return Ok(Step::Done(Conclusion { verdict: None, batch: Batch::new() }));
        };
        let payment = Payment::parse(&row.value)?;
        let prefix = table::refunds(self.setup.tenant(), &self.uid, &self.payment);
        let mut refunds = Vec::new();
        for (key, row) in answers.rows.scans.iter().flatten() {
            let id = key.as_bytes().get(prefix.as_bytes().len() + 1..).unwrap_or_default();
            refunds.push((Bytes::copy_from_slice(id), Refund::parse(&row.value)?));
        }
        let verdict = Some(FoundPayment { payment, refunds });
        Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }))
    }
}

/// The decision to list items.
#[derive(Clone, Debug)]
pub struct ListItems {
    setup: Arc<Setup>,
    after: Option<Key>,
}

/// A page of items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemPage {
    /// Identifiers and items.
    pub items: Vec<(Uid, Item)>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Key>,
}

impl Decision for ListItems {
    type Verdict = ItemPage;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let prefix = table::table(self.setup.tenant(), table::ITEM);
        Ask::rows(ReadSet::scan(Scan { prefix, after: self.after.clone(), limit: PAGE_ROWS }))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<ItemPage>, Error> {
        let page = answers.rows.scans.into_iter().next().unwrap_or_default();
        let full = page.len() == PAGE_ROWS;
        let next = page.last().filter(|_| full).map(|(key, _)| key.clone());
        let mut items = Vec::with_capacity(page.len());
        for (key, row) in &page {
            let uid = key.as_bytes().get(Key::HEAD_BYTES + 1..).unwrap_or_default();
            items.push((Uid::new(Bytes::copy_from_slice(uid))?, Item::parse(&row.value)?));
        }
        Ok(Step::Done(Conclusion { verdict: ItemPage { items, next }, batch: Batch::new() }))
    }
}

const PAGE_ROWS: usize = 100;

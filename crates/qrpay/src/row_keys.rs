//! Where the rows of one institution lie, for whoever shows or archives them.

use crate::table::{self, BINDING, ITEM, table};
use crate::{PaymentId, PaymentServer, Uid};
use port::Key;
use seal::AccountRef;

/// Reading these rows is free; write them only through the decisions.
impl PaymentServer {
    /// The prefix of all items; [`crate::Item::parse`] reads their rows.
    pub fn items(&self) -> Key {
        table(self.config().tenant, ITEM)
    }

    /// The row of one item.
    pub fn item_key(&self, uid: &Uid) -> Key {
        table::item(self.config().tenant, uid)
    }

    /// The prefix of all bindings; [`crate::Binding::parse`] reads their rows.
    pub fn bindings(&self) -> Key {
        table(self.config().tenant, BINDING)
    }

    /// The row of one account's binding.
    pub fn binding_key(&self, account: &AccountRef) -> Key {
        table::binding(self.config().tenant, account)
    }

    /// The prefix of all payments for one item; [`crate::Payment::parse`] reads their rows.
    pub fn payments(&self, uid: &Uid) -> Key {
        table::payments(self.config().tenant, uid)
    }

    /// The row of one payment.
    pub fn payment_key(&self, uid: &Uid, id: &PaymentId) -> Key {
        table::payment(self.config().tenant, uid, id)
    }

    /// The prefix of all refunds of one payment; [`crate::Refund::parse`] reads their rows.
    pub fn refunds(&self, uid: &Uid, id: &PaymentId) -> Key {
        table::refunds(self.config().tenant, uid, id)
    }
}

//! Where the rows of one institution lie, for whoever shows or archives them.

use crate::table::{self, BINDING, ITEM, PAYMENT, table};
use crate::{PaymentId, PaymentServer, Uid};
use port::{Key, KeyError};
use seal::AccountRef;

/// Reading these rows is free; write them only through the decisions.
impl PaymentServer {
    /// The prefix of all items; [`crate::Item::parse`] reads their rows.
    pub fn items(&self) -> Key {
        table(self.config().tenant, ITEM)
    }

    /// The row of one item.
    ///
    /// # Errors
    /// None for an identifier of ours: it always fits.
    pub fn item_key(&self, uid: &Uid) -> Result<Key, KeyError> {
        table::item(self.config().tenant, uid)
    }

    /// The prefix of all bindings; [`crate::Binding::parse`] reads their rows.
    pub fn bindings(&self) -> Key {
        table(self.config().tenant, BINDING)
    }

    /// The row of one account's binding.
    ///
    /// # Errors
    /// None: it always fits.
    pub fn binding_key(&self, account: &AccountRef) -> Result<Key, KeyError> {
        table::binding(self.config().tenant, account)
    }

    /// The prefix of all payments for one item; [`crate::Payment::parse`] reads their rows.
    ///
    /// # Errors
    /// None for an identifier of ours: it always fits.
    pub fn payments(&self, uid: &Uid) -> Result<Key, KeyError> {
        table(self.config().tenant, PAYMENT).text(uid.as_bytes())
    }

    /// The row of one payment.
    ///
    /// # Errors
    /// None for an identifier of ours: it always fits.
    pub fn payment_key(&self, uid: &Uid, id: &PaymentId) -> Result<Key, KeyError> {
        table::payment(self.config().tenant, uid, id)
    }

    /// The prefix of all refunds of one payment; [`crate::Refund::parse`] reads their rows.
    ///
    /// # Errors
    /// None for an identifier of ours: it always fits.
    pub fn refunds(&self, uid: &Uid, id: &PaymentId) -> Result<Key, KeyError> {
        table::refunds(self.config().tenant, uid, id)
    }
}

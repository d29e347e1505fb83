//! Business refusals: values with stable codes, never errors.

use core::fmt;

/// Why a request was refused. `Display` is fit to be shown to a payer or a merchant; it tells no more than they may know:
/// an unknown account, a wrong PIN, a wrong device and a wrong reply are one and the same [`Refusal::Refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The challenge was answered already, by this payer or another.
    AlreadyUsed,
    /// The accounting system refused the debit, with its own code.
    Debit(u32),
    /// The challenge's time is over.
    Expired,
    /// An earlier request under the same key had another body.
    KeyReused,
    /// The account is locked after too many wrong replies.
    Locked,
    /// Nothing is displayed that could be answered now.
    NoOpenChallenge,
    /// The payment is in a state that does not allow this (not paid, already refunded, lapsed).
    NotNow,
    /// The order is cancelled, lapsed, or its time is over.
    OrderNotPayable,
    /// The refunds would exceed the payment.
    RefundTooLarge,
    /// The account or the reply is not right.
    Refused,
    /// A bound is reached: open challenges of an item, devices of an account.
    TooMany,
    /// There is no such binding to change.
    UnknownDevice,
    /// There is no such order or commodity.
    UnknownItem,
    /// There is no such payment.
    UnknownPayment,
    /// This kind of credential is not allowed by policy.
    WeakCredential,
}

impl Refusal {
    /// Stable number, 2000 to 2014. [`Refusal::Debit`] is 2007; the accounting system's own code is its field.
    pub const fn code(self) -> u32 {
        match self {
            Self::UnknownItem => 2_000,
            Self::NoOpenChallenge => 2_001,
            Self::Expired => 2_002,
            Self::Refused => 2_003,
            Self::Locked => 2_004,
            Self::AlreadyUsed => 2_005,
            Self::OrderNotPayable => 2_006,
            Self::Debit(_) => 2_007,
            Self::KeyReused => 2_008,
            Self::NotNow => 2_009,
            Self::RefundTooLarge => 2_010,
            Self::TooMany => 2_011,
            Self::UnknownDevice => 2_012,
            Self::UnknownPayment => 2_013,
            Self::WeakCredential => 2_014,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyUsed => "this code was used already",
            Self::Debit(_) => "the account could not be debited",
            Self::Expired => "this code has expired; scan the one that is displayed now",
            Self::KeyReused => "this idempotency key was used for another request",
            Self::Locked => "the account is locked for this kind of payment",
            Self::NoOpenChallenge => "nothing is displayed that could be paid now",
            Self::NotNow => "the payment does not allow this in its present state",
            Self::OrderNotPayable => "this order cannot be paid any more",
            Self::RefundTooLarge => "refunds cannot exceed the payment",
            Self::Refused => "account or reply is not right",
            Self::TooMany => "too many at one time",
            Self::UnknownDevice => "no such device is bound",
            Self::UnknownItem => "no such order or commodity",
            Self::UnknownPayment => "no such payment",
            Self::WeakCredential => "this kind of credential is not allowed",
        })
    }
}

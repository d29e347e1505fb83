//! The host's books against the truth: what the acquirers were told.

use crate::accounting::Accounting;
use crate::truth::Truth;

/// How the two compare, request by request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Requests for which the books say what the terminal was told, declines among them.
    pub(crate) matched: u64,
    /// Approved to a terminal and not posted.
    pub(crate) missing: u64,
    /// Posted and not approved to any terminal, or reversed.
    pub(crate) extra: u64,
    /// Posted with another amount.
    pub(crate) other_amount: u64,
    /// What terminals were told in all, in minor units: approvals minus reversals.
    pub(crate) truth_minor: i64,
    /// What all accounts have paid.
    pub(crate) books_minor: i64,
}

impl Comparison {
    pub(crate) fn new(truth: &Truth, books: &Accounting) -> Self {
        let nets = truth.nets();
        let mut found = Self { books_minor: books.paid_minor(), ..Self::default() };
        for (key, told) in &nets {
            found.truth_minor += told;
            found.judge(*told, books.net_minor(key));
        }
        for key in books.keys().filter(|key| !nets.contains_key(*key)) {
            found.judge(0, books.net_minor(key));
        }
        found
    }

    /// Whether the books equal the truth, in every line and in all.
    pub(crate) const fn is_equal(&self) -> bool {
        self.missing == 0
            && self.extra == 0
            && self.other_amount == 0
            && self.truth_minor == self.books_minor
    }

    fn judge(&mut self, told: i64, posted: i64) {
        let count = match (told, posted) {
            _ if told == posted => &mut self.matched,
            (_, 0) => &mut self.missing,
            (0, _) => &mut self.extra,
            _ => &mut self.other_amount,
        };
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card;
    use port::{Amount, Currency, Time};
    use seal::{Account, AccountTokens, Secret};
    use standin::{AccountInfo, Kind, Mti, RequestDraft, ResponseCode, Text, TransactionRequest};

    fn purchase(trace: u64, minor: i64) -> TransactionRequest {
        let number = Account::new(card::number(1)).unwrap();
        let token = AccountTokens::new(&Secret::new([2; 32])).token(&number);
        TransactionRequest::new(RequestDraft {
            institution: card::issuer(),
            initiator: card::acquirer(),
            account: Some(AccountInfo::new(&number, token)),
            amount: Some(Amount::new(minor, Currency::parse("CNY").unwrap())),
            kind: Some(Kind::Purchase),
            mti: Some(Mti::FINANCIAL),
            trace: Some(trace),
            sent_at: Some(Time::from_s(1_785_000_000)),
            terminal: Some(Text::new("TERM0001").unwrap()),
            ..RequestDraft::default()
        })
        .unwrap()
    }

    #[test]
    fn every_difference_is_found() {
        let mut books = Accounting::new(1_000);
        let mut truth = Truth::default();
        let [right, missing, extra, other] = [1, 2, 3, 4].map(|trace| purchase(trace, 100));
        for posted in [&right, &extra, &other] {
            assert_eq!(books.handle(posted), ResponseCode::APPROVED);
        }
        truth.tell(right.key, None, Some(100), b"");
        assert!(!Comparison::new(&truth, &books).is_equal());
        truth.tell(missing.key, None, Some(100), b"");
        truth.tell(other.key, None, Some(99), b"");
        let found = Comparison::new(&truth, &books);
        assert_eq!((found.matched, found.missing, found.extra, found.other_amount), (1, 1, 1, 1));
        assert!(!found.is_equal());
    }

    #[test]
    fn the_books_act_once_for_a_key_and_a_reversal_comes_before_too() {
        let mut books = Accounting::new(150);
        let [one, two, three] = [1, 2, 3].map(|trace| purchase(trace, 100));
        assert_eq!(books.handle(&one), ResponseCode::APPROVED);
        assert_eq!(books.handle(&one), ResponseCode::APPROVED);
        assert_eq!(books.handle(&two), ResponseCode::INSUFFICIENT_FUNDS);
        // An advice of it is a fact all the same.
        let mut advice = two.clone();
        advice.mti = advice.mti.advice();
        assert_eq!(books.handle(&advice), ResponseCode::APPROVED);
        assert_eq!(books.handle(&advice), ResponseCode::APPROVED);
        assert_eq!((books.net_minor(&one.key), books.net_minor(&two.key)), (100, 100));
        let mut reversal = purchase(4, 100);
        reversal.kind = Kind::Reversal;
        reversal.original = Some(three.key);
        assert_eq!(books.handle(&reversal), ResponseCode::APPROVED);
        assert_eq!(books.handle(&three), ResponseCode::INVALID_TRANSACTION);
        assert_eq!(books.paid_minor(), 200);
    }
}

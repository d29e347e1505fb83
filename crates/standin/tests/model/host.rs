//! An accounting system that keeps its contract, unless a test breaks it on purpose.

use interbank_standin::*;
use port::Amount;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher};

#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    /// It declines these requests itself.
    pub(crate) declines: BTreeSet<RequestKey>,
    /// Its own decisions, by request.
    decided: BTreeMap<RequestKey, ResponseCode>,
    /// What it did about advices and reversals, by message.
    done: BTreeMap<RequestKey, AdviceOutcome>,
    reversed: BTreeSet<RequestKey>,
    /// Everything it posted, in order; signed as the account sees it.
    pub(crate) book: Vec<Posting>,
    /// How often it refused or failed to answer is no business of the books.
    pub(crate) broken: Option<Broken>,
}

/// One line of the books.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Posting {
    pub(crate) account: seal::AccountRef,
    /// The request that it is about.
    pub(crate) about: RequestKey,
    /// The message that moved it.
    pub(crate) by: RequestKey,
    pub(crate) minor: i64,
}

/// A deliberate fault, to see that the invariants can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It posts whatever comes, however often.
    NoMemory,
    /// It answers that it posted, and does not.
    Forgets,
    /// It posts what is told it before what it was told earlier.
    Reorders,
}

impl Host {
    pub(crate) fn on_request(&mut self, request: &TransactionRequest) -> Response {
        let fresh = self.broken == Some(Broken::NoMemory);
        let code = match self.decided.get(&request.key) {
            Some(code) if !fresh => *code,
            _ => self.decide(request),
        };
        self.decided.insert(request.key, code);
        Response {
            mti: request.mti.response().unwrap(),
            key: request.key,
            code,
            approved: code.is_approval().then_some(request.amount),
            auth_code: code.is_approval().then(|| AuthCode::of_number(request.key.trace())),
            source: Source::Host,
            balance: None,
            retrieval_ref: None,
        }
    }

    fn decide(&mut self, request: &TransactionRequest) -> ResponseCode {
        if request.kind == Kind::Reversal {
            let original = request.original.unwrap();
            self.reverse(request, request.key, original);
            return ResponseCode::APPROVED;
        }
        if self.reversed.contains(&request.key) {
            return ResponseCode::INVALID_TRANSACTION;
        }
        let posted = self.net(&request.key) != 0;
        if posted && self.broken != Some(Broken::NoMemory) {
            return ResponseCode::APPROVED;
        }
        let told = request.mti.function() == Function::Advice;
        if self.declines.contains(&request.key) && !told {
            return ResponseCode::INSUFFICIENT_FUNDS;
        }
        self.post(request, request.key, request.key, request.amount.minor());
        ResponseCode::APPROVED
    }

    pub(crate) fn on_advice(&mut self, advice: &Advice) -> AdviceOutcome {
        if let Some(outcome) = self.done.get(&advice.key)
            && self.broken != Some(Broken::NoMemory)
        {
            return match outcome {
                AdviceOutcome::Posted => AdviceOutcome::AlreadyPosted,
                other => *other,
            };
        }
        let outcome = match advice.posting {
            interbank_standin::Posting::Reversal => {
                let original = advice.original.unwrap();
                self.reverse(&advice.request, advice.key, original);
                AdviceOutcome::Posted
            }
            interbank_standin::Posting::None => panic!("nothing is no message"),
            _ => {
                let known = self.net(&advice.key) != 0 || self.reversed.contains(&advice.key);
                if known && self.broken != Some(Broken::NoMemory) {
                    AdviceOutcome::AlreadyPosted
                } else {
                    let minor = advice.response.approved.map_or(0, Amount::minor);
                    self.post(&advice.request, advice.key, advice.key, minor);
                    AdviceOutcome::Posted
                }
            }
        };
        self.done.insert(advice.key, outcome);
        outcome
    }

    fn reverse(&mut self, request: &TransactionRequest, by: RequestKey, original: RequestKey) {
        let net = self.net(&original);
        if self.reversed.insert(original) && net != 0 {
            self.post(request, by, original, -net);
        }
    }

    fn post(
        &mut self,
        request: &TransactionRequest,
        by: RequestKey,
        about: RequestKey,
        minor: i64,
    ) {
        let posting = Posting { account: request.account.token, about, by, minor };
        match self.broken {
            Some(Broken::Forgets) => {}
            Some(Broken::Reorders) => self.book.insert(0, posting),
            _ => self.book.push(posting),
        }
    }

    /// Everything that it goes by; the order of its book only within accounts.
    pub(crate) fn mark(&self, hasher: &mut impl Hasher) {
        self.decided.hash(hasher);
        self.reversed.hash(hasher);
        self.done.keys().for_each(|key| key.hash(hasher));
        let mut book: Vec<(usize, &Posting)> = self.book.iter().enumerate().collect();
        book.sort_by_key(|(at, one)| (one.account, *at));
        book.iter().for_each(|(_, one)| one.hash(hasher));
    }

    /// What the books say about a request.
    pub(crate) fn net(&self, about: &RequestKey) -> i64 {
        self.book.iter().filter(|one| one.about == *about).map(|one| one.minor).sum()
    }
}

//! The simulated accounting system's books: it acts once for a key, and answers the same however often it is asked.

use seal::AccountRef;
use standin::{Function, Kind, RequestKey, ResponseCode, TransactionRequest};
use std::collections::HashMap;

/// Accounts, and what was done about each request.
#[derive(Debug)]
pub(crate) struct Accounting {
    opening_minor: i64,
    balances: HashMap<AccountRef, i64>,
    /// By the key of the request, whoever told of it.
    lines: HashMap<RequestKey, Line>,
    /// What reversals and advices of reversals were answered.
    reversals: HashMap<RequestKey, ResponseCode>,
    counts: Counts,
}

impl Accounting {
    /// Each account has this balance when it is first met.
    pub(crate) fn new(opening_minor: i64) -> Self {
        Self {
            opening_minor,
            balances: HashMap::new(),
            lines: HashMap::new(),
            reversals: HashMap::new(),
            counts: Counts::default(),
        }
    }

    /// A message about money came: a request is decided over, an advice is a fact.
    pub(crate) fn handle(&mut self, request: &TransactionRequest) -> ResponseCode {
        let is_advice = request.mti.function() == Function::Advice;
        let count = if is_advice { &mut self.counts.advices } else { &mut self.counts.requests };
        *count += 1;
        self.counts.repeats += u64::from(request.mti.is_repeat());
        match (request.kind, is_advice) {
            (Kind::Reversal, _) => self.reverse(request),
            (_, true) => self.post_fact(request),
            (_, false) => self.decide(request),
        }
    }

    /// An advice came without an answer in it: an acquirer's own, which the switch handed on.
    pub(crate) const fn hear(&mut self) {
        self.counts.handed_on += 1;
    }

    /// Evidence came with an advice: the stand-in module says what the terminal was told, and when.
    pub(crate) const fn explain(&mut self) {
        self.counts.explained += 1;
    }

    /// What is posted for a request, after reversals.
    pub(crate) fn net_minor(&self, key: &RequestKey) -> i64 {
        self.lines.get(key).map_or(0, |line| line.net_minor)
    }

    /// Every request that it knows.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &RequestKey> {
        self.lines.keys()
    }

    /// How much it did.
    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// What all accounts together have paid.
    pub(crate) fn paid_minor(&self) -> i64 {
        self.balances.values().map(|balance| self.opening_minor - balance).sum()
    }

    fn decide(&mut self, request: &TransactionRequest) -> ResponseCode {
        let balance = self.balance(request.account.token);
        let line = self.lines.entry(request.key).or_default();
        if let Some(code) = line.answered {
            return code;
        }
        let code = if line.reversed {
            ResponseCode::INVALID_TRANSACTION
        } else if line.net_minor != 0 {
            // An advice told of it before.
            ResponseCode::APPROVED
        } else if request.billed().minor() > balance {
            ResponseCode::INSUFFICIENT_FUNDS
        } else {
            line.net_minor = request.billed().minor();
            self.balances.insert(request.account.token, balance - request.billed().minor());
            ResponseCode::APPROVED
        };
        line.answered = Some(code);
        code
    }

    /// A fact is posted also where it was declined here, or the account goes negative.
    fn post_fact(&mut self, request: &TransactionRequest) -> ResponseCode {
        let balance = self.balance(request.account.token);
        let line = self.lines.entry(request.key).or_default();
        if line.net_minor == 0 && !line.reversed {
            line.net_minor = request.billed().minor();
            self.balances.insert(request.account.token, balance - line.net_minor);
        }
        ResponseCode::APPROVED
    }

    /// A reversal of what is not there keeps the original from being approved later.
    fn reverse(&mut self, request: &TransactionRequest) -> ResponseCode {
        if let Some(code) = self.reversals.get(&request.key) {
            return *code;
        }
        let Some(original) = request.original else { return ResponseCode::FORMAT };
        let balance = self.balance(request.account.token);
        let line = self.lines.entry(original).or_default();
        line.reversed = true;
        self.balances.insert(request.account.token, balance + line.net_minor);
        line.net_minor = 0;
        self.reversals.insert(request.key, ResponseCode::APPROVED);
        ResponseCode::APPROVED
    }

    fn balance(&self, account: AccountRef) -> i64 {
        self.balances.get(&account).copied().unwrap_or(self.opening_minor)
    }
}

/// How much it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) advices: u64,
    /// Advices of acquirers, which nobody had answered yet.
    pub(crate) handed_on: u64,
    /// Advices with the stand-in module's evidence of what it answered.
    pub(crate) explained: u64,
    /// Requests and advices that were marked as repeats.
    pub(crate) repeats: u64,
}

/// What was done about one request.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// What the request itself was answered.
    answered: Option<ResponseCode>,
    net_minor: i64,
    reversed: bool,
}

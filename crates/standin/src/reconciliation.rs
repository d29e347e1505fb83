//! Reconciliation: the journal, what the accounting system posted, and what the initiator saw, line by line.

use crate::{Entry, EntryState, Kind, RequestKey};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use port::{Amount, Currency, Time};
use sha2::{Digest as _, Sha256};

/// Compares three views of the same outage (spec: reconciliation). An accumulator: update with each view in any order, then finish.
///
/// Amounts are signed as the account sees them: a purchase is positive, a refund and a reversal negative.
#[derive(Clone, Debug, Default)]
pub struct Reconciliation {
    lines: BTreeMap<RequestKey, Views>,
    totals: BTreeMap<(Kind, bool, [u8; 3]), (u64, i128)>,
    links: Vec<[u8; 32]>,
}

#[derive(Clone, Debug, Default)]
struct Views {
    journal: Option<(Amount, Time)>,
    postings: Vec<Amount>,
    initiator: Option<Amount>,
}

impl Reconciliation {
    /// Nothing compared yet.
    pub const fn new() -> Self {
        Self { lines: BTreeMap::new(), totals: BTreeMap::new(), links: Vec::new() }
    }

    /// An entry of the journal, once each. Declines, inquiries and reversals of what was never approved are expected to be in no
    /// books; they count in the totals all the same.
    pub fn journal(&mut self, entry: &Entry) -> &mut Self {
        // An entry that cannot be encoded was never stored.
        self.links.extend(entry.link());
        let approved = entry.response.approved.filter(|_| entry.response.is_approval());
        let counted = approved.unwrap_or(entry.request.amount);
        let total =
            (entry.request.kind, entry.response.is_approval(), counted.currency().letters());
        let (count, sum_minor) = self.totals.entry(total).or_default();
        *count += 1;
        *sum_minor += i128::from(counted.minor());
        let owed = entry.state != EntryState::NotOwed;
        let Some(amount) = approved.filter(|_| owed && entry.request.kind != Kind::Inquiry) else {
            return self;
        };
        let minus = matches!(entry.request.kind, Kind::Refund | Kind::Reversal);
        let signed = if minus { -amount.minor() } else { amount.minor() };
        let amount = Amount::new(signed, amount.currency());
        self.lines.entry(entry.request.key).or_default().journal = Some((amount, entry.at));
        self
    }

    /// A posting of the accounting system under the request's key.
    pub fn posting(&mut self, key: RequestKey, amount: Amount) -> &mut Self {
        self.lines.entry(key).or_default().postings.push(amount);
        self
    }

    /// What the initiator has for the request: what it settles.
    pub fn initiator(&mut self, key: RequestKey, amount: Amount) -> &mut Self {
        self.lines.entry(key).or_default().initiator = Some(amount);
        self
    }

    /// The report, in the order of keys.
    pub fn finish(mut self) -> Report {
        let lines = self.lines.into_iter().map(|(key, views)| Line::of(key, &views)).collect();
        let totals = self.totals.into_iter().map(|((kind, approved, currency), (count, sum))| {
            let currency = Currency::from_letters(&currency).unwrap_or(Currency::NONE);
            Total { kind, approved, currency, count, sum_minor: sum }
        });
        self.links.sort_unstable();
        let domain = Sha256::new().chain_update(b"interbank/standin/reconciliation/v1\0");
        let digest = self.links.iter().fold(domain, |hash, link| hash.chain_update(link));
        Report { lines, totals: totals.collect(), digest: digest.finalize().into() }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One line for each request that any view knows.
    pub lines: Vec<Line>,
    /// How many decisions of which kind, and about how much.
    pub totals: Vec<Total>,
    /// SHA-256 over the links of all entries, in the order of their bytes: two reports with one digest are of the same journal.
    pub digest: [u8; 32],
}

impl Report {
    /// How many lines have this finding.
    pub fn count(&self, found: Found) -> usize {
        self.lines.iter().filter(|line| line.found == found).count()
    }

    /// As comma-separated values with a heading (RFC 4180); amounts in major units.
    pub fn to_csv(&self) -> String {
        let mut text = String::from(
            "initiator,trace,sent_at,terminal,found,journal,posted,postings,initiator_amount,currency\r\n",
        );
        for line in &self.lines {
            let major = |amount: Option<Amount>| amount.map(Amount::to_major).unwrap_or_default();
            let amounts = [line.journal, line.posted, line.initiator];
            let currency = amounts.iter().flatten().next().map(|amount| amount.currency());
            // Writing into a text cannot fail.
            let _ = write!(
                text,
                "{},{},{},{},{},{},{},{},{},",
                line.key.initiator(),
                line.key.trace(),
                line.key.sent_at(),
                field(line.key.terminal().as_str()),
                line.found.word(),
                major(line.journal),
                major(line.posted),
                line.postings,
                major(line.initiator),
            );
            if let Some(currency) = currency {
                let _ = write!(text, "{currency}");
            }
            text.push_str("\r\n");
        }
        text
    }
}

/// Decisions of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// What they were for.
    pub kind: Kind,
    /// Whether they were approved.
    pub approved: bool,
    /// In which currency.
    pub currency: Currency,
    /// How many.
    pub count: u64,
    /// How much together: approved, or asked for where they were declined. In minor units.
    pub sum_minor: i128,
}

/// One request in the three views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which request.
    pub key: RequestKey,
    /// What was found.
    pub found: Found,
    /// What the journal approved.
    pub journal: Option<Amount>,
    /// What was posted first.
    pub posted: Option<Amount>,
    /// How often it was posted.
    pub postings: usize,
    /// What the initiator has.
    pub initiator: Option<Amount>,
}

impl Line {
    fn of(key: RequestKey, views: &Views) -> Self {
        let journal = views.journal.map(|(amount, _)| amount);
        let posted = views.postings.first().copied();
        let initiator = views.initiator;
        let sum: i128 = views.postings.iter().map(|amount| i128::from(amount.minor())).sum();
        let found = match (journal, posted) {
            // What the accounting system had approved and the terminal was told otherwise: posted and taken back.
            (None, Some(_)) if views.postings.len() > 1 && sum == 0 => Found::Matched,
            (_, Some(_)) if views.postings.len() > 1 => Found::Duplicate,
            (Some(_), None) => Found::Missing,
            (None, Some(_)) => Found::Extra,
            (Some(ours), Some(theirs)) if ours != theirs => Found::AmountDiffers,
            (Some(_), Some(_)) | (None, None) => Found::Matched,
        };
        let found = match (found, journal, initiator) {
            (Found::Matched, Some(ours), Some(theirs)) if ours != theirs => Found::InitiatorDiffers,
            (Found::Matched, None, Some(_)) => Found::InitiatorOnly,
            (found, ..) => found,
        };
        Self { key, found, journal, posted, postings: views.postings.len(), initiator }
    }
}

/// What the three views say of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Found {
    /// All that is known agrees.
    Matched,
    /// Approved here, not posted.
    Missing,
    /// Posted, not approved here.
    Extra,
    /// Posted with another amount or currency.
    AmountDiffers,
    /// Posted more than once.
    Duplicate,
    /// The books agree, the initiator has another amount.
    InitiatorDiffers,
    /// Only the initiator knows it as approved.
    InitiatorOnly,
}

impl Found {
    /// The word for it in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::AmountDiffers => "amount-differs",
            Self::Duplicate => "duplicate",
            Self::InitiatorDiffers => "initiator-differs",
            Self::InitiatorOnly => "initiator-only",
        }
    }
}

/// A text that a spreadsheet neither splits nor computes: quoted, and with an apostrophe before what would begin a formula.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@']);
    let mut quoted = String::with_capacity(text.len() + 3);
    quoted.push('"');
    if formula {
        quoted.push('\'');
    }
    for letter in text.chars() {
        if letter == '"' {
            quoted.push('"');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

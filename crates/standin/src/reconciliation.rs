//! Reconciliation: the journal, what the accounting system posted, and what the initiator saw, line by line.

use crate::{Entry, Kind, RequestKey};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use port::{Amount, Time};

/// Compares three views of the same outage (spec: reconciliation). An accumulator: update with each view in any order, then finish.
///
/// Amounts are signed as the account sees them: a purchase is positive, a refund and a reversal negative.
#[derive(Clone, Debug, Default)]
pub struct Reconciliation {
    lines: BTreeMap<RequestKey, Views>,
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
        Self { lines: BTreeMap::new() }
    }

    /// An entry of the journal. Declines and inquiries are expected to be in no books; an advice that was never owed is left out.
    pub fn journal(&mut self, entry: &Entry) -> &mut Self {
        let approved = entry.response.approved.filter(|_| entry.response.is_approval());
        let Some(amount) = approved.filter(|_| entry.request.kind != Kind::Inquiry) else {
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
    pub fn finish(self) -> Report {
        let lines = self.lines.into_iter().map(|(key, views)| Line::of(key, &views)).collect();
        Report { lines }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One line for each request that any view knows.
    pub lines: Vec<Line>,
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
        let found = match (journal, posted) {
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

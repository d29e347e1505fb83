//! Recorded traffic, decided once more: by the stand-in module, where the host is taken to be away.

use crate::exposure::Exposure;
use crate::failure::Failure;
use crate::rehearsal::Rehearsal;
use crate::traffic::{Recorded, Recording};
use crate::when::Span;
use port::{Amount, Currency, Time};
use standin::{
    Answered, EntryRef, HostOutcome, Kind, Parameters, Reconciliation, Report, RequestKey,
    ResponseCode, Settlement, TransactionRequest,
};
use std::collections::{BTreeMap, BTreeSet};

/// A rehearsal that runs.
pub(crate) struct Shadow<'a> {
    parameters: &'a Parameters,
    rehearsal: Rehearsal,
    /// When the host is away, in order; always, if there is none.
    outages: Vec<Span>,
    /// What the current outage has left to settle.
    queue: Vec<(EntryRef, Settlement)>,
    /// When the current outage ends.
    ends: Option<Time>,
    journal: Vec<EntryRef>,
    seen: BTreeSet<RequestKey>,
    reconciliation: Reconciliation,
    found: Outcome,
}

/// What a rehearsal has shown.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) differences: Vec<Difference>,
    /// How many and how much, by what differs.
    pub(crate) totals: BTreeMap<(What, [u8; 3]), Total>,
    /// How many and how much each rule declined; rule 0 is what no rule says.
    pub(crate) declines: BTreeMap<(u32, String), u64>,
    pub(crate) exposure: Exposure,
    pub(crate) reconciliation: Report,
}

/// How many requests went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) read: u64,
    /// Of other institutions than the set's.
    pub(crate) foreign: u64,
    /// Answered by the host, as recorded.
    pub(crate) host: u64,
    /// Decided by stand-in.
    pub(crate) stand_in: u64,
    /// Of these, repeats of an earlier one.
    pub(crate) repeats: u64,
    pub(crate) approved: u64,
    pub(crate) declined: u64,
}

/// Number and sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) count: u64,
    pub(crate) sum_minor: i128,
}

/// A decision that differs from what happened.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) line: u64,
    pub(crate) at: Time,
    pub(crate) what: What,
    pub(crate) request: TransactionRequest,
    pub(crate) happened: Option<(ResponseCode, Option<Amount>)>,
    pub(crate) decided: (ResponseCode, Option<Amount>),
    pub(crate) rule: u32,
    pub(crate) explained: String,
}

/// In what a decision differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// Stand-in approves what the host declined: that may be a loss.
    ApprovedHostDeclined,
    /// Stand-in approves what nobody decided over.
    ApprovedUnanswered,
    /// Stand-in declines what was approved.
    DeclinedHostApproved,
    /// Stand-in declines what nobody decided over.
    DeclinedUnanswered,
    /// Both approve, another amount.
    OtherAmount,
    /// Both decline, with another code.
    OtherCode,
}

impl What {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::ApprovedHostDeclined => "approved-host-declined",
            Self::ApprovedUnanswered => "approved-unanswered",
            Self::DeclinedHostApproved => "declined-host-approved",
            Self::DeclinedUnanswered => "declined-unanswered",
            Self::OtherAmount => "other-amount",
            Self::OtherCode => "other-code",
        }
    }
}

impl<'a> Shadow<'a> {
    pub(crate) fn new(
        parameters: &'a Parameters,
        rehearsal: Rehearsal,
        mut outages: Vec<Span>,
    ) -> Result<Self, Failure> {
        outages.sort_by_key(|span| span.from);
        if outages.windows(2).any(|pair| pair[1].from < pair[0].to) {
            return Err(Failure::Usage("the outages overlap".into()));
        }
        Ok(Self {
            parameters,
            rehearsal,
            outages,
            queue: Vec::new(),
            ends: None,
            journal: Vec::new(),
            seen: BTreeSet::new(),
            reconciliation: Reconciliation::new(),
            found: Outcome::default(),
        })
    }

    /// Runs over all of the traffic.
    pub(crate) fn run(
        mut self,
        first: Recorded,
        rest: &mut dyn Recording,
    ) -> Result<Outcome, Failure> {
        let mut next = Some(first);
        while let Some(recorded) = next {
            self.take(&recorded)?;
            next = rest.next()?;
        }
        if let Some(end) = self.ends {
            self.host_returns(end)?;
        }
        for entry in &self.journal {
            if let Some(entry) = self.rehearsal.entry(entry)? {
                self.reconciliation.journal(&entry);
            }
        }
        self.found.reconciliation = self.reconciliation.finish();
        Ok(self.found)
    }

    fn take(&mut self, recorded: &Recorded) -> Result<(), Failure> {
        let Recorded { at, request, .. } = recorded;
        let counts = &mut self.found.counts;
        counts.read += 1;
        if request.institution != self.parameters.institution() {
            counts.foreign += 1;
            return Ok(());
        }
        if let Some(end) = self.ends.filter(|end| end <= at) {
            self.host_returns(end)?;
        }
        if !self.outages.is_empty() {
            let Some(span) = self.outages.iter().find(|span| span.has(*at)) else {
                self.found.counts.host += 1;
                return Ok(());
            };
            self.ends = Some(span.to);
        }
        self.decide(recorded)
    }

    fn decide(&mut self, recorded: &Recorded) -> Result<(), Failure> {
        let Recorded { at, request, .. } = recorded;
        // The host is away: what it made of the request in truth is not known here. A request without an answer was sent.
        let host = match recorded.host {
            HostOutcome::Unknown => HostOutcome::Unknown,
            _ => HostOutcome::NotAsked,
        };
        let answered = self.rehearsal.authorize(*at, host, request)?;
        self.found.counts.stand_in += 1;
        if answered.repeated {
            self.found.counts.repeats += 1;
            return Ok(());
        }
        let out_minor = self.rehearsal.out_minor()?;
        // What a reversal gives back was its original's.
        let spender = request.original.map_or(request.initiator, |original| original.initiator());
        self.found.exposure.see(*at, spender, out_minor);
        if answered.entry.is_some() {
            let entry = EntryRef::of(request);
            self.journal.push(entry);
            self.queue.push((entry, settlement(recorded)));
        }
        if self.seen.insert(request.key) {
            self.compare_books(recorded);
        }
        self.compare(recorded, &answered);
        Ok(())
    }

    /// What the books and the initiator have for a request.
    fn compare_books(&mut self, recorded: &Recorded) {
        let key = recorded.request.key;
        match &recorded.posted {
            Some(all) => {
                for amount in all {
                    self.reconciliation.posting(key, *amount);
                }
            }
            None => {
                if let Some(amount) = posting(recorded) {
                    self.reconciliation.posting(key, amount);
                }
            }
        }
        if let Some(amount) = recorded.initiator {
            self.reconciliation.initiator(key, amount);
        }
    }

    fn compare(&mut self, recorded: &Recorded, answered: &Answered) {
        let response = &answered.response;
        let explained = answered.explain(self.parameters).to_string();
        if response.is_approval() {
            self.found.counts.approved += 1;
        } else {
            self.found.counts.declined += 1;
            *self.found.declines.entry((answered.rule, explained.clone())).or_default() += 1;
        }
        let decided = (response.code, response.approved.filter(|_| response.is_approval()));
        let Some(what) = difference(recorded, decided) else { return };
        let asked = recorded.request.amount;
        let total = self.found.totals.entry((what, asked.currency().letters())).or_default();
        total.count += 1;
        total.sum_minor += i128::from(asked.minor());
        self.found.differences.push(Difference {
            line: recorded.line,
            at: recorded.at,
            what,
            request: recorded.request.clone(),
            happened: recorded.answer,
            decided,
            rule: answered.rule,
            explained,
        });
    }

    /// The outage is over: everything is delivered, and what is out is free again but for what the host had declined.
    fn host_returns(&mut self, now: Time) -> Result<(), Failure> {
        self.ends = None;
        for (entry, settlement) in std::mem::take(&mut self.queue) {
            self.rehearsal.settle(now, entry, settlement)?;
            let initiator = entry.request.initiator();
            let out_minor = self.rehearsal.out_minor()?;
            self.found.exposure.see(now, initiator, out_minor);
        }
        Ok(())
    }
}

/// What the host would have made of an advice: what it declined in truth it cannot post, and a person has to look.
fn settlement(recorded: &Recorded) -> Settlement {
    match recorded.host {
        HostOutcome::Declined => Settlement::Exception,
        _ => Settlement::Posted,
    }
}

/// What the host posted for a request that it approved, signed as the account sees it.
fn posting(recorded: &Recorded) -> Option<Amount> {
    let request = &recorded.request;
    if recorded.host != HostOutcome::Approved || request.kind == Kind::Inquiry {
        return None;
    }
    let told = recorded.answer.and_then(|(_, amount)| amount);
    let amount = told.unwrap_or(request.amount);
    let minus = matches!(request.kind, Kind::Refund | Kind::Reversal);
    Some(if minus { Amount::new(-amount.minor(), amount.currency()) } else { amount })
}

fn difference(recorded: &Recorded, decided: (ResponseCode, Option<Amount>)) -> Option<What> {
    let (code, amount) = decided;
    // Also where the host approved and its answer came too late to be told.
    let nobody = recorded.host != HostOutcome::Declined;
    match (recorded.answer, code.is_approval()) {
        (Some((said, had)), true) if said.is_approval() => {
            // An inquiry's amount says nothing.
            let same = had == amount || recorded.request.kind == Kind::Inquiry;
            (!same).then_some(What::OtherAmount)
        }
        (Some((said, _)), false) if said.is_approval() => Some(What::DeclinedHostApproved),
        (_, true) if nobody => Some(What::ApprovedUnanswered),
        (_, true) => Some(What::ApprovedHostDeclined),
        (Some((said, _)), false) if said == code => None,
        (_, false) if nobody => Some(What::DeclinedUnanswered),
        (_, false) => Some(What::OtherCode),
    }
}

/// The letters of a total's currency.
pub(crate) fn currency(letters: [u8; 3]) -> Currency {
    Currency::from_letters(&letters).unwrap_or(Currency::NONE)
}

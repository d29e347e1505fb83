//! The decision over one page of the feed.

use super::{AccountUpdate, BalanceUpdate, FeedPage, SealedFeed};
use crate::stand_in::Setup;
use crate::{AccountState, Balance, Entry, EntryRef, Error, SealError, StandIn, table};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use port::wire::{Reader, Writer};
use port::{Answers, Ask, Batch, Conclusion, Decision, Key, ReadSet, Row, Step, Time, WireError};
use seal::{AccountRef, Audit, Audited, TrustList};

impl StandIn {
    /// Takes one page of lists and balances: all of it, or nothing. Pages come in order; the first one that an institution ever
    /// takes may have any number.
    pub fn take_feed(&self, now: Time, trust: &TrustList, sealed: &SealedFeed) -> TakeFeed {
        let page = sealed.open(now, trust, self.setup.config.institution);
        let issuer = Bytes::copy_from_slice(sealed.0.issuer().as_bytes());
        TakeFeed { setup: self.setup.clone(), now, page, issuer }
    }
}

/// What came of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedVerdict {
    /// It is durable.
    Taken {
        /// Which page.
        number: u64,
        /// Balances that were left as they are, and why.
        ignored: Vec<(AccountRef, Ignored)>,
    },
    /// It was taken before, and a later one perhaps, too.
    Repeated {
        /// The last page that was taken.
        last: u64,
    },
    /// A page is missing: nothing of this one was taken.
    Gap {
        /// The page that comes next.
        expected: u64,
    },
    /// Nothing of it was believed.
    Refused(SealError),
}

/// Why a balance was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// A newer one is there.
    Older,
    /// It is of a time that has not come.
    Future,
    /// Its last entry is not in the journal; or it names none, and something was delivered since it was drawn, or waits. What of
    /// the spending is in it cannot be told.
    Watermark,
}

/// The decision over one page.
#[derive(Clone, Debug)]
pub struct TakeFeed {
    setup: Arc<Setup>,
    now: Time,
    page: Result<FeedPage, SealError>,
    issuer: Bytes,
}

impl TakeFeed {
    fn updates(&self) -> &[AccountUpdate] {
        self.page.as_ref().map_or(&[], |page| &page.updates)
    }

    /// The entry that an update names as the last one in its balance; the account's own row where it names none.
    fn last(&self, update: &AccountUpdate) -> Option<EntryRef> {
        let (role, request) = update.balance?.last?;
        Some(EntryRef { account: update.account, role, request })
    }

    fn balance(
        &self,
        state: &AccountState,
        update: BalanceUpdate,
        last: Option<&Entry>,
    ) -> Result<Balance, Ignored> {
        if state.balance.is_some_and(|held| update.as_of <= held.as_of) {
            return Err(Ignored::Older);
        }
        let skew_ms = self.setup.config.skew.max_ms;
        if update.as_of > self.now.plus_ms(skew_ms) {
            return Err(Ignored::Future);
        }
        let (watermark, spent_minor) = match (update.last, last) {
            (Some(_), Some(entry)) => (entry.seq, entry.spent_after_minor),
            (Some(_), None) => return Err(Ignored::Watermark),
            // Everything that was ever decided is in it, if all was delivered well before it was drawn.
            (None, _) if state.seq == 0 => (0, 0),
            (None, _) => {
                let waiting = state.undelivered > 0 || state.exceptions > 0;
                if waiting || state.settled.plus_ms(skew_ms) > update.as_of {
                    return Err(Ignored::Watermark);
                }
                (state.seq, state.spent_minor)
            }
        };
        Ok(Balance { minor: update.minor, as_of: update.as_of, watermark, spent_minor })
    }

    fn done(
        &self,
        verdict: FeedVerdict,
        action: &'static str,
        batch: Batch,
    ) -> Step<Audited<FeedVerdict>> {
        let number = self.page.as_ref().map_or(0, |page| page.number);
        let reasons = match &verdict {
            FeedVerdict::Refused(why) => vec![why.code()],
            _ => Vec::new(),
        };
        let audit = Audit {
            at: self.now,
            tenant: self.setup.config.institution.tenant(),
            action: action.into(),
            actor: self.issuer.clone(),
            correlation: [0; 16],
            subject: Bytes::copy_from_slice(&number.to_be_bytes()),
            reasons,
            policy: [0; 32],
        };
        Step::Done(Conclusion { verdict: Audited { verdict, audit }, batch })
    }
}

impl Decision for TakeFeed {
    type Verdict = Audited<FeedVerdict>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let institution = self.setup.config.institution;
        let mut points = vec![table::feed(institution)];
        points.extend(self.updates().iter().map(|one| table::account(institution, &one.account)));
        let last = self.updates().iter().filter_map(|one| self.last(one));
        points.extend(last.flat_map(|entry| entry.keys(institution)));
        Ask::rows(ReadSet::points(points))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let page = match &self.page {
            Ok(page) => page,
            Err(why) => {
                let verdict = FeedVerdict::Refused(*why);
                return Ok(self.done(verdict, "standin.feed.refused", Batch::new()));
            }
        };
        let (feed, rows) = answers.rows.points.split_first().ok_or(Error::Answers)?;
        if let Some(row) = feed {
            let last = number_of(row)?;
            if page.number <= last {
                let verdict = FeedVerdict::Repeated { last };
                return Ok(self.done(verdict, "standin.feed.repeated", Batch::new()));
            }
            if page.number > last + 1 {
                let verdict = FeedVerdict::Gap { expected: last + 1 };
                return Ok(self.done(verdict, "standin.feed.gap", Batch::new()));
            }
        }
        if rows.len() < page.updates.len() {
            return Err(Error::Answers);
        }
        let (accounts, entries) = rows.split_at(page.updates.len());
        let mut entries = entries.chunks(2);
        let institution = self.setup.config.institution;
        let mut batch = Batch::with_capacity(1 + 2 * page.updates.len());
        let mut row = Vec::with_capacity(9);
        Writer::new(&mut row, 1).u64(page.number);
        batch.put(table::feed(institution), Row::unchanged(feed.as_ref()), row);
        let mut ignored = Vec::new();
        for (update, account) in page.updates.iter().zip(accounts) {
            let mut state = match account {
                Some(row) => AccountState::parse(&row.value).map_err(Error::Corrupt)?,
                None => AccountState::default(),
            };
            state.deny = update.deny.applied(state.deny);
            state.vip_until = update.vip.applied(state.vip_until);
            if update.unlock {
                state.pin_failures = 0;
            }
            let mut last = None;
            if self.last(update).is_some() {
                let [open, ended] = entries.next().ok_or(Error::Answers)? else {
                    return Err(Error::Answers);
                };
                // What is required of its account holds for it as well.
                let row = open.as_ref().or(ended.as_ref());
                let parsed = row.map(|row| Entry::parse(&row.value)).transpose();
                last = parsed.map_err(Error::Corrupt)?;
            }
            if let Some(balance) = update.balance {
                match self.balance(&state, balance, last.as_ref()) {
                    Ok(balance) => state.balance = Some(balance),
                    Err(why) => ignored.push((update.account, why)),
                }
            }
            let key = table::account(institution, &update.account);
            let state = state.encode().map_err(|_| Error::TooLong)?;
            batch.put(key, Row::unchanged(account.as_ref()), state);
        }
        let verdict = FeedVerdict::Taken { number: page.number, ignored };
        Ok(self.done(verdict, "standin.feed.taken", batch))
    }

    fn outcome(&self) -> Option<Key> {
        self.page.as_ref().ok().map(|page| table::feed(page.institution))
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Error> {
        let last = number_of(row)?;
        if self.page.as_ref().is_ok_and(|page| page.number > last) {
            return Ok(None);
        }
        let verdict = FeedVerdict::Repeated { last };
        match self.done(verdict, "standin.feed.repeated", Batch::new()) {
            Step::Done(Conclusion { verdict, .. }) => Ok(Some(verdict)),
            Step::Ask(_) => Ok(None),
        }
    }
}

fn number_of(row: &Row) -> Result<u64, Error> {
    let mut reader = Reader::new(&row.value);
    let read = |reader: &mut Reader<'_>| -> Result<u64, WireError> {
        reader.version(1)?;
        reader.u64()
    };
    let number = read(&mut reader).map_err(Error::Corrupt)?;
    reader.finish().map_err(Error::Corrupt)?;
    Ok(number)
}

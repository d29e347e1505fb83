//! After an outage: what the stand-in module decided, what the books say of it, and what the payment server was told.

use crate::aside::{LANES, stand_in};
use crate::bank::Bank;
use crate::clock;
use crate::rows;
use crate::trouble::Trouble;
use interbank::port::{Key, ReadSet, Row, Scan, Store as _};
use interbank::qrpay;
use interbank::standin::{
    Entry, EntryState, Lane, Reconciliation, Report, RequestKey, Settled, Settlement,
};
use std::collections::{BTreeMap, BTreeSet};

impl Bank {
    /// Everything that was decided without the accounting system, oldest first.
    pub(crate) async fn stood_in(&self) -> Result<Vec<Entry>, Trouble> {
        let rows = self.all_rows(stand_in(None).journal()).await?;
        let entries = rows.iter().map(|(_, row)| Entry::parse(&row.value));
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| (entry.at, entry.seq));
        Ok(entries)
    }

    /// A person dealt with an exception: it is off the list, and its amount no longer out. `None` if there is no such exception.
    pub(crate) async fn resolve(&self, key: &RequestKey) -> Result<Option<Settled>, Trouble> {
        let is_it =
            |entry: &Entry| entry.state == EntryState::Exception && entry.request.key == *key;
        let Some(entry) = self.stood_in().await?.into_iter().find(is_it) else { return Ok(None) };
        let settle = stand_in(None).settle(clock::now(), entry.reference(), Settlement::Resolved);
        Ok(Some(self.decide(settle).await?))
    }

    /// The three-way compare of the journal, of what is posted, and of what the payment server was told.
    ///
    /// Movements that all went the usual way are left out, where books and payment server agree.
    pub(crate) async fn reconcile(&self) -> Result<Report, Trouble> {
        let journal = self.stood_in().await?;
        let decided: BTreeSet<RequestKey> = journal.iter().map(|one| one.request.key).collect();
        let mut books: BTreeMap<RequestKey, Vec<_>> = BTreeMap::new();
        for (_, row) in self.all_rows(rows::journal()).await? {
            let line = crate::book::Line::parse(&row.value)?;
            if line.settlement != qrpay::Settlement::Done {
                continue;
            }
            // What the switch itself took back counts with what it took back.
            let key = match line.movement.original {
                Some(original) if !decided.contains(&line.movement.key) && line.movement.told => {
                    original
                }
                _ => line.movement.key,
            };
            books.entry(key).or_default().push(line.movement.signed());
        }
        let mut reconciliation = Reconciliation::new();
        for entry in &journal {
            reconciliation.journal(entry);
        }
        for (key, slip) in self.slips().await? {
            let settled = slip.settled();
            let posted = books.get(&key).map(Vec::as_slice).unwrap_or_default();
            if !decided.contains(&key) && posted == settled.as_slice() {
                books.remove(&key);
            } else if let Some(amount) = settled {
                reconciliation.initiator(key, amount);
            }
        }
        for (key, amount) in
            books.iter().flat_map(|(key, all)| all.iter().map(move |one| (key, one)))
        {
            reconciliation.posting(*key, *amount);
        }
        Ok(reconciliation.finish())
    }

    /// How much is out of how much that was granted, in minor units, by lane.
    pub(crate) async fn exposure(&self) -> Result<Vec<(i64, i64)>, Trouble> {
        let module = stand_in(None);
        let lanes: Vec<Key> = (0..LANES).map(|lane| module.lane_key(lane)).collect();
        let found = self.vault().read(&ReadSet::points(lanes)).await.map_err(Trouble::store)?;
        let of = |row: &Option<Row>| -> Result<(i64, i64), Trouble> {
            let Some(row) = row else { return Ok((0, 0)) };
            let lane = Lane::parse(&row.value)?;
            let whole = lane.shares.iter().find(|share| share.initiator.is_none());
            Ok(whole.map_or((0, 0), |share| (share.out_minor, share.granted_minor)))
        };
        found.points.iter().map(of).collect()
    }

    async fn all_rows(&self, prefix: Key) -> Result<Vec<(Key, Row)>, Trouble> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let scan = Scan { prefix: prefix.clone(), after, limit: Scan::ROWS_MAX };
            let found = self.vault().read(&ReadSet::scan(scan)).await.map_err(Trouble::store)?;
            let page = found.scans.into_iter().next().unwrap_or_default();
            let full = page.len() == Scan::ROWS_MAX;
            all.extend(page);
            after = all.last().filter(|_| full).map(|(key, _)| key.clone());
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}

/// Where the delivery of an entry stands, for people.
pub(crate) const fn word(state: EntryState) -> &'static str {
    match state {
        EntryState::NotOwed => "nothing owed",
        EntryState::Queued => "waits",
        EntryState::Posted => "posted",
        EntryState::AlreadyPosted => "was posted",
        EntryState::PostedNegative => "posted, overdrawn",
        EntryState::Exception => "exception",
        EntryState::Resolved => "resolved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::currency;
    use crate::bank::tests::{bank, order, pay};
    use crate::clearing;
    use crate::message::INITIATOR;
    use crate::movement::{Movement, Way};
    use crate::overrule::Overrule;
    use interbank::port::Amount;
    use interbank::standin::{Class, Forced, Found, Text};
    use std::time::Duration;
    use tokio::sync::watch;

    /// A posting that nobody asked for.
    fn made_up(like: &Entry) -> Movement {
        let terminal = Text::new("M0001").unwrap();
        let key = RequestKey::new(Class::Financial, INITIATOR, 1, clock::now(), terminal);
        Movement {
            key: key.unwrap(),
            way: Way::Debit,
            original: None,
            account: like.request.account.token,
            merchant: crate::bank::merchant().unwrap(),
            amount: Amount::new(1, currency().unwrap()),
            order: String::new(),
            told: false,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_missing_or_made_up_shows_until_it_is_put_right() {
        let folder = tempfile::tempdir().unwrap();
        let (bank, wallet) = bank(&folder).await;
        let forced = Some(Forced::StandIn);
        bank.overrule(&Overrule { forced, ..Overrule::default() }).await.unwrap();
        let closing = watch::Sender::new(false);
        let running = tokio::spawn(clearing::run(bank.clone(), closing.subscribe()));
        let (_, code) = order(&bank, 400).await;
        assert_eq!(pay(&wallet, &code).await.outcome, "accepted");
        while bank.slips().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Approved and told, not posted yet.
        let report = bank.reconcile().await.unwrap();
        assert_eq!((report.lines.len(), report.count(Found::Missing)), (1, 1));
        let (out, granted): (Vec<_>, Vec<_>) = bank.exposure().await.unwrap().into_iter().unzip();
        assert_eq!(out.iter().sum::<i64>(), 400);
        assert!(granted.iter().sum::<i64>() >= 400);

        bank.overrule(&Overrule::default()).await.unwrap();
        let waits = |entries: Vec<Entry>| entries.iter().any(|entry| entry.state.waits());
        while waits(bank.stood_in().await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let report = bank.reconcile().await.unwrap();
        assert_eq!((report.lines.len(), report.count(Found::Matched)), (1, 1));
        assert_eq!(report.lines[0].initiator, report.lines[0].posted);
        assert_eq!(bank.exposure().await.unwrap().iter().map(|(out, _)| out).sum::<i64>(), 0);

        // What went the usual way is no matter of reconciliation.
        let (_, code) = order(&bank, 300).await;
        assert_eq!(pay(&wallet, &code).await.outcome, "accepted");
        while bank.slips().await.unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(bank.reconcile().await.unwrap(), report);
        closing.send_replace(true);
        running.await.unwrap();

        let entry = bank.stood_in().await.unwrap().remove(0);
        bank.book().post(clock::now(), made_up(&entry)).await.unwrap();
        let report = bank.reconcile().await.unwrap();
        assert_eq!((report.lines.len(), report.count(Found::Extra)), (2, 1));
        assert!(report.to_csv().contains(",extra,"), "{}", report.to_csv());
    }
}

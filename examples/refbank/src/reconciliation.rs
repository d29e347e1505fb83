//! After an outage: what the stand-in module decided, what the books say of it, and what the payment server was told.

use crate::bank::Bank;
use crate::book::Line;
use crate::rows;
use crate::trouble::Trouble;
use interbank::qrpay::Settlement;
use interbank::standin::{Entry, Reconciliation, Report, RequestKey};
use std::collections::{BTreeMap, BTreeSet};

impl Bank {
    /// The three-way compare of the journal, of what is posted, and of what the payment server was told.
    ///
    /// Movements that all went the usual way are left out, where books and payment server agree.
    pub(crate) async fn reconcile(&self, journal: &[Entry]) -> Result<Report, Trouble> {
        let decided: BTreeSet<RequestKey> = journal.iter().map(|one| one.request.key).collect();
        let mut books: BTreeMap<RequestKey, Vec<_>> = BTreeMap::new();
        for (_, row) in self.rows_under(rows::journal()).await? {
            let line = Line::parse(&row.value)?;
            if line.settlement != Settlement::Done {
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
        for entry in journal {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::currency;
    use crate::bank::tests::{bank, order, pay};
    use crate::clearing;
    use crate::clock;
    use crate::manual_override::ManualOverride;
    use crate::message::INITIATOR;
    use crate::movement::{Movement, Way};
    use interbank::port::Amount;
    use interbank::standin::{Class, Forced, Found, Text};
    use std::time::Duration;
    use tokio::sync::watch;

    async fn reconcile(bank: &Bank) -> Report {
        bank.reconcile(&bank.stood_in().await.unwrap()).await.unwrap()
    }

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
        bank.set_manual_override(&ManualOverride { forced, ..ManualOverride::default() })
            .await
            .unwrap();
        let closing = watch::Sender::new(false);
        let running = tokio::spawn(clearing::run(bank.clone(), closing.subscribe()));
        let (_, code) = order(&bank, 400).await;
        assert_eq!(pay(&wallet, &code).await.outcome, "accepted");
        while bank.slips().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Approved and told, not posted yet.
        let report = reconcile(&bank).await;
        assert_eq!((report.lines.len(), report.count(Found::Missing)), (1, 1));
        let (out, granted): (Vec<_>, Vec<_>) = bank.exposure().await.unwrap().into_iter().unzip();
        assert_eq!(out.iter().sum::<i64>(), 400);
        assert!(granted.iter().sum::<i64>() >= 400);

        bank.set_manual_override(&ManualOverride::default()).await.unwrap();
        let waits = |entries: Vec<Entry>| entries.iter().any(|entry| entry.state.waits());
        while waits(bank.stood_in().await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let report = reconcile(&bank).await;
        assert_eq!((report.lines.len(), report.count(Found::Matched)), (1, 1));
        assert_eq!(report.lines[0].initiator, report.lines[0].posted);
        assert_eq!(bank.exposure().await.unwrap().iter().map(|(out, _)| out).sum::<i64>(), 0);

        // What went the usual way is no matter of reconciliation.
        let (_, code) = order(&bank, 300).await;
        assert_eq!(pay(&wallet, &code).await.outcome, "accepted");
        while bank.slips().await.unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(reconcile(&bank).await, report);
        closing.send_replace(true);
        running.await.unwrap();

        let entry = bank.stood_in().await.unwrap().remove(0);
        bank.book().post(clock::now(), made_up(&entry)).await.unwrap();
        let report = reconcile(&bank).await;
        assert_eq!((report.lines.len(), report.count(Found::Extra)), (2, 1));
        assert!(report.to_csv().contains(",extra,"), "{}", report.to_csv());
    }
}

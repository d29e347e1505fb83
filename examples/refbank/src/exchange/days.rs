//! A business day ends: it is closed, and its settlement files are written and sent.

use super::Wish;
use super::site::SETTLEMENT_DESK;
use super::station::blocking;
use super::work::Work;
use crate::business_day::BusinessDay;
use crate::clock;
use crate::merchant_bank::MerchantBank;
use crate::trouble::Trouble;
use interbank::filexfer::{OnConflict, StreamingRoot};
use interbank::port::Time;
use std::io::Write as _;
use std::path::Path;

impl Work {
    /// Closes a day that ended at midnight, if something was posted in it.
    pub(super) async fn close_ended(&mut self, now: Time) -> Result<(), Trouble> {
        let today = clock::date(now);
        if self.checked == today {
            return Ok(());
        }
        let owed = self.bank.unsettled().await?;
        if owed.first().is_some_and(|(_, line)| clock::date(line.at) < today) {
            self.close_day(now).await?;
        }
        self.checked = today;
        Ok(())
    }

    pub(super) async fn close_day(&mut self, now: Time) -> Result<Option<BusinessDay>, Trouble> {
        let day = self.bank.close_day(now).await?;
        if let Some(day) = &day {
            tracing::info!(event = "day.closed", number = day.number);
            self.send_files(day).await?;
        }
        Ok(day)
    }

    /// Writes the files of a day, and asks for their transfer; what was asked for already is left.
    pub(super) async fn send_files(&mut self, day: &BusinessDay) -> Result<(), Trouble> {
        for to in MerchantBank::all() {
            let is_asked = self
                .sent
                .values()
                .any(|sent| sent.day == day.number && sent.request.destination == to.id);
            let Some(name) = day.file_name(to).filter(|_| !is_asked) else { continue };
            let Some(file) = self.bank.settlement_file(day, to).await? else { continue };
            let text = file.to_text().map_err(|why| Trouble::Inside(Box::new(why)))?;
            let mut root = StreamingRoot::new();
            root.update(text.as_bytes());
            let (root, size) = root.finish();
            let path = self.site.folders.settlement().join(&name);
            let draft =
                self.site.folders.exchange("drafts").join(format!("{}-{}", to.id, day.number));
            let written = blocking(move || write_whole(&draft, &path, text.as_bytes())).await;
            written.ok_or(Trouble::Busy)?.map_err(|why| Trouble::Inside(Box::new(why)))?;
            let wish = Wish {
                requester: SETTLEMENT_DESK,
                name,
                to: to.id.into(),
                is: Some((size, root)),
                on_conflict: OnConflict::Fail,
            };
            self.ask(day.number, wish).await?;
        }
        Ok(())
    }
}

/// Gives a file its name when all of it is on disk; one that says the same already is left as it is.
fn write_whole(draft: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let mut file = std::fs::File::create(draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let folder = path.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(folder)?;
    std::fs::rename(draft, path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::site::Site;
    use super::*;
    use crate::bank::tests::{bank, order, pay};
    use crate::clearing;
    use std::time::Duration;
    use tokio::sync::watch;

    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_that_ended_is_closed_once_and_one_under_way_stays_open() {
        let folder = tempfile::tempdir().unwrap();
        let (bank, wallet) = bank(&folder).await;
        let clearing = watch::Sender::new(false);
        let clears = tokio::spawn(clearing::run(bank.clone(), clearing.subscribe()));
        let (_, code) = order(&bank, 400).await;
        assert_eq!(pay(&wallet, &code).await.outcome, "accepted");
        let posted = loop {
            if let Some((_, line)) = bank.unsettled().await.unwrap().first() {
                break line.at;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let Ok(site) = Site::open(folder.path()).await else { panic!("the exchange is free") };
        let mut work = Work::new(bank.clone(), site);

        work.close_ended(posted).await.unwrap();
        assert_eq!(bank.unsettled().await.unwrap().len(), 1, "its day is not over");
        assert!(work.sent.is_empty());

        let tomorrow = posted.plus_ms(DAY_MS);
        work.close_ended(tomorrow).await.unwrap();
        assert!(bank.unsettled().await.unwrap().is_empty());
        let days = bank.days(10).await.unwrap();
        assert_eq!(days.iter().map(|day| day.number).collect::<Vec<_>>(), [1]);
        assert_eq!(work.sent.len(), 1, "its file is asked for");

        work.close_ended(tomorrow.plus_ms(DAY_MS)).await.unwrap();
        assert_eq!(bank.days(10).await.unwrap().len(), 1, "a day without postings is none");
        clearing.send_replace(true);
        clears.await.unwrap();
    }
}

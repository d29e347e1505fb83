//! Closing a business day: which postings the settlement files of that closing are about, each in one file only.

use crate::bank::{Bank, CURRENCY, ISSUER};
use crate::book;
use crate::clock;
use crate::hex;
use crate::merchant_bank::MerchantBank;
use crate::movement::Way;
use crate::rows;
use crate::settlement_file::{Head, Line, LineKind, SettlementFile};
use crate::trouble::Trouble;
use bytes::Bytes;
use interbank::port::wire::{Reader, Writer};
use interbank::port::{
    Batch, Commit, Expect, Key, ReadSet, Row, Scan, Store as _, Time, WireError,
};
use interbank::qrpay::{Settlement, Uid};
use interbank::seal::Audit;
use std::collections::BTreeMap;

/// A business day that was closed, or is being closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BusinessDay {
    /// 1 for the first.
    pub(crate) number: u32,
    /// When it was closed.
    pub(crate) closed: Time,
    /// Whether all its postings are gathered: then its files are what they are, for good.
    pub(crate) is_gathered: bool,
    /// The number of the last file to each merchant's bank, this day's among them.
    pub(crate) files: BTreeMap<String, (u32, u32)>,
    /// What all files so far come to, by merchant.
    pub(crate) carried: BTreeMap<String, i64>,
}

impl BusinessDay {
    /// The day before the first.
    const fn none() -> Self {
        Self {
            number: 0,
            closed: Time::EPOCH,
            is_gathered: true,
            files: BTreeMap::new(),
            carried: BTreeMap::new(),
        }
    }

    fn next(&self, now: Time) -> Self {
        Self { number: self.number + 1, closed: now, is_gathered: false, ..self.clone() }
    }

    /// Its date, in UTC.
    pub(crate) fn date(&self) -> String {
        clock::date(self.closed)
    }

    /// What the file to a merchant's bank is called; `None` if that bank gets none of this day.
    pub(crate) fn file_name(&self, to: &MerchantBank) -> Option<String> {
        let (number, _) = self.files.get(to.id)?;
        (*number == self.number).then(|| format!("{}/{}-{number:06}.csv", to.id, self.date()))
    }

    fn encode(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(128);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.u32(self.number).u64(self.closed.as_ms()).u8(u8::from(self.is_gathered));
        writer.u8(u8::try_from(self.files.len()).map_err(|_| WireError::TooLong)?);
        for (bank, (number, follows)) in &self.files {
            writer.lp8(bank.as_bytes())?.u32(*number).u32(*follows);
        }
        writer.u8(u8::try_from(self.carried.len()).map_err(|_| WireError::TooLong)?);
        for (merchant, minor) in &self.carried {
            writer.lp8(merchant.as_bytes())?.i64(*minor);
        }
        Ok(bytes.into())
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let (number, closed) = (reader.u32()?, Time::from_ms(reader.u64()?));
        let is_gathered = reader.flag()?;
        let (mut files, mut carried) = (BTreeMap::new(), BTreeMap::new());
        for _ in 0..reader.u8()? {
            let bank = Reader::text(reader.lp8()?)?.into();
            files.insert(bank, (reader.u32()?, reader.u32()?));
        }
        for _ in 0..reader.u8()? {
            let merchant = Reader::text(reader.lp8()?)?.into();
            carried.insert(merchant, reader.i64()?);
        }
        reader.finish()?;
        Ok(Self { number, closed, is_gathered, files, carried })
    }
}

impl Bank {
    /// Closes the business day: gathers what was posted and is in no file yet. `None` if there is nothing.
    ///
    /// One at a time closes days (the exchange does). What a stop interrupted is gone on with.
    pub(crate) async fn close_day(&self, now: Time) -> Result<Option<BusinessDay>, Trouble> {
        let (last, version) = self.last_day().await?;
        let owed = self.unsettled().await?;
        let (mut day, before, expect) = if last.is_gathered {
            if owed.is_empty() {
                return Ok(None);
            }
            let day = last.next(now);
            let mut batch = Batch::new();
            batch.put(rows::business_day(day.number)?, Expect::Absent, day.encode()?);
            self.must_apply(&batch).await?;
            (day, last, None)
        } else {
            let before = self.day(last.number - 1).await?.unwrap_or(BusinessDay::none());
            (last, before, version)
        };
        for some in owed.chunks(Batch::OPS_MAX / 2) {
            let mut batch = Batch::with_capacity(2 * some.len());
            for (row, line) in some {
                let reference = &line.movement.key;
                let settled = rows::settled_line(day.number, line.at, reference)?;
                batch.put(
                    rows::settled(reference)?,
                    Expect::Absent,
                    day.number.to_be_bytes().to_vec(),
                );
                batch.put(settled, Expect::Absent, row.value.clone());
            }
            self.must_apply(&batch).await?;
        }
        day.files.clone_from(&before.files);
        day.carried.clone_from(&before.carried);
        for (bank, lines) in self.settled_lines(day.number).await? {
            let follows = before.files.get(bank.id).map_or(0, |(number, _)| *number);
            day.files.insert(bank.id.into(), (day.number, follows));
            for line in lines {
                let sum = day.carried.entry(line.merchant).or_default();
                *sum = sum.checked_add(line.minor).ok_or(Trouble::Damaged)?;
            }
        }
        day.is_gathered = true;
        let mut batch = Batch::new();
        let expect = expect.map_or(Expect::Any, Expect::At);
        batch.put(rows::business_day(day.number)?, expect, day.encode()?);
        self.must_apply(&batch).await?;
        self.record(&Audit {
            at: now,
            tenant: rows::TENANT,
            action: "refbank.day.closed".into(),
            actor: Bytes::from_static(b"exchange"),
            subject: Bytes::from(day.number.to_string()),
            reasons: Vec::new(),
            policy: [0; 32],
            correlation: [0; 16],
        })
        .await?;
        Ok(Some(day))
    }

    /// The file of a closed day to a merchant's bank: the same each time it is asked for. `None` if there is none.
    pub(crate) async fn settlement_file(
        &self,
        day: &BusinessDay,
        to: &MerchantBank,
    ) -> Result<Option<SettlementFile>, Trouble> {
        if day.file_name(to).is_none() {
            return Ok(None);
        }
        let before = self.day(day.number - 1).await?.unwrap_or(BusinessDay::none());
        let lines = self.settled_lines(day.number).await?;
        let Some((_, lines)) = lines.into_iter().find(|(bank, _)| bank.id == to.id) else {
            return Ok(None);
        };
        let head = Head {
            bank: ISSUER.into(),
            acquirer: to.id.into(),
            day: day.date(),
            currency: CURRENCY.into(),
            number: day.number,
            follows: day.files.get(to.id).map_or(0, |(_, follows)| *follows),
            closed: day.closed.to_string(),
        };
        let file = SettlementFile::new(head, lines, &before.carried);
        file.map(Some).map_err(|why| Trouble::Inside(Box::new(why)))
    }

    /// The last day; one with number 0 if none was closed ever.
    pub(crate) async fn last_day(
        &self,
    ) -> Result<(BusinessDay, Option<interbank::port::Version>), Trouble> {
        let want = ReadSet::scan(Scan::first(rows::business_days(), 1));
        let found = self.vault().read(&want).await.map_err(Trouble::store)?;
        match found.scans.into_iter().flatten().next() {
            Some((_, row)) => Ok((BusinessDay::parse(&row.value)?, Some(row.version))),
            None => Ok((BusinessDay::none(), None)),
        }
    }

    /// The last days that are gathered, newest first.
    pub(crate) async fn days(&self, limit: usize) -> Result<Vec<BusinessDay>, Trouble> {
        let want = ReadSet::scan(Scan::first(rows::business_days(), limit));
        let found = self.vault().read(&want).await.map_err(Trouble::store)?;
        let rows = found.scans.into_iter().flatten();
        let mut days =
            rows.map(|(_, row)| BusinessDay::parse(&row.value)).collect::<Result<Vec<_>, _>>()?;
        days.retain(|day| day.is_gathered);
        Ok(days)
    }

    /// One day, by its number.
    pub(crate) async fn day(&self, number: u32) -> Result<Option<BusinessDay>, Trouble> {
        let row = self.point(rows::business_day(number)?).await?;
        Ok(row.map(|row| BusinessDay::parse(&row.value)).transpose()?)
    }

    /// What was posted for merchants and is in no file yet, oldest first, with its row.
    pub(crate) async fn unsettled(&self) -> Result<Vec<(Row, book::Line)>, Trouble> {
        let mut owed = Vec::new();
        let journal = self.rows_under(rows::journal()).await?;
        for page in journal.chunks(Scan::ROWS_MAX) {
            let mut lines = Vec::with_capacity(page.len());
            for (_, row) in page {
                let line = book::Line::parse(&row.value)?;
                if line.settlement == Settlement::Done
                    && MerchantBank::of(&line.movement.merchant).is_some()
                {
                    lines.push((row.clone(), line));
                }
            }
            let keys = lines.iter().map(|(_, line)| rows::settled(&line.movement.key));
            let want = ReadSet::points(keys.collect::<Result<Vec<Key>, _>>()?);
            let found = self.vault().read(&want).await.map_err(Trouble::store)?;
            let marked = lines.into_iter().zip(found.points);
            owed.extend(marked.filter(|(_, mark)| mark.is_none()).map(|(line, _)| line));
        }
        owed.reverse();
        Ok(owed)
    }

    /// The lines of a day, by merchants' bank, in the order of their posting.
    async fn settled_lines(
        &self,
        number: u32,
    ) -> Result<Vec<(&'static MerchantBank, Vec<Line>)>, Trouble> {
        let mut of: BTreeMap<&str, (&'static MerchantBank, Vec<Line>)> = BTreeMap::new();
        for (_, row) in self.rows_under(rows::settled_lines(number)?).await? {
            let line = book::Line::parse(&row.value)?;
            let bank = MerchantBank::of(&line.movement.merchant).ok_or(Trouble::Damaged)?;
            of.entry(bank.id).or_insert((bank, Vec::new())).1.push(told(&line));
        }
        Ok(of.into_values().collect())
    }

    async fn must_apply(&self, batch: &Batch) -> Result<(), Trouble> {
        match self.vault().commit(batch).await.map_err(Trouble::store)? {
            Commit::Applied(_) => Ok(()),
            // Somebody else closes days, too.
            Commit::Conflict => Err(Trouble::Busy),
        }
    }
}

/// A posting, as merchants' banks are told of it: nothing of the payer.
fn told(line: &book::Line) -> Line {
    let movement = &line.movement;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric();
    Line {
        kind: match movement.way {
            Way::Debit => LineKind::Payment,
            Way::Refund => LineKind::Refund,
            Way::DebitBack | Way::RefundBack => LineKind::Reversal,
        },
        merchant: merchant_word(&movement.merchant),
        order: movement.order.bytes().filter(|byte| is_plain(*byte)).map(char::from).collect(),
        reference: hex::digits(&movement.key.to_bytes()),
        at: line.at.to_string(),
        minor: movement.signed().minor(),
    }
}

/// A merchant's identifier in files.
pub(crate) fn merchant_word(merchant: &Uid) -> String {
    merchant.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::{bank, order, pay};
    use crate::clearing;
    use std::sync::Arc;
    use tokio::sync::watch;

    #[test]
    fn days_come_back() {
        let day = BusinessDay {
            number: 7,
            closed: Time::from_s(1_800_000_000),
            is_gathered: true,
            files: [("north-bank".into(), (7, 5)), ("harbour-bank".into(), (6, 2))].into(),
            carried: [("M0001".into(), -400)].into(),
        };
        let bytes = day.encode().unwrap();
        assert_eq!(BusinessDay::parse(&bytes), Ok(day.clone()));
        for short in 0..bytes.len() {
            assert!(BusinessDay::parse(&bytes[..short]).is_err(), "{short}");
        }
        let [north, harbour] =
            ["north-bank", "harbour-bank"].map(|id| MerchantBank::named(id).unwrap());
        assert_eq!(day.file_name(north).as_deref(), Some("north-bank/2027-01-15-000007.csv"));
        assert_eq!(day.file_name(harbour), None);
    }

    async fn paid(bank: &Arc<Bank>, wallet: &crate::wallet::Wallet, minor: i64) {
        let before = bank.book().postings(100).await.unwrap().len();
        let (_, code) = order(bank, minor).await;
        assert_eq!(pay(wallet, &code).await.outcome, "accepted");
        while bank.book().postings(100).await.unwrap().len() == before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_posting_is_in_one_file_also_if_a_closing_is_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let (bank, wallet) = bank(&folder).await;
        let closing = watch::Sender::new(false);
        let running = tokio::spawn(clearing::run(bank.clone(), closing.subscribe()));
        assert_eq!(bank.close_day(clock::now()).await.unwrap(), None);
        paid(&bank, &wallet, 400).await;
        paid(&bank, &wallet, 300).await;
        let first = bank.close_day(clock::now()).await.unwrap().unwrap();
        assert_eq!(bank.close_day(clock::now()).await.unwrap(), None);

        // A stop after the day was begun, and after one of its postings was taken.
        paid(&bank, &wallet, 200).await;
        let begun = first.next(clock::now());
        let mut batch = Batch::new();
        batch.put(rows::business_day(2).unwrap(), Expect::Absent, begun.encode().unwrap());
        let (row, line) = bank.unsettled().await.unwrap().remove(0);
        let reference = &line.movement.key;
        batch.put(rows::settled(reference).unwrap(), Expect::Absent, vec![0, 0, 0, 2]);
        batch.put(rows::settled_line(2, line.at, reference).unwrap(), Expect::Absent, row.value);
        let _ = bank.vault().commit(&batch).await.unwrap();
        assert_eq!(bank.days(10).await.unwrap().as_slice(), std::slice::from_ref(&first));
        paid(&bank, &wallet, 100).await;
        let second = bank.close_day(clock::now()).await.unwrap().unwrap();
        assert_eq!((second.number, second.closed), (2, begun.closed));
        assert_eq!(bank.close_day(clock::now()).await.unwrap(), None);
        closing.send_replace(true);
        running.await.unwrap();

        let north = MerchantBank::named("north-bank").unwrap();
        let mut minors = Vec::new();
        for (day, follows, brought) in [(&first, 0, 0), (&second, 1, 700)] {
            let file = bank.settlement_file(day, north).await.unwrap().unwrap();
            assert_eq!((file.head.number, file.head.follows), (day.number, follows));
            assert_eq!(file.merchants[0].brought, brought);
            minors.extend(file.lines.iter().map(|line| line.minor));
            let text = file.to_text().unwrap();
            assert_eq!(SettlementFile::parse(text.as_bytes()), Ok(file));
        }
        assert_eq!(minors, [400, 300, 200, 100]);
        assert_eq!(
            second.carried,
            [(merchant_word(&crate::bank::merchant().unwrap()), 1_000)].into()
        );
    }
}

//! A merchant's bank: it believes a settlement file when receipt, totals and order of files are right, and enters it once.

use super::station::blocking;
use crate::merchant_bank::MerchantBank;
use crate::rows::foreign;
use crate::settlement_file::{BadFile, SettlementFile};
use crate::trouble::Trouble;
use bytes::Bytes;
use interbank::filexfer::{
    ClientServer, FileName, Forwarder, SignedReceipt, Stage, StreamingRoot, TransferId,
};
use interbank::port::wire::{Reader, Writer};
use interbank::port::{
    Batch, Commit, CrateTag, Expect, Key, KeyError, ReadSet, Row, Rows, Scan, Store, Tenant,
    WireError,
};
use interbank::seal::VerifyingKey;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use store_redb::RedbStore;

/// The application behind a client server.
pub(super) struct Receiving {
    pub(super) bank: &'static MerchantBank,
    /// Where its client server puts files.
    pub(super) folder: PathBuf,
    pub(super) rows: Arc<RedbStore>,
    /// What its own receipts are verified with.
    pub(super) key: VerifyingKey,
    /// Files that are there and not entered, with the reason if there is one already.
    pub(super) waiting: BTreeMap<TransferId, (FileName, Option<NotEntered>)>,
    /// Entered, and not signed for yet.
    pub(super) to_hand_over: Vec<TransferId>,
}

impl Receiving {
    /// Finds what an earlier process did not finish.
    pub(super) async fn recall(&mut self) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let scan = Scan {
                prefix: ClientServer::outcomes(TENANT),
                after: after.take(),
                limit: Scan::ROWS_MAX,
            };
            let found = self.rows_of(&ReadSet::scan(scan)).await?;
            let page = found.scans.into_iter().next().unwrap_or_default();
            for (key, row) in &page {
                let transfer = key.as_bytes().last_chunk().map(|bytes| TransferId(*bytes));
                let transfer = transfer.ok_or(Trouble::Damaged)?;
                let Some((name, _)) = ClientServer::published_as(&row.value)? else { continue };
                if !self.is_there(entered(&transfer)?).await? {
                    self.waiting.insert(transfer, (name, None));
                } else if !self.is_there(handed_over(&transfer)?).await? {
                    self.to_hand_over.push(transfer);
                }
            }
            match page.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => return Ok(()),
            }
        }
    }

    /// Enters what can be entered. Files may arrive in another order than they were made in: one that comes too early waits.
    pub(super) async fn enter_all(&mut self) -> Result<(), Trouble> {
        loop {
            let mut entered_one = false;
            for (transfer, (name, _)) in self.waiting.clone() {
                match self.enter(&transfer, &name).await? {
                    Ok(()) => {
                        self.waiting.remove(&transfer);
                        self.to_hand_over.push(transfer);
                        entered_one = true;
                    }
                    Err(why) => {
                        if let Some((_, known)) = self.waiting.get_mut(&transfer)
                            && known.replace(why) != Some(why)
                        {
                            tracing::warn!(event = "settlement.not_entered", bank = self.bank.id, %name, %why);
                        }
                    }
                }
            }
            if !entered_one {
                return Ok(());
            }
        }
    }

    async fn enter(
        &self,
        transfer: &TransferId,
        name: &FileName,
    ) -> Result<Result<(), NotEntered>, Trouble> {
        let outcome = ClientServer::outcomes(TENANT).raw(&transfer.0)?;
        let found = self.rows_of(&ReadSet::points([outcome, ledger()])).await?;
        let [Some(outcome), ledger_row] = &found.points[..] else { return Err(Trouble::Damaged) };
        let receipt = ClientServer::receipt_in(&outcome.value)?.ok_or(Trouble::Damaged)?;
        let path = self.folder.join(name.as_str());
        let Some(Ok(bytes)) = blocking(move || std::fs::read(path)).await else {
            return Ok(Err(NotEntered::Gone));
        };
        let mut books = Ledger::of(ledger_row.as_ref())?;
        let file = match self.check(&bytes, &receipt, &books) {
            Ok(file) => file,
            Err(why) => return Ok(Err(why)),
        };
        books.enter(&file);
        let mut batch = Batch::new();
        batch.put(ledger(), Row::unchanged(ledger_row.as_ref()), books.encode()?);
        batch.put(entered(transfer)?, Expect::Absent, file.head.number.to_be_bytes().to_vec());
        let commit = Store::commit(&*self.rows, &batch).await.map_err(Trouble::store)?;
        match commit {
            Commit::Applied(_) => Ok(Ok(())),
            Commit::Conflict => Err(Trouble::Busy),
        }
    }

    /// Whether the file is what was signed for, adds up, and follows what was entered before.
    fn check(
        &self,
        bytes: &[u8],
        receipt: &SignedReceipt,
        books: &Ledger,
    ) -> Result<SettlementFile, NotEntered> {
        if !is_proven(bytes, receipt, &self.key) {
            return Err(NotEntered::Unproven);
        }
        let file = SettlementFile::parse(bytes).map_err(NotEntered::Bad)?;
        if file.head.acquirer != self.bank.id {
            return Err(NotEntered::Stranger);
        }
        if file.head.number <= books.last {
            return Err(NotEntered::Before);
        }
        if file.head.follows != books.last {
            return Err(NotEntered::Early);
        }
        let carried = |merchant: &str| books.carried.get(merchant).copied().unwrap_or(0);
        if file.merchants.iter().any(|one| one.brought != carried(&one.merchant)) {
            return Err(NotEntered::BroughtForward);
        }
        Ok(file)
    }

    /// What its books say.
    pub(super) async fn books(&self) -> Result<Ledger, Trouble> {
        let found = self.rows_of(&ReadSet::points([ledger()])).await?;
        Ok(Ledger::of(found.points.first().and_then(Option::as_ref))?)
    }

    async fn is_there(&self, key: Key) -> Result<bool, Trouble> {
        let found = self.rows_of(&ReadSet::points([key])).await?;
        Ok(found.points.first().is_some_and(Option::is_some))
    }

    async fn rows_of(&self, want: &ReadSet) -> Result<Rows, Trouble> {
        Store::read(&*self.rows, want).await.map_err(Trouble::store)
    }
}

/// What a merchant's bank owes its merchants by the files that it entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// The number of the last file.
    pub(crate) last: u32,
    /// By merchant, in minor units.
    pub(crate) carried: BTreeMap<String, i64>,
}

impl Ledger {
    fn of(row: Option<&Row>) -> Result<Self, WireError> {
        let Some(row) = row else { return Ok(Self::default()) };
        let mut reader = Reader::new(&row.value);
        reader.version(1)?;
        let last = reader.u32()?;
        let mut carried = BTreeMap::new();
        for _ in 0..reader.u16()? {
            let merchant = Reader::text(reader.lp8()?)?.into();
            carried.insert(merchant, reader.i64()?);
        }
        reader.finish()?;
        Ok(Self { last, carried })
    }

    fn enter(&mut self, file: &SettlementFile) {
        self.last = file.head.number;
        let carried = file.merchants.iter().map(|one| (one.merchant.clone(), one.carried));
        self.carried.extend(carried);
    }

    fn encode(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(64);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.u32(self.last);
        writer.u16(u16::try_from(self.carried.len()).map_err(|_| WireError::TooLong)?);
        for (merchant, minor) in &self.carried {
            writer.lp8(merchant.as_bytes())?.i64(*minor);
        }
        Ok(bytes.into())
    }
}

/// Why a file that arrived is not in the books of a merchant's bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotEntered {
    /// It is not there any more.
    Gone,
    /// It is not what the receipt is about.
    Unproven,
    /// It does not add up.
    Bad(BadFile),
    /// It is for another bank.
    Stranger,
    /// It was entered before.
    Before,
    /// One before it has not come yet.
    Early,
    /// It goes on from other sums than the books have.
    BroughtForward,
}

impl fmt::Display for NotEntered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the file is not there any more",
            Self::Unproven => "the file is not the one that the receipt is about",
            Self::Bad(why) => return why.fmt(f),
            Self::Stranger => "the file is for another bank",
            Self::Before => "a file of this number was entered before",
            Self::Early => "the file before it has not come yet",
            Self::BroughtForward => "it goes on from other sums than the books have",
        })
    }
}

/// Whether a receipt is by this key, and about this content.
pub(crate) fn is_proven(content: &[u8], receipt: &SignedReceipt, key: &VerifyingKey) -> bool {
    let mut root = StreamingRoot::new();
    root.update(content);
    let about = (receipt.receipt.root, receipt.receipt.size);
    receipt.receipt.stage >= Stage::Verified
        && receipt.verify(key).is_ok()
        && root.finish() == about
}

fn ledger() -> Key {
    Key::new(BOOKS, TENANT, LEDGER)
}

fn entered(transfer: &TransferId) -> Result<Key, KeyError> {
    Key::new(BOOKS, TENANT, ENTERED).raw(&transfer.0)
}

/// The receipt of the hand-over, among the client server's own rows.
fn handed_over(transfer: &TransferId) -> Result<Key, KeyError> {
    Forwarder::receipts(TENANT).raw(&transfer.0)?.raw(&[Stage::HandedOver.as_u8()])
}

/// Each bank has a store of its own, so that there is one tenant in it.
pub(super) const TENANT: Tenant = Tenant::new(1);
const BOOKS: CrateTag = foreign(0x85);
const LEDGER: u8 = 1;
const ENTERED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settlement_file::LineKind;
    use crate::settlement_file::tests::{head, line};
    use interbank::filexfer::{JobId, PartyId, Receipt, ReceiptBatch};
    use interbank::port::Time;
    use interbank::seal::{Secret, SigningKey};

    fn file(number: u32, follows: u32, minor: i64, brought: i64) -> SettlementFile {
        let lines = vec![line(LineKind::Payment, "M0001", minor)];
        SettlementFile::new(head(number, follows), lines, &[("M0001".into(), brought)].into())
            .unwrap()
    }

    fn receipt(content: &[u8], stage: Stage, key: &SigningKey) -> SignedReceipt {
        let mut root = StreamingRoot::new();
        root.update(content);
        let (root, size) = root.finish();
        let mut batch = ReceiptBatch::new();
        let party = PartyId::new("north-bank").unwrap();
        let (id, at) = (JobId([1; 16]), Time::from_s(1));
        let (request, verdict) = ([2; 32], [3; 32]);
        batch
            .push(Receipt {
                stage,
                party,
                id,
                request,
                verdict,
                root,
                size,
                at,
                content: None,
                follows: None,
            })
            .unwrap();
        let signature = key.sign(&batch.head().to_sign());
        batch.sign(1, signature).remove(0)
    }

    #[test]
    fn a_file_is_entered_only_if_receipt_totals_and_order_are_right() {
        let folder = tempfile::tempdir().unwrap();
        let rows = RedbStore::open(folder.path(), store_redb::Options::new().create(true)).unwrap();
        let [key, other] = [[1; 32], [2; 32]].map(|seed| SigningKey::from_seed(&Secret::new(seed)));
        let receiving = Receiving {
            bank: MerchantBank::named("north-bank").unwrap(),
            folder: folder.path().into(),
            rows: Arc::new(rows),
            key: key.verifying_key(),
            waiting: BTreeMap::new(),
            to_hand_over: Vec::new(),
        };
        let mut books = Ledger::default();
        let check = |file: &SettlementFile, books: &Ledger| {
            let text = file.to_text().unwrap();
            let receipt = receipt(text.as_bytes(), Stage::Verified, &key);
            receiving.check(text.as_bytes(), &receipt, books).map(|_| ())
        };
        let first = file(1, 0, 400, 0);
        assert_eq!(check(&first, &books), Ok(()));
        let text = first.to_text().unwrap();
        let bytes = text.as_bytes();
        for (content, stage, by) in [
            (text.replace("400", "401").as_bytes(), Stage::Verified, &key),
            (bytes, Stage::Received, &key),
            (bytes, Stage::Verified, &other),
        ] {
            let why = receiving.check(content, &receipt(bytes, stage, by), &books);
            assert_eq!(why, Err(NotEntered::Unproven));
        }
        let wrong = text.replace(",400\n", ",401\n");
        let why = receiving.check(
            wrong.as_bytes(),
            &receipt(wrong.as_bytes(), Stage::Verified, &key),
            &books,
        );
        assert!(matches!(why, Err(NotEntered::Bad(_))), "{why:?}");
        let mut strange = first.clone();
        strange.head.acquirer = "harbour-bank".into();
        assert_eq!(check(&strange, &books), Err(NotEntered::Stranger));
        assert_eq!(check(&file(3, 2, 10, 400), &books), Err(NotEntered::Early));

        books.enter(&first);
        assert_eq!(check(&first, &books), Err(NotEntered::Before));
        assert_eq!(check(&file(2, 1, 10, 401), &books), Err(NotEntered::BroughtForward));
        let second = file(2, 1, 10, 400);
        assert_eq!(check(&second, &books), Ok(()));
        books.enter(&second);
        assert_eq!(books, Ledger { last: 2, carried: [("M0001".into(), 410)].into() });
    }
}

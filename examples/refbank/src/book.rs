//! The accounting system: accounts with balances, and postings that are made once.
//!
//! To the payment server it is a peer behind a link: it gets instructions as frames, and answers with frames. It acts once
//! for an idempotency key, however often the instruction comes.

use crate::rows;
use crate::trouble::Trouble;
use crate::vault::Vault;
use bytes::Bytes;
use interbank::port::outbox::{Answer, Entry};
use interbank::port::wire::{Reader, Writer};
use interbank::port::{
    Amount, Answers, Ask, Batch, Conclusion, Currency, Decision, Expect, Key, KeyError, ReadSet,
    Row, Scan, Step, Store as _, Time, WireError, decide,
};
use interbank::qrpay::{Instruction, InstructionKind, Settlement, Uid};
use interbank::seal::{AccountRef, SoftKeys};
use std::fmt;
use std::sync::Arc;

/// The book of accounts.
#[derive(Clone)]
pub(crate) struct Book {
    vault: Arc<Vault>,
    keys: Arc<SoftKeys>,
}

impl Book {
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        Self { vault, keys: Arc::new(SoftKeys::with_prepared(0)) }
    }

    /// Opens an account with a balance, unless it is there.
    pub(crate) async fn open(
        &self,
        holder: Holder,
        name: &str,
        opening: Amount,
    ) -> Result<(), Trouble> {
        let account = Account { name: name.into(), opening, balance: opening };
        let mut batch = Batch::new();
        batch.put(holder.key()?, Expect::Absent, account.encode()?);
        // A conflict says that it is there.
        let _ = self.vault.commit(&batch).await.map_err(Trouble::store)?;
        Ok(())
    }

    /// Handles the frame of an outbox entry and returns the frame to answer with.
    pub(crate) async fn handle(&self, now: Time, frame: &Bytes) -> Result<Bytes, Trouble> {
        let entry = Entry::parse(frame)?;
        let instruction = Instruction::parse(&entry.content)?;
        let mut posting = Post { now, idempotency: entry.idempotency, instruction };
        let settlement = decide(&*self.vault, &*self.keys, &mut posting).await?;
        let answer = Answer { idempotency: entry.idempotency, content: settlement.to_bytes() };
        let mut bytes = Vec::with_capacity(64);
        answer.encode(&mut bytes)?;
        Ok(bytes.into())
    }

    /// All accounts.
    pub(crate) async fn accounts(&self) -> Result<Vec<(Holder, Account)>, Trouble> {
        let want = ReadSet::scan(Scan::first(rows::accounts(), Scan::ROWS_MAX));
        let found = self.vault.read(&want).await.map_err(Trouble::store)?;
        let page = found.scans.into_iter().next().unwrap_or_default();
        page.iter()
            .map(|(key, row)| {
                let holder = Holder::of_key(key).ok_or(Trouble::Damaged)?;
                Ok((holder, Account::parse(&row.value)?))
            })
            .collect()
    }

    /// The last postings, newest first.
    pub(crate) async fn postings(&self, limit: usize) -> Result<Vec<Posting>, Trouble> {
        let want = ReadSet::scan(Scan::first(rows::journal(), limit));
        let found = self.vault.read(&want).await.map_err(Trouble::store)?;
        let page = found.scans.into_iter().next().unwrap_or_default();
        page.iter().map(|(_, row)| Ok(Posting::parse(&row.value)?)).collect()
    }
}

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    /// A payer, by the token of the account number: the clear number never rests here.
    Payer(AccountRef),
    /// A merchant.
    Merchant(Uid),
}

impl Holder {
    fn key(&self) -> Result<Key, KeyError> {
        rows::accounts().raw(&self.to_bytes())
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Payer(token) => [&[PAYER][..], token.as_bytes()].concat(),
            Self::Merchant(uid) => [&[MERCHANT][..], uid.as_bytes()].concat(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&PAYER, token) => Some(Self::Payer(AccountRef::from_bytes(token.try_into().ok()?))),
            (&MERCHANT, uid) => Some(Self::Merchant(Uid::new(uid.to_vec()).ok()?)),
            _ => None,
        }
    }

    fn of_key(key: &Key) -> Option<Self> {
        Self::from_bytes(key.as_bytes().get(Key::HEAD_BYTES..)?)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payer(token) => {
                let text = token.to_string();
                write!(f, "token {}…", text.get(..8).unwrap_or(&text))
            }
            Self::Merchant(uid) => write!(f, "merchant {uid}"),
        }
    }
}

/// An account of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// The holder's name.
    pub(crate) name: String,
    /// What it was opened with.
    pub(crate) opening: Amount,
    /// What it holds now.
    pub(crate) balance: Amount,
}

impl Account {
    fn encode(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(96);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.lp8(self.name.as_bytes())?;
        writer
            .fixed(&self.balance.currency().letters())
            .i64(self.opening.minor())
            .i64(self.balance.minor());
        Ok(bytes.into())
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let name = Reader::text(reader.lp8()?)?.into();
        let currency = read_currency(&mut reader)?;
        let opening = Amount::new(reader.i64()?, currency);
        let balance = Amount::new(reader.i64()?, currency);
        reader.finish()?;
        Ok(Self { name, opening, balance })
    }
}

/// A line of the journal: what was asked, and what was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Posting {
    /// When.
    pub(crate) at: Time,
    /// What was asked.
    pub(crate) instruction: Instruction,
    /// What was done.
    pub(crate) settlement: Settlement,
}

impl Posting {
    fn encode(&self) -> Result<Bytes, WireError> {
        let mut instruction = Vec::with_capacity(192);
        self.instruction.encode(&mut instruction);
        let mut bytes = Vec::with_capacity(224);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.u64(self.at.as_ms()).lp16(&instruction)?.lp8(&self.settlement.to_bytes())?;
        Ok(bytes.into())
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let at = Time::from_ms(reader.u64()?);
        let instruction = Instruction::parse(&Bytes::copy_from_slice(reader.lp16()?))?;
        let settlement = Settlement::parse(reader.lp8()?)?;
        reader.finish()?;
        Ok(Self { at, instruction, settlement })
    }
}

/// ISO 8583 response code 51: not sufficient funds.
pub(crate) const INSUFFICIENT_FUNDS: u32 = 51;
/// ISO 8583 response code 14: no such account.
pub(crate) const NO_SUCH_ACCOUNT: u32 = 14;
/// ISO 8583 response code 13: invalid amount.
pub(crate) const INVALID_AMOUNT: u32 = 13;

/// The decision to move money once for one instruction.
struct Post {
    now: Time,
    idempotency: [u8; 32],
    instruction: Instruction,
}

impl Post {
    /// From whom, to whom.
    fn direction(&self) -> (Holder, Holder) {
        let payer = Holder::Payer(self.instruction.account);
        let merchant = Holder::Merchant(self.instruction.merchant.clone());
        match self.instruction.kind {
            InstructionKind::Debit => (payer, merchant),
            InstructionKind::Refund | InstructionKind::Reversal => (merchant, payer),
        }
    }

    fn keys(&self) -> Result<[Key; 3], KeyError> {
        let (from, to) = self.direction();
        Ok([rows::settlement(&self.idempotency)?, from.key()?, to.key()?])
    }

    /// Moves the money between both accounts, or says why not.
    fn apply(&self, from: Option<&mut Account>, to: Option<&mut Account>) -> Settlement {
        let (Some(from), Some(to)) = (from, to) else {
            return Settlement::Declined(NO_SUCH_ACCOUNT);
        };
        let amount = self.instruction.amount;
        if !amount.is_positive() {
            return Settlement::Declined(INVALID_AMOUNT);
        }
        let moved = from
            .balance
            .checked_sub(amount)
            .and_then(|less| to.balance.checked_add(amount).map(|more| (less, more)));
        match moved {
            Err(_) => Settlement::Declined(INVALID_AMOUNT),
            Ok((less, _)) if less.minor() < 0 => Settlement::Declined(INSUFFICIENT_FUNDS),
            Ok((less, more)) => {
                from.balance = less;
                to.balance = more;
                Settlement::Done
            }
        }
    }
}

impl Decision for Post {
    type Verdict = Settlement;
    type Error = PostError;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points(self.keys().map(Vec::from).unwrap_or_default()))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Settlement>, PostError> {
        let [settled, from_row, to_row] = &answers.rows.points[..] else {
            return Err(PostError::Misfit);
        };
        if let Some(row) = settled {
            let verdict = Settlement::parse(&row.value)?;
            return Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }));
        }
        let read =
            |row: &Option<Row>| row.as_ref().map(|row| Account::parse(&row.value)).transpose();
        let (mut from, mut to) = (read(from_row)?, read(to_row)?);
        let settlement = self.apply(from.as_mut(), to.as_mut());
        let [settled_key, from_key, to_key] = self.keys()?;
        let mut batch = Batch::with_capacity(4);
        batch.put(settled_key, Expect::Absent, settlement.to_bytes());
        let posting = Posting { at: self.now, instruction: self.instruction.clone(), settlement };
        let posting_key = rows::posting(self.now, &self.idempotency)?;
        batch.put(posting_key, Expect::Absent, posting.encode()?);
        for (key, row, account) in [(from_key, from_row, from), (to_key, to_row, to)] {
            match account.filter(|_| settlement == Settlement::Done) {
                Some(account) => batch.put(key, Row::unchanged(row.as_ref()), account.encode()?),
                None => batch.require(key, Row::unchanged(row.as_ref())),
            };
        }
        Ok(Step::Done(Conclusion { verdict: settlement, batch }))
    }

    fn outcome(&self) -> Option<Key> {
        rows::settlement(&self.idempotency).ok()
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Settlement>, PostError> {
        Ok(Some(Settlement::parse(&row.value)?))
    }
}

/// Why a posting could not be concluded.
#[derive(Debug)]
pub(crate) enum PostError {
    Misfit,
    Damaged,
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Misfit => "the store's answer does not fit the question",
            Self::Damaged => "a row of the book is damaged",
        })
    }
}

impl std::error::Error for PostError {}

impl From<WireError> for PostError {
    fn from(_: WireError) -> Self {
        Self::Damaged
    }
}

impl From<KeyError> for PostError {
    fn from(_: KeyError) -> Self {
        Self::Misfit
    }
}

fn read_currency(reader: &mut Reader<'_>) -> Result<Currency, WireError> {
    Currency::from_letters(&reader.array::<3>()?).map_err(|_| WireError::Invalid)
}

const PAYER: u8 = 1;
const MERCHANT: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Place;
    use interbank::port::{Peer, Tenant};
    use interbank::qrpay::PaymentId;

    fn eur(minor: i64) -> Amount {
        Amount::new(minor, Currency::parse("EUR").unwrap())
    }

    fn payer() -> AccountRef {
        AccountRef::from_bytes([1; 16])
    }

    async fn book(folder: &tempfile::TempDir) -> Book {
        let store = Vault::open(&folder.path().join("store"), &Place::Folder).await;
        let book = Book::new(Arc::new(store.unwrap()));
        book.open(Holder::Payer(payer()), "Payer", eur(1_000)).await.unwrap();
        let shop = Uid::new("M1").unwrap();
        book.open(Holder::Merchant(shop), "Shop", eur(0)).await.unwrap();
        book
    }

    fn frame(key: u8, kind: InstructionKind, minor: i64) -> Bytes {
        let mut content = Vec::new();
        Instruction {
            kind,
            tenant: Tenant::new(1),
            uid: Uid::new("O1").unwrap(),
            payment: PaymentId([7; 16]),
            account: payer(),
            merchant: Uid::new("M1").unwrap(),
            amount: eur(minor),
            refund: Bytes::new(),
        }
        .encode(&mut content);
        let entry = Entry {
            idempotency: [key; 32],
            to: Peer::new("book").unwrap(),
            created: Time::from_s(1),
            content: content.into(),
        };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes).unwrap();
        bytes.into()
    }

    async fn settle(book: &Book, frame: &Bytes) -> Settlement {
        let answer = book.handle(Time::from_s(2), frame).await.unwrap();
        Settlement::parse(&Answer::parse(&answer).unwrap().content).unwrap()
    }

    async fn balances(book: &Book) -> Vec<i64> {
        let accounts = book.accounts().await.unwrap();
        accounts.iter().map(|(_, account)| account.balance.minor()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_instruction_is_carried_out_once_however_often_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder).await;
        let frame = frame(1, InstructionKind::Debit, 400);
        let all = (0..16).map(|_| {
            let (book, frame) = (book.clone(), frame.clone());
            tokio::spawn(async move { settle(&book, &frame).await })
        });
        for one in all.collect::<Vec<_>>() {
            assert_eq!(one.await.unwrap(), Settlement::Done);
        }
        assert_eq!(balances(&book).await, [600, 400]);
        assert_eq!(book.postings(10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_declined_instruction_stays_declined() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder).await;
        let large = frame(1, InstructionKind::Debit, 1_001);
        assert_eq!(settle(&book, &large).await, Settlement::Declined(INSUFFICIENT_FUNDS));
        assert_eq!(settle(&book, &frame(2, InstructionKind::Debit, 1_000)).await, Settlement::Done);
        assert_eq!(settle(&book, &frame(3, InstructionKind::Refund, 500)).await, Settlement::Done);
        assert_eq!(settle(&book, &large).await, Settlement::Declined(INSUFFICIENT_FUNDS));
        assert_eq!(balances(&book).await, [500, 500]);
        let nothing = frame(4, InstructionKind::Debit, -5);
        assert_eq!(settle(&book, &nothing).await, Settlement::Declined(INVALID_AMOUNT));
        assert_eq!(balances(&book).await, [500, 500]);
    }
}

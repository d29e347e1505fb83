//! The accounting system's books: accounts with balances, and postings that are made once.
//!
//! It is asked for movements by requests, and told of them by advices. It posts once for a key, however often either comes, and
//! in whatever order.

use crate::movement::Movement;
use crate::posting::{Post, Posted};
use crate::rows;
use crate::trouble::Trouble;
use crate::vault::Vault;
use bytes::Bytes;
use interbank::port::wire::{Reader, Writer};
use interbank::port::{
    Amount, Batch, Currency, Expect, Key, KeyError, ReadSet, Scan, Store as _, Time, WireError,
    decide,
};
use interbank::qrpay::{Settlement, Uid};
use interbank::seal::{AccountRef, SoftKeys};
use interbank::standin::{
    Advice, AdviceOutcome, AuthCode, Response, ResponseCode, Source, TransactionRequest,
};
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

    /// Decides over a request; the same answer to the same request.
    pub(crate) async fn ask(
        &self,
        now: Time,
        request: &TransactionRequest,
    ) -> Result<Response, Trouble> {
        let code = match Movement::asked(request) {
            None => ResponseCode::INVALID_TRANSACTION,
            Some(movement) => match self.post(now, movement).await? {
                Posted::Now { .. } | Posted::Before => ResponseCode::APPROVED,
                Posted::Declined(code) => code,
            },
        };
        let approved = code.is_approval();
        Ok(Response {
            mti: request.mti.response().unwrap_or(request.mti),
            key: request.key,
            code,
            approved: approved.then_some(request.amount),
            // Of the request alone, so that a repeat is answered with the same one.
            auth_code: approved.then(|| AuthCode::of_number(request.key.trace())),
            source: Source::Host,
            balance: None,
            retrieval_ref: request.retrieval_ref,
        })
    }

    /// Takes down what happened without it.
    pub(crate) async fn tell(&self, now: Time, advice: &Advice) -> Result<AdviceOutcome, Trouble> {
        let Some(movement) = Movement::told(advice) else {
            return Ok(AdviceOutcome::Refused(ResponseCode::INVALID_TRANSACTION));
        };
        Ok(match self.post(now, movement).await? {
            Posted::Now { negative: false } => AdviceOutcome::Posted,
            Posted::Now { negative: true } => AdviceOutcome::PostedNegative,
            Posted::Before => AdviceOutcome::AlreadyPosted,
            Posted::Declined(code) => AdviceOutcome::Refused(code),
        })
    }

    /// Posts a movement once.
    pub(crate) async fn post(&self, now: Time, movement: Movement) -> Result<Posted, Trouble> {
        Ok(decide(&*self.vault, &*self.keys, &mut Post::new(now, movement)).await?)
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

    /// Its store.
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The last postings, newest first.
    pub(crate) async fn postings(&self, limit: usize) -> Result<Vec<Line>, Trouble> {
        let want = ReadSet::scan(Scan::first(rows::journal(), limit));
        let found = self.vault.read(&want).await.map_err(Trouble::store)?;
        let page = found.scans.into_iter().next().unwrap_or_default();
        page.iter().map(|(_, row)| Ok(Line::parse(&row.value)?)).collect()
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
    pub(crate) fn key(&self) -> Result<Key, KeyError> {
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
    pub(crate) fn encode(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(96);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.lp8(self.name.as_bytes())?;
        writer
            .fixed(&self.balance.currency().letters())
            .i64(self.opening.minor())
            .i64(self.balance.minor());
        Ok(bytes.into())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
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

/// A line of the journal: what was asked or told, and what was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// When.
    pub(crate) at: Time,
    /// What it is about.
    pub(crate) movement: Movement,
    /// What was done.
    pub(crate) settlement: Settlement,
}

impl Line {
    pub(crate) fn encode(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(192);
        let mut writer = Writer::new(&mut bytes, 1);
        let movement = self.movement.encode()?;
        writer.u64(self.at.as_ms()).lp16(&movement)?.lp8(&self.settlement.to_bytes())?;
        Ok(bytes.into())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let at = Time::from_ms(reader.u64()?);
        let movement = Movement::parse(reader.lp16()?)?;
        let settlement = Settlement::parse(reader.lp8()?)?;
        reader.finish()?;
        Ok(Self { at, movement, settlement })
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
    use crate::message::tests::{entry, instruction};
    use crate::options::Place;
    use crate::posting::REVERSED;
    use interbank::qrpay::InstructionKind;

    fn eur(minor: i64) -> Amount {
        Amount::new(minor, Currency::parse("EUR").unwrap())
    }

    async fn book(folder: &tempfile::TempDir) -> Book {
        let store = Vault::open(&folder.path().join("store"), &Place::Folder).await;
        let book = Book::new(Arc::new(store.unwrap()));
        let payer = AccountRef::from_bytes([1; 16]);
        book.open(Holder::Payer(payer), "Payer", eur(1_000)).await.unwrap();
        let shop = Uid::new("M1").unwrap();
        book.open(Holder::Merchant(shop), "Shop", eur(0)).await.unwrap();
        book
    }

    /// The request of the entry with this number; reversals are of entry 7.
    fn request(id: u8, kind: InstructionKind, minor: i64) -> TransactionRequest {
        let instruction = instruction(kind, minor);
        let entry = entry(id, &instruction);
        crate::message::tests::request(&entry, &instruction, Some(entry.created)).unwrap()
    }

    async fn ask(book: &Book, request: &TransactionRequest) -> String {
        book.ask(Time::from_s(2), request).await.unwrap().code.to_string()
    }

    async fn told(book: &Book, request: &TransactionRequest) -> Posted {
        let movement = Movement { told: true, ..Movement::asked(request).unwrap() };
        book.post(Time::from_s(3), movement).await.unwrap()
    }

    async fn balances(book: &Book) -> Vec<i64> {
        let accounts = book.accounts().await.unwrap();
        accounts.iter().map(|(_, account)| account.balance.minor()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_is_carried_out_once_however_often_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder).await;
        let debit = request(1, InstructionKind::Debit, 400);
        let all = (0..16).map(|_| {
            let (book, debit) = (book.clone(), debit.clone());
            tokio::spawn(async move { book.ask(Time::from_s(2), &debit).await.unwrap() })
        });
        let mut answers = Vec::new();
        for one in all.collect::<Vec<_>>() {
            answers.push(one.await.unwrap());
        }
        assert!(answers[0].is_approval());
        answers.dedup();
        assert_eq!(answers.len(), 1);
        assert_eq!(balances(&book).await, [600, 400]);
        assert_eq!(book.postings(10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_declined_request_stays_declined() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder).await;
        let large = request(1, InstructionKind::Debit, 1_001);
        assert_eq!(ask(&book, &large).await, "51");
        assert_eq!(ask(&book, &request(2, InstructionKind::Debit, 1_000)).await, "00");
        assert_eq!(ask(&book, &request(3, InstructionKind::Refund, 500)).await, "00");
        assert_eq!(ask(&book, &large).await, "51");
        assert_eq!(balances(&book).await, [500, 500]);
    }

    #[tokio::test]
    async fn what_is_told_is_posted_whatever_the_account_holds_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder).await;
        let large = request(1, InstructionKind::Debit, 1_001);
        assert_eq!(ask(&book, &large).await, "51");
        assert_eq!(told(&book, &large).await, Posted::Now { negative: true });
        assert_eq!(told(&book, &large).await, Posted::Before);
        // It was asked for first and told afterwards: the request had been late.
        let small = request(2, InstructionKind::Debit, 10);
        assert_eq!(told(&book, &small).await, Posted::Now { negative: true });
        assert_eq!(ask(&book, &small).await, "00");
        assert_eq!(balances(&book).await, [-11, 1_011]);
    }

    #[tokio::test]
    async fn a_reversal_takes_back_once_and_bars_what_was_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder).await;
        let (debit, back) =
            (request(7, InstructionKind::Debit, 400), request(8, InstructionKind::Reversal, 400));
        assert_eq!(back.original, Some(debit.key));
        assert_eq!(ask(&book, &debit).await, "00");
        assert_eq!(ask(&book, &back).await, "00");
        assert_eq!(told(&book, &back).await, Posted::Before);
        assert_eq!(balances(&book).await, [1_000, 0]);

        // The reversal overtakes its debit: nothing moves, now or later.
        let folder = tempfile::tempdir().unwrap();
        let book = self::book(&folder).await;
        assert_eq!(told(&book, &back).await, Posted::Now { negative: false });
        assert_eq!(ask(&book, &debit).await, REVERSED.to_string());
        assert_eq!(told(&book, &debit).await, Posted::Before);
        assert_eq!(balances(&book).await, [1_000, 0]);
        assert!(book.postings(10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_advice_about_nobody_is_left_to_a_person() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder).await;
        let mut debit = request(1, InstructionKind::Debit, 400);
        debit.account.token = AccountRef::from_bytes([9; 16]);
        assert_eq!(told(&book, &debit).await, Posted::Declined(ResponseCode::INVALID_CARD));
        book.open(Holder::Payer(debit.account.token), "Late", eur(0)).await.unwrap();
        assert_eq!(told(&book, &debit).await, Posted::Now { negative: true });
    }
}

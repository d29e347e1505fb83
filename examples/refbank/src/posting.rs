//! The decision to post a movement once.

use crate::book::{Account, Holder, Line};
use crate::message;
use crate::movement::Movement;
use crate::rows;
use interbank::port::{
    Answers, Ask, Batch, Conclusion, Decision, Expect, Key, KeyError, ReadSet, Row, Step, Time,
    WireError,
};
use interbank::qrpay::Settlement;
use interbank::standin::ResponseCode;
use std::fmt;

/// Posts a movement unless that was done before.
///
/// What is asked for is declined where the payer or merchant has too little. What is told has happened: it is posted whatever the
/// accounts hold, also where it was declined before. A reversal of what was never posted moves nothing, and keeps it from being
/// posted later.
pub(crate) struct Post {
    now: Time,
    movement: Movement,
}

impl Post {
    pub(crate) const fn new(now: Time, movement: Movement) -> Self {
        Self { now, movement }
    }

    /// From whom, to whom.
    fn direction(&self) -> (Holder, Holder) {
        let payer = Holder::Payer(self.movement.account);
        let merchant = Holder::Merchant(self.movement.merchant.clone());
        if self.movement.way.is_spending() { (payer, merchant) } else { (merchant, payer) }
    }

    fn keys(&self) -> Result<[Key; 4], KeyError> {
        let (from, to) = self.direction();
        let original = self.movement.original.filter(|_| self.movement.way.is_reversal());
        Ok([
            rows::posted(&self.movement.key)?,
            rows::posted(&original.unwrap_or(self.movement.key))?,
            from.key()?,
            to.key()?,
        ])
    }

    /// What was made of it before, if that stands.
    fn before(&self, known: Option<Settlement>) -> Option<Posted> {
        let code = match known? {
            Settlement::Done => return Some(Posted::Before),
            Settlement::Declined(cause) => message::response_code(cause),
        };
        match (self.movement.told, code) {
            (true, REVERSED) => Some(Posted::Before),
            (true, _) => None,
            (false, code) => Some(Posted::Declined(code)),
        }
    }

    /// Moves the money between both accounts, or says why not.
    fn apply(&self, from: Option<&mut Account>, to: Option<&mut Account>) -> Posted {
        let (Some(from), Some(to)) = (from, to) else {
            return Posted::Declined(ResponseCode::INVALID_CARD);
        };
        let amount = self.movement.amount;
        if !amount.is_positive() {
            return Posted::Declined(ResponseCode::INVALID_AMOUNT);
        }
        let must = self.movement.told || self.movement.way.is_reversal();
        let moved = from
            .balance
            .checked_sub(amount)
            .and_then(|less| to.balance.checked_add(amount).map(|more| (less, more)));
        match moved {
            Err(_) => Posted::Declined(ResponseCode::INVALID_AMOUNT),
            Ok((less, _)) if less.minor() < 0 && !must => {
                Posted::Declined(ResponseCode::INSUFFICIENT_FUNDS)
            }
            Ok((less, more)) => {
                (from.balance, to.balance) = (less, more);
                Posted::Now { negative: less.minor() < 0 }
            }
        }
    }

    /// Whether there is nothing to be taken back; the original is barred then.
    fn bars(&self, original: Option<Settlement>) -> bool {
        self.movement.way.is_reversal() && original != Some(Settlement::Done)
    }
}

impl Decision for Post {
    type Verdict = Posted;
    type Error = PostError;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points(self.keys().map(Vec::from).unwrap_or_default()))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Posted>, PostError> {
        let [own, original, from_row, to_row] = &answers.rows.points[..] else {
            return Err(PostError::Misfit);
        };
        let known =
            |row: &Option<Row>| row.as_ref().map(|row| Settlement::parse(&row.value)).transpose();
        let done = |verdict, batch| Ok(Step::Done(Conclusion { verdict, batch }));
        if let Some(verdict) = self.before(known(own)?) {
            return done(verdict, Batch::new());
        }
        let [own_key, original_key, from_key, to_key] = self.keys()?;
        let mut batch = Batch::with_capacity(5);
        let barred = known(original)?;
        if self.bars(barred) {
            batch.put(own_key, Expect::Absent, Settlement::Done.to_bytes());
            match barred {
                None => {
                    let reversed = Settlement::Declined(message::cause(REVERSED)).to_bytes();
                    batch.put(original_key, Expect::Absent, reversed)
                }
                Some(_) => batch.require(original_key, Row::unchanged(original.as_ref())),
            };
            return done(Posted::Now { negative: false }, batch);
        }
        let read =
            |row: &Option<Row>| row.as_ref().map(|row| Account::parse(&row.value)).transpose();
        let (mut from, mut to) = (read(from_row)?, read(to_row)?);
        let verdict = self.apply(from.as_mut(), to.as_mut());
        let settlement = match verdict {
            // A person has to look; nothing is written down that would stand in the way then.
            Posted::Declined(_) if self.movement.told => return done(verdict, Batch::new()),
            Posted::Declined(code) => Settlement::Declined(message::cause(code)),
            Posted::Now { .. } | Posted::Before => Settlement::Done,
        };
        batch.put(own_key, Row::unchanged(own.as_ref()), settlement.to_bytes());
        let line = Line { at: self.now, movement: self.movement.clone(), settlement };
        batch.put(rows::posting(self.now, &self.movement.key)?, Expect::Absent, line.encode()?);
        for (key, row, account) in [(from_key, from_row, from), (to_key, to_row, to)] {
            let expect = Row::unchanged(row.as_ref());
            match account.filter(|_| settlement == Settlement::Done) {
                Some(account) => batch.put(key, expect, account.encode()?),
                None => batch.require(key, expect),
            };
        }
        done(verdict, batch)
    }

    fn outcome(&self) -> Option<Key> {
        rows::posted(&self.movement.key).ok()
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Posted>, PostError> {
        Ok(self.before(Some(Settlement::parse(&row.value)?)))
    }
}

/// What became of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// It is posted.
    Now {
        /// Somebody has less than nothing now.
        negative: bool,
    },
    /// It was posted before.
    Before,
    /// It is not posted.
    Declined(ResponseCode),
}

/// It was reversed before it came.
pub(crate) const REVERSED: ResponseCode = ResponseCode::INVALID_TRANSACTION;

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

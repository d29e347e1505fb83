//! An item's row, read in place: for the redeem, which changes a few bytes of it.

use crate::item::{ChallengeState, Displayed, Form, Kind, PriceRow, State, read_name, read_payee};
use crate::{Payee, PaymentId, Price, Refusal, Uid};
use bytes::Bytes;
use port::wire::{Reader, Sink};
use port::{Amount, Currency, Time, WireError};

/// What an item's row says, and where its parts are. All methods that take the row want the bytes that were parsed.
///
/// [`crate::Item::parse`] reads rows by this too, so that both take the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ItemRow {
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) form: Form,
    has_payment: bool,
    payee_bytes: u8,
    merchant_bytes: u8,
    challenges: u8,
    pub(crate) amount: Amount,
}

impl ItemRow {
    /// Reads the stored form, specified in `docs/spec/qrpay.md`.
    #[inline]
    pub(crate) fn parse(row: &[u8]) -> Result<Self, WireError> {
        match Self::quick(row) {
            Some(read) => Ok(read),
            None => Self::read(row),
        }
    }

    /// What [`ItemRow::read`] reads, in few large steps; `None` for what that refuses.
    #[inline]
    fn quick(row: &[u8]) -> Option<Self> {
        let (head, rest) = row.split_first_chunk::<PAYEE_AT>()?;
        let [1, kind, state, form, a, b, c, d, e, f, g, h, x, y, z, payee_bytes] = *head else {
            return None;
        };
        let (payee, rest) = rest.split_at_checked(usize::from(payee_bytes))?;
        let (&merchant_bytes, rest) = rest.split_first()?;
        let (merchant, rest) = rest.split_at_checked(usize::from(merchant_bytes))?;
        let (_, rest) = rest.split_first_chunk::<{ 8 + 8 + 4 }>()?;
        let (has_payment, rest) = match rest.split_first()? {
            (0, rest) => (false, rest),
            (1, rest) => (true, rest.split_first_chunk::<16>()?.1),
            _ => return None,
        };
        let (&challenges, rest) = rest.split_first()?;
        let (shown, after) = rest.as_chunks::<{ Displayed::BYTES }>();
        let fits = shown.len() == usize::from(challenges)
            && after.is_empty()
            && shown.iter().all(|one| ChallengeState::from_u8(one[Displayed::STATE_AT]).is_ok())
            && Payee::is_name(payee)
            && crate::terms::is_identifier(merchant);
        let currency = Currency::from_letters(&[x, y, z]).ok()?;
        fits.then_some(Self {
            kind: Kind::from_u8(kind).ok()?,
            state: State::from_u8(state).ok()?,
            form: Form::from_u8(form).ok()?,
            payee_bytes,
            merchant_bytes,
            challenges,
            has_payment,
            amount: Amount::new(i64::from_be_bytes([a, b, c, d, e, f, g, h]), currency),
        })
    }

    /// [`ItemRow::parse`], field by field: says what is wrong.
    #[cold]
    fn read(row: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(row);
        reader.version(1)?;
        let kind = Kind::from_u8(reader.u8()?)?;
        let state = State::from_u8(reader.u8()?)?;
        let form = Form::from_u8(reader.u8()?)?;
        let minor = reader.i64()?;
        let currency =
            Currency::from_letters(&reader.array::<3>()?).map_err(|_| WireError::Invalid)?;
        let payee = read_payee(&mut reader)?;
        let merchant = read_name(&mut reader)?;
        let [_created, _valid_until] = [reader.u64()?, reader.u64()?];
        let _next_ref = reader.u32()?;
        let has_payment = reader.flag()?;
        if has_payment {
            let _payment = reader.array::<16>()?;
        }
        let challenges = reader.u8()?;
        for _ in 0..challenges {
            Displayed::read(&mut reader)?;
        }
        reader.finish()?;
        // Both are behind a length of one byte.
        let short = |part: &[u8]| u8::try_from(part.len()).map_err(|_| WireError::TooLong);
        Ok(Self {
            kind,
            state,
            form,
            payee_bytes: short(payee)?,
            merchant_bytes: short(merchant)?,
            challenges,
            has_payment,
            amount: Amount::new(minor, currency),
        })
    }

    /// Whom it pays, and whose it is, as the row has them.
    pub(crate) fn price_row<'a>(&self, row: &'a [u8]) -> PriceRow<'a> {
        PriceRow { amount: self.amount, payee: &row[PAYEE_AT..self.merchant_at() - 1] }
    }

    /// Shares the row's bytes.
    pub(crate) fn price(&self, row: &Bytes) -> Price {
        let payee = Payee::checked(row.slice(PAYEE_AT..self.merchant_at() - 1));
        Price { amount: self.amount, payee }
    }

    pub(crate) fn merchant_bytes<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        &row[self.merchant_at()..self.created_at()]
    }

    /// Shares the row's bytes.
    pub(crate) fn merchant(&self, row: &Bytes) -> Uid {
        Uid::checked(row.slice(self.merchant_at()..self.created_at()))
    }

    pub(crate) fn created(&self, row: &[u8]) -> Time {
        Time::from_ms(u64::from_be_bytes(chunk(row, self.created_at())))
    }

    pub(crate) fn valid_until(&self, row: &[u8]) -> Time {
        Time::from_ms(u64::from_be_bytes(chunk(row, self.created_at() + 8)))
    }

    pub(crate) fn next_ref(&self, row: &[u8]) -> u32 {
        u32::from_be_bytes(chunk(row, self.created_at() + 8 + 8))
    }

    pub(crate) fn payment(&self, row: &[u8]) -> Option<PaymentId> {
        self.has_payment.then(|| PaymentId(chunk(row, self.payment_at() + 1)))
    }

    /// Its challenges, oldest first.
    pub(crate) fn challenges<'a>(
        &self,
        row: &'a [u8],
    ) -> impl Iterator<Item = Displayed> + Clone + use<'a> {
        let (rows, _) = row[self.challenges_at()..].as_chunks::<{ Displayed::BYTES }>();
        // All of them were read by `parse`.
        rows.iter().filter_map(|row| Displayed::read(&mut Reader::new(row)).ok())
    }

    /// Why there is no challenge that a request could answer now, if so.
    pub(crate) fn unanswerable(
        &self,
        row: &[u8],
        now: Time,
        reference: Option<u32>,
        tries_max: u8,
    ) -> Option<Refusal> {
        match self.state {
            State::Open if now >= self.valid_until(row) => return Some(Refusal::OrderNotPayable),
            State::Open => {}
            State::Accepted | State::Paid => return Some(Refusal::AlreadyUsed),
            State::Cancelled | State::Lapsed => return Some(Refusal::OrderNotPayable),
        }
        let mut refusal = Refusal::NoOpenChallenge;
        for one in self.challenges(row).filter(|one| one.is_named(reference)) {
            match one.state {
                ChallengeState::Killed => {}
                _ if !one.is_timely(now) => {
                    if refusal == Refusal::NoOpenChallenge {
                        refusal = Refusal::Expired;
                    }
                }
                _ if one.takes_tries(tries_max) => return None,
                _ => refusal = Refusal::AlreadyUsed,
            }
        }
        Some(refusal)
    }

    /// The challenges to try a request against, each behind its position.
    ///
    /// Those that were consumed or ran out lately are tried too, in order to tell a right reply that it came second or late.
    /// A wrong one is counted on them as on those that are open: it is a guess as well.
    pub(crate) fn answerable<'a>(
        &self,
        row: &'a [u8],
        reference: Option<u32>,
        tries_max: u8,
    ) -> impl Iterator<Item = (usize, Displayed)> + use<'a> {
        let tried = move |one: &Displayed| one.is_named(reference) && one.takes_tries(tries_max);
        self.challenges(row).enumerate().filter(move |(_, one)| tried(one))
    }

    /// How long [`ItemRow::append_accepted`] is.
    pub(crate) const fn accepted_bytes(&self, row: &[u8]) -> usize {
        match (self.kind, self.has_payment) {
            (Kind::Order, false) => row.len() + 16,
            (Kind::Order, true) | (Kind::Commodity, _) => row.len(),
        }
    }

    /// Appends the row as it is once the challenge at a position has been answered rightly: consumed, and an order accepted
    /// under this payment. The other bytes stay.
    #[inline]
    pub(crate) fn append_accepted<T: Sink>(
        &self,
        row: &[u8],
        challenge_at: usize,
        payment: &PaymentId,
        to: &mut T,
    ) {
        let challenges_at = self.challenges_at();
        match self.kind {
            Kind::Commodity => to.put(&row[..challenges_at]),
            Kind::Order => {
                to.put(&row[..STATE_AT]);
                to.put(&[State::Accepted as u8]);
                to.put(&row[STATE_AT + 1..self.payment_at()]);
                to.put(&[1]);
                to.put(&payment.0);
                to.put(&[self.challenges]);
            }
        }
        let state_at = challenges_at + challenge_at * Displayed::BYTES + Displayed::STATE_AT;
        to.put(&row[challenges_at..state_at]);
        to.put(&[ChallengeState::Consumed as u8]);
        to.put(&row[state_at + 1..]);
    }

    const fn merchant_at(&self) -> usize {
        PAYEE_AT + self.payee_bytes as usize + 1
    }

    const fn created_at(&self) -> usize {
        self.merchant_at() + self.merchant_bytes as usize
    }

    const fn payment_at(&self) -> usize {
        self.created_at() + 8 + 8 + 4
    }

    /// Behind their count.
    const fn challenges_at(&self) -> usize {
        self.payment_at() + if self.has_payment { 17 } else { 1 } + 1
    }
}

/// Bytes of a row that has been parsed.
fn chunk<const N: usize>(row: &[u8], at: usize) -> [u8; N] {
    row[at..].first_chunk().copied().unwrap_or([0; N])
}

/// Version and kind are before it.
const STATE_AT: usize = 2;

/// Version, kind, state, form, amount, currency and the payee's length are before it.
const PAYEE_AT: usize = 1 + 3 + 8 + 3 + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Challenge, Item};
    use proptest::prelude::*;

    fn displayed() -> impl Strategy<Value = Displayed> {
        let state = prop_oneof![
            Just(ChallengeState::Open),
            Just(ChallengeState::Consumed),
            Just(ChallengeState::Killed)
        ];
        let until = prop::option::of(1..10_000_u64);
        (any::<u32>(), any::<[u8; 16]>(), 0..20_u64, state, until, any::<u8>(), any::<[u8; 8]>())
            .prop_map(|(reference, challenge, expires_s, state, until, tries, last_wrong)| {
                Displayed {
                    reference,
                    challenge: Challenge(challenge),
                    expires_s,
                    state,
                    replaced_until: until.map(Time::from_ms),
                    tries,
                    last_wrong,
                }
            })
    }

    fn item() -> impl Strategy<Value = Item> {
        let heads = (
            prop_oneof![Just(Kind::Order), Just(Kind::Commodity)],
            prop_oneof![
                Just(State::Open),
                Just(State::Accepted),
                Just(State::Paid),
                Just(State::Cancelled),
                Just(State::Lapsed)
            ],
            prop_oneof![Just(Form::Base), Just(Form::Full)],
        );
        let texts = (any::<i64>(), "[a-zäé ]{1,20}", "[A-Za-z0-9._:-]{1,64}");
        let times = (0..20_000_u64, 0..20_000_u64, any::<u32>());
        let payment = prop::option::of(any::<[u8; 16]>());
        let challenges = prop::collection::vec(displayed(), 0..5);
        (heads, texts, times, payment, challenges).prop_map(
            |((kind, state, form), (minor, payee, merchant), times, payment, challenges)| Item {
                kind,
                state,
                form,
                price: Price {
                    amount: Amount::new(minor, Currency::parse("CNY").unwrap()),
                    payee: Payee::new(payee).unwrap(),
                },
                merchant: Uid::new(merchant).unwrap(),
                created: Time::from_ms(times.0),
                valid_until: Time::from_ms(times.1),
                payment: payment.map(PaymentId),
                challenges,
                next_ref: times.2,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_read_in_place_is_what_was_written(item in item()) {
            let row = item.encode();
            prop_assert_eq!(&Item::parse(&row).unwrap(), &item);
            let read = ItemRow::parse(&row).unwrap();
            prop_assert_eq!(read.price_row(&row).payee, &item.price.payee.as_bytes()[..]);
            prop_assert_eq!(read.merchant_bytes(&row), &item.merchant.as_bytes()[..]);
            for end in 0..row.len() {
                prop_assert_eq!(ItemRow::parse(&row[..end]).err(), Some(WireError::Truncated));
            }
        }

        /// The item changed by its fields and written whole is the oracle.
        #[test]
        fn an_accepted_row_is_the_accepted_item_written(item in item(), at in any::<prop::sample::Index>(), id in any::<[u8; 16]>()) {
            prop_assume!(!item.challenges.is_empty());
            let at = at.index(item.challenges.len());
            let row = item.encode();
            let mut rows = b"before".to_vec();
            ItemRow::parse(&row).unwrap().append_accepted(&row, at, &PaymentId(id), &mut rows);
            let mut accepted = item;
            accepted.challenges[at].state = ChallengeState::Consumed;
            if accepted.kind == Kind::Order {
                accepted.state = State::Accepted;
                accepted.payment = Some(PaymentId(id));
            }
            prop_assert_eq!(&rows[6..], &accepted.encode()[..]);
            prop_assert_eq!(rows.len() - 6, ItemRow::parse(&row).unwrap().accepted_bytes(&row));
        }

        /// What is read field by field is the oracle.
        #[test]
        fn foreign_bytes_are_read_alike_and_give_the_same_row_again(
            item in item(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            end in any::<prop::sample::Index>(),
        ) {
            let mut bytes = item.encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let end = end.index(bytes.len());
            prop_assert_eq!(ItemRow::quick(&bytes[..end]), ItemRow::read(&bytes[..end]).ok());
            prop_assert_eq!(ItemRow::quick(&bytes), ItemRow::read(&bytes).ok());
            let bytes = Bytes::from(bytes);
            if let Ok(item) = Item::parse(&bytes) {
                prop_assert_eq!(item.encode(), bytes);
            }
        }
    }
}

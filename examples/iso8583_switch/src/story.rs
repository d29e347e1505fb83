//! The seeded traffic: who buys what, and what goes wrong at the terminal.

use crate::card;
use crate::failure::Failure;
use port::{Amount, Currency, Time};
use simkit::Rng;
use standin::{Class, InstitutionId, RequestKey, Text};
use wire_iso8583::{Message, Mti};

/// One terminal's purchases and reversals, in order; the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    rng: Rng,
    accounts: u32,
    currency: Currency,
    acquirer: InstitutionId,
    keeper: InstitutionId,
    terminal: String,
    trace: u32,
}

impl Story {
    pub(crate) fn new(
        seed: u64,
        terminal: u32,
        accounts: u32,
        keeper: InstitutionId,
    ) -> Result<Self, Failure> {
        let terminal = format!("TERM{:04}", terminal % 10_000);
        Ok(Self {
            rng: Rng::new(seed).fork(&terminal),
            accounts: accounts.max(1),
            currency: Currency::parse("CNY").map_err(Failure::run)?,
            acquirer: card::acquirer().ok_or_else(|| Failure::run("no acquirer"))?,
            keeper,
            terminal,
            trace: 0,
        })
    }

    /// The next purchase, and what will happen at the terminal.
    pub(crate) fn purchase(&mut self, now: Time) -> Result<Purchase, Failure> {
        let account = u32::try_from(self.rng.below(self.accounts.into())).unwrap_or(0);
        let minor = i64::try_from(1 + self.rng.below(AMOUNT_MAX)).unwrap_or(1);
        let fate = match self.rng.below(100) {
            0..4 => Fate::AnswerLost,
            4..8 => Fate::Reversed,
            8..10 => Fate::GivenUp,
            _ => Fate::Paid,
        };
        // Drawn here, although they are used later or not at all: when a reversal is sent, answers decide, and the story must not.
        let is_advice = self.rng.below(20) == 0 && matches!(fate, Fate::Paid | Fate::AnswerLost);
        let reversed_by = match self.rng.below(2) {
            0 => Mti::REVERSAL_REQUEST,
            _ => Mti::REVERSAL_ADVICE,
        };
        let mti = if is_advice { Mti::FINANCIAL_ADVICE } else { Mti::FINANCIAL_REQUEST };
        let (key, mut message) = self.message(mti, account, minor, now)?;
        message.set(3, "000000").map_err(Failure::run)?;
        Ok(Purchase { key, message, account, minor, fate, reversed_by })
    }

    /// The reversal of a purchase, all of it.
    pub(crate) fn reversal(
        &mut self,
        of: &Purchase,
        now: Time,
    ) -> Result<(RequestKey, Message), Failure> {
        let (key, mut message) = self.message(of.reversed_by, of.account, of.minor, now)?;
        let original = of.message.as_original().map_err(Failure::run)?;
        message.set_original(&original).map_err(Failure::run)?;
        Ok((key, message))
    }

    fn message(
        &mut self,
        mti: Mti,
        account: u32,
        minor: i64,
        now: Time,
    ) -> Result<(RequestKey, Message), Failure> {
        self.trace = self.trace % TRACE_MAX + 1;
        let mut message = Message::new(mti);
        let fill = |message: &mut Message| {
            message.set(2, card::number(account))?;
            message.set_amount(Amount::new(minor, self.currency))?;
            message.set_stan(self.trace)?.set_transmitted(now)?.set_terminal(&self.terminal)?;
            message.set(14, "4912")?.set(22, "050")?.set(25, "00")?;
            message.set(32, self.acquirer.to_string())?.set(100, self.keeper.to_string())?;
            Ok::<_, wire_iso8583::FieldError>(())
        };
        fill(&mut message).map_err(Failure::run)?;
        let class = match mti {
            Mti::REVERSAL_REQUEST | Mti::REVERSAL_ADVICE => Class::Reversal,
            _ => Class::Financial,
        };
        let terminal = Text::new(&self.terminal).map_err(Failure::run)?;
        // Field 7 says no more than seconds.
        let sent_at = Time::from_s(now.as_ms() / 1_000);
        let key = RequestKey::new(class, self.acquirer, self.trace.into(), sent_at, terminal)
            .ok_or_else(|| Failure::run("a message has no key"))?;
        Ok((key, message))
    }
}

/// A purchase on its way.
#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    /// By which its answer will be known.
    pub(crate) key: RequestKey,
    pub(crate) message: Message,
    pub(crate) account: u32,
    pub(crate) minor: i64,
    pub(crate) fate: Fate,
    /// Acquirers reverse by requests and by advices.
    pub(crate) reversed_by: Mti,
}

/// What happens at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The answer is taken.
    Paid,
    /// The first answer does not reach the terminal, which repeats the request.
    AnswerLost,
    /// It is reversed after it was approved.
    Reversed,
    /// It is reversed at once, before any answer.
    GivenUp,
}

/// 500.00: some are above the stand-in module's limit.
const AMOUNT_MAX: u64 = 50_000;
/// Six digits.
const TRACE_MAX: u32 = 999_999;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_key_is_the_one_that_readers_find() {
        let network = crate::network::Network::new(wire_iso8583::Codings::PACKED).unwrap();
        let mut story = Story::new(1, 3, 100, card::issuer().unwrap()).unwrap();
        let now = crate::clock::now();
        let mut types = BTreeSet::new();
        for _ in 0..100 {
            let purchase = story.purchase(now).unwrap();
            let (key, reversal) = story.reversal(&purchase, now).unwrap();
            for (key, message) in [(purchase.key, &purchase.message), (key, &reversal)] {
                let incoming = network.read(&network.write(message).unwrap()).unwrap();
                assert_eq!(incoming.key(), Ok(key));
                types.insert(message.mti().number());
            }
        }
        assert_eq!(Vec::from_iter(types), [200, 220, 400, 420]);
    }

    #[test]
    fn a_seed_tells_one_story() {
        let tell = |seed| {
            let mut story = Story::new(seed, 1, 100, card::issuer().unwrap()).unwrap();
            let now = Time::from_s(1_785_000_000);
            let told = (0..50).map(|_| {
                let purchase = story.purchase(now).unwrap();
                (purchase.account, purchase.minor, purchase.fate, purchase.message.mti())
            });
            told.collect::<Vec<_>>()
        };
        assert_eq!(tell(1), tell(1));
        assert_ne!(tell(1), tell(2));
    }
}

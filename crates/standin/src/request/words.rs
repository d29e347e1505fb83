//! The closed sets of a request, with their stable numbers.

use core::fmt;
use port::Time;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $word:literal;)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $number,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number in stored forms.
            pub const fn as_u8(self) -> u8 {
                self as u8
            }

            /// By the number in stored forms.
            pub const fn from_u8(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The word for it in parameter sets and reports.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// By its word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    )*};
}

words! {
    /// What a transaction is for.
    Kind {
        /// Goods or services.
        Purchase = 0, "purchase";
        /// Cash.
        Cash = 1, "cash";
        /// An amount is held for a later completion.
        PreAuthorization = 2, "pre-authorization";
        /// The final amount of a pre-authorization.
        Completion = 3, "completion";
        /// Money goes back to the account.
        Refund = 4, "refund";
        /// The balance is asked for.
        Inquiry = 5, "inquiry";
        /// Money goes to another account.
        Transfer = 6, "transfer";
        /// An earlier request is undone.
        Reversal = 7, "reversal";
    }

    /// Where a transaction comes from.
    Channel {
        /// A cash machine.
        Atm = 0, "atm";
        /// A merchant's terminal.
        Pos = 1, "pos";
        /// A merchant's website or application.
        Ecommerce = 2, "ecommerce";
        /// Mail or telephone.
        Moto = 3, "moto";
        /// The bank's own application.
        Mobile = 4, "mobile";
        /// The bank's branch.
        Branch = 5, "branch";
        /// Agreed payments without the payer.
        Recurring = 6, "recurring";
        /// Anything else, or not said.
        Other = 7, "other";
    }

    /// How the card was read (field 22).
    EntryMode {
        /// By chip.
        Chip = 0, "chip";
        /// By contactless chip.
        Contactless = 1, "contactless";
        /// By magnetic stripe.
        Stripe = 2, "stripe";
        /// By magnetic stripe because the chip failed.
        Fallback = 3, "fallback";
        /// Typed in.
        Keyed = 4, "keyed";
        /// Typed in by the payer, or from a device's wallet, at a distance.
        Remote = 5, "remote";
        /// Kept by the merchant.
        OnFile = 6, "on-file";
        /// Not said.
        Unknown = 7, "unknown";
    }

    /// What a request of network management is about (field 70).
    NetworkFunction {
        /// 001: messages may be sent.
        SignOn = 1, "sign-on";
        /// 002: no messages are to be sent.
        SignOff = 2, "sign-off";
        /// 301: is anybody there?
        Echo = 3, "echo";
    }
}

/// What a terminal can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It can take an approval for a part of the amount (code 10).
    pub partial_approval: bool,
    /// It can show a balance.
    pub balance: bool,
    /// It can keep a card.
    pub capture: bool,
}

impl Capabilities {
    pub(crate) fn as_u8(self) -> u8 {
        u8::from(self.partial_approval) | u8::from(self.balance) << 1 | u8::from(self.capture) << 2
    }

    pub(crate) fn from_u8(bits: u8) -> Option<Self> {
        let is = |bit: u8| bits >> bit & 1 == 1;
        let known = Self { partial_approval: is(0), balance: is(1), capture: is(2) };
        (bits < 8).then_some(known)
    }
}

/// A merchant category code (ISO 18245): four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mcc(u16);

impl Mcc {
    /// `None` beyond four digits.
    pub const fn new(code: u16) -> Option<Self> {
        if code > 9_999 { None } else { Some(Self(code)) }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}

/// A country by its number (ISO 3166-1): three digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(u16);

impl Country {
    /// `None` beyond three digits.
    pub const fn new(code: u16) -> Option<Self> {
        if code > 999 { None } else { Some(Self(code)) }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}

/// The month in which a card expires (field 14): it is good until that month ends. Years are 2000 to 2099.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry {
    year: u8,
    month: u8,
}

impl Expiry {
    /// From `YYMM` as a number; `None` if that is no month.
    pub fn from_yymm(yymm: u16) -> Option<Self> {
        let (year, month) = (u8::try_from(yymm / 100).ok()?, u8::try_from(yymm % 100).ok()?);
        (year <= 99 && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// `YYMM` as a number.
    pub fn as_yymm(self) -> u16 {
        u16::from(self.year) * 100 + u16::from(self.month)
    }

    /// Whether the card is certainly good, wherever that is: its month ends days later by the shortest months there are. A
    /// calendar is asked only about cards that are not.
    pub(crate) fn is_far_from(self, now: Time) -> bool {
        let days = (30 + u64::from(self.year)) * 365 + u64::from(self.month) * 28;
        now < Time::from_s((days - ZONES_DAYS) * 86_400)
    }

    /// Whether the card is still good in this month of the Gregorian calendar.
    pub fn covers(self, year: i16, month: u8) -> bool {
        (2_000 + i16::from(self.year), self.month) >= (year, month)
    }
}

/// Local times are within so many days of each other.
const ZONES_DAYS: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use port::Zone;

    #[test]
    fn numbers_and_words_come_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_u8(kind.as_u8()), Some(*kind));
            assert_eq!(Kind::from_word(kind.word()), Some(*kind));
        }
        assert_eq!(Channel::from_u8(8), None);
        assert_eq!(EntryMode::from_word("teleport"), None);
    }

    #[test]
    fn a_card_is_good_until_its_month_ends() {
        let expiry = Expiry::from_yymm(2_702).unwrap();
        assert!(expiry.covers(2027, 2) && expiry.covers(2026, 12));
        assert!(!expiry.covers(2027, 3) && !expiry.covers(2028, 1));
        assert_eq!(expiry.as_yymm(), 2_702);
        assert!([2_700, 2_713, 10_001].iter().all(|bad| Expiry::from_yymm(*bad).is_none()));
    }

    #[test]
    fn what_is_far_from_its_end_is_good_in_every_zone() {
        let mut far = 0;
        for expiry in (0..9_913).filter_map(Expiry::from_yymm) {
            for days in (10_950..47_500).step_by(97) {
                let now = Time::from_s(days * 86_400);
                if expiry.is_far_from(now) {
                    far += 1;
                    let latest = Zone::utc().local(now.plus_ms(26 * 3_600_000));
                    assert!(expiry.covers(latest.year, latest.month), "{expiry:?} {now}");
                }
            }
            // A year before its end, no calendar is needed.
            let end_s = (30 + u64::from(expiry.year)) * 31_556_952;
            assert!(expiry.is_far_from(Time::from_s(end_s - 365 * 86_400)));
        }
        assert!(far > 100_000);
    }

    #[test]
    fn capabilities_have_three_bits() {
        for bits in 0..8 {
            assert_eq!(Capabilities::from_u8(bits).map(Capabilities::as_u8), Some(bits));
        }
        assert_eq!(Capabilities::from_u8(8), None);
    }
}

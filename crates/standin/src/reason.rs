//! Why a request was declined: one reason for each check, with the response code that tells the terminal.

use crate::ResponseCode;
use core::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $code:ident, $words:literal;)*) => {
        /// Which check declined a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Stable number, 4300 to 4399.
            pub const fn code(self) -> u32 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            /// What the terminal is told. A denial by list or rule has its own code instead.
            pub const fn response_code(self) -> ResponseCode {
                match self {
                    $(Self::$name => ResponseCode::$code,)*
                }
            }
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $words,)*
                })
            }
        }
    };
}

reasons! {
    /// Check 1: the fields do not fit together.
    Format = 4_300, FORMAT, "the message is malformed";
    /// Check 1: the message is not authentic.
    NotAuthentic = 4_301, SECURITY, "the message is not authentic";
    /// Check 1: whether it is authentic cannot be checked.
    MacUnchecked = 4_302, CRYPTOGRAPHIC, "the message's authenticity cannot be checked";
    /// Check 2: an earlier message had this key and asked for something else.
    KeyReused = 4_303, DUPLICATE, "an earlier message with this key asked for something else";
    /// Check 3: there are no parameters that hold now.
    NoParameters = 4_304, INOPERATIVE, "no parameters hold now";
    /// Check 4: the institution is not served here.
    NotEnrolled = 4_305, INOPERATIVE, "the institution is not served here";
    /// Check 5.
    Initiator = 4_306, NOT_FOR_TERMINAL, "the initiator is not admitted";
    /// Check 6: the number is in no range, or its check digit is wrong.
    AccountNumber = 4_307, INVALID_CARD, "the account is in no range, or its check digit is wrong";
    /// Check 7: the account is on the negative list.
    Listed = 4_308, RESTRICTED, "the account is on the negative list";
    /// Check 7: a rule denies.
    Denied = 4_309, RESTRICTED, "a rule denies";
    /// Check 8.
    Expired = 4_310, EXPIRED, "the card has expired, or its expiry is missing";
    /// Check 9: no rule allows it.
    NotAllowed = 4_311, NOT_FOR_CARD, "no rule allows this";
    /// Check 9: the amount is not in the account's currency.
    ForeignCurrency = 4_312, NOT_FOR_CARD, "the amount is not in the account's currency";
    /// Check 10.
    WrongPin = 4_313, WRONG_PIN, "wrong PIN";
    /// Check 10.
    PinTries = 4_314, PIN_TRIES, "too many wrong PINs";
    /// Check 10: a PIN is needed or there, and cannot be checked.
    PinUnchecked = 4_315, PIN_UNCHECKED, "the PIN cannot be checked";
    /// Check 10: number or cryptogram is wrong.
    WrongEvidence = 4_316, DO_NOT_HONOUR, "card verification number or cryptogram is wrong";
    /// Check 10: number or cryptogram cannot be checked.
    EvidenceUnchecked = 4_317, CRYPTOGRAPHIC, "card verification number or cryptogram cannot be checked";
    /// Check 10: nothing was verified, and the amount is above the floor.
    AboveFloor = 4_318, DO_NOT_HONOUR, "nothing was verified and the amount is above the floor";
    /// Check 11.
    SingleAmount = 4_319, AMOUNT_LIMIT, "the amount is above the limit for one";
    /// Check 11: the risk score.
    Risk = 4_320, DO_NOT_HONOUR, "the risk score is missing or above the limit";
    /// Check 12.
    Count = 4_321, COUNT_LIMIT, "too many in a window";
    /// Check 13.
    Sum = 4_322, AMOUNT_LIMIT, "too much in a window";
    /// Check 14.
    Balance = 4_323, INSUFFICIENT_FUNDS, "the shadow balance does not suffice";
    /// Check 15.
    Exposure = 4_324, AMOUNT_LIMIT, "the exposure is used up";
    /// Check 16.
    Velocity = 4_325, COUNT_LIMIT, "too many at one terminal";
    /// The account's row has no room: entries that wait for delivery, holds, windows.
    Full = 4_326, COUNT_LIMIT, "the account has no room for more";
    /// What is completed is not known, is completed already, or was less.
    NoOriginal = 4_327, INVALID_TRANSACTION, "what is completed is not known, or was less";
    /// A reversal of this request came before it, of all or a part.
    ReversedBefore = 4_328, INVALID_TRANSACTION, "a reversal came before the request";
    /// A balance was asked for and is not known.
    NoBalance = 4_329, INOPERATIVE, "no balance is known";
    /// Check 2: it was sent so long ago, or so far ahead, that nothing could tell it from a repeat.
    OutOfTime = 4_330, DUPLICATE, "the message is too old to be told from a repeat, or from the future";
    /// Check 2: the original was reversed by another amount already.
    OtherReversal = 4_331, INVALID_TRANSACTION, "the original was reversed by another amount";
}

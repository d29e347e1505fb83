//! What an answer says: field 39 of ISO 8583.

use core::fmt;

/// A response code of two letters or digits (ISO 8583:1987 field 39). Hosts may use any; this crate itself answers with the
/// named ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseCode([u8; 2]);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $words:literal;)*) => {
        impl ResponseCode {
            $($(#[$doc])* pub const $name: Self = Self(*$code);)*

            /// What it means, in words fit for a log; `other` for codes that have no name here.
            pub const fn words(self) -> &'static str {
                match &self.0 {
                    $($code => $words,)*
                    _ => "other",
                }
            }
        }
    };
}

codes! {
    /// 00.
    APPROVED = b"00", "approved";
    /// 05: the default decline.
    DO_NOT_HONOUR = b"05", "do not honour";
    /// 10: approved for a part of the amount.
    PARTIAL = b"10", "approved in part";
    /// 11: approved, the customer is on the VIP list.
    VIP = b"11", "approved, VIP";
    /// 12: what is asked does not fit what was asked before.
    INVALID_TRANSACTION = b"12", "invalid transaction";
    /// 13.
    INVALID_AMOUNT = b"13", "invalid amount";
    /// 14: no such card number.
    INVALID_CARD = b"14", "invalid card number";
    /// 30: a field is missing or malformed.
    FORMAT = b"30", "format error";
    /// 41: lost, pick up.
    LOST = b"41", "lost card";
    /// 43: stolen, pick up.
    STOLEN = b"43", "stolen card";
    /// 51.
    INSUFFICIENT_FUNDS = b"51", "insufficient funds";
    /// 54.
    EXPIRED = b"54", "expired card";
    /// 55.
    WRONG_PIN = b"55", "wrong PIN";
    /// 57: not for this card.
    NOT_FOR_CARD = b"57", "not permitted to the card";
    /// 58: not at this terminal, channel or merchant.
    NOT_FOR_TERMINAL = b"58", "not permitted to the terminal";
    /// 61: an amount limit.
    AMOUNT_LIMIT = b"61", "amount limit exceeded";
    /// 62.
    RESTRICTED = b"62", "restricted card";
    /// 63: the message is not authentic.
    SECURITY = b"63", "security violation";
    /// 65: a count limit.
    COUNT_LIMIT = b"65", "count limit exceeded";
    /// 75.
    PIN_TRIES = b"75", "PIN tries exceeded";
    /// 86: no PIN check is possible.
    PIN_UNCHECKED = b"86", "PIN cannot be checked";
    /// 88: the key holder failed.
    CRYPTOGRAPHIC = b"88", "cryptographic failure";
    /// 91: the issuer, or who stands in for it, cannot decide.
    INOPERATIVE = b"91", "issuer inoperative";
    /// 92.
    UNROUTABLE = b"92", "cannot be routed";
    /// 94: the key of an earlier message, with another content.
    DUPLICATE = b"94", "duplicate transmission";
    /// 96.
    SYSTEM = b"96", "system error";
}

impl ResponseCode {
    /// From the two characters of a message; `None` unless both are digits or capital letters.
    pub const fn new(code: [u8; 2]) -> Option<Self> {
        let [a, b] = code;
        let fits = (a.is_ascii_digit() || a.is_ascii_uppercase())
            && (b.is_ascii_digit() || b.is_ascii_uppercase());
        if fits { Some(Self(code)) } else { None }
    }

    /// The two characters.
    pub const fn as_bytes(&self) -> &[u8; 2] {
        &self.0
    }

    /// Whether money may move: 00, 10 and 11. Anything else, known or not, is no approval.
    pub const fn is_approval(self) -> bool {
        matches!(&self.0, b"00" | b"10" | b"11")
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.0;
        write!(f, "{}{}", char::from(a), char::from(b))
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseCode({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_codes_approve() {
        let all = |range: core::ops::RangeInclusive<u8>| range.map(char::from);
        let mut approvals = 0;
        for a in all(0..=255) {
            for b in all(0..=255) {
                let (Ok(a), Ok(b)) = (u8::try_from(a), u8::try_from(b)) else { continue };
                approvals +=
                    u32::from(ResponseCode::new([a, b]).is_some_and(ResponseCode::is_approval));
            }
        }
        assert_eq!(approvals, 3);
        assert_eq!(ResponseCode::new(*b"0 "), None);
        assert_eq!(ResponseCode::AMOUNT_LIMIT.words(), "amount limit exceeded");
        assert_eq!(ResponseCode::new(*b"N0").map(ResponseCode::words), Some("other"));
    }
}

//! The message type indicator: version, class, function and origin in four digits.

use core::fmt;

/// A message type indicator of ISO 8583:1987, such as 0200. Any four digits; a dialect says which ones it knows.
///
/// ```
/// use interbank_wire_iso8583::Mti;
/// let repeat = Mti::FINANCIAL_REQUEST.repeat().unwrap();
/// assert_eq!(repeat.to_string(), "0201");
/// assert_eq!(repeat.response(), Some(Mti::FINANCIAL_RESPONSE));
/// assert_eq!(Mti::FINANCIAL_RESPONSE.response(), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mti([u8; 4]);

impl Mti {
    /// 0100: may this be spent?
    pub const AUTHORIZATION_REQUEST: Self = Self(*b"0100");
    /// 0110: the answer to 0100.
    pub const AUTHORIZATION_RESPONSE: Self = Self(*b"0110");
    /// 0120: it was authorized by another party.
    pub const AUTHORIZATION_ADVICE: Self = Self(*b"0120");
    /// 0130: the answer to 0120.
    pub const AUTHORIZATION_ADVICE_RESPONSE: Self = Self(*b"0130");
    /// 0200: authorize and post.
    pub const FINANCIAL_REQUEST: Self = Self(*b"0200");
    /// 0210: the answer to 0200.
    pub const FINANCIAL_RESPONSE: Self = Self(*b"0210");
    /// 0220: it was authorized by another party; post it.
    pub const FINANCIAL_ADVICE: Self = Self(*b"0220");
    /// 0230: the answer to 0220.
    pub const FINANCIAL_ADVICE_RESPONSE: Self = Self(*b"0230");
    /// 0400: take it back.
    pub const REVERSAL_REQUEST: Self = Self(*b"0400");
    /// 0410: the answer to 0400.
    pub const REVERSAL_RESPONSE: Self = Self(*b"0410");
    /// 0420: it was taken back; there is nothing to decide.
    pub const REVERSAL_ADVICE: Self = Self(*b"0420");
    /// 0430: the answer to 0420.
    pub const REVERSAL_ADVICE_RESPONSE: Self = Self(*b"0430");
    /// 0800: sign-on, sign-off, echo.
    pub const NETWORK_REQUEST: Self = Self(*b"0800");
    /// 0810: the answer to 0800.
    pub const NETWORK_RESPONSE: Self = Self(*b"0810");

    /// The types above, in order.
    pub const ALL: [Self; 14] = [
        Self::AUTHORIZATION_REQUEST,
        Self::AUTHORIZATION_RESPONSE,
        Self::AUTHORIZATION_ADVICE,
        Self::AUTHORIZATION_ADVICE_RESPONSE,
        Self::FINANCIAL_REQUEST,
        Self::FINANCIAL_RESPONSE,
        Self::FINANCIAL_ADVICE,
        Self::FINANCIAL_ADVICE_RESPONSE,
        Self::REVERSAL_REQUEST,
        Self::REVERSAL_RESPONSE,
        Self::REVERSAL_ADVICE,
        Self::REVERSAL_ADVICE_RESPONSE,
        Self::NETWORK_REQUEST,
        Self::NETWORK_RESPONSE,
    ];

    /// From its four ASCII digits; `None` if they are none.
    pub const fn from_digits(digits: [u8; 4]) -> Option<Self> {
        let mut at = 0;
        while at < 4 {
            if !digits[at].is_ascii_digit() {
                return None;
            }
            at += 1;
        }
        Some(Self(digits))
    }

    /// From a number below 10,000.
    pub fn from_number(number: u16) -> Option<Self> {
        if number > 9_999 {
            return None;
        }
        let mut digits = [b'0'; 4];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        Some(Self(digits))
    }

    /// The four ASCII digits.
    pub const fn digits(&self) -> &[u8; 4] {
        &self.0
    }

    /// The type as a number: 200 for 0200.
    pub fn number(self) -> u16 {
        self.0.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
    }

    /// What it is about: the second digit.
    pub const fn class(self) -> Class {
        match self.0[1] {
            b'1' => Class::Authorization,
            b'2' => Class::Financial,
            b'4' => Class::Reversal,
            b'8' => Class::Network,
            _ => Class::Other,
        }
    }

    /// Whether an answer is expected: a request (xx0x) or an advice (xx2x).
    pub const fn is_request(self) -> bool {
        matches!(self.0[2], b'0' | b'2')
    }

    /// Whether it tells what has happened already: an advice (xx2x).
    pub const fn is_advice(self) -> bool {
        self.0[2] == b'2'
    }

    /// Whether it answers another one (xx1x, xx3x).
    pub const fn is_response(self) -> bool {
        matches!(self.0[2], b'1' | b'3')
    }

    /// Whether it says of itself that it may have been sent before (xxx1, xxx3, xxx5).
    pub const fn is_repeat(self) -> bool {
        matches!(self.0[3], b'1' | b'3' | b'5')
    }

    /// The type of the answer: the third digit one more, and no repeat, so that 0200 and 0201 have the same answer.
    /// `None` for what is not answered.
    pub const fn response(self) -> Option<Self> {
        if !self.is_request() {
            return None;
        }
        let mut digits = self.original().0;
        digits[2] += 1;
        Some(Self(digits))
    }

    /// The same, sent again; a repeat stays itself. `None` for an answer: it is given again as it was.
    pub const fn repeat(self) -> Option<Self> {
        if !self.is_request() {
            return None;
        }
        let mut digits = self.0;
        if matches!(digits[3], b'0' | b'2' | b'4') {
            digits[3] += 1;
        }
        Some(Self(digits))
    }

    /// The type before it became a repeat: 0201 gives 0200, others themselves.
    #[must_use]
    pub const fn original(self) -> Self {
        let mut digits = self.0;
        if self.is_repeat() {
            digits[3] -= 1;
        }
        Self(digits)
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mti({self})")
    }
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// x1xx.
    Authorization,
    /// x2xx.
    Financial,
    /// x4xx.
    Reversal,
    /// x8xx.
    Network,
    /// Any other: file actions, reconciliation, administration.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    fn mti(digits: &[u8; 4]) -> Mti {
        Mti::from_digits(*digits).unwrap()
    }

    #[test]
    fn each_type_has_the_answer_of_the_standard() {
        let table = [
            (b"0100", b"0110"),
            (b"0120", b"0130"),
            (b"0200", b"0210"),
            (b"0220", b"0230"),
            (b"0400", b"0410"),
            (b"0420", b"0430"),
            (b"0800", b"0810"),
        ];
        for (request, response) in table {
            let (request, response) = (mti(request), mti(response));
            let repeat = request.repeat().unwrap();
            assert!(request.is_request() && !request.is_repeat() && !request.is_response());
            assert!(repeat.is_repeat() && repeat.original() == request);
            assert_eq!(repeat.repeat(), Some(repeat));
            assert_eq!(request.response(), Some(response));
            assert_eq!(repeat.response(), Some(response));
            assert!(response.is_response());
            assert_eq!((response.response(), response.repeat()), (None, None));
            assert_eq!(request.class(), response.class());
        }
        // An issuer's repeat: 0122 becomes 0123, answered by 0132.
        assert_eq!(mti(b"0122").repeat(), Some(mti(b"0123")));
        assert_eq!(mti(b"0123").response(), Some(mti(b"0132")));
        // A notification is not answered.
        assert_eq!(mti(b"0140").response(), None);
    }

    #[test]
    fn numbers_and_digits_agree() {
        for number in 0..10_000 {
            let mti = Mti::from_number(number).unwrap();
            assert_eq!(mti.number(), number);
            assert_eq!(mti.to_string(), alloc::format!("{number:04}"));
            assert_eq!(Mti::from_digits(*mti.digits()), Some(mti));
        }
        assert_eq!(Mti::from_number(10_000), None);
        assert_eq!(Mti::from_digits(*b"02 0"), None);
        assert!(Mti::ALL.is_sorted());
    }
}

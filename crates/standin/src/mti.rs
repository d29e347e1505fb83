//! Message type indicators of ISO 8583.

use core::fmt;

/// A message type indicator: version, class, function and origin (ISO 8583:1987 §4.1, ISO 8583:1993 §4.2).
///
/// ```
/// use interbank_standin::Mti;
/// let request = Mti::parse(b"0100")?;
/// assert_eq!(request.response().map(|mti| mti.to_string()).as_deref(), Some("0110"));
/// assert_eq!(request.repeat().to_string(), "0101");
/// assert_eq!(Mti::parse(b"0421")?.first(), Mti::REVERSAL_ADVICE);
/// # Ok::<(), interbank_standin::RequestError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mti {
    version: u8,
    class: Class,
    function: Function,
    origin: Origin,
}

impl Mti {
    /// 0100.
    pub const AUTHORIZATION: Self = Self::v1987(Class::Authorization, Function::Request);
    /// 0120.
    pub const AUTHORIZATION_ADVICE: Self = Self::v1987(Class::Authorization, Function::Advice);
    /// 0200.
    pub const FINANCIAL: Self = Self::v1987(Class::Financial, Function::Request);
    /// 0220.
    pub const FINANCIAL_ADVICE: Self = Self::v1987(Class::Financial, Function::Advice);
    /// 0800.
    pub const NETWORK: Self = Self::v1987(Class::Network, Function::Request);
    /// 0400.
    pub const REVERSAL: Self = Self::v1987(Class::Reversal, Function::Request);
    /// 0420.
    pub const REVERSAL_ADVICE: Self = Self::v1987(Class::Reversal, Function::Advice);

    /// From its parts; `version` 0 is 1987, 1 is 1993, 2 is 2003.
    ///
    /// # Errors
    /// [`crate::RequestError::Mti`] for another version.
    pub const fn new(
        version: u8,
        class: Class,
        function: Function,
        origin: Origin,
    ) -> Result<Self, crate::RequestError> {
        if version > 2 {
            return Err(crate::RequestError::Mti);
        }
        Ok(Self { version, class, function, origin })
    }

    /// From four digits.
    ///
    /// # Errors
    /// [`crate::RequestError::Mti`] for anything that this crate does not handle.
    pub fn parse(digits: &[u8]) -> Result<Self, crate::RequestError> {
        let bad = crate::RequestError::Mti;
        let [version, class, function, origin]: [u8; 4] = digits.try_into().map_err(|_| bad)?;
        let class = match class {
            b'1' => Class::Authorization,
            b'2' => Class::Financial,
            b'4' => Class::Reversal,
            b'8' => Class::Network,
            _ => return Err(bad),
        };
        let function = match function {
            b'0' => Function::Request,
            b'1' => Function::Response,
            b'2' => Function::Advice,
            b'3' => Function::AdviceResponse,
            _ => return Err(bad),
        };
        let origin = match origin {
            b'0' => Origin { party: 0, repeat: false },
            b'1' => Origin { party: 0, repeat: true },
            b'2' => Origin { party: 1, repeat: false },
            b'3' => Origin { party: 1, repeat: true },
            b'4' => Origin { party: 2, repeat: false },
            b'5' => Origin { party: 2, repeat: true },
            _ => return Err(bad),
        };
        Self::new(version.wrapping_sub(b'0'), class, function, origin)
    }

    /// The four digits.
    pub const fn digits(self) -> [u8; 4] {
        let origin = self.origin.party * 2 + self.origin.repeat as u8;
        [b'0' + self.version, self.class as u8 + b'0', self.function as u8 + b'0', b'0' + origin]
    }

    /// What answers it; `None` for what is an answer itself.
    #[must_use]
    pub const fn response(self) -> Option<Self> {
        let function = match self.function {
            Function::Request => Function::Response,
            Function::Advice => Function::AdviceResponse,
            Function::Response | Function::AdviceResponse => return None,
        };
        // ISO 8583:1987 §4.1: an answer to a repeat is not marked as a repeat itself.
        let origin = Origin { party: self.origin.party, repeat: false };
        Some(Self { version: self.version, class: self.class, function, origin })
    }

    /// The same message sent again (xxx1, xxx3, xxx5).
    #[must_use]
    pub const fn repeat(self) -> Self {
        Self { origin: Origin { party: self.origin.party, repeat: true }, ..self }
    }

    /// The message that this one repeats, or itself.
    #[must_use]
    pub const fn first(self) -> Self {
        Self { origin: Origin { party: self.origin.party, repeat: false }, ..self }
    }

    /// The advice that tells of what this message asked for: 0120 for 0100, 0220 for 0200, 0420 for 0400.
    #[must_use]
    pub const fn advice(self) -> Self {
        Self { function: Function::Advice, ..self.first() }
    }

    /// The class.
    pub const fn class(self) -> Class {
        self.class
    }

    /// The function.
    pub const fn function(self) -> Function {
        self.function
    }

    /// Whether it is a repeat.
    pub const fn is_repeat(self) -> bool {
        self.origin.repeat
    }

    /// Whether it tells the issuer of what has happened already: an advice, unless it is one of the issuer's own.
    pub(crate) const fn tells(self) -> bool {
        matches!(self.function, Function::Advice) && self.origin.party != Origin::ISSUER.party
    }

    const fn v1987(class: Class, function: Function) -> Self {
        Self { version: 0, class, function, origin: Origin { party: 0, repeat: false } }
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits().iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mti({self})")
    }
}

/// What a message is about: the second digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Authorization: x1xx.
    Authorization = 1,
    /// Financial: x2xx.
    Financial = 2,
    /// Reversal: x4xx.
    Reversal = 4,
    /// Network management: x8xx.
    Network = 8,
}

/// What a message does: the third digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Asks: xx0x.
    Request = 0,
    /// Answers a request: xx1x.
    Response = 1,
    /// Tells of what was done: xx2x.
    Advice = 2,
    /// Answers an advice: xx3x.
    AdviceResponse = 3,
}

/// Who sent a message, and whether again: the fourth digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    party: u8,
    repeat: bool,
}

impl Origin {
    /// The acquirer's side, for the first time.
    pub const ACQUIRER: Self = Self { party: 0, repeat: false };
    /// The issuer's side, for the first time.
    pub const ISSUER: Self = Self { party: 1, repeat: false };
    /// Anybody else, for the first time.
    pub const OTHER: Self = Self { party: 2, repeat: false };
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_indicator_comes_back() {
        let mut known = 0;
        for number in 0..10_000 {
            let digits = alloc::format!("{number:04}");
            if let Ok(mti) = Mti::parse(digits.as_bytes()) {
                known += 1;
                assert_eq!(mti.to_string(), digits);
                assert_eq!(mti.repeat().first(), mti.first());
            }
        }
        assert_eq!(known, 3 * 4 * 4 * 6);
        assert!(Mti::parse(b"010").is_err() && Mti::parse(b"01000").is_err());
    }

    #[test]
    fn answers_and_advices() {
        for (from, answer) in [
            ("0100", "0110"),
            ("0101", "0110"),
            ("0120", "0130"),
            ("0121", "0130"),
            ("0200", "0210"),
            ("0400", "0410"),
            ("0420", "0430"),
            ("0800", "0810"),
            ("1220", "1230"),
        ] {
            let mti = Mti::parse(from.as_bytes()).unwrap();
            assert_eq!(mti.response().unwrap().to_string(), answer);
            assert_eq!(mti.response().unwrap().response(), None);
        }
        assert_eq!(Mti::AUTHORIZATION.repeat().advice(), Mti::AUTHORIZATION_ADVICE);
        let tells = |digits: &[u8]| Mti::parse(digits).unwrap().tells();
        assert!([b"0120", b"0121", b"0220", b"1224"].into_iter().all(|one| tells(one)));
        assert!(![b"0100", b"0201", b"0122", b"0130"].into_iter().any(|one| tells(one)));
    }
}

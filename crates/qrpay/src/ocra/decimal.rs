//! Decimal digits, read in one pass.

use subtle::{Choice, ConstantTimeEq};

/// The number that up to 19 digits make. How long reading takes depends on how many there are, not on which.
#[derive(Clone, Copy)]
pub(super) struct Decimal {
    number: u64,
    digits_only: bool,
}

impl Decimal {
    pub(super) const fn new() -> Self {
        Self { number: 0, digits_only: true }
    }

    /// Goes on with the digits of `text`.
    #[inline]
    pub(super) fn read(mut self, text: &str) -> Self {
        for char in text.bytes() {
            let digit = char.wrapping_sub(b'0');
            self.digits_only &= digit < 10;
            // Wraps only where it is no number anyway.
            self.number = self.number.wrapping_mul(10).wrapping_add(digit.into());
        }
        self
    }

    /// The number; `None` where anything but digits was read.
    #[inline]
    pub(super) fn number(self) -> Option<u64> {
        self.digits_only.then_some(self.number)
    }

    /// Whether it is this number, in constant time.
    #[inline]
    pub(super) fn is(self, number: u64) -> Choice {
        self.number.ct_eq(&number) & Choice::from(u8::from(self.digits_only))
    }
}

//! Card numbers of the simulated issuer: 62000000, then a number, then the check digit.

use standin::InstitutionId;

/// The card with this number, 0 to 9,999,999.
pub(crate) fn number(of: u32) -> String {
    let digits = format!("{BIN:08}{:07}", of % 10_000_000);
    let sum: u32 = digits
        .bytes()
        .rev()
        .zip([true, false].into_iter().cycle())
        .map(|(byte, doubled)| {
            let digit = u32::from(byte - b'0');
            if doubled { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// Whose cards they are, unless parameters name another institution.
pub(crate) fn issuer() -> Option<InstitutionId> {
    InstitutionId::new(6_222)
}

/// Who sends the purchases.
pub(crate) fn acquirer() -> Option<InstitutionId> {
    InstitutionId::new(1_111)
}

/// The first eight digits of each number.
pub(crate) const BIN: u32 = 62_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_check_digit_of_iso_7812() {
        for of in [0, 1, 9_999, 1_234_567] {
            let number = number(of);
            assert_eq!(number.len(), 16);
            let pan = wire_iso8583::Pan::new(number.as_bytes()).unwrap();
            assert!(pan.has_check_digit(), "{number}");
        }
    }
}

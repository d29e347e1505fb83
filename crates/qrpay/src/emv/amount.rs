//! Amounts as decimal text, exact in both directions.

use alloc::string::String;

use super::error::{EmvError, Path};

/// Reads an amount (54, 56) into minor units of a currency with `exponent` decimals.
///
/// `98.73`, `98` and `98.` are amounts (QRCPS MPM v1.1 §4.7.5). Fewer decimals than the currency
/// has are exact and accepted; more are refused even when they are zeros, because they hint at
/// another currency than the one the payload names.
///
/// # Errors
///
/// `FieldFormat` (for 54) if it is not digits with at most one point, `AmountDecimals`,
/// `AmountRange`.
pub fn parse_amount(text: &str, exponent: u8) -> Result<i64, EmvError> {
    if !is_decimal(text, AMOUNT_MAX_CHARS) {
        return Err(EmvError::FieldFormat { path: Path::root(54) });
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let missing =
        usize::from(exponent).checked_sub(fraction.len()).ok_or(EmvError::AmountDecimals)?;
    let mut minor = 0i64;
    let digits = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0');
    for digit in digits.chain(core::iter::repeat_n(0, missing)) {
        minor = minor
            .checked_mul(10)
            .and_then(|minor| minor.checked_add(i64::from(digit)))
            .ok_or(EmvError::AmountRange)?;
    }
    Ok(minor)
}

/// Writes an amount of minor units of a currency with `exponent` decimals: all decimals, no
/// thousands marks, no trailing point (`12345`, 2 → `123.45`; `500`, 0 → `500`).
///
/// # Errors
///
/// `AmountNotPositive`; `AmountRange` if it needs more than 13 characters.
pub fn format_amount(amount_minor: i64, exponent: u8) -> Result<String, EmvError> {
    if amount_minor <= 0 {
        return Err(EmvError::AmountNotPositive);
    }
    let exponent = usize::from(exponent);
    if exponent >= AMOUNT_MAX_CHARS - 1 {
        return Err(EmvError::AmountRange);
    }
    let mut text = alloc::format!("{amount_minor:0width$}", width = exponent + 1);
    if exponent > 0 {
        text.insert(text.len() - exponent, '.');
    }
    if text.len() > AMOUNT_MAX_CHARS {
        return Err(EmvError::AmountRange);
    }
    Ok(text)
}

/// Digits with at most one point, which is not the first character.
pub(super) fn is_decimal(text: &str, max_chars: usize) -> bool {
    let mut points = 0;
    text.len() <= max_chars
        && text.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && text.bytes().all(|byte| match byte {
            b'.' => {
                points += 1;
                points == 1
            }
            _ => byte.is_ascii_digit(),
        })
}

/// Whether a decimal text is zero.
pub(super) fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// How many characters an amount may have (QRCPS MPM v1.1 §4.7.5).
pub(super) const AMOUNT_MAX_CHARS: usize = 13;

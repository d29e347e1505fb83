//! Cells as numbers.

use crate::BadRow;

/// A cell's number; `None` if the cell says that there is none.
pub(crate) fn reading(cell: &[u8]) -> Result<Option<f64>, BadRow> {
    if ABSENT.iter().any(|absent| cell.eq_ignore_ascii_case(absent)) {
        return Ok(None);
    }
    let text = str::from_utf8(cell).map_err(|_| BadRow::Number)?;
    text.parse().map(Some).map_err(|_| BadRow::Number)
}

/// A time in milliseconds since the epoch, from a cell in units of `unit_ms` milliseconds.
pub(crate) fn time_ms(cell: Result<Option<f64>, BadRow>, unit_ms: f64) -> Result<u64, BadRow> {
    let value = match cell {
        Ok(Some(value)) => value,
        Err(BadRow::Short) => return Err(BadRow::Short),
        _ => return Err(BadRow::Time),
    };
    let ms = (value * unit_ms).round();
    if !(0.0..TIME_MS_END).contains(&ms) {
        return Err(BadRow::Time);
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and between 0 and 2⁵³"
    )]
    Ok(ms as u64)
}

/// Cells that say that there is no value; NaN is one that is there, and the core's policy decides about it.
const ABSENT: [&[u8]; 5] = [b"", b"-", b"na", b"n/a", b"null"];

/// The first millisecond of the year 10000.
const TIME_MS_END: f64 = 253_402_300_800_000.0;

//! What each object may hold (QRCPS MPM v1.1 §4.7 and Annex).

use super::amount::{AMOUNT_MAX_CHARS, is_decimal, is_zero};
use super::error::{EmvError, Path};
use super::object::{Seen, check_nested, each_nested};

/// Checks the value of one root object on its own.
pub(super) fn check_field(id: u8, value: &str) -> Result<(), EmvError> {
    let path = Path::root(id);
    match id {
        0 if value != "01" => Err(EmvError::UnknownFormat),
        1 => demand(matches!(value, "11" | "12"), path),
        // A value that does not begin with a unique identifier is a plain account number: such
        // codes are in circulation, and they are as unambiguous as the primitive ids 02 to 25.
        26..=51 if value.starts_with("00") => check_nested(path, value),
        52 => demand(is_digits(value, 4), path),
        53 => demand(is_digits(value, 3), path),
        54 => {
            demand(is_decimal(value, AMOUNT_MAX_CHARS), path)?;
            if is_zero(value) { Err(EmvError::AmountNotPositive) } else { Ok(()) }
        }
        55 => demand(matches!(value, "01" | "02" | "03"), path),
        56 => demand(is_decimal(value, AMOUNT_MAX_CHARS), path),
        57 => demand(is_percentage(value), path),
        58 => demand(value.len() == 2 && value.bytes().all(|b| b.is_ascii_uppercase()), path),
        59 => check_chars(path, value, 25),
        60 => check_chars(path, value, 15),
        61 => check_chars(path, value, 10),
        62 => check_additional(path, value),
        64 => check_language(path, value),
        80..=99 => check_nested(path, value),
        _ => Ok(()),
    }
}

/// Checks what concerns several root objects: what has to be there, and the tip.
pub(super) fn check_whole(seen: &Seen, tip: Option<&str>) -> Result<(), EmvError> {
    for id in [0, 52, 53, 58, 59, 60] {
        if !seen.contains(id) {
            return Err(EmvError::Missing { path: Path::root(id) });
        }
    }
    if !seen.any_between(2, 51) {
        return Err(EmvError::Missing { path: Path::root(2) });
    }
    if seen.contains(56) != (tip == Some("02")) || seen.contains(57) != (tip == Some("03")) {
        return Err(EmvError::TipConflict);
    }
    Ok(())
}

/// Refuses characters that could hide what a payer reads: controls, invisible ones, and those
/// that change the direction of text. Gives the byte offset of the first.
pub(super) fn forbidden_character(text: &str) -> Option<usize> {
    // One pass without branches, for most texts have nothing to look at: apart from ASCII controls
    // all forbidden characters begin with one of five bytes.
    let suspect = text.bytes().fold(false, |suspect, byte| {
        suspect
            | (byte < 0x20)
            | (byte == 0x7F)
            | (byte == 0xC2)
            | (byte == 0xD8)
            | (byte == 0xE1)
            | (byte == 0xE2)
            | (byte == 0xEF)
    });
    if !suspect {
        return None;
    }
    text.char_indices().find(|&(_, char)| is_forbidden(char)).map(|(at, _)| at)
}

fn is_forbidden(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}')
}

fn check_additional(path: Path, value: &str) -> Result<(), EmvError> {
    each_nested(path, value, |object| {
        let path = path.child(object.id);
        match object.id {
            1..=8 => check_chars(path, object.value, 25),
            9 => {
                let mut seen = Seen::default();
                let mut asked = object.value.bytes();
                demand(asked.all(|byte| b"AME".contains(&byte) && seen.insert(byte)), path)
            }
            10 => check_chars(path, object.value, 20),
            11 => demand(object.value.chars().count() == 3, path),
            50..=99 if object.value.starts_with("00") => check_nested(path, object.value),
            _ => Ok(()),
        }
    })
    .map(|_| ())
}

fn check_language(path: Path, value: &str) -> Result<(), EmvError> {
    let seen = each_nested(path, value, |object| {
        let path = path.child(object.id);
        match object.id {
            0 => {
                let letters = object.value.bytes().all(|byte| byte.is_ascii_alphabetic());
                demand(object.value.len() == 2 && letters, path)
            }
            1 => check_chars(path, object.value, 25),
            2 => check_chars(path, object.value, 15),
            _ => Ok(()),
        }
    })?;
    match [0, 1].into_iter().find(|&id| !seen.contains(id)) {
        Some(id) => Err(EmvError::Missing { path: path.child(id) }),
        None => Ok(()),
    }
}

fn check_chars(path: Path, value: &str, limit: u8) -> Result<(), EmvError> {
    let allowed = usize::from(limit);
    if value.len() <= allowed || value.chars().count() <= allowed {
        Ok(())
    } else {
        Err(EmvError::FieldTooLong { path, limit })
    }
}

fn demand(holds: bool, path: Path) -> Result<(), EmvError> {
    if holds { Ok(()) } else { Err(EmvError::FieldFormat { path }) }
}

fn is_digits(value: &str, count: usize) -> bool {
    value.len() == count && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// `00.01` to `99.99`, with or without leading zero or decimals.
fn is_percentage(value: &str) -> bool {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    is_decimal(value, 5) && whole.len() <= 2 && fraction.len() <= 2 && !is_zero(value)
}

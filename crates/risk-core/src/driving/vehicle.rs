//! Which vehicle it is, and which of its drivers.

use alloc::string::String;
use core::fmt;

/// Identifies a vehicle within an institution: 1 to 64 characters of `0-9 A-Z a-z . _ : -`.
///
/// A vehicle identification number ([`VehicleId::vin`]) tells who somebody is as well as a plate does. Where that is too
/// much, register the vehicle under a name of your own.
///
/// ```
/// use interbank_risk_core::driving::{BadVehicle, VehicleId};
/// assert!(VehicleId::vin("1M8GDM9AXKP042788").is_ok());
/// assert_eq!(VehicleId::vin("1M8GDM9AXKP0O2788"), Err(BadVehicle::Character));
/// assert_eq!(VehicleId::new(""), Err(BadVehicle::Length));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VehicleId(String);

impl VehicleId {
    /// The longest identification, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Checks an identification (spec V2).
    ///
    /// # Errors
    /// [`BadVehicle::Length`], [`BadVehicle::Character`].
    pub fn new(name: impl Into<String>) -> Result<Self, BadVehicle> {
        let name = name.into();
        if !(1..=Self::BYTES_MAX).contains(&name.len()) {
            return Err(BadVehicle::Length);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if name.bytes().all(allowed) { Ok(Self(name)) } else { Err(BadVehicle::Character) }
    }

    /// Checks a vehicle identification number: 17 digits and capital letters without I, O and Q (ISO 3779). The check digit is
    /// the maker's choice outside North America: see [`VehicleId::has_check_digit`].
    ///
    /// # Errors
    /// [`BadVehicle::Length`], [`BadVehicle::Character`].
    pub fn vin(number: &str) -> Result<Self, BadVehicle> {
        if number.len() != 17 {
            return Err(BadVehicle::Length);
        }
        if number.bytes().all(|byte| vin_value(byte).is_some()) {
            Self::new(number)
        } else {
            Err(BadVehicle::Character)
        }
    }

    /// Whether this is a vehicle identification number whose ninth character is the check digit of the others
    /// (49 CFR 565.15).
    pub fn has_check_digit(&self) -> bool {
        const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
        if self.0.len() != WEIGHTS.len() {
            return false;
        }
        let sum =
            self.0.bytes().zip(WEIGHTS).try_fold(0, |sum, (byte, weight)| {
                vin_value(byte).map(|value| sum + value * weight)
            });
        let digit = self.0.as_bytes().get(8).copied();
        sum.is_some_and(|sum| digit == b"0123456789X".get(sum as usize % 11).copied())
    }

    /// The identification.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for VehicleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VehicleId({})", self.0)
    }
}

/// One of the legitimate drivers of a vehicle, 0 to 3: the key or the seat that tells them apart, as the embedder has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Driver(u8);

impl Driver {
    /// A vehicle has at most this many.
    pub const COUNT_MAX: usize = 4;

    /// The first one.
    pub const FIRST: Self = Self(0);

    /// By number; `None` above 3.
    pub const fn new(number: u8) -> Option<Self> {
        if (number as usize) < Self::COUNT_MAX { Some(Self(number)) } else { None }
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        [0, 1, 2, 3].into_iter().map(Self)
    }

    /// The number.
    pub const fn as_u8(self) -> u8 {
        self.0
    }
}

/// Not the identification of a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadVehicle {
    /// A character that is not allowed there.
    Character,
    /// Empty, or too long; a vehicle identification number has 17 characters.
    Length,
}

impl BadVehicle {
    /// Stable number, 3400 and 3401.
    pub const fn code(self) -> u32 {
        match self {
            Self::Length => 3_400,
            Self::Character => 3_401,
        }
    }
}

impl fmt::Display for BadVehicle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => {
                "the identification of a vehicle has a character that is not allowed"
            }
            Self::Length => "the identification of a vehicle is empty or of the wrong length",
        })
    }
}

impl core::error::Error for BadVehicle {}

/// What a character of a vehicle identification number counts for (49 CFR 565.15, table III); `None` if it is none.
const fn vin_value(byte: u8) -> Option<u32> {
    Some(match byte {
        b'0'..=b'9' => (byte - b'0') as u32,
        b'A'..=b'H' => (byte - b'A') as u32 + 1,
        b'J'..=b'N' => (byte - b'J') as u32 + 1,
        b'P' => 7,
        b'R' => 9,
        b'S'..=b'Z' => (byte - b'S') as u32 + 2,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_is_that_of_the_rule() {
        // the worked example of 49 CFR 565.15 and a number made of ones
        for good in ["1M8GDM9AXKP042788", "11111111111111111"] {
            assert!(VehicleId::vin(good).unwrap().has_check_digit(), "{good}");
        }
        assert!(!VehicleId::vin("1M8GDM9A1KP042788").unwrap().has_check_digit());
        assert!(!VehicleId::new("11").unwrap().has_check_digit());
    }
}

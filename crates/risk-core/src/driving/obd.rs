//! What a vehicle's diagnostic socket says: values of service 01 (SAE J1979, ISO 15031-5).

use super::{Attribute, Reading};
use alloc::vec::Vec;
use core::fmt;
use port::Time;

/// One value of service 01, in the integer unit of its formula.
///
/// ```
/// use interbank_risk_core::driving::ObdValue;
/// // A response to mode 01, PID 0C: (0x1A × 256 + 0xF8) / 4
/// assert_eq!(ObdValue::parse(&[0x41, 0x0c, 0x1a, 0xf8])?, ObdValue::EngineQuarterRpm(6_904));
/// assert_eq!(ObdValue::parse(&[0x41, 0x0c, 0x1a, 0xf8])?.to_string(), "1726 rpm");
/// # Ok::<(), interbank_risk_core::driving::BadObd>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ObdValue {
    /// PID 04: calculated load of the engine, A × 100/255 %.
    EngineLoad255ths(u8),
    /// PID 05: temperature of the coolant, A − 40 °C.
    CoolantCelsius(i16),
    /// PID 0C: engine speed, (256 A + B) / 4 rpm, here in quarters of a turn a minute.
    EngineQuarterRpm(u16),
    /// PID 0D: speed of the vehicle, A km/h.
    SpeedKmPerHour(u8),
    /// PID 10: mass of air, (256 A + B) / 100 g/s, here in hundredths.
    AirCentigramPerS(u16),
    /// PID 11: position of the throttle, A × 100/255 %.
    Throttle255ths(u8),
}

impl ObdValue {
    /// Reads one response without its transport: `41`, the PID, and exactly the bytes that the PID has.
    ///
    /// # Errors
    /// [`BadObd`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadObd> {
        let [mode, pid, data @ ..] = bytes else { return Err(BadObd::Length) };
        if *mode != RESPONSE {
            return Err(BadObd::Mode(*mode));
        }
        let wide = |data: &[u8]| match data {
            [a, b] => Ok(u16::from_be_bytes([*a, *b])),
            _ => Err(BadObd::Length),
        };
        let narrow = |data: &[u8]| match data {
            [a] => Ok(*a),
            _ => Err(BadObd::Length),
        };
        Ok(match pid {
            0x04 => Self::EngineLoad255ths(narrow(data)?),
            0x05 => Self::CoolantCelsius(i16::from(narrow(data)?) - 40),
            0x0c => Self::EngineQuarterRpm(wide(data)?),
            0x0d => Self::SpeedKmPerHour(narrow(data)?),
            0x10 => Self::AirCentigramPerS(wide(data)?),
            0x11 => Self::Throttle255ths(narrow(data)?),
            other => return Err(BadObd::Pid(*other)),
        })
    }

    /// Appends the response. A temperature beyond what the byte holds is held at its end.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&[RESPONSE, self.pid()]);
        match self {
            Self::EngineLoad255ths(a) | Self::SpeedKmPerHour(a) | Self::Throttle255ths(a) => {
                to.push(*a)
            }
            Self::CoolantCelsius(celsius) => {
                to.push(u8::try_from(celsius.saturating_add(40).clamp(0, 255)).unwrap_or(0));
            }
            Self::EngineQuarterRpm(wide) | Self::AirCentigramPerS(wide) => {
                to.extend_from_slice(&wide.to_be_bytes());
            }
        }
    }

    /// The number of the parameter.
    pub const fn pid(&self) -> u8 {
        match self {
            Self::EngineLoad255ths(_) => 0x04,
            Self::CoolantCelsius(_) => 0x05,
            Self::EngineQuarterRpm(_) => 0x0c,
            Self::SpeedKmPerHour(_) => 0x0d,
            Self::AirCentigramPerS(_) => 0x10,
            Self::Throttle255ths(_) => 0x11,
        }
    }

    /// The reading of an attribute that it is by itself: load and throttle in basis points, rounded to the nearest. Speed and
    /// engine speed become readings only with what happens around them: [`Attribute::CruiseSpeed`] while nobody accelerates,
    /// [`Attribute::UpshiftRpm`] where a gear is taken.
    pub fn reading(&self, at: Time) -> Option<Reading> {
        let share = |a: u8| (i32::from(a) * 20_000 + 255) / 510;
        match self {
            Self::EngineLoad255ths(a) => Some(Reading::new(at, Attribute::EngineLoad, share(*a))),
            Self::Throttle255ths(a) => Some(Reading::new(at, Attribute::Throttle, share(*a))),
            _ => None,
        }
    }
}

impl fmt::Display for ObdValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EngineLoad255ths(a) => {
                write!(f, "engine load {} %", (u32::from(*a) * 200 + 255) / 510)
            }
            Self::CoolantCelsius(celsius) => write!(f, "coolant {celsius} °C"),
            Self::EngineQuarterRpm(quarters) if quarters % 4 == 0 => {
                write!(f, "{} rpm", quarters / 4)
            }
            Self::EngineQuarterRpm(quarters) => {
                write!(f, "{}.{:02} rpm", quarters / 4, quarters % 4 * 25)
            }
            Self::SpeedKmPerHour(a) => write!(f, "{a} km/h"),
            Self::AirCentigramPerS(all) => write!(f, "air {}.{:02} g/s", all / 100, all % 100),
            Self::Throttle255ths(a) => {
                write!(f, "throttle {} %", (u32::from(*a) * 200 + 255) / 510)
            }
        }
    }
}

/// Not a response that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadObd {
    /// Fewer or more bytes than the parameter has.
    Length,
    /// Another service answered.
    Mode(u8),
    /// Another parameter.
    Pid(u8),
}

impl BadObd {
    /// Stable number, 3413 to 3415.
    pub const fn code(self) -> u32 {
        match self {
            Self::Length => 3_413,
            Self::Mode(_) => 3_414,
            Self::Pid(_) => 3_415,
        }
    }
}

impl fmt::Display for BadObd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("the response has another length than its parameter"),
            Self::Mode(mode) => write!(f, "not a response of service 01 but {mode:02x}"),
            Self::Pid(pid) => write!(f, "parameter {pid:02x} is not known"),
        }
    }
}

impl core::error::Error for BadObd {}

/// A response carries its service with bit 6 set.
const RESPONSE: u8 = 0x41;

//! What cannot be handled at all.

use core::fmt;
use port::WireError;

/// Why input, a configuration or stored bytes could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Our own stored bytes are not what we wrote.
    Corrupt(WireError),
    /// A bound of the node is reached; nothing was taken.
    Busy,
    /// The caller handed over something that does not fit.
    Misuse(Misuse),
    /// A value that the policy refuses.
    Refused(Flaw),
    /// No virtual machine of this name is known.
    UnknownVm,
    /// There is nothing to conclude from yet: no usable sample, or no fitted types.
    NoSamples,
}

impl Error {
    /// Stable number, 6000 to 6039.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Corrupt(_) => 6_000,
            Self::Busy => 6_001,
            Self::UnknownVm => 6_002,
            Self::NoSamples => 6_003,
            Self::Misuse(why) => why.code(),
            Self::Refused(why) => why.code(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(_) => f.write_str("stored bytes are damaged"),
            Self::Busy => f.write_str("a bound is reached"),
            Self::UnknownVm => f.write_str("the virtual machine is not known"),
            Self::NoSamples => f.write_str("there are no usable samples"),
            Self::Misuse(why) => why.fmt(f),
            Self::Refused(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Corrupt(why) => Some(why),
            Self::Misuse(why) => Some(why),
            Self::Refused(why) => Some(why),
            Self::Busy | Self::UnknownVm | Self::NoSamples => None,
        }
    }
}

impl From<WireError> for Error {
    fn from(why: WireError) -> Self {
        Self::Corrupt(why)
    }
}

impl From<Misuse> for Error {
    fn from(why: Misuse) -> Self {
        Self::Misuse(why)
    }
}

impl From<Flaw> for Error {
    fn from(why: Flaw) -> Self {
        Self::Refused(why)
    }
}

/// What the caller handed over does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// Rows, columns or labels differ in length.
    Shape,
    /// Metrics are none, too many, named twice, or have a range that is empty or not finite.
    Metrics,
    /// A name is empty, longer than 64 bytes, or has control characters.
    Name,
    /// A number of groups is zero, above 256, or stage 1 has not more than stage 2.
    Groups,
    /// Seeds are too few, doubled, not finite, or of another dimension.
    Seeds,
    /// An allotment is missing, not finite or not positive.
    Allotment,
    /// A number is not finite where one is needed.
    NotFinite,
    /// One virtual machine is given twice.
    DoubleVm,
    /// Something that was removed had never been added.
    NeverAdded,
    /// A bound of the configuration is out of its range.
    Bounds,
}

impl Misuse {
    /// Stable number, 6010 to 6019.
    pub const fn code(self) -> u32 {
        match self {
            Self::Shape => 6_010,
            Self::Metrics => 6_011,
            Self::Name => 6_012,
            Self::Groups => 6_013,
            Self::Seeds => 6_014,
            Self::Allotment => 6_015,
            Self::NotFinite => 6_016,
            Self::DoubleVm => 6_017,
            Self::NeverAdded => 6_018,
            Self::Bounds => 6_019,
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "rows, columns or labels differ in length",
            Self::Metrics => "metrics need names and a finite range each",
            Self::Name => "a name has 1 to 64 bytes without control characters",
            Self::Groups => "the numbers of groups do not fit",
            Self::Seeds => "seeds must be finite, distinct and of the right dimension",
            Self::Allotment => "an allotment must be finite and positive",
            Self::NotFinite => "a number is not finite",
            Self::DoubleVm => "one virtual machine is given twice",
            Self::NeverAdded => "what is removed was never added",
            Self::Bounds => "a bound is out of its range",
        })
    }
}

impl core::error::Error for Misuse {}

/// A fault of a sample, as the policy names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// A metric has no value.
    Missing,
    /// A value is NaN.
    NotANumber,
    /// A value is infinite.
    Infinite,
    /// A value is outside of its metric's range.
    Outside,
    /// Two samples of one moment.
    Duplicate,
    /// A time outside of the span that is believed.
    Skewed,
}

impl Flaw {
    /// Stable number, 6020 to 6025.
    pub const fn code(self) -> u32 {
        match self {
            Self::Missing => 6_020,
            Self::NotANumber => 6_021,
            Self::Infinite => 6_022,
            Self::Outside => 6_023,
            Self::Duplicate => 6_024,
            Self::Skewed => 6_025,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "a value is missing",
            Self::NotANumber => "a value is not a number",
            Self::Infinite => "a value is infinite",
            Self::Outside => "a value is out of its range",
            Self::Duplicate => "two samples have the same time",
            Self::Skewed => "a time is not believed",
        })
    }
}

impl core::error::Error for Flaw {}

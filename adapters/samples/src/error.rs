//! What can go wrong while samples are read, and where.

use core::fmt;
use std::io::ErrorKind;

/// Why a file or a host could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The operating system failed, or the compressed form is damaged; `line` is the last one that was read whole.
    Unreadable {
        /// Lines before.
        line: u64,
        /// What the operating system said.
        kind: ErrorKind,
    },
    /// The file ends inside of its compressed form.
    Truncated {
        /// The last line that was read whole.
        line: u64,
    },
    /// The header has no column of this name, or there is no header to look in.
    NoColumn(String),
    /// A row is not as the layout says, and [`crate::OnBadRow::Refuse`] was asked for.
    BadRow {
        /// Its line, from 1.
        line: u64,
        /// What is wrong.
        why: BadRow,
    },
    /// A row is longer than [`crate::Rows::ROW_BYTES_MAX`].
    TooLong {
        /// Its line, from 1.
        line: u64,
    },
    /// A layout in which a metric reads no column or one twice, or in which a column is named and there is no header.
    Layout,
    /// A file below `/proc` is not as the kernel writes it.
    Proc(&'static str),
    /// The core does not take the samples.
    Core {
        /// The line of the sample, from 1; 0 if it is not about one sample.
        line: u64,
        /// What the core says.
        why: vmload::Error,
    },
}

impl Error {
    /// Stable number, 9300 to 9309; of a bad row the flaw's, 9310 to 9319; of [`Error::Core`] the core's.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Unreadable { .. } => 9300,
            Self::Truncated { .. } => 9301,
            Self::NoColumn(_) => 9302,
            Self::BadRow { why, .. } => why.code(),
            Self::TooLong { .. } => 9303,
            Self::Layout => 9304,
            Self::Proc(_) => 9305,
            Self::Core { why, .. } => why.code(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { line: 0, kind } => write!(f, "cannot be read: {kind}"),
            Self::Unreadable { line, kind } => {
                write!(f, "cannot be read after line {line}: {kind}")
            }
            Self::Truncated { line } => write!(f, "the file is cut off after line {line}"),
            Self::NoColumn(name) => write!(f, "there is no column {name:?}"),
            Self::BadRow { line, why } => write!(f, "line {line}: {why}"),
            Self::TooLong { line } => write!(f, "line {line}: the row is too long"),
            Self::Layout => f.write_str(
                "a metric has no column or one twice, or a column goes by name without a header",
            ),
            Self::Proc(file) => write!(f, "/proc/{file} is not as expected"),
            Self::Core { line: 0, why } => why.fmt(f),
            Self::Core { line, why } => write!(f, "line {line}: {why}"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Core { why, .. } => Some(why),
            _ => None,
        }
    }
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadRow {
    /// A column that is needed is not there.
    Short,
    /// A cell should be a number.
    Number,
    /// The time is no number, is negative, or is beyond the year 9999.
    Time,
    /// What the machine is allotted is absent, zero, negative or not finite.
    Allotment,
}

impl BadRow {
    /// Stable number, 9310 to 9313.
    pub const fn code(self) -> u32 {
        match self {
            Self::Short => 9310,
            Self::Number => 9311,
            Self::Time => 9312,
            Self::Allotment => 9313,
        }
    }
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "a column is missing",
            Self::Number => "a cell is not a number",
            Self::Time => "the time cannot be used",
            Self::Allotment => "the allotment cannot be used",
        })
    }
}

impl core::error::Error for BadRow {}

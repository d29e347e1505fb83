//! What is wrong with a parameter set, and what is odd about it.

use alloc::string::String;
use core::fmt;

/// What is wrong with a draft, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParametersFault {
    /// The path of the fault, such as `rules[2].limits.single_minor`.
    pub path: String,
    /// What it is.
    pub fault: Fault,
}

impl ParametersFault {
    pub(super) fn new(path: impl Into<String>, fault: Fault) -> Self {
        Self { path: path.into(), fault }
    }

    /// Stable number, 4200 to 4206.
    pub const fn code(&self) -> u32 {
        match self.fault {
            Fault::Empty => 4_200,
            Fault::Order => 4_201,
            Fault::OutOfRange => 4_202,
            Fault::TooMany => 4_203,
            Fault::Twice => 4_204,
            Fault::UnknownField => 4_205,
            Fault::UnknownWord => 4_206,
        }
    }
}

impl fmt::Display for ParametersFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.fault {
            Fault::Empty => "there is nothing in it",
            Fault::Order => "the end lies before the start",
            Fault::OutOfRange => "out of its range",
            Fault::TooMany => "too many or too long",
            Fault::Twice => "is there already, or overlaps",
            Fault::UnknownField => "no such field",
            Fault::UnknownWord => "no such word, or nothing of this name",
        };
        write!(f, "{}: {words}", self.path)
    }
}

impl core::error::Error for ParametersFault {}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A list or a text has nothing in it.
    Empty,
    /// An end lies before its start.
    Order,
    /// A number is out of its range.
    OutOfRange,
    /// A list or a text is too long.
    TooMany,
    /// Two entries claim the same.
    Twice,
    /// A field that no version of the form knows.
    UnknownField,
    /// A word or a name that nothing has.
    UnknownWord,
}

/// Something that the author of a valid set should look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Two rules of equal scope disagree about a capability: the smaller permission counts.
    Conflict(u32, u32),
    /// No rule allows anything for this kind.
    Gap(crate::Kind),
    /// The rule's single amount never decides: a wider rule has a lower one.
    Idle {
        /// The rule whose amount never decides.
        rule: u32,
        /// The wider rule.
        by: u32,
    },
    /// Every request of the first rule is denied by the second, wider one.
    Shadowed {
        /// The rule that never decides.
        rule: u32,
        /// The rule that denies before it.
        by: u32,
    },
    /// No rule limits what this counter counts.
    Uncounted(u8),
    /// The rule lets money go without any limit on the single amount.
    Unlimited(u32),
    /// No request can fit the rule: its card numbers are in no range, or its initiators are not admitted.
    Unreachable(u32),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(a, b) => write!(f, "rules {a} and {b} of equal scope disagree"),
            Self::Gap(kind) => write!(f, "no rule allows any {kind}"),
            Self::Shadowed { rule, by } => write!(f, "rule {rule} never decides: rule {by} denies"),
            Self::Idle { rule, by } => {
                write!(f, "rule {rule} has a single amount that never decides: rule {by} is lower")
            }
            Self::Uncounted(counter) => write!(f, "no rule limits counter {counter}"),
            Self::Unreachable(rule) => write!(f, "no request can fit rule {rule}"),
            Self::Unlimited(rule) => write!(f, "rule {rule} allows without a single-amount limit"),
        }
    }
}

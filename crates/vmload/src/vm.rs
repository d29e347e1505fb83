//! The name of a virtual machine.

use crate::Misuse;
use alloc::boxed::Box;
use core::fmt;

/// The name of a virtual machine: 1 to 64 bytes of text without control characters.
///
/// Names order bytewise; every result lists machines in this order, whatever order they came in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VmId(Box<str>);

impl VmId {
    /// Takes a name.
    ///
    /// # Errors
    /// [`Misuse::Name`].
    pub fn new(name: &str) -> Result<Self, Misuse> {
        if is_name(name) { Ok(Self(name.into())) } else { Err(Misuse::Name) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for VmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VmId({:?})", self.as_str())
    }
}

impl fmt::Display for VmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What names of machines and metrics have in common.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && !name.chars().any(char::is_control)
}

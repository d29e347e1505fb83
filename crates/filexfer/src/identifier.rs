//! Names of parties, sites and classes of files.

use crate::Misuse;
use alloc::sync::Arc;
use core::fmt;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// By its text: 1 to 48 characters of `0-9 a-z . _ -`.
            ///
            /// # Errors
            /// [`Misuse::Identifier`].
            pub fn new(text: &str) -> Result<Self, Misuse> {
                if is_identifier(text) { Ok(Self(text.into())) } else { Err(Misuse::Identifier) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl core::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

identifier! {
    /// The name of a party; the same text is its [`port::Peer`] and its issuer name in trust lists.
    PartyId
}

identifier! {
    /// The name of a site: one receiving-and-forwarding server and what it couples.
    SiteId
}

identifier! {
    /// A class of files, such as `settlement`: what grants speak about.
    FileClass
}

fn is_identifier(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_digit() || byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_' | b'-')
    };
    (1..=48).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_one_party() {
        assert!(PartyId::new("bank-a.backstage_1").is_ok());
        for text in ["", "Bank", "a b", "ä", "a/b", &"x".repeat(49)] {
            assert_eq!(PartyId::new(text), Err(Misuse::Identifier), "{text}");
        }
    }
}

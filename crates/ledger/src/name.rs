//! Names of nodes and labels of things: one spelling for one meaning.

use crate::Misuse;
use alloc::sync::Arc;
use core::fmt;
use port::WireError;
use port::wire::Reader;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("By its text: 1 to ", $max, " characters of `0-9 a-z . _ -`.")]
            ///
            /// # Errors
            /// [`Misuse::Name`].
            pub fn new(text: &str) -> Result<Self, Misuse> {
                if is_name(text, $max) { Ok(Self(text.into())) } else { Err(Misuse::Name) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
                Self::new(Reader::text(from.lp8()?)?).map_err(|_| WireError::Invalid)
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
    };
}

name! {
    /// What people call a node; the same text is its [`port::Peer`].
    NodeName, 48
}

name! {
    /// A kind of thing, such as `vehicle`, or a region, such as `de-by`: what can be searched for.
    Label, 32
}

fn is_name(text: &str, max: usize) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_digit() || byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_' | b'-')
    };
    (1..=max).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_one_name() {
        assert!(NodeName::new("supervision-1.example").is_ok());
        for text in ["", "Bank", "a b", "ä", "a/b", &"x".repeat(49)] {
            assert_eq!(NodeName::new(text), Err(Misuse::Name), "{text}");
        }
        assert!(Label::new(&"x".repeat(32)).is_ok());
        assert_eq!(Label::new(&"x".repeat(33)), Err(Misuse::Name));
    }
}

//! Names of nodes and labels of things: one spelling for one meaning.

use crate::Misuse;
use core::fmt;
use port::WireError;
use port::wire::Reader;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// Zeros after the end, which no name holds: so the order of the bytes is that of the texts.
            bytes: [u8; $max],
            len: u8,
        }

        impl $name {
            #[doc = concat!("By its text: 1 to ", $max, " characters of `0-9 a-z . _ -`.")]
            ///
            /// # Errors
            /// [`Misuse::Name`].
            pub fn new(text: &str) -> Result<Self, Misuse> {
                let len = u8::try_from(text.len()).map_err(|_| Misuse::Name)?;
                let mut bytes = [0; $max];
                let place = bytes.get_mut(..text.len()).ok_or(Misuse::Name)?;
                place.copy_from_slice(text.as_bytes());
                if is_name(text) { Ok(Self { bytes, len }) } else { Err(Misuse::Name) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                // All of it is ASCII.
                core::str::from_utf8(self.as_bytes()).unwrap_or_default()
            }

            /// The same as bytes.
            pub(crate) fn as_bytes(&self) -> &[u8] {
                &self.bytes[..usize::from(self.len)]
            }

            pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
                Self::new(Reader::text(from.lp8()?)?).map_err(|_| WireError::Invalid)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
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

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_digit() || byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_' | b'-')
    };
    !text.is_empty() && text.bytes().all(allowed)
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
        for bytes in [33, 256, 288] {
            assert_eq!(Label::new(&"x".repeat(bytes)), Err(Misuse::Name), "{bytes}");
        }
    }

    #[test]
    fn names_are_in_the_order_of_their_texts() {
        let texts = ["a", "-", "a-", "a.b", "ab", "b", "0", "00", "_", "xxxxxxxx", "xxxxxxxy"];
        for one in texts {
            assert_eq!(Label::new(one).unwrap().as_str(), one);
            for other in texts {
                let [a, b] = [one, other].map(|text| Label::new(text).unwrap());
                assert_eq!(a.cmp(&b), one.cmp(other), "{one} {other}");
            }
        }
    }
}

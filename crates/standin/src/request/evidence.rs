//! What proves who asks: opaque here, checked by the holder of keys, never stored.

use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use port::MacTag;
use zeroize::Zeroizing;

/// A PIN block, card verification number or cryptogram in the key holder's own form: erased with its last copy, never printed,
/// never stored (PCI DSS requirement 3.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence(Bytes);

impl Evidence {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Bytes::from_owner(Zeroizing::new(bytes)))
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Evidence(..)")
    }
}

/// The evidence that came with a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidences {
    /// The enciphered PIN block (field 52).
    pub pin: Option<Evidence>,
    /// The card verification number.
    pub cvn: Option<Evidence>,
    /// The authorization request cryptogram with its data (field 55).
    pub arqc: Option<Evidence>,
}

/// The authentication code of a message (field 64 or 128) and the bytes it is over.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageMac {
    /// The bytes that the initiator authenticated. They hold card data: they stay in memory.
    pub message: Evidence,
    /// The code, possibly truncated by the network: at least [`MessageMac::TAG_BYTES_MIN`] bytes.
    pub tag: MacTag,
}

impl MessageMac {
    /// Fields 64 and 128 carry eight bytes.
    pub const TAG_BYTES_MIN: usize = 8;
}

impl fmt::Debug for MessageMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageMac(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn nothing_is_printed() {
        let evidence = Evidences { pin: Some(Evidence::new(vec![0x41; 8])), ..Default::default() };
        let text = alloc::format!("{evidence:?}");
        assert!(!text.contains('A') && !text.contains("65"), "{text}");
    }
}

//! A binding's row, read in place: its keys, one by one.

use crate::binding::{HMAC, OCRA, PASSWORD, SIGNATURE};
use crate::item::slice;
use crate::ocra::Suite;
use crate::reply::{Credential, HmacReply, OcraReply, SignatureReply};
use crate::{BoundKey, DeviceId};
use bytes::Bytes;
use port::wire::Reader;
use port::{KeyId, KeyRef, Row, Time, WireError};
use seal::AccountRef;

/// What a binding's row says beside its keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BindingRow<'a> {
    pub(crate) locked: bool,
    /// The times of wrong replies, big-endian.
    pub(crate) failures: &'a [[u8; 8]],
}

impl<'a> BindingRow<'a> {
    /// Reads the stored form, specified in `docs/spec/qrpay.md`, and shows each key; after an error nothing counts.
    #[inline]
    pub(crate) fn parse(
        row: &'a [u8],
        mut each: impl FnMut(KeyRow<'a>),
    ) -> Result<Self, WireError> {
        let mut reader = Reader::new(row);
        reader.version(1)?;
        let locked = reader.flag()?;
        let count = usize::from(reader.u8()?);
        let (failures, _) = reader.fixed(8 * count)?.as_chunks();
        for _ in 0..reader.u8()? {
            each(KeyRow::read(&mut reader)?);
        }
        reader.finish()?;
        Ok(Self { locked, failures })
    }

    /// Whether replies are refused unread; not where there is no binding.
    pub(crate) fn is_locked(row: Option<&Row>) -> Result<bool, WireError> {
        Ok(row
            .map(|row| BindingRow::parse(&row.value, drop))
            .transpose()?
            .is_some_and(|row| row.locked))
    }
}

/// One key of one device, in its row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRow<'a> {
    pub(crate) device: &'a [u8],
    number: u8,
    from: Time,
    until: Time,
    revoked: bool,
    pub(crate) credential: CredentialRow<'a>,
}

/// How replies are checked, in its row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CredentialRow<'a> {
    Hmac { typed_digits: u8, key: KeyRefRow<'a>, is_password: bool },
    Ocra { suite: &'a str, key: KeyRefRow<'a> },
    Signature(&'a [u8]),
}

/// Which key, in its row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRefRow<'a> {
    id: KeyId,
    /// The wrapped key; `None` for one that its holder has.
    blob: Option<&'a [u8]>,
}

impl<'a> KeyRow<'a> {
    pub(crate) fn is_usable(&self, now: Time) -> bool {
        !self.revoked && self.from <= now && now < self.until
    }

    /// Which key to ask, in an allocation of its own where it is wrapped. `row` is the binding's.
    pub(crate) fn key_ref(&self, key: KeyRefRow<'a>, row: &Bytes, account: &AccountRef) -> KeyRef {
        match key.blob {
            None => KeyRef::Held(key.id),
            Some(blob) => KeyRef::Wrapped {
                key: key.id,
                context: BoundKey::wrap_context(account, self.device, self.number),
                blob: slice(row, blob),
            },
        }
    }

    /// The key as a value that shares the bytes of the binding's row.
    pub(crate) fn to_bound(self, row: &Bytes, account: &AccountRef) -> Result<BoundKey, WireError> {
        Ok(BoundKey {
            device: DeviceId::checked(slice(row, self.device)),
            number: self.number,
            from: self.from,
            until: self.until,
            revoked: self.revoked,
            credential: self.credential(row, account)?,
        })
    }

    /// How its replies are checked, as a value that shares the bytes of the binding's row.
    pub(crate) fn credential(
        &self,
        row: &Bytes,
        account: &AccountRef,
    ) -> Result<Credential, WireError> {
        Ok(match self.credential {
            CredentialRow::Hmac { typed_digits, key, is_password } => {
                let reply = HmacReply { key: self.key_ref(key, row, account), typed_digits };
                if is_password { Credential::Password(reply) } else { Credential::Hmac(reply) }
            }
            CredentialRow::Ocra { suite, key } => {
                let suite = Suite::parse(suite).map_err(|_| WireError::Invalid)?;
                let reply = OcraReply::new(suite, self.key_ref(key, row, account));
                Credential::Ocra(reply.map_err(|_| WireError::Invalid)?)
            }
            CredentialRow::Signature(key) => Credential::Signature(SignatureReply {
                public_key: key.try_into().map_err(|_| WireError::Invalid)?,
            }),
        })
    }

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let device = reader.lp8()?;
        if !DeviceId::is_name(device) {
            return Err(WireError::Invalid);
        }
        let number = reader.u8()?;
        let from = Time::from_ms(reader.u64()?);
        let until = Time::from_ms(reader.u64()?);
        let revoked = reader.flag()?;
        let credential = match reader.u8()? {
            kind @ (HMAC | PASSWORD) => {
                let typed_digits = reader.u8()?;
                let key = KeyRefRow::read(reader)?;
                CredentialRow::Hmac { typed_digits, key, is_password: kind == PASSWORD }
            }
            OCRA => {
                let suite = Reader::text(reader.lp8()?)?;
                let parsed = Suite::parse(suite).map_err(|_| WireError::Invalid)?;
                let key = KeyRefRow::read(reader)?;
                crate::reply::check_suite(&parsed).map_err(|_| WireError::Invalid)?;
                CredentialRow::Ocra { suite, key }
            }
            SIGNATURE => CredentialRow::Signature(reader.fixed(32)?),
            _ => return Err(WireError::Invalid),
        };
        Ok(Self { device, number, from, until, revoked, credential })
    }
}

impl<'a> KeyRefRow<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let held = reader.u8()?;
        let id = KeyId(reader.u32()?);
        let blob = match held {
            0 => None,
            1 => Some(reader.lp16()?),
            _ => return Err(WireError::Invalid),
        };
        Ok(Self { id, blob })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Binding;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const ACCOUNT: AccountRef = AccountRef::from_bytes([5; 16]);

    /// A key reference without its context, which depends on device and number.
    fn key_ref() -> impl Strategy<Value = (u32, Option<Vec<u8>>)> {
        (any::<u32>(), prop::option::of(prop::collection::vec(any::<u8>(), 1..100)))
    }

    fn bound() -> impl Strategy<Value = BoundKey> {
        let heads = ("[a-z0-9._:-]{1,32}", any::<u8>(), 0..9_u64, 0..9_u64, any::<bool>());
        (heads, 0..4_u8, key_ref(), any::<u8>(), any::<[u8; 32]>()).prop_map(
            |(
                (device, number, from, until, revoked),
                kind,
                (id, blob),
                typed_digits,
                public_key,
            )| {
                let device = DeviceId::new(device).unwrap();
                let id = KeyId(id);
                let key = match blob {
                    None => KeyRef::Held(id),
                    Some(blob) => KeyRef::Wrapped {
                        key: id,
                        context: BoundKey::wrap_context(&ACCOUNT, device.as_bytes(), number),
                        blob: blob.into(),
                    },
                };
                let credential = match kind {
                    0 => Credential::Hmac(HmacReply { key, typed_digits }),
                    1 => Credential::Password(HmacReply { key, typed_digits }),
                    2 => {
                        let suite = Suite::parse("OCRA-1:HOTP-SHA256-8:QH64").unwrap();
                        Credential::Ocra(OcraReply::new(suite, key).unwrap())
                    }
                    _ => Credential::Signature(SignatureReply { public_key }),
                };
                let [from, until] = [from, until].map(Time::from_ms);
                BoundKey { device, number, from, until, revoked, credential }
            },
        )
    }

    fn binding() -> impl Strategy<Value = Binding> {
        let failures = prop::collection::vec((0..9_u64).prop_map(Time::from_ms), 0..4);
        (any::<bool>(), failures, prop::collection::vec(bound(), 0..4))
            .prop_map(|(locked, failures, keys)| Binding { locked, failures, keys })
    }

    proptest! {
        #[test]
        fn what_is_read_in_place_is_what_was_written(binding in binding(), now in 0..9_u64) {
            let (row, now) = (binding.encode(), Time::from_ms(now));
            prop_assert_eq!(&Binding::parse(&row, &ACCOUNT).unwrap(), &binding);
            let mut usable = Vec::new();
            let read = BindingRow::parse(&row, |key| usable.push(key.is_usable(now))).unwrap();
            prop_assert_eq!((read.locked, read.failures.len()), (binding.locked, binding.failures.len()));
            let is_usable = |key: &BoundKey| !key.revoked && key.from <= now && now < key.until;
            prop_assert_eq!(usable, binding.keys.iter().map(is_usable).collect::<Vec<_>>());
            for end in 0..row.len() {
                let cut = BindingRow::parse(&row[..end], drop).err();
                prop_assert_eq!(cut, Some(WireError::Truncated));
            }
        }

        #[test]
        fn foreign_bytes_give_an_error_or_the_same_row_again(
            binding in binding(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = binding.encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let bytes = Bytes::from(bytes);
            if let Ok(binding) = Binding::parse(&bytes, &ACCOUNT) {
                prop_assert_eq!(binding.encode(), bytes);
            }
        }
    }
}

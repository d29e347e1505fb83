//! Binding devices to accounts: enrolment, rotation, revocation, unlocking.

use crate::binding::{Binding, BoundKey};
use crate::ocra::Suite;
use crate::reply::{Credential, HmacReply, OcraReply, SignatureReply};
use crate::server::{Setup, Trail, done};
use crate::table::{self, point};
use crate::{DeviceId, Error, Misuse, PaymentServer, Refusal, Verdict};
use alloc::sync::Arc;

use bytes::Bytes;
use port::{
    Answers, Ask, Batch, Decision, Key, KeyAnswer, KeyQuestion, KeyRef, ReadSet, Row, SecretBytes,
    Step, Time,
};
use seal::{AccountRef, Audited, Secret, VerifyingKey};

impl PaymentServer {
    /// Decides to bind a device's key to an account. The key's number is one above the device's last: the old key stays
    /// valid for [`crate::Policy::key_overlap_ms`].
    ///
    /// A use-key is wrapped by the key holder for account, device and number, and only then stored. `number` must be the one
    /// that the use-key was derived with ([`crate::use_key`]); another is refused with [`Refusal::NotNow`].
    ///
    /// # Errors
    /// [`Misuse::Policy`] for digits or a suite that do not fit, or a public key that is none.
    pub fn bind(
        &self,
        now: Time,
        entropy: &[u8; 32],
        account: AccountRef,
        device: DeviceId,
        number: u8,
        enrolled: Enrolled,
    ) -> Result<Bind, Misuse> {
        enrolled.check()?;
        Ok(Bind {
            setup: self.setup.clone(),
            now,
            entropy: Secret::new(*entropy),
            account,
            device,
            number,
            enrolled,
            bound: None,
        })
    }

    /// Decides to change a binding: revoke a device, lock or unlock the account.
    pub fn rebind(&self, now: Time, account: AccountRef, change: Rebinding) -> Rebind {
        Rebind { setup: self.setup.clone(), now, account, change }
    }
}

/// What is bound.
#[derive(Clone, Debug)]
pub enum Enrolled {
    /// A use-key for HMAC replies, with the digits of typed ones (6 to 10; 0 for none).
    Hmac {
        /// From [`crate::use_key`].
        use_key: Secret<32>,
        /// Digits of typed replies.
        typed_digits: u8,
    },
    /// A use-key for OCRA replies.
    Ocra {
        /// From [`crate::use_key`].
        use_key: Secret<32>,
        /// See [`OcraReply`].
        suite: Suite,
    },
    /// A key that rests on a password alone, from [`crate::password_key`]; weak.
    Password {
        /// From [`crate::password_key`].
        use_key: Secret<32>,
        /// Digits of typed replies.
        typed_digits: u8,
    },
    /// A use-key that the key holder has already.
    Held(KeyRef),
    /// The public key of a secure element.
    Signature([u8; 32]),
}

impl Enrolled {
    fn check(&self) -> Result<(), Misuse> {
        match self {
            Self::Hmac { typed_digits, .. } | Self::Password { typed_digits, .. } => {
                let fits = *typed_digits == 0 || (6..=10).contains(typed_digits);
                if fits { Ok(()) } else { Err(Misuse::Policy) }
            }
            Self::Ocra { suite, .. } => {
                let placeholder = KeyRef::Held(port::KeyId(0));
                OcraReply::new(*suite, placeholder).map(|_| ())
            }
            Self::Held(_) => Ok(()),
            Self::Signature(key) => {
                VerifyingKey::from_bytes(key).map(|_| ()).map_err(|_| Misuse::Policy)
            }
        }
    }

    fn secret(&self) -> Option<&Secret<32>> {
        match self {
            Self::Hmac { use_key, .. }
            | Self::Ocra { use_key, .. }
            | Self::Password { use_key, .. } => Some(use_key),
            Self::Held(_) | Self::Signature(_) => None,
        }
    }

    fn credential(&self, key: Option<KeyRef>) -> Result<Credential, Error> {
        let key = || key.ok_or(Error::Misuse(Misuse::Answers));
        Ok(match self {
            Self::Hmac { typed_digits, .. } => {
                Credential::Hmac(HmacReply { key: key()?, typed_digits: *typed_digits })
            }
            Self::Password { typed_digits, .. } => {
                Credential::Password(HmacReply { key: key()?, typed_digits: *typed_digits })
            }
            Self::Ocra { suite, .. } => Credential::Ocra(OcraReply::new(*suite, key()?)?),
            Self::Held(held) => Credential::Hmac(HmacReply { key: held.clone(), typed_digits: 0 }),
            Self::Signature(public_key) => {
                Credential::Signature(SignatureReply { public_key: *public_key })
            }
        })
    }
}

/// The decision to bind a device.
#[derive(Clone, Debug)]
pub struct Bind {
    setup: Arc<Setup>,
    now: Time,
    entropy: Secret<32>,
    account: AccountRef,
    device: DeviceId,
    number: u8,
    enrolled: Enrolled,
    /// What the last batch would have bound.
    bound: Option<Credential>,
}

impl Bind {
    /// The new binding, or why there is none.
    fn rebound(&self, mut binding: Binding, credential: Credential) -> Result<Binding, Refusal> {
        let policy = self.setup.policy();
        if matches!(credential, Credential::Password(_)) && !policy.allow_password {
            return Err(Refusal::WeakCredential);
        }
        let same = |key: &BoundKey| key.device == self.device;
        let last = binding.keys.iter().filter(|key| same(key)).map(|key| key.number).max();
        if self.number != last.map_or(1, |last| last.saturating_add(1)) {
            return Err(Refusal::NotNow);
        }
        if last.is_none() && binding.devices() >= usize::from(policy.devices_max) {
            // Revoked devices keep their number sequence as long as there is room for them.
            binding.keys.retain(|key| !key.revoked);
            if binding.devices() >= usize::from(policy.devices_max) {
                return Err(Refusal::TooMany);
            }
        }
        let overlap_ends = self.now.plus_ms(policy.key_overlap_ms);
        for old in binding.keys.iter_mut().filter(|key| same(key)) {
            old.until = old.until.min(overlap_ends);
        }
        // Of a device only the newest old key can still be valid; the number sequence lives in the newest.
        binding.keys.retain(|key| !same(key) || Some(key.number) == last);
        binding.keys.push(BoundKey {
            device: self.device.clone(),
            number: self.number,
            from: self.now,
            until: Time::from_ms(u64::MAX),
            revoked: false,
            credential,
        });
        Ok(binding)
    }

    fn trail(&self, refusal: Option<Refusal>) -> Trail {
        Trail {
            actor: Bytes::copy_from_slice(self.account.as_bytes()),
            subject: Bytes::copy_from_slice(self.device.as_bytes()),
            refusal,
            correlation: [0; 16],
        }
    }
}

impl Decision for Bind {
    type Verdict = Audited<Verdict<u8>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let rows = table::binding(self.setup.tenant(), &self.account);
        let wrapping = self.setup.config.wrapping;
        let question = self.enrolled.secret().map(|secret| KeyQuestion::Wrap {
            key: wrapping,
            context: BoundKey::wrap_context(&self.account, self.device.as_bytes(), self.number),
            secret: SecretBytes::new(secret.expose().to_vec()),
            entropy: *self.entropy.expose(),
        });
        Ask { rows: ReadSet::points([rows]), keys: question.into_iter().collect() }
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let row = point(&answers, 0)?;
        let wrapped = match answers.keys.first() {
            None => None,
            Some(KeyAnswer::Wrapped(blob)) => Some(KeyRef::Wrapped {
                key: self.setup.config.wrapping,
                context: BoundKey::wrap_context(&self.account, self.device.as_bytes(), self.number),
                blob: blob.clone(),
            }),
            Some(KeyAnswer::Refused(why)) => return Err(Error::Keys(*why)),
            Some(_) => return Err(Error::Misuse(Misuse::Answers)),
        };
        let credential = self.enrolled.credential(wrapped)?;
        let binding = row.map(|row| Binding::parse(&row.value, &self.account)).transpose()?;
        self.bound = Some(credential.clone());
        match self.rebound(binding.unwrap_or_default(), credential) {
            Err(refusal) => {
                let trail = self.trail(Some(refusal));
                let audit = self.setup.audit(self.now, "qrpay.bind.declined", trail);
                Ok(done(Verdict::Declined(refusal), audit, Batch::new()))
            }
            Ok(binding) => {
                let mut batch = Batch::with_capacity(1);
                let key = table::binding(self.setup.tenant(), &self.account);
                batch.put(key, Row::unchanged(row), binding.encode());
                let audit = self.setup.audit(self.now, "qrpay.bind.granted", self.trail(None));
                Ok(done(Verdict::Granted(self.number), audit, batch))
            }
        }
    }

    fn outcome(&self) -> Option<Key> {
        Some(table::binding(self.setup.tenant(), &self.account))
    }

    /// The binding holds this very key: the wrapped form is the same only for the same request.
    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Error> {
        let binding = Binding::parse(&row.value, &self.account)?;
        let ours = |key: &&BoundKey| {
            key.device == self.device
                && key.number == self.number
                && Some(&key.credential) == self.bound.as_ref()
        };
        Ok(binding.keys.iter().find(ours).map(|_| Audited {
            verdict: Verdict::Granted(self.number),
            audit: self.setup.audit(self.now, "qrpay.bind.granted", self.trail(None)),
        }))
    }
}

/// How a binding changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rebinding {
    /// Replies are refused unread until unlocked.
    Lock,
    /// All keys of one device stop answering at once, also for replies computed before.
    Revoke(DeviceId),
    /// Replies are read again, and the wrong ones of the past are forgotten.
    Unlock,
}

/// The decision to change a binding.
#[derive(Clone, Debug)]
pub struct Rebind {
    setup: Arc<Setup>,
    now: Time,
    account: AccountRef,
    change: Rebinding,
}

impl Decision for Rebind {
    type Verdict = Audited<Verdict<()>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let key = table::binding(self.setup.tenant(), &self.account);
        Ask::rows(ReadSet::points([key]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let row = point(&answers, 0)?;
        let (action, subject) = match &self.change {
            Rebinding::Lock => ("qrpay.rebind.locked", Bytes::new()),
            Rebinding::Unlock => ("qrpay.rebind.unlocked", Bytes::new()),
            Rebinding::Revoke(device) => {
                ("qrpay.rebind.revoked", Bytes::copy_from_slice(device.as_bytes()))
            }
        };
        let actor = Bytes::copy_from_slice(self.account.as_bytes());
        let trail = |refusal| Trail { actor, subject, refusal, correlation: [0; 16] };
        let decline = |trail: Trail| {
            let audit = self.setup.audit(self.now, "qrpay.rebind.declined", trail);
            Ok(done(Verdict::Declined(Refusal::UnknownDevice), audit, Batch::new()))
        };
        let Some(found) = row else { return decline(trail(Some(Refusal::UnknownDevice))) };
        let mut binding = Binding::parse(&found.value, &self.account)?;
        match &self.change {
            Rebinding::Lock => binding.locked = true,
            Rebinding::Unlock => {
                binding.locked = false;
                binding.failures.clear();
            }
            Rebinding::Revoke(device) => {
                let mut some = false;
                for key in binding.keys.iter_mut().filter(|key| key.device == *device) {
                    key.revoked = true;
                    some = true;
                }
                if !some {
                    return decline(trail(Some(Refusal::UnknownDevice)));
                }
            }
        }
        let mut batch = Batch::with_capacity(1);
        let key = table::binding(self.setup.tenant(), &self.account);
        batch.put(key, Row::unchanged(row), binding.encode());
        let audit = self.setup.audit(self.now, action, trail(None));
        Ok(done(Verdict::Granted(()), audit, batch))
    }
}

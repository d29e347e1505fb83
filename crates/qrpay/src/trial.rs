//! One challenge of an item tried with one key of the payer: what is asked, and whether the reply is right.

use crate::binding_row::{CredentialRow, KeyRow};
use crate::reply::{Credential, HmacReply, ReplyScheme as _};
use crate::{Error, Reply};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{KeyAnswer, KeyId, KeyQuestion, KeyRef, MacAlgorithm};
use seal::AccountRef;

/// One challenge tried with one key, while the key holder computes.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) challenge_at: usize,
    /// Which answer belongs to it; `None` where nothing was asked.
    answer_at: Option<usize>,
    check: Check,
}

/// What makes a reply right.
#[derive(Clone, Debug)]
enum Check {
    /// The decoy of an unknown account: nothing.
    Nothing,
    /// That it is the MAC which was asked for, or its digits.
    Mac { typed_digits: u8 },
    /// What a scheme says of it, over the transcript.
    Scheme(Box<(Credential, Bytes)>),
}

impl Trial {
    /// With a usable key; asks what has to be asked. `binding` is the row that the key is in.
    pub(crate) fn new(
        challenge_at: usize,
        key: &KeyRow<'_>,
        binding: &Bytes,
        account: &AccountRef,
        transcript: Bytes,
        questions: &mut Vec<KeyQuestion>,
    ) -> Result<Self, Error> {
        let before = questions.len();
        let check = match key.credential {
            CredentialRow::Hmac { typed_digits, key: held, .. } => {
                let key = key.key_ref(held, binding, account);
                questions.push(question(key, transcript));
                Check::Mac { typed_digits }
            }
            CredentialRow::Ocra { .. } | CredentialRow::Signature(_) => {
                let credential = key.credential(binding, account).map_err(Error::Corrupt)?;
                questions.extend(credential.question(&transcript));
                Check::Scheme(Box::new((credential, transcript)))
            }
        };
        let answer_at = (questions.len() > before).then_some(before);
        Ok(Self { challenge_at, answer_at, check })
    }

    /// With the decoy: an unknown account, and one whose devices are all revoked, cost a MAC like any other.
    pub(crate) fn decoy(
        challenge_at: usize,
        decoy: KeyId,
        transcript: Bytes,
        questions: &mut Vec<KeyQuestion>,
    ) -> Self {
        let answer_at = Some(questions.len());
        questions.push(question(KeyRef::Held(decoy), transcript));
        Self { challenge_at, answer_at, check: Check::Nothing }
    }

    /// Whether the reply is right; compared in constant time.
    ///
    /// # Errors
    /// A key holder's trouble is not the payer's wrong reply.
    pub(crate) fn is_right(&self, reply: &Reply, answers: &[KeyAnswer]) -> Result<bool, Error> {
        let answer = self.answer_at.and_then(|at| answers.get(at));
        if let Some(KeyAnswer::Refused(why)) = answer {
            return Err(Error::Keys(*why));
        }
        Ok(match &self.check {
            Check::Nothing => false,
            Check::Mac { typed_digits } => HmacReply::is_right(*typed_digits, reply, answer),
            Check::Scheme(scheme) => {
                let (credential, transcript) = &**scheme;
                credential.accepts(transcript, reply, answer)
            }
        })
    }
}

fn question(key: KeyRef, message: Bytes) -> KeyQuestion {
    KeyQuestion::Mac { key, algorithm: MacAlgorithm::HmacSha256, message }
}

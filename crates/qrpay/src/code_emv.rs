//! The same content as an EMVCo Merchant-Presented payload: order and challenge in templates of our own.

use crate::emv::{Builder, ChallengeTemplate, EmvError, Initiation, Payload};
use crate::{Challenge, Code, CodeError, Misuse, Payee, Price, Terms, Uid, Untrusted};
use port::{Amount, Currency, Time};
use seal::TrustList;

impl Code {
    /// The EMVCo payload of this code: amount and challenge added to what `merchant` says of the merchant.
    ///
    /// The payer approves what the payload shows, so that the merchant's name has to be the payee of the terms, and its
    /// currency theirs. Sign it with [`Payload::to_be_signed`].
    ///
    /// # Errors
    /// [`CodeError::Emv`] for what does not fit (names of more than 25 characters), [`CodeError::Content`] if payee or
    /// currency differ.
    pub fn to_emv(&self, merchant: Builder) -> Result<Payload<'static>, CodeError> {
        let mut builder = merchant.initiation(Initiation::Dynamic).challenge(ChallengeTemplate {
            uid: self.uid.as_str().into(),
            challenge: self.challenge.0,
            challenge_ref: self.challenge_ref,
            expires_s: self.terms.expires_s,
        });
        if let Some(price) = &self.terms.price {
            let exponent = price.amount.currency().exponent();
            builder = builder.amount_minor(price.amount.minor(), exponent);
        }
        let payload = builder.build()?;
        let back = Self::from_emv(&payload)?;
        if back.terms == self.terms { Ok(payload) } else { Err(CodeError::Content(Misuse::Text)) }
    }

    /// What an EMVCo payload says, if it carries our challenge; without its signature.
    ///
    /// # Errors
    /// [`CodeError::NotOurs`] without our challenge, [`CodeError::Emv`], [`CodeError::Content`].
    pub fn from_emv(payload: &Payload<'_>) -> Result<Self, CodeError> {
        let template = payload.challenge()?.ok_or(CodeError::NotOurs)?;
        let currency = Currency::from_numeric(payload.currency()).map_err(Misuse::from)?;
        let price = match payload.amount_minor(currency.exponent())? {
            None => None,
            Some(minor) if minor > 0 && currency != Currency::NONE => Some(Price {
                amount: Amount::new(minor, currency),
                payee: Payee::new(alloc::string::String::from(payload.merchant_name()))?,
            }),
            Some(_) => return Err(CodeError::Content(Misuse::Amount)),
        };
        let terms = Terms { price, expires_s: template.expires_s };
        let mut code = Self::new(Uid::new(template.uid)?, Challenge(template.challenge), terms);
        code.challenge_ref = template.challenge_ref;
        Ok(code)
    }
}

/// Checks the signature of an EMVCo payload; the issuer's name if it is right.
pub(crate) fn verify_emv<'p>(
    payload: &'p Payload<'_>,
    trust: &TrustList,
    now: Time,
) -> Result<Result<&'p str, Untrusted>, EmvError> {
    let Some(signature) = payload.signature()? else { return Ok(Err(Untrusted::Unsigned)) };
    let key = match trust.key(signature.issuer, signature.key_id, now) {
        Ok(key) => key,
        Err(why) => return Ok(Err(Untrusted::Issuer(why))),
    };
    let right = key.verify(&signature.signing_bytes(), &signature.signature);
    Ok(if right { Ok(signature.issuer) } else { Err(Untrusted::Signature) })
}

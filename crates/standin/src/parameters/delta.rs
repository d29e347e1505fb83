//! A parameter set as changes to an earlier one: small on the way, and the very set that was signed when it arrives.

use super::draft::Form;
use super::{
    Mark, Parameters, ParametersDraft, RangeDraft, RuleDraft, SealError, SealedParameters,
};
use alloc::string::String;
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};

/// What has to be changed in a base set to get a signed one. It carries the signature of the result, not of itself: whoever
/// applies it to another base, or to damaged bytes, gets a set that nobody signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParametersDelta {
    base: Mark,
    /// The digest of the set that it gives.
    digest: [u8; 32],
    /// Everything but the long lists.
    top: ParametersDraft,
    ranges: Vec<Piece<RangeDraft>>,
    initiators: Vec<Piece<u64>>,
    rules: Vec<Piece<RuleDraft>>,
    issuer: String,
    key_id: u8,
    signature: [u8; 64],
}

impl ParametersDelta {
    /// What turns `base` into the signed set.
    ///
    /// # Errors
    /// [`SealError::Form`] for a sealed set that is none.
    pub fn between(base: &Parameters, sealed: &SealedParameters) -> Result<Self, SealError> {
        let mut top = sealed.draft()?;
        let ranges = core::mem::take(&mut top.ranges);
        let initiators = core::mem::take(&mut top.initiators);
        let rules = core::mem::take(&mut top.rules);
        let old = base.draft();
        let (issuer, key_id, signature) = sealed.signed();
        Ok(Self {
            base: base.mark(),
            digest: sealed.digest(),
            top,
            ranges: pieces(&old.ranges, ranges),
            initiators: pieces(&old.initiators, initiators),
            rules: pieces(&old.rules, rules),
            issuer: issuer.into(),
            key_id,
            signature,
        })
    }

    /// The sealed set, out of its base. Nothing of it is believed before [`SealedParameters::open`].
    ///
    /// # Errors
    /// [`SealError::Base`] for another base, [`SealError::Content`] for changes that cannot be applied.
    pub fn apply(&self, base: &Parameters) -> Result<SealedParameters, SealError> {
        if base.mark() != self.base {
            return Err(SealError::Base);
        }
        let old = base.draft();
        let draft = ParametersDraft {
            ranges: joined(&old.ranges, &self.ranges)?,
            initiators: joined(&old.initiators, &self.initiators)?,
            rules: joined(&old.rules, &self.rules)?,
            ..self.top.clone()
        };
        SealedParameters::of_draft(&draft, &self.issuer, self.key_id, self.signature)
            .map_err(SealError::Form)
    }

    /// Which set it changes.
    pub const fn base(&self) -> Mark {
        self.base
    }

    /// Which set it gives.
    pub const fn result(&self) -> Mark {
        Mark { version: self.top.version, digest: self.digest }
    }

    /// Who is said to have signed the set that it gives.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Appends the stored form, specified in `docs/spec/standin.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut writer = Writer::new(to, 1);
        writer.u64(self.base.version).fixed(&self.base.digest).fixed(&self.digest);
        self.top.write(&mut writer)?;
        self.ranges.write(&mut writer)?;
        self.initiators.write(&mut writer)?;
        self.rules.write(&mut writer)?;
        writer.lp8(self.issuer.as_bytes())?.u8(self.key_id).fixed(&self.signature);
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let base = Mark { version: reader.u64()?, digest: reader.array()? };
        let delta = Self {
            base,
            digest: reader.array()?,
            top: Form::read(&mut reader)?,
            ranges: Form::read(&mut reader)?,
            initiators: Form::read(&mut reader)?,
            rules: Form::read(&mut reader)?,
            issuer: Reader::text(reader.lp8()?)?.into(),
            key_id: reader.u8()?,
            signature: reader.array()?,
        };
        reader.finish()?;
        let top = &delta.top;
        // What lies in pieces lies nowhere else.
        if !(top.ranges.is_empty() && top.initiators.is_empty() && top.rules.is_empty()) {
            return Err(WireError::Invalid);
        }
        Ok(delta)
    }
}

/// A stretch of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<T> {
    /// So many of the base's, from this place on.
    Kept { from: u16, count: u16 },
    /// These.
    New(Vec<T>),
}

impl<T: Form> Form for Piece<T> {
    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        match self {
            Self::Kept { from, count } => {
                to.u8(0).u16(*from).u16(*count);
                Ok(())
            }
            Self::New(items) => {
                to.u8(1);
                items.write(to)
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        match from.u8()? {
            0 => Ok(Self::Kept { from: from.u16()?, count: from.u16()? }),
            1 => Form::read(from).map(Self::New),
            _ => Err(WireError::Invalid),
        }
    }
}

fn pieces<T: PartialEq>(old: &[T], new: Vec<T>) -> Vec<Piece<T>> {
    let mut all: Vec<Piece<T>> = Vec::new();
    for item in new {
        if let Some(Piece::Kept { from, count }) = all.last_mut()
            && old.get(usize::from(*from) + usize::from(*count)) == Some(&item)
            && *count < u16::MAX
        {
            *count += 1;
            continue;
        }
        let found = old.iter().position(|one| *one == item);
        match (found.and_then(|at| u16::try_from(at).ok()), all.last_mut()) {
            (Some(from), _) => all.push(Piece::Kept { from, count: 1 }),
            (None, Some(Piece::New(items))) => items.push(item),
            (None, _) => all.push(Piece::New(alloc::vec![item])),
        }
    }
    all
}

fn joined<T: Clone>(old: &[T], pieces: &[Piece<T>]) -> Result<Vec<T>, SealError> {
    let mut all = Vec::with_capacity(old.len());
    for piece in pieces {
        let items = match piece {
            Piece::Kept { from, count } => {
                let (from, count) = (usize::from(*from), usize::from(*count));
                old.get(from..from + count).ok_or(SealError::Content)?
            }
            Piece::New(items) => items,
        };
        // Few bytes could ask for many copies.
        if all.len() + items.len() > ITEMS_MAX {
            return Err(SealError::Content);
        }
        all.extend_from_slice(items);
    }
    Ok(all)
}

/// As many as any list of a set may have.
const ITEMS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_list_comes_out_of_any_other(
            old in prop::collection::vec(0..20_u64, 0..30), new in prop::collection::vec(0..20_u64, 0..30),
        ) {
            let pieces = pieces(&old, new.clone());
            prop_assert_eq!(joined(&old, &pieces), Ok(new));
            let mut bytes = Vec::new();
            pieces.write(&mut Writer::bare(&mut bytes)).unwrap();
            prop_assert_eq!(Form::read(&mut Reader::new(&bytes)), Ok(pieces));
        }
    }

    #[test]
    fn what_did_not_change_is_not_sent() {
        let old: Vec<u64> = (0..1_000).collect();
        let mut new = old.clone();
        new[500] = 7_777;
        let pieces = pieces(&old, new);
        let kept = |from, count| Piece::Kept { from, count };
        assert_eq!(pieces, [kept(0, 500), Piece::New(alloc::vec![7_777]), kept(501, 499)]);
    }

    #[test]
    fn copies_are_bounded() {
        let old = [1_u64; 100];
        let many = alloc::vec![Piece::Kept { from: 0, count: 100 }; 101];
        assert_eq!(joined(&old, &many), Err(SealError::Content));
        assert_eq!(joined(&old, &[Piece::Kept { from: 1, count: 100 }]), Err(SealError::Content));
    }
}

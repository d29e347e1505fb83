//! What must not rest anywhere: tracks, PIN block, chip data, the account number itself.

use crate::error::{Fault, FieldError};
use crate::{Message, Pan};
use seal::{AccountRef, AccountTokens, Secret};

impl Message {
    /// Fields that hold the account number or secrets of the card: account numbers 2 and 34, tracks 35, 36 and 45, PIN
    /// block 52, chip data 55. PCI DSS 3.3 forbids to keep tracks, card codes and PIN blocks after authorization, even
    /// encrypted.
    pub const SENSITIVE: [u8; 7] = [2, 34, 35, 36, 45, 52, 55];

    /// Field 52: the encrypted PIN block.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not eight bytes.
    pub fn pin_block(&self) -> Result<Option<Secret<8>>, FieldError> {
        self.view(52, |value| value.try_into().map(Secret::new).map_err(|_| Fault::Meaning))
    }

    /// The account number of field 2, or else the one in front of the separator of track 2, field 35, or else that of
    /// track 1, field 45, between the format `B` and the separator.
    ///
    /// # Errors
    /// [`Fault::Meaning`] of the field that was looked at.
    pub fn card(&self) -> Result<Option<Pan<'_>>, FieldError> {
        if self.has(2) {
            return self.pan();
        }
        let track = if self.has(35) { 35 } else { 45 };
        self.view(track, |value| card_of_track(track, value).ok_or(Fault::Meaning))
    }

    /// As [`Message::card`], where field 2 and the tracks have the same number; a track in another format has none.
    ///
    /// # Errors
    /// As [`Message::card`]; [`Fault::Conflict`] of a track with another number.
    pub fn consistent_card(&self) -> Result<Option<Pan<'_>>, FieldError> {
        let card = self.card()?;
        for track in [35, 45] {
            let other = self.field(track).and_then(|value| card_of_track(track, value));
            if other.is_some() && other != card {
                return Err(FieldError::new(track, Fault::Conflict));
            }
        }
        Ok(card)
    }

    /// Makes a message that may be kept: takes out, and erases, every field but those that say nothing about card or
    /// holder and those that are named in `keep`, and returns what stands for the account number from now on. The
    /// [`Message::SENSITIVE`] fields go even if they are named.
    ///
    /// What a network puts into its private fields is not known here: name one only if it holds no card code.
    ///
    /// # Errors
    /// As [`Message::card`]; then nothing was taken out.
    pub fn tokenise(
        &mut self,
        tokens: &AccountTokens,
        keep: &[u8],
    ) -> Result<Option<AccountRef>, FieldError> {
        let token = self
            .card()?
            .map(|pan| pan.token(tokens).map_err(|_| FieldError::new(2, Fault::Meaning)));
        let token = token.transpose()?;
        for field in 2..=128 {
            let kept = Self::HARMLESS.contains(&field) || keep.contains(&field);
            if !kept || Self::SENSITIVE.contains(&field) {
                self.remove(field);
            }
        }
        Ok(token)
    }
}

/// The account number of track 2 (field 35) or track 1 (field 45), as ISO/IEC 7813 places it.
fn card_of_track(field: u8, track: &[u8]) -> Option<Pan<'_>> {
    let digits = match field {
        35 => track.split(|byte| matches!(byte, b'=' | b'D')).next(),
        _ => track.strip_prefix(b"B")?.split(|byte| *byte == b'^').next(),
    };
    digits.and_then(Pan::new)
}

//! A file that is served: where it is, its proof, and what it was.

use crate::Error;
use crate::area::{OpenArea, stamp};
use ::files::Proof;
use filexfer::{FileStamp, Groups, TransferId};
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, ObjectStore as _};
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) at: At,
    pub(crate) proof: Proof,
}

/// Where the bytes are.
#[derive(Debug)]
pub(crate) enum At {
    /// An object, as it was.
    Object(Object),
    /// What a transfer has in pieces.
    Pieces,
}

/// An object, as it was.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) path: Path,
    pub(crate) e_tag: Option<String>,
    pub(crate) stamp: FileStamp,
}

impl Source {
    /// Room for an encoded range and what goes before it.
    pub(crate) fn room(&self, range: &Range<u64>) -> Result<Vec<u8>, Error> {
        self.proof.room(range).ok_or(Error::Range)
    }

    /// Appends a range with what proves it; `false` if the source is not what it was, as far as the store tells.
    pub(crate) async fn encode(
        &self,
        area: &OpenArea,
        transfer: &TransferId,
        range: &Range<u64>,
        to: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let bytes = Groups::new(self.proof.size()).bytes(range);
        let content = match &self.at {
            At::Pieces => area.read(transfer, bytes).await?,
            At::Object(object) => {
                let Some(content) = object.read(area, bytes).await? else { return Ok(false) };
                content
            }
        };
        let mut groups = content.chunks(GROUP);
        // They are asked for in their order; an empty file has one, of no bytes.
        Ok(self.proof.encode(range, |_| Some(groups.next().unwrap_or_default()), to))
    }
}

impl Object {
    /// Bytes of it; `None` if it is another one meanwhile. A store that knows conditions decides that itself, and what comes
    /// says in any case of what it is.
    pub(crate) async fn read(
        &self,
        area: &OpenArea,
        bytes: Range<u64>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut options = GetOptions::new().with_if_match(self.e_tag.as_ref());
        // Nobody can give an empty range.
        if !bytes.is_empty() {
            options = options.with_range(Some(bytes.clone()));
        }
        let found = match area.store().get_opts(&self.path, options).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. } | StoreError::Precondition { .. }) => return Ok(None),
            Err(why) => {
                // A range that is not there any more is refused in as many ways as there are stores.
                let is_same = self.is_there(area).await?;
                return if is_same { Err(why.into()) } else { Ok(None) };
            }
        };
        if stamp(&found.meta) != self.stamp {
            return Ok(None);
        }
        let content = found.bytes().await?;
        let is_all = u64::try_from(content.len()).is_ok_and(|len| len == bytes.end - bytes.start);
        Ok(is_all.then(|| content.into()))
    }

    /// Whether it still is the one of its name.
    pub(crate) async fn is_there(&self, area: &OpenArea) -> Result<bool, Error> {
        Ok(area.head(&self.path).await?.is_some_and(|found| stamp(&found) == self.stamp))
    }
}

const GROUP: usize = 16_384;

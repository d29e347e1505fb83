//! A file that is served: where it is, its proof, and what it was.

use crate::Error;
use crate::area::{OpenArea, stamp};
use ::files::Proof;
use filexfer::{FileStamp, Groups, Place, TransferId};
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, ObjectStore as _};
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) from: Place,
    pub(crate) at: At,
    pub(crate) proof: Proof,
}

/// Where the bytes are.
#[derive(Debug)]
pub(crate) enum At {
    /// An object, as it was.
    Object { path: Path, e_tag: Option<String>, stamp: FileStamp },
    /// What a transfer has in pieces.
    Pieces,
}

impl Source {
    /// A range with its proof; `None` if the source is not what it was.
    pub(crate) async fn slice(
        &self,
        area: &OpenArea,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let groups = Groups::new(self.proof.size());
        if !groups.contain(range) || range.end - range.start > RANGE_GROUPS_MAX {
            return Err(Error::Range);
        }
        let bytes = groups.bytes(range);
        let content = match &self.at {
            At::Pieces => area.read(transfer, bytes).await?,
            At::Object { path, e_tag, stamp } => {
                let Some(content) = read(area, path, e_tag.as_ref(), stamp, bytes).await? else {
                    return Ok(None);
                };
                content
            }
        };
        Ok(self.proof.slice(range, &content))
    }
}

/// Bytes of an object; `None` if it is another one meanwhile. A store that knows conditions decides that itself, and what
/// comes says in any case of what it is.
async fn read(
    area: &OpenArea,
    path: &Path,
    e_tag: Option<&String>,
    was: &FileStamp,
    bytes: Range<u64>,
) -> Result<Option<Vec<u8>>, Error> {
    let mut options = GetOptions::new().with_if_match(e_tag);
    // Nobody can give an empty range.
    if !bytes.is_empty() {
        options = options.with_range(Some(bytes.clone()));
    }
    let found = match area.store().get_opts(path, options).await {
        Ok(found) => found,
        Err(StoreError::NotFound { .. } | StoreError::Precondition { .. }) => return Ok(None),
        Err(why) => {
            // A range that is not there any more is refused in as many ways as there are stores.
            let is_other = area.head(path).await?.is_none_or(|found| stamp(&found) != *was);
            return if is_other { Ok(None) } else { Err(why.into()) };
        }
    };
    if stamp(&found.meta) != *was {
        return Ok(None);
    }
    let content = found.bytes().await?;
    let is_all = u64::try_from(content.len()).is_ok_and(|len| len == bytes.end - bytes.start);
    Ok(is_all.then(|| content.into()))
}

/// 64 MiB: more than any machine asks for at a time.
const RANGE_GROUPS_MAX: u64 = 4_096;

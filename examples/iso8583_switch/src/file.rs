//! Files that are read whole: never more of them than they can be of use.

use crate::failure::Failure;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use zeroize::Zeroizing;

/// All of a file, which may be a secret.
pub(crate) fn read(path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bad = |why: String| Failure::File { path: path.into(), why };
    let file = File::open(path).map_err(|why| bad(why.to_string()))?;
    // One allocation: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
    let most = u64::try_from(bytes_max + 1).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut bytes).map_err(|why| bad(why.to_string()))?;
    if bytes.len() > bytes_max {
        return Err(bad(format!("it is longer than {bytes_max} bytes")));
    }
    Ok(bytes)
}

//! Packs that somebody has, where no server unpacks them.

use crate::failure::Failure;
use crate::options::Unpack;
use crate::packs::MODE;
use files_local::Packs;
use filexfer::FileName;
use serde_json::{Value, json};
use std::path::Path;

/// Makes the files of each pack in the folder that it lies in.
pub(crate) fn unpack(options: &Unpack) -> Result<Value, Failure> {
    let mut made = Vec::new();
    for path in &options.packs {
        let failed = |why: String| Failure::file(path, why);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = FileName::new(name).map_err(|why| failed(why.to_string()))?;
        let packs = Packs::open(folder.unwrap_or(Path::new(".")), MODE);
        let packs = packs.map_err(|why| failed(why.to_string()))?;
        let done = packs.unpack(std::slice::from_ref(&name)).into_iter().next();
        let manifest = done.transpose().map_err(|why| failed(why.to_string()))?;
        let files = manifest.map_or(0, |manifest| manifest.entries().len());
        made.push(json!({ "pack": path.display().to_string(), "files": files }));
    }
    Ok(Value::Array(made))
}

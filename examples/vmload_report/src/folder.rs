//! A folder of files, one for each machine, read by all processors; each holds the samples of one machine at a time.

use crate::failure::Failure;
use crate::fleet::stage_one;
use crate::options::Options;
use crate::profile::Profile;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use samples::{Layout, read_vm};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use vmload::{Policy, VmId};

/// Reads all files of the folder.
pub(crate) fn read(
    folder: &Path,
    layout: &Layout,
    options: &Options,
) -> Result<Vec<Profile>, Failure> {
    let files = list(folder)?;
    let stage_one = stage_one(layout.metrics(), options)?;
    let bar = bar(files.len());
    let read = |(vm, path): &(VmId, PathBuf)| {
        let fails = |why| Failure::File { path: path.clone(), why };
        let unreadable =
            |why: io::Error| fails(samples::Error::Unreadable { line: 0, kind: why.kind() });
        let mut file =
            Digesting { file: File::open(path).map_err(unreadable)?, hash: Sha256::new() };
        let read = read_vm(vm.clone(), layout, &Policy::default(), options.on_bad_row(), &mut file);
        let collected = read.map_err(fails)?;
        io::copy(&mut file, &mut io::sink()).map_err(unreadable)?;
        let profile = Profile::new(&collected, &stage_one, file.hash.finalize().into());
        bar.inc(1);
        Ok(profile)
    };
    let profiles = files.par_iter().map(read).collect();
    bar.finish_and_clear();
    profiles
}

/// The files that can be machines, by the machines' names.
fn list(folder: &Path) -> Result<Vec<(VmId, PathBuf)>, Failure> {
    let fails = |why: String| Failure::Folder { path: folder.into(), why };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|why| fails(why.kind().to_string()))? {
        let path = entry.map_err(|why| fails(why.to_string()))?.path();
        if let Some(name) = machine(&path).filter(|_| path.is_file()) {
            let vm =
                VmId::new(&name).map_err(|why| fails(format!("{name:?} is no machine: {why}")))?;
            files.push((vm, path));
        }
    }
    files.sort();
    if let Some(pair) = files.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(fails(format!("machine {} has two files", pair[0].0)));
    }
    if files.is_empty() {
        return Err(fails("it has no .csv, .tsv or .txt files, gzipped or not".into()));
    }
    Ok(files)
}

/// The machine's name, which is the file's without endings; `None` for files that are something else.
fn machine(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if name.starts_with('.') {
        return None;
    }
    let known = [".csv", ".tsv", ".txt"].iter().find_map(|ending| name.strip_suffix(ending));
    let stem = known.or_else(|| (!name.contains('.')).then_some(name))?;
    // PlanetLab's names are long, and differ at their ends
    let mut from = stem.len().saturating_sub(64);
    while !stem.is_char_boundary(from) {
        from += 1;
    }
    stem.get(from..).map(str::to_owned)
}

/// Draws on terminals alone.
fn bar(files: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(files).unwrap_or(u64::MAX));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} machines, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

struct Digesting {
    file: File,
    hash: Sha256,
}

impl Read for Digesting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

//! What cargo knows about the workspace: its packages, their targets, and the order in which they
//! depend on each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::shell::Program;

/// A workspace as `cargo metadata` describes it.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    #[serde(default)]
    workspace_default_members: Vec<String>,
    pub(crate) target_directory: PathBuf,
}

impl Workspace {
    /// Our own workspace.
    pub(crate) fn load() -> Result<Self> {
        Self::load_at("Cargo.toml")
    }

    /// Another workspace of the repository, such as `benches/Cargo.toml`.
    pub(crate) fn load_at(manifest: &str) -> Result<Self> {
        let text = Program::cargo()
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path", manifest])
            .text()?;
        serde_json::from_str(&text).context("the output of `cargo metadata` was not understood")
    }

    /// The packages that a plain `cargo test` takes.
    pub(crate) fn default_members(&self) -> Vec<&Package> {
        self.packages.iter().filter(|p| self.workspace_default_members.contains(&p.id)).collect()
    }

    /// The cores and the facade: `no_std`, no `unsafe`, no I/O.
    pub(crate) fn pure(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_pure())
    }

    /// The packages that are meant for crates.io, each after those that it needs.
    pub(crate) fn publishable(&self) -> Vec<&Package> {
        let all = self.packages.iter().filter(|p| p.publish.as_ref().is_none_or(|r| !r.is_empty()));
        in_dependency_order(all.collect())
    }

    /// A package by its name, or by the name of its folder.
    pub(crate) fn find(&self, name: &str) -> Result<&Package> {
        let found = self
            .packages
            .iter()
            .find(|p| p.name == name || p.folder().file_name().is_some_and(|f| f == name));
        match found {
            Some(package) => Ok(package),
            None => {
                let names: Vec<_> = self.packages.iter().map(|p| p.name.as_str()).collect();
                bail!("no package is called `{name}`; there are {}", names.join(", "))
            }
        }
    }
}

/// One package.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) rust_version: Option<String>,
    pub(crate) publish: Option<Vec<String>>,
    pub(crate) targets: Vec<Target>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
}

impl Package {
    /// Its folder, relative to the root of the repository; empty for the root package.
    pub(crate) fn folder(&self) -> PathBuf {
        let dir = self.manifest_path.parent().unwrap_or(Path::new(""));
        let root = std::env::current_dir().unwrap_or_default();
        dir.strip_prefix(&root).unwrap_or(dir).to_owned()
    }

    /// The names of its targets of a kind: `lib`, `bin`, `example`, `test`, `bench`.
    pub(crate) fn targets<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Target> {
        self.targets.iter().filter(move |target| target.kind.iter().any(|k| k == kind))
    }

    /// Whether it is a core or the facade.
    pub(crate) fn is_pure(&self) -> bool {
        is_pure(&self.folder())
    }

    pub(crate) fn has_library(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind.ends_with("lib")))
    }
}

/// A library, program, example, test or bench of a package.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

/// A dependency as the manifest states it.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

/// Makes the root of the repository the current folder, wherever the command was given.
pub(crate) fn enter_root() -> Result<()> {
    // `cargo run` names the folder of this package; what was known when it was built serves a bare
    // `xtask`
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = here.parent().context("xtask lies in no workspace")?;
    std::env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))
}

/// The files of the repository, as git lists them: committed ones, and new ones that are not
/// ignored.
pub(crate) fn repository_files() -> Result<Vec<PathBuf>> {
    let text = git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .context("the files of the repository are listed by git")?;
    let files: BTreeSet<_> =
        text.split('\0').filter(|f| !f.is_empty()).map(PathBuf::from).collect();
    // a file that was deleted but not yet committed is still listed
    Ok(files.into_iter().filter(|file| file.is_file()).collect())
}

/// The output of a git command on this repository.
pub(crate) fn git(args: &[&str]) -> Result<String> {
    // containers often check out as another user than they build as
    Program::new("git").args(["-c", "safe.directory=*"]).args(args).text()
}

fn is_pure(folder: &Path) -> bool {
    folder == Path::new("")
        || (folder.starts_with("crates") && !IMPURE.iter().any(|name| folder.ends_with(name)))
}

fn in_dependency_order(mut packages: Vec<&Package>) -> Vec<&Package> {
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let mut ordered: Vec<&Package> = Vec::new();
    while !packages.is_empty() {
        let names: BTreeSet<_> = packages.iter().map(|p| p.name.as_str()).collect();
        let ready = |package: &&&Package| {
            let mut needs =
                package.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev"));
            needs.all(|d| !names.contains(d.name.as_str()))
        };
        // cargo refuses cycles, so one is always ready; should it not be, any order is as good
        let next = packages.iter().find(ready).copied().unwrap_or(packages[0]);
        ordered.push(next);
        packages.retain(|package| package.id != next.id);
    }
    ordered
}

/// The crates in `crates/` that touch the world: the C boundary, and the simulator's test drivers.
const IMPURE: &[&str] = &["ffi", "simkit"];

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, needs: &[(&str, Option<&str>)]) -> Package {
        Package {
            id: name.into(),
            name: name.into(),
            version: "0.1.0".into(),
            manifest_path: format!("{name}/Cargo.toml").into(),
            rust_version: None,
            publish: None,
            targets: Vec::new(),
            dependencies: needs
                .iter()
                .map(|(name, kind)| Dependency {
                    name: (*name).into(),
                    kind: kind.map(str::to_owned),
                })
                .collect(),
            features: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_needed_comes_first_and_test_needs_do_not_count() {
        let packages = [
            package("app", &[("seal", None), ("port", None), ("serde", None)]),
            package("port", &[("app", Some("dev"))]),
            package("seal", &[("port", Some("build"))]),
        ];
        let ordered = in_dependency_order(packages.iter().collect());
        let names: Vec<_> = ordered.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["port", "seal", "app"]);
    }

    #[test]
    fn purity_goes_by_folder() {
        assert!(is_pure(Path::new("")));
        assert!(is_pure(Path::new("crates/port")));
        assert!(!is_pure(Path::new("crates/ffi")));
        assert!(!is_pure(Path::new("crates/simkit")));
        assert!(!is_pure(Path::new("adapters/store-redb")));
    }
}

//! `cargo xtask package`: what a user of crates.io would get, built as that user would build it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::sbom;
use crate::shell::Program;
use crate::steps::Steps;
use crate::workspace::{Package, Workspace};

/// Packs every publishable crate and builds consumers of the packages, outside the workspace and
/// offline.
///
/// The dependencies are vendored into target/package-check, the packages are unpacked beside them,
/// and a consumer in a temporary folder uses them with and without default features. Each pure
/// crate has a second consumer, `no_std`, for wasm32-unknown-unknown and thumbv7em-none-eabihf; a
/// target that rustup cannot add is skipped, and the summary says so. The packages and a bill of
/// materials (CycloneDX) are left in target/package.
#[derive(Args)]
pub(crate) struct Pack {
    /// Leave the builds for other targets out
    #[arg(long)]
    host_only: bool,
}

impl Pack {
    pub(crate) fn run(self) -> Result<()> {
        let workspace = Workspace::load()?;
        let packages = workspace.publishable();
        let names: Vec<_> = packages.iter().map(|p| p.name.as_str()).collect();
        println!("    in order of publication: {}", names.join(", "));
        let site = Site::new(&workspace)?;

        let mut steps = Steps::new("package");
        let prepared = steps.run("pack", || pack(&packages))
            && steps.run("unpack", || site.unpack(&packages))
            && steps.run("vendor", || {
                site.write_consumers(&packages)?;
                site.vendor()
            });
        if !prepared {
            return steps.finish("nothing was built");
        }
        steps.run("consumer with default features", || {
            site.build("consumer", &["--features", "defaults"])
        });
        steps.run("consumer without default features", || site.build("consumer", &[]));
        for target in TARGETS {
            // alone, each crate has only the features that it asks for itself
            let pure = packages.iter().filter(|p| p.is_pure());
            if self.host_only {
                steps.skip(format!("pure crates for {target} (--host-only)"));
            } else if let Err(error) = provide_target(target) {
                steps.skip(format!("pure crates for {target}: {error:#}"));
            } else {
                for package in pure {
                    steps.run(format!("{} for {target}", package.name), || {
                        site.build(&bare(package), &["--target", target])
                    });
                }
            }
        }
        steps.run("bill of materials", || {
            let file = workspace.target_directory.join("package/interbank.cdx.json");
            let text = serde_json::to_string_pretty(&sbom::bill(&names)?)? + "\n";
            std::fs::write(&file, text).with_context(|| file.display().to_string())?;
            println!("    {}", file.display());
            Ok(())
        });
        steps.finish(&format!("{} packages", packages.len()))
    }
}

/// The places of one run.
struct Site {
    /// Where cargo leaves the packages.
    packed: PathBuf,
    /// Where they are unpacked, as a user's cargo would.
    unpacked: PathBuf,
    /// Where the dependencies from crates.io are copied to.
    vendored: PathBuf,
    /// Kept between runs, so that the next one is quick.
    build: PathBuf,
    /// A home for cargo, empty but for what cargo itself puts there.
    home: PathBuf,
    /// The consumers' workspace: outside ours, or cargo would take it for a part.
    consumers: PathBuf,
}

impl Site {
    fn new(workspace: &Workspace) -> Result<Self> {
        let target = &workspace.target_directory;
        let site = Self {
            packed: target.join("package"),
            unpacked: target.join("package-check/crates"),
            vendored: target.join("package-check/vendor"),
            build: target.join("package-check/target"),
            home: target.join("package-check/home"),
            consumers: std::env::temp_dir()
                .join(format!("interbank-consumer-{}", std::process::id())),
        };
        for stale in [&site.unpacked, &site.vendored, &site.home] {
            if stale.exists() {
                std::fs::remove_dir_all(stale)?;
            }
        }
        std::fs::create_dir_all(&site.unpacked)?;
        Ok(site)
    }

    fn unpack(&self, packages: &[&Package]) -> Result<()> {
        for package in packages {
            let file = self.packed.join(format!("{}-{}.crate", package.name, package.version));
            Program::new("tar").arg("-xzf").arg(file).arg("-C").arg(&self.unpacked).run()?;
        }
        Ok(())
    }

    fn write_consumers(&self, packages: &[&Package]) -> Result<()> {
        let libraries: Vec<_> = packages.iter().copied().filter(|p| p.has_library()).collect();
        let write = |file: &str, text: &str| -> Result<()> {
            let file = self.consumers.join(file);
            std::fs::create_dir_all(file.parent().unwrap_or(&self.consumers))?;
            std::fs::write(&file, text).with_context(|| file.display().to_string())
        };
        write("Cargo.toml", &self.workspace_manifest(packages))?;
        write("consumers/all/Cargo.toml", &manifest("consumer", &libraries))?;
        write("consumers/all/src/main.rs", &program(&libraries))?;
        for package in libraries.iter().copied().filter(|p| p.is_pure()) {
            let name = bare(package);
            write(&format!("consumers/{name}/Cargo.toml"), &manifest(&name, &[package]))?;
            let library = format!("#![no_std]\n\n{}", uses(&[package]));
            write(&format!("consumers/{name}/src/lib.rs"), &library)?;
        }
        // the versions that we test with; cargo drops what the consumers do not need
        std::fs::copy("Cargo.lock", self.consumers.join("Cargo.lock"))?;
        Ok(())
    }

    fn workspace_manifest(&self, packages: &[&Package]) -> String {
        let mut text = String::from(
            "[workspace]\nresolver = \"3\"\nmembers = [\"consumers/*\"]\n\n[patch.crates-io]\n",
        );
        for Package { name, version, .. } in packages {
            let path = self.unpacked.join(format!("{name}-{version}"));
            let _ = writeln!(text, "{name} = {{ path = {:?} }}", path.display().to_string());
        }
        text
    }

    fn vendor(&self) -> Result<()> {
        Program::cargo()
            .args(["vendor", "--quiet", "--versioned-dirs"])
            .arg(&self.vendored)
            .dir(&self.consumers)
            .run()?;
        let dir = self.consumers.join(".cargo");
        std::fs::create_dir_all(&dir)?;
        let config = format!(
            "[source.crates-io]\nreplace-with = \"vendored\"\n\n[source.vendored]\ndirectory = {:?}\n",
            self.vendored.display().to_string()
        );
        std::fs::write(dir.join("config.toml"), config)?;
        Ok(())
    }

    fn build(&self, package: &str, args: &[&str]) -> Result<()> {
        Program::cargo()
            .args(["build", "--offline", "--locked", "--package", package])
            .args(args)
            .env("CARGO_TARGET_DIR", &self.build)
            // a home of its own, so that nothing comes from a cache that a user would not have
            .env("CARGO_HOME", &self.home)
            .dir(&self.consumers)
            .run()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // left behind it does no harm: it lies in the folder for temporary files
        let _ = std::fs::remove_dir_all(&self.consumers);
    }
}

fn pack(packages: &[&Package]) -> Result<()> {
    if packages.is_empty() {
        bail!("nothing is publishable");
    }
    // the consumers verify more than cargo would; changes are packed so that they can be tried
    // before they are committed
    let mut cargo = Program::cargo().args(["package", "--no-verify", "--allow-dirty"]);
    for package in packages {
        cargo = cargo.args(["--package", &package.name]);
    }
    cargo.run()
}

/// The consumer of one pure crate.
fn bare(package: &Package) -> String {
    format!("bare-{}", package.name)
}

/// Makes sure that the target's core library is installed, or says why that cannot be.
fn provide_target(target: &str) -> Result<()> {
    let libraries =
        Program::new("rustc").args(["--print", "target-libdir", "--target", target]).text()?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    Program::new("rustup").args(["target", "add", target]).run()
}

fn manifest(name: &str, packages: &[&Package]) -> String {
    let mut text = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[dependencies]\n"
    );
    for Package { name, version, .. } in packages {
        let _ = writeln!(text, "{name} = {{ version = \"={version}\", default-features = false }}");
    }
    let defaults: Vec<_> = packages
        .iter()
        .filter(|package| package.features.contains_key("default"))
        .map(|package| format!("\"{}/default\"", package.name))
        .collect();
    let _ = write!(text, "\n[features]\ndefaults = [{}]\n", defaults.join(", "));
    text
}

fn program(packages: &[&Package]) -> String {
    format!("{}\nfn main() {{}}\n", uses(packages))
}

fn uses(packages: &[&Package]) -> String {
    let lines =
        packages.iter().map(|package| format!("use {} as _;\n", package.name.replace('-', "_")));
    lines.collect()
}

/// A browser's virtual machine, and a controller without an operating system.
const TARGETS: &[&str] = &["wasm32-unknown-unknown", "thumbv7em-none-eabihf"];

//! The cores are pure: `no_std`, without `unsafe`, and nothing that touches the world among what
//! they depend on.

use anyhow::{Context, Result};
use quote::ToTokens;

use crate::shell::Program;
use crate::workspace::{Package, Workspace};

/// One line for each breach.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for package in &workspace.packages {
        if package.rust_version.is_none() {
            faults.push(format!("{}: the manifest has no rust-version", package.name));
        }
    }
    for package in workspace.pure() {
        for library in package.targets("lib") {
            let text = std::fs::read_to_string(&library.src_path)
                .with_context(|| format!("cannot read {}", library.src_path.display()))?;
            let missing = missing_attributes(&text)?;
            faults.extend(missing.iter().map(|a| format!("{}: lib.rs lacks `{a}`", package.name)));
        }
        for name in worldly_dependencies(package)? {
            faults.push(format!("{}: depends on {name}, which touches the world", package.name));
        }
    }
    Ok(faults)
}

fn missing_attributes(text: &str) -> Result<Vec<&'static str>> {
    let syntax = syn::parse_file(text)?;
    let present: Vec<String> = syntax
        .attrs
        .iter()
        .map(|attribute| squeezed(&attribute.to_token_stream().to_string()))
        .collect();
    let is_missing = |wanted: &&str| !present.contains(&squeezed(wanted));
    Ok(REQUIRED.iter().copied().filter(is_missing).collect())
}

/// Dependencies at any depth, with all features, that a core must not have.
fn worldly_dependencies(package: &Package) -> Result<Vec<String>> {
    let tree = Program::cargo()
        .args(["tree", "--edges", "normal", "--prefix", "none", "--all-features"])
        .args(["--format", "{p}", "--package", &package.name])
        .text()?;
    Ok(worldly(&tree))
}

fn worldly(tree: &str) -> Vec<String> {
    let mut names: Vec<_> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| WORLDLY.contains(name))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// What the first lines of a core say.
const REQUIRED: &[&str] =
    &["#![doc = include_str!(\"../README.md\")]", "#![no_std]", "#![forbid(unsafe_code)]"];

/// Packages that open files and sockets, read clocks and entropy, or bring a runtime.
const WORLDLY: &[&str] = &[
    "async-std",
    "chrono",
    "dirs",
    "getrandom",
    "hyper",
    "iana-time-zone",
    "mio",
    "native-tls",
    "openssl",
    "polling",
    "quinn",
    "redb",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tracing-subscriber",
    "ureq",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_attributes_are_required_in_any_spacing() {
        let good =
            "#![doc = include_str!(\"../README.md\")]\n#![no_std]\n#![ forbid( unsafe_code ) ]\n";
        assert_eq!(missing_attributes(good).unwrap(), [""; 0]);
        let bad =
            "//! no_std\n#![cfg_attr(not(feature = \"std\"), no_std)]\n#![deny(unsafe_code)]\n";
        assert_eq!(missing_attributes(bad).unwrap(), REQUIRED);
    }

    #[test]
    fn the_world_is_found_at_any_depth() {
        let tree = "interbank-port v0.1.0 (/x)\nbytes v1.12.2\ntokio v1.54.1\nmio v1.0.0\ntokio v1.54.1 (*)\n";
        assert_eq!(worldly(tree), ["mio", "tokio"]);
    }
}

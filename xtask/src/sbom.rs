//! The bill of materials: what our packages contain, as CycloneDX 1.5.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::shell::Program;

/// The bill of these packages: everything that is compiled into them or runs while they are built,
/// not what tests use.
pub(crate) fn bill(roots: &[&str]) -> Result<Value> {
    let text = Program::cargo()
        .args(["metadata", "--format-version", "1", "--all-features", "--locked"])
        .text()?;
    let graph: Graph = serde_json::from_str(&text)?;
    let lock: Lock = toml::from_str(&std::fs::read_to_string("Cargo.lock")?)?;
    describe(&graph, &lock, roots)
}

fn describe(graph: &Graph, lock: &Lock, roots: &[&str]) -> Result<Value> {
    let packages: BTreeMap<&str, &Package> =
        graph.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let nodes: BTreeMap<&str, &Node> =
        graph.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let ours: Vec<&Package> = packages
        .values()
        .copied()
        .filter(|p| p.source.is_none() && roots.contains(&p.name.as_str()))
        .collect();
    let mut open: Vec<&str> = ours.iter().map(|p| p.id.as_str()).collect();
    let mut contained = BTreeSet::new();
    while let Some(id) = open.pop() {
        if contained.insert(id) {
            open.extend(nodes.get(id).context("cargo's graph has a hole")?.shipped());
        }
    }
    let checksums: BTreeMap<_, _> = lock
        .package
        .iter()
        .filter_map(|p| Some(((p.name.as_str(), p.version.as_str()), p.checksum.as_deref()?)))
        .collect();

    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for id in &contained {
        let package = packages.get(id).context("cargo's graph has a hole")?;
        let checksum = checksums.get(&(package.name.as_str(), package.version.as_str()));
        components.push(package.component(checksum.copied()));
        let needs: BTreeSet<String> = nodes[id]
            .shipped()
            .filter_map(|id| packages.get(id))
            .map(|package| package.purl())
            .collect();
        dependencies.push(json!({ "ref": package.purl(), "dependsOn": needs }));
    }
    let ours: BTreeSet<String> = ours.iter().map(|package| package.purl()).collect();
    dependencies.push(json!({ "ref": FAMILY, "dependsOn": ours }));
    let by =
        |name: &'static str| move |a: &Value, b: &Value| a[name].as_str().cmp(&b[name].as_str());
    components.sort_by(by("bom-ref"));
    dependencies.sort_by(by("ref"));
    // no time and no serial number: the same lock file gives the same bill
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": { "type": "library", "bom-ref": FAMILY, "name": FAMILY },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

#[derive(Deserialize)]
struct Graph {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    description: Option<String>,
    repository: Option<String>,
    source: Option<String>,
}

impl Package {
    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn component(&self, checksum: Option<&str>) -> Value {
        let mut component = json!({
            "type": "library",
            "bom-ref": self.purl(),
            "name": self.name,
            "version": self.version,
            "purl": self.purl(),
        });
        if let Some(description) = &self.description {
            component["description"] = json!(description.trim());
        }
        if let Some(license) = &self.license {
            // older manifests separate with a slash, which SPDX does not know
            let expression = license.replace(" / ", " OR ").replace('/', " OR ");
            component["licenses"] = json!([{ "expression": expression }]);
        }
        if let Some(checksum) = checksum {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        if let Some(repository) = &self.repository {
            component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
        }
        component
    }
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

impl Node {
    /// What it needs beyond its tests.
    fn shipped(&self) -> impl Iterator<Item = &str> {
        let is_shipped =
            |edge: &&Edge| edge.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
        self.deps.iter().filter(is_shipped).map(|edge| edge.pkg.as_str())
    }
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// The bill's own subject: all of our packages together.
const FAMILY: &str = "interbank-family";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_follows_what_is_shipped_and_leaves_tests_out() {
        let graph: Graph = serde_json::from_value(json!({
            "packages": [
                { "id": "a", "name": "ours", "version": "0.1.0", "license": "MIT OR Apache-2.0" },
                { "id": "b", "name": "bytes", "version": "1.0.0", "license": "MIT/Apache-2.0", "source": "registry" },
                { "id": "c", "name": "proptest", "version": "1.0.0", "source": "registry" },
            ],
            "resolve": { "nodes": [
                { "id": "a", "deps": [
                    { "pkg": "b", "dep_kinds": [{ "kind": null }] },
                    { "pkg": "c", "dep_kinds": [{ "kind": "dev" }] },
                ] },
                { "id": "b", "deps": [] },
                { "id": "c", "deps": [] },
            ] },
        }))
        .unwrap();
        let lock: Lock =
            toml::from_str("[[package]]\nname = 'bytes'\nversion = '1.0.0'\nchecksum = 'ab'\n")
                .unwrap();
        let bill = describe(&graph, &lock, &["ours"]).unwrap();
        let components = bill["components"].as_array().unwrap();
        assert_eq!(components.len(), 2);
        assert_eq!(components[0]["purl"], "pkg:cargo/bytes@1.0.0");
        assert_eq!(components[0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(components[0]["hashes"][0]["content"], "ab");
        assert_eq!(bill["dependencies"][2]["dependsOn"], json!(["pkg:cargo/bytes@1.0.0"]));
        assert_eq!(bill["dependencies"][0]["ref"], "interbank-family");
        assert_eq!(bill["dependencies"][0]["dependsOn"], json!(["pkg:cargo/ours@0.1.0"]));
    }
}

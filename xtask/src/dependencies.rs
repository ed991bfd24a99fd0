//! Whether every crate that the project builds may be used: licence, source and name, by the
//! rules of `deny.toml`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::{self, cargo, finish};
use crate::suite::Tally;

/// The part of `deny.toml` that is checked here.
#[derive(Debug, Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    /// Crates that may depend on it all the same.
    #[serde(default)]
    wrappers: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

/// The part of `cargo metadata` that is checked here.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

/// Who depends on whom, as it is built.
#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Checks every crate of the lock file, and security advisories where `cargo deny` is there.
pub(crate) fn check() -> Result<Tally> {
    let rules = fs::read_to_string(shell::root().join("deny.toml")).context("cannot read deny.toml")?;
    let rules: Rules = toml::from_str(&rules).context("deny.toml")?;
    let arguments = ["metadata", "--format-version=1", "--locked", "--filter-platform=x86_64-unknown-linux-gnu"];
    let output = cargo(&arguments).output().context("cannot run cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let mut tally = Tally::default();
    for package in &metadata.packages {
        tally.add(match objection(package, &rules, &dependents(package, &metadata)) {
            None => Tally::pass(),
            Some(objection) => Tally::fail(format!("{} {}: {objection}", package.name, package.version)),
        });
    }
    tally.add(advisories()?);
    Ok(tally)
}

/// Looks up security advisories, which takes a program and a network that not everybody has.
fn advisories() -> Result<Tally> {
    if !shell::has("cargo-deny") {
        let note = "advisories are looked up only where cargo-deny is installed".to_owned();
        return Ok(Tally { notes: vec![note], ..Tally::default() });
    }
    let ended = finish("cargo-deny", &mut cargo(&["deny", "check"]))?;
    if ended.status.success() {
        return Ok(Tally::pass());
    }
    shell::show_tail(&ended.output);
    Ok(Tally::fail("cargo deny check"))
}

/// The names of the crates that depend on a crate.
fn dependents<'a>(package: &Package, metadata: &'a Metadata) -> Vec<&'a str> {
    let nodes = metadata.resolve.nodes.iter().filter(|node| node.dependencies.contains(&package.id));
    let name =
        |node: &Node| metadata.packages.iter().find(|other| other.id == node.id).map(|other| other.name.as_str());
    nodes.filter_map(name).collect()
}

fn objection(package: &Package, rules: &Rules, dependents: &[&str]) -> Option<String> {
    let source = package.source.as_deref()?;
    let is_wrapped = |ban: &Ban| !dependents.is_empty() && dependents.iter().all(|name| ban.wrappers.contains(*name));
    if rules.bans.deny.iter().any(|ban| ban.name == package.name && !is_wrapped(ban)) {
        return Some("banned".to_owned());
    }
    let registry = source.strip_prefix("registry+");
    if !registry.is_some_and(|registry| rules.sources.allow_registry.iter().any(|allowed| allowed == registry)) {
        return Some(format!("comes from {source}"));
    }
    let license = package.license.as_deref().unwrap_or("none");
    (!allows(&rules.licenses.allow, license)).then(|| format!("licence {license}"))
}

/// Whether an SPDX expression can be satisfied with allowed licences alone.
fn allows(allowed: &BTreeSet<String>, expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let (value, rest) = any_of(allowed, &tokens);
    value && rest.is_empty()
}

fn any_of<'t, 's>(allowed: &BTreeSet<String>, tokens: &'t [&'s str]) -> (bool, &'t [&'s str]) {
    let (mut value, mut rest) = all_of(allowed, tokens);
    while let ["OR", after @ ..] = rest {
        let (other, left) = all_of(allowed, after);
        (value, rest) = (value || other, left);
    }
    (value, rest)
}

fn all_of<'t, 's>(allowed: &BTreeSet<String>, tokens: &'t [&'s str]) -> (bool, &'t [&'s str]) {
    let (mut value, mut rest) = one(allowed, tokens);
    while let ["AND", after @ ..] = rest {
        let (other, left) = one(allowed, after);
        (value, rest) = (value && other, left);
    }
    (value, rest)
}

fn one<'t, 's>(allowed: &BTreeSet<String>, tokens: &'t [&'s str]) -> (bool, &'t [&'s str]) {
    match tokens {
        ["(", inner @ ..] => match any_of(allowed, inner) {
            (value, [")", rest @ ..]) => (value, rest),
            (_, rest) => (false, rest),
        },
        [license, "WITH", exception, rest @ ..] => (allowed.contains(&format!("{license} WITH {exception}")), rest),
        [license, rest @ ..] => (allowed.contains(*license), rest),
        [] => (false, tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_allowed_if_one_way_through_the_expression_is() {
        let allowed = ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(GPL-3.0 OR MIT) AND Zlib",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(allows(&allowed, good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Zlib) AND GPL-3.0", "", "MIT MIT", "(MIT"] {
            assert!(!allows(&allowed, bad), "{bad}");
        }
    }
}

//! Whether what the documents point at is there.

use std::path::{Component, Path, PathBuf};

use regex::Regex;

use super::Source;
use crate::shell;

/// A map is only useful while it is smaller than the country.
const ARCHITECTURE_LINES_MAX: usize = 300;
/// A path in backticks that begins like this must exist.
const ROOMS: [&str; 7] = ["crates/", "docs/", "xtask/", "conformance/", "examples/", "console/", ".ci/"];

/// Returns dead links, dead paths, decisions that no index names and maps that are too long.
pub(super) fn complaints(sources: &[Source]) -> Vec<String> {
    let documents: Vec<&Source> = sources.iter().filter(|source| source.path.ends_with(".md")).collect();
    let mut complaints: Vec<String> = documents.iter().flat_map(|document| dead_ends(document)).collect();
    complaints.extend(documents.iter().filter_map(|document| too_long(document)));
    complaints.extend(unlisted_decisions(&documents));
    complaints
}

/// Links and paths in one document that lead nowhere.
fn dead_ends(document: &Source) -> Vec<String> {
    let (Ok(link), Ok(path)) = (Regex::new(r"\]\(([^)\s#]+)[^)]*\)"), Regex::new(r"`([\w.-]+/[\w./-]*)`")) else {
        return vec!["a pattern of this check is wrong".to_owned()];
    };
    let folder = Path::new(&document.path).parent().unwrap_or(Path::new(""));
    let links = link.captures_iter(&document.text).map(|found| found.extract::<1>().1[0]);
    let dead_links =
        links.filter(|to| !to.contains("://") && !to.starts_with("mailto:")).filter(|to| !exists(&folder.join(to)));
    let paths = path.captures_iter(&document.text).map(|found| found.extract::<1>().1[0]);
    let ours = paths.filter(|path| ROOMS.iter().any(|room| path.starts_with(room)));
    let dead_paths = ours.filter(|path| !exists(Path::new(path)));
    dead_links.chain(dead_paths).map(|to| format!("{} points at {to}, which is not there", document.path)).collect()
}

fn exists(path: &Path) -> bool {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    shell::root().join(plain).exists()
}

fn too_long(document: &Source) -> Option<String> {
    let lines = document.text.lines().count();
    let is_too_long = document.path == "ARCHITECTURE.md" && lines >= ARCHITECTURE_LINES_MAX;
    is_too_long.then(|| format!("ARCHITECTURE.md has {lines} lines, it must stay under {ARCHITECTURE_LINES_MAX}"))
}

/// Decisions that `docs/adr/README.md` does not list, and numbers that are taken twice.
fn unlisted_decisions(documents: &[&Source]) -> Vec<String> {
    const FOLDER: &str = "docs/adr/";
    let index = documents.iter().find(|document| document.path == "docs/adr/README.md");
    let index = index.map_or("", |document| document.text.as_str());
    let mut complaints = Vec::new();
    let mut numbers = Vec::new();
    for name in documents.iter().filter_map(|document| document.path.strip_prefix(FOLDER)) {
        let number = name.split('-').next().filter(|number| number.chars().all(|digit| digit.is_ascii_digit()));
        let Some(number) = number else { continue };
        if !index.contains(name) {
            complaints.push(format!("docs/adr/README.md does not list {name}"));
        }
        if numbers.contains(&number) {
            complaints.push(format!("two decisions have the number {number}"));
        }
        numbers.push(number);
    }
    complaints
}

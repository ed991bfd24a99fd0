//! How long a file may be: 500 lines without its tests. Files that are longer stand in
//! `long_files.txt` with their length, and may only shrink.

use std::collections::BTreeMap;

use super::Source;

const LINES_MAX: usize = 500;
const LIST: &str = "xtask/src/tidy/long_files.txt";
const OLD_OFFENDERS: &str = include_str!("long_files.txt");

/// Returns every file that is longer than it may be, and every entry of the list that has
/// become too generous.
pub(super) fn complaints(sources: &[Source]) -> Vec<String> {
    let allowances: BTreeMap<&str, usize> = OLD_OFFENDERS.lines().filter_map(entry).collect();
    let lengths: BTreeMap<&str, usize> = sources
        .iter()
        .filter(|source| is_ours(source))
        .map(|source| (source.path.as_str(), length(&source.text)))
        .collect();
    let too_long = lengths.iter().filter_map(|(path, length)| {
        let allowed = allowances.get(path).copied().unwrap_or(LINES_MAX);
        (*length > allowed).then(|| format!("{path} has {length} lines, {allowed} are allowed"))
    });
    let too_generous = allowances.iter().filter_map(|(path, allowed)| {
        let length = lengths.get(path).copied().unwrap_or(0);
        let advice = if length > LINES_MAX { format!("say {length}") } else { "take it out".to_owned() };
        (length < *allowed).then(|| format!("{path} has shrunk to {length} lines: {advice} in {LIST}"))
    });
    too_long.chain(too_generous).collect()
}

fn entry(line: &str) -> Option<(&str, usize)> {
    let (path, lines) = line.split_once(' ')?;
    Some((path, lines.trim().parse().ok()?))
}

fn is_ours(source: &Source) -> bool {
    let is_test = source.path.contains("/tests/") || source.path.ends_with("/tests.rs");
    let is_generated = source.text.lines().take(3).any(|line| line.contains("@generated"));
    source.path.ends_with(".rs") && !is_test && !is_generated
}

/// The lines of a file up to its tests.
fn length(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |line: &str| line.trim_start_matches("pub(crate) ").starts_with("mod ");
    let tests_at = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && begins(pair[1]));
    tests_at.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_at_the_end_of_a_file_do_not_count() {
        assert_eq!(length("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(length("a\n#[cfg(test)]\npub(crate) mod tests {\n}\n"), 1);
        assert_eq!(length("a\n#[cfg(test)]\nuse x;\nb\n"), 4);
    }

    #[test]
    fn a_long_file_is_reported_unless_it_is_generated() {
        let file = |head: &str| Source { path: "crates/x/src/a.rs".to_owned(), text: format!("{head}\n").repeat(501) };
        assert_eq!(complaints(&[file("x")])[0], "crates/x/src/a.rs has 501 lines, 500 are allowed");
        let too_long = complaints(&[file("// @generated")]).into_iter().filter(|line| line.contains("a.rs"));
        assert_eq!(too_long.count(), 0);
    }
}

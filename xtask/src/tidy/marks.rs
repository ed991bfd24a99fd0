//! Work that somebody meant to come back to.

use super::Source;

/// Written in halves, so that this file does not find itself.
const MARKS: [(&str, &str); 8] = [
    ("FIX", "ME"),
    ("XX", "X"),
    ("todo", "!("),
    ("unimplemented", "!("),
    ("dbg", "!("),
    ("#[ign", "ore"),
    // Of two versions that were to become one.
    ("<<<<", "<<< "),
    (">>>>", ">>> "),
];
const ENDINGS: [&str; 8] = [".rs", ".py", ".go", ".java", ".js", ".mjs", ".md", ".toml"];

/// Returns every line with such a mark.
pub(super) fn complaints(sources: &[Source]) -> Vec<String> {
    let marks = MARKS.map(|(head, tail)| format!("{head}{tail}"));
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| ENDINGS.iter().any(|ending| source.path.ends_with(ending))) {
        for (index, line) in source.text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(mark.as_str())) {
                complaints.push(format!("{}:{} says {mark}", source.path, index + 1));
            }
        }
    }
    complaints
}

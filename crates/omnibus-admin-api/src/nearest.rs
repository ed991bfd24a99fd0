//! The known word that somebody who wrote an unknown one probably meant.

/// Finds the nearest of `known`, if one is near enough to be worth naming.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    let distances = known.into_iter().map(|candidate| (distance(&word, &plain(candidate)), candidate));
    let (distance, candidate) = distances.min()?;
    (distance <= word.len().div_ceil(2)).then_some(candidate)
}

/// Spelling habits aside: `retention.ms`, `retention-ms` and `RETENTION_MS` are alike.
fn plain(word: &str) -> Vec<u8> {
    word.bytes().map(|byte| if matches!(byte, b'.' | b'-') { b'_' } else { byte.to_ascii_lowercase() }).collect()
}

/// How many letters must be put in, taken out or replaced (Levenshtein).
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (done, letter) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = done + 1;
        for (at, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_named() {
        let known = ["kafka.listen", "kafka.advertised", "admin.listen"];
        assert_eq!(nearest("kafka.lisen", known), Some("kafka.listen"));
        assert_eq!(nearest("KAFKA_ADVERTISED", known), Some("kafka.advertised"));
        assert_eq!(nearest("zzz", known), None);
        assert_eq!(nearest("x", []), None);
    }
}

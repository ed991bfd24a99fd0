//! Patterns of words with `*` for one and `#` for any number, as a tree that is walked once per key.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Destination;

/// The patterns of an exchange.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    words: BTreeMap<Bytes, Self>,
    any_one: Option<Box<Self>>,
    any_number: Option<Box<Self>>,
    /// It stands behind a `#`.
    is_any_number: bool,
    ends: Vec<Destination>,
}

impl FromIterator<(Bytes, Destination)> for Patterns {
    fn from_iter<T: IntoIterator<Item = (Bytes, Destination)>>(patterns: T) -> Self {
        let mut root = Node::default();
        for (pattern, destination) in patterns {
            let mut node = &mut root;
            for word in words(&pattern) {
                node = match &word[..] {
                    b"*" => node.any_one.get_or_insert_default(),
                    b"#" => {
                        node.any_number.get_or_insert_with(|| Box::new(Node { is_any_number: true, ..Node::default() }))
                    }
                    _ => node.words.entry(word).or_default(),
                };
            }
            node.ends.push(destination);
        }
        Self { root }
    }
}

impl Patterns {
    /// Adds where the patterns lead that a key matches.
    pub(super) fn matching(&self, key: &Bytes, found: &mut Vec<Destination>) {
        let words = words(key);
        // All nodes that the words so far lead to: each once, so that many `#` cost no more than their number.
        let mut here: Vec<&Node> = Vec::new();
        reach(&self.root, &mut here);
        for word in &words {
            let mut next = Vec::new();
            for node in &here {
                let one = node.words.get(word).into_iter().chain(node.any_one.as_deref());
                one.for_each(|node| reach(node, &mut next));
                // It may take one word more.
                if node.is_any_number {
                    reach(node, &mut next);
                }
            }
            here = next;
        }
        found.extend(here.into_iter().flat_map(|node| node.ends.iter().cloned()));
    }
}

/// Adds a node, and those behind it that want no word.
fn reach<'a>(node: &'a Node, nodes: &mut Vec<&'a Node>) {
    if nodes.iter().any(|known| std::ptr::eq(*known, node)) {
        return;
    }
    nodes.push(node);
    if let Some(more) = &node.any_number {
        reach(more, nodes);
    }
}

/// The words between dots; nothing has none.
fn words(text: &Bytes) -> Vec<Bytes> {
    if text.is_empty() {
        Vec::new()
    } else {
        text.split(|byte| *byte == b'.').map(|word| text.slice_ref(word)).collect()
    }
}

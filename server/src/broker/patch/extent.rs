//! How large a value is, and how large a patch may make it.
//!
//! A patch of a few bytes can ask for much: a copy of everything into itself doubles the value with
//! each operation. What an operation makes is bounded before it is made.

use outpour_core::ErrorCode;

use super::document::Node;
use crate::broker::json::MAX_DEPTH;

/// The most nodes that a patch may copy or shift, about a tenth of a second's work.
const MAX_WORK: usize = 2_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    /// About, as JSON text.
    pub(super) bytes: usize,
    pub(super) nodes: usize,
    pub(super) depth: usize,
}

/// What a document has come to while it is patched.
#[derive(Debug)]
pub(super) struct Bounds {
    bytes: usize,
    work: usize,
    max_bytes: usize,
}

impl Extent {
    pub(super) fn of(node: &Node<'_>) -> Self {
        let leaf = |bytes| Self { bytes, nodes: 1, depth: 0 };
        match node {
            Node::Leaf(text) => leaf(text.len()),
            Node::Array(values) => values.iter().fold(leaf(2), |all, value| all.with(Self::of(value), 1)),
            Node::Object(members) => {
                members.iter().fold(leaf(2), |all, (name, member)| all.with(Self::of(&member.value), name.len() + 4))
            }
        }
    }

    fn with(self, part: Self, more: usize) -> Self {
        Self {
            bytes: self.bytes + part.bytes + more,
            nodes: self.nodes + part.nodes,
            depth: self.depth.max(part.depth + 1),
        }
    }
}

impl Bounds {
    /// A document on its way may be twice as large as a value.
    pub(super) fn new(document: &Node<'_>, max_value: usize) -> Self {
        Self { bytes: Extent::of(document).bytes, work: 0, max_bytes: max_value.saturating_mul(2) }
    }

    /// Counts work on so many nodes.
    pub(super) fn work(&mut self, nodes: usize) -> Result<(), ErrorCode> {
        self.work = self.work.saturating_add(nodes);
        if self.work > MAX_WORK { Err(ErrorCode::BadPatch) } else { Ok(()) }
    }

    /// Counts a value that comes in at this depth.
    pub(super) fn add(&mut self, new: Extent, depth: usize, name: usize) -> Result<(), ErrorCode> {
        self.bytes = self.bytes.saturating_add(new.bytes + name);
        if self.bytes > self.max_bytes {
            return Err(ErrorCode::TooLarge);
        }
        if depth + new.depth > MAX_DEPTH { Err(ErrorCode::BadPatch) } else { self.work(1 + new.nodes) }
    }

    /// Counts a value that has gone.
    pub(super) fn remove(&mut self, old: &Node<'_>) -> Result<(), ErrorCode> {
        let old = Extent::of(old);
        self.bytes = self.bytes.saturating_sub(old.bytes);
        self.work(1 + old.nodes)
    }
}

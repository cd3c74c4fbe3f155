//! Changes to a JSON value that are described rather than sent whole.
//!
//! What a patch does not touch stays as its publisher wrote it, to the last digit and escape; only
//! white space between tokens goes.

mod document;
mod extent;
mod operation;

#[cfg(test)]
mod tests;

use outpour_core::ErrorCode;

use document::Node;

/// The value after RFC 6902 operations, as compact JSON text.
pub(super) fn json_patch(value: &[u8], patch: &[u8], max_value: usize) -> Result<Vec<u8>, ErrorCode> {
    let mut document = Node::parse(value)?;
    operation::apply(&mut document, &Node::parse(patch)?, max_value)?;
    Ok(document.to_vec())
}

/// The value after an RFC 7386 merge patch, as compact JSON text.
pub(super) fn merge_patch(value: &[u8], patch: &[u8]) -> Result<Vec<u8>, ErrorCode> {
    let mut document = Node::parse(value)?;
    document.merge(Node::parse(patch)?);
    Ok(document.to_vec())
}

//! Finding topics by path and selector, and selectors by path.

mod selector_index;
mod tree;

pub use selector_index::SelectorIndex;
pub use tree::{Cursor, TopicTree};

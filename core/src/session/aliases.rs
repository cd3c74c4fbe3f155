//! Paths that are published often, and the short names that they have on one connection.

use super::ordered::Index;
use crate::path::Path;
use crate::wire::PublishPath;

/// How many paths may be given an alias on a connection.
const MAX_ALIASES: usize = 1024;

/// The aliases of one connection: a path gets one the second time it is published.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    given: Index<Path>,
    /// Published once.
    seen: Index<Path>,
}

impl Aliases {
    pub(super) fn clear(&mut self) {
        self.given.clear();
        self.seen.clear();
    }

    /// How to name a path now.
    pub(super) fn name<'a>(&mut self, path: &'a Path) -> PublishPath<'a> {
        let text = path.as_str().as_bytes();
        if let Some(alias) = self.given.get(path.as_str()) {
            return PublishPath::Alias(alias);
        }
        if self.given.len() < MAX_ALIASES && self.seen.remove(path.as_str()).is_some() {
            let alias = self.given.len() as u32;
            self.given.insert(path.clone(), alias);
            return PublishPath::Define(alias, text);
        }
        if self.seen.len() < MAX_ALIASES {
            self.seen.insert(path.clone(), 0);
        }
        PublishPath::Whole(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_path_published_twice_gets_a_short_name() {
        let mut aliases = Aliases::default();
        let (a, b) = (Path::new("a").unwrap(), Path::new("b").unwrap());
        assert_eq!(aliases.name(&a), PublishPath::Whole(b"a"));
        assert_eq!(aliases.name(&b), PublishPath::Whole(b"b"));
        assert_eq!(aliases.name(&b), PublishPath::Define(0, b"b"));
        assert_eq!(aliases.name(&a), PublishPath::Define(1, b"a"));
        assert_eq!(aliases.name(&b), PublishPath::Alias(0));
        aliases.clear();
        assert_eq!(aliases.name(&b), PublishPath::Whole(b"b"));
    }

    #[test]
    fn there_is_a_bound() {
        let mut aliases = Aliases::default();
        for _ in 0..2 {
            for number in 0..5000 {
                let _name = aliases.name(&Path::new(&format!("a/{number}")).unwrap());
            }
        }
        assert!(aliases.given.len() <= MAX_ALIASES && aliases.seen.len() <= MAX_ALIASES);
    }
}

//! A selector as a search through ordered paths follows it.

use std::cmp::Ordering;

use outpour_core::Selector;

/// What follows everything below a path, in place of the path's next segment: UTF-8 has no such byte.
const BELOW: &[u8] = b"/\xff";

/// How many comparisons of segments cost about as much as a step from one path to the next. A path
/// with a selector of many wildcards takes as many as the segments of the one times those of the other.
const COMPARISONS_PER_STEP: usize = 8;

/// A selector with wildcards: the segments before the first `**` say where to go on when a path doesn't
/// match; the rest says no more than whether it does.
#[derive(Debug)]
pub(super) struct Pattern<'s> {
    selector: &'s Selector,
    head: Vec<Head<'s>>,
    tail: Tail<'s>,
}

/// A segment before the first `**`.
#[derive(Debug)]
enum Head<'s> {
    Any,
    Literal {
        segment: &'s str,
        /// This segment and the literal ones after it.
        run: &'s str,
    },
}

/// What follows the segments before the first `**`.
#[derive(Debug)]
enum Tail<'s> {
    /// Nothing.
    End,
    /// Only `**`.
    All,
    /// `**` and more; what the last segment is, if that is a literal.
    Deep { segments: usize, last: Option<&'s str> },
}

/// How the search goes on after a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// With the path that follows.
    Following,
    /// With the first path that is not before the target.
    Jump,
    /// Nothing more can match.
    End,
}

impl<'s> Pattern<'s> {
    pub(super) fn new(selector: &'s Selector) -> Self {
        let text = selector.as_str();
        let head_segments = selector.segments().take_while(|segment| *segment != "**");
        let mut head = Vec::new();
        let mut start = 0;
        let mut literals = 0..0;
        for segment in head_segments {
            let end = start + segment.len();
            if segment == "*" {
                head.push(Head::Any);
            } else {
                if start >= literals.end {
                    literals = start..run_end(text, start);
                }
                head.push(Head::Literal { segment, run: text.get(start..literals.end).unwrap_or(segment) });
            }
            start = end + 1;
        }
        let tail = match text.get(start..) {
            None | Some("") => Tail::End,
            Some("**") => Tail::All,
            Some(_) => Tail::Deep {
                segments: selector.segments().count(),
                last: selector.segments().last().filter(|last| !matches!(*last, "*" | "**")),
            },
        };
        Self { selector, head, tail }
    }

    /// No path before this matches.
    pub(super) fn start(&self) -> &'s [u8] {
        match self.head.first() {
            Some(Head::Literal { run, .. }) => run.as_bytes(),
            _ => &[],
        }
    }

    /// What it takes to judge a path beyond the usual, in steps.
    pub(super) fn steps(&self, path: &str) -> usize {
        match self.tail {
            Tail::Deep { segments, last } if may_end(path, last) => {
                path.split('/').count() * segments / COMPARISONS_PER_STEP
            }
            _ => 0,
        }
    }

    /// Whether a path matches, and where to go on: `target` is set for [`Next::Jump`].
    pub(super) fn judge(&self, path: &str, target: &mut Vec<u8>) -> (bool, Next) {
        // The end of the last segment that a `*` stands for.
        let mut last_any = None;
        let mut start = 0;
        for head in &self.head {
            let Some(rest) = path.get(start..) else {
                // What matches is below the path.
                let next = match head {
                    Head::Any => Next::Following,
                    Head::Literal { run, .. } => jump(target, [path.as_bytes(), b"/", run.as_bytes()]),
                };
                return (false, next);
            };
            let end = start + rest.find('/').unwrap_or(rest.len());
            match head {
                Head::Any => last_any = Some(end),
                Head::Literal { segment, run } => match path.get(start..end).unwrap_or_default().cmp(segment) {
                    Ordering::Equal => {}
                    Ordering::Less => {
                        let above = path.get(..start).unwrap_or_default();
                        return (false, jump(target, [above.as_bytes(), run.as_bytes(), b""]));
                    }
                    Ordering::Greater => return (false, past(target, path, last_any)),
                },
            }
            start = end + 1;
        }
        match self.tail {
            Tail::All => (true, Next::Following),
            Tail::Deep { last, .. } => (may_end(path, last) && self.selector.matches(path), Next::Following),
            Tail::End => (start > path.len(), past(target, path, last_any)),
        }
    }
}

/// Whether a path's last segment may be this literal one: that is quickly told.
fn may_end(path: &str, last: Option<&str>) -> bool {
    last.is_none_or(|last| path.ends_with(last))
}

/// Where the literal segments that begin at `start` end.
fn run_end(text: &str, start: usize) -> usize {
    let mut end = start;
    for segment in text.get(start..).unwrap_or_default().split('/') {
        if matches!(segment, "*" | "**") {
            break;
        }
        end += segment.len() + 1;
    }
    end - 1
}

fn jump(target: &mut Vec<u8>, parts: [&[u8]; 3]) -> Next {
    target.clear();
    target.extend(parts.iter().copied().flatten());
    Next::Jump
}

/// Past everything that has the same segment for the last `*`, as only another one can match.
fn past(target: &mut Vec<u8>, path: &str, last_any: Option<usize>) -> Next {
    match last_any.and_then(|end| path.get(..end)) {
        Some(seen) => jump(target, [seen.as_bytes(), BELOW, b""]),
        None => Next::End,
    }
}

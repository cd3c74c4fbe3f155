//! Several updates of a topic as one, for peers that are behind.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::cell::Cell;
use core::fmt;

use super::Topic;
use crate::delta::compose;
use crate::position::Version;
use crate::wire::{Frames, GatewayFrame};

/// From how many versions the merged frames are kept, until the topic changes.
const BASES: usize = 4;

/// By how many bytes two deltas may grow when they are merged, as more of them may shrink again.
const SLACK: usize = 16;

/// The frames that lead from a few earlier versions of a topic straight to the current one: each is made once, for
/// whatever number of peers. Takes no memory until one is asked for.
#[derive(Default)]
pub(super) struct MergedFrames {
    made: Cell<Option<Box<Made>>>,
}

#[derive(Default)]
struct Made {
    frames: [MergedFrame; BASES],
    /// Which one is replaced next.
    next: usize,
}

#[derive(Default)]
struct MergedFrame {
    /// [`Version::NONE`] for a place that is free.
    base: Version,
    /// `None` if another way is shorter.
    frame: Option<Bytes>,
}

impl MergedFrames {
    /// The frame that leads on from `base`, made now if it has not been.
    pub(super) fn from(&self, base: Version, make: impl FnOnce() -> Option<Bytes>) -> Option<Bytes> {
        let mut made = self.made.take().unwrap_or_default();
        let frame = match made.frames.iter().find(|merged| merged.base == base) {
            Some(merged) => merged.frame.clone(),
            None => {
                let frame = make();
                if let Some(place) = made.frames.get_mut(made.next) {
                    *place = MergedFrame { base, frame: frame.clone() };
                }
                made.next = (made.next + 1) % BASES;
                frame
            }
        };
        self.made.set(Some(made));
        frame
    }

    /// Whether any frame was asked for since the topic changed.
    #[cfg(test)]
    pub(super) fn is_used(&self) -> bool {
        let made = self.made.take();
        let is_used = made.is_some();
        self.made.set(made);
        is_used
    }

    /// The topic has changed, and the frames lead to what it was.
    pub(super) fn clear(&mut self) {
        self.made.set(None);
    }
}

/// A copy of a topic is asked by other peers.
impl Clone for MergedFrames {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for MergedFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergedFrames").finish_non_exhaustive()
    }
}

impl Topic {
    /// A frame that does what the newest `owed` updates do, which follow from `base`, if it takes fewer than `most`
    /// bytes. Takes time in O(n log `owed`), where n is the bytes of these updates.
    pub(super) fn merge(&self, base: Version, owed: usize, most: usize) -> Option<Bytes> {
        let mut deltas = Vec::with_capacity(owed);
        let mut newest_check = 0;
        for (_, frame) in self.chain(owed) {
            let raw = Frames::new(frame).next()?.ok()?;
            // A snapshot among them is all that the way takes, or else what came after it is much.
            let GatewayFrame::Delta { delta, check, .. } = GatewayFrame::decode(raw).ok()?? else { return None };
            deltas.push(delta);
            newest_check = check;
        }
        let merged = merge(&deltas, most)?;
        let distance = self.version.distance_from(base)?;
        let mut frame = Vec::with_capacity(merged.len() + 24);
        GatewayFrame::Delta { topic: self.number, distance, check: newest_check, delta: &merged }.encode(&mut frame);
        (frame.len() < most).then(|| Bytes::from(frame))
    }
}

/// Merges deltas by halves, so that each of their bytes is looked at a few times only. `None` if it does not pay.
fn merge<'a>(deltas: &[&'a [u8]], most: usize) -> Option<Cow<'a, [u8]>> {
    match deltas {
        [] => return None,
        [delta] => return Some(Cow::Borrowed(delta)),
        _ => {}
    }
    let (earlier, later) = deltas.split_at_checked(deltas.len() / 2)?;
    let (earlier, later) = (merge(earlier, usize::MAX)?, merge(later, usize::MAX)?);
    let mut merged = Vec::new();
    compose(&earlier, &later, most.min(earlier.len() + later.len() + SLACK), &mut merged).ok()?;
    Some(Cow::Owned(merged))
}

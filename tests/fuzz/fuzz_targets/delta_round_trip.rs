//! The delta between any two values leads from the one to the other and stays within its bound.
#![no_main]

use libfuzzer_sys::{arbitrary, fuzz_target};
use outpour_core::delta::{self, MAX_OVERHEAD};

fuzz_target!(|input: (Vec<u8>, Vec<Edit>, bool)| {
    let (base, edits, reversed) = input;
    let mut target = base.clone();
    for edit in &edits {
        edit.apply(&mut target);
    }
    let (base, target) = if reversed { (target, base) } else { (base, target) };

    let mut delta = Vec::new();
    delta::encode(&base, &target, &mut delta);
    assert!(delta.len() <= target.len() + MAX_OVERHEAD);
    let mut value = Vec::new();
    delta::apply(&base, &delta, target.len(), &mut value).expect("a delta that was encoded applies");
    assert!(value == target, "does not come back");
});

/// A change that leaves matches of many lengths and places, which unrelated bytes do not have.
#[derive(Debug, arbitrary::Arbitrary)]
struct Edit {
    at: u16,
    deleted: u8,
    inserted: Vec<u8>,
    /// Where bytes are copied from, and how many.
    copied: (u16, u16),
}

impl Edit {
    fn apply(&self, value: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) % (value.len() + 1);
        let (from, at) = (place(self.copied.0), place(self.at));
        let copied = &value[from..(from + usize::from(self.copied.1) % 2048).min(value.len())];
        let inserted: Vec<u8> = self.inserted.iter().chain(copied).copied().collect();
        let end = (at + usize::from(self.deleted)).min(value.len());
        if value.len() < 1 << 20 {
            value.splice(at..end, inserted);
        }
    }
}

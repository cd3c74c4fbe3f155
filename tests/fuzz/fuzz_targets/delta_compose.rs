//! Of any two deltas that apply one after the other, the one composed of them gives the same value.
//!
//! The input is the base and the first delta, each behind its length in one byte, then the second delta.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outpour_core::delta::{self, DeltaError};

const MOST: usize = 1 << 16;

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let (base, first) = (part(&mut rest), part(&mut rest));
    let second = rest;
    let mut merged = b"before".to_vec();
    let composed = delta::compose(first, second, MOST, &mut merged);
    let merged = merged.strip_prefix(b"before").expect("what was there stays");
    assert!(merged.len() <= MOST && (composed.is_ok() || merged.is_empty()));

    let (mut middle, mut target, mut value) = (Vec::new(), Vec::new(), Vec::new());
    let applied =
        delta::apply(base, first, MOST, &mut middle).and_then(|()| delta::apply(&middle, second, MOST, &mut target));
    match (applied, composed) {
        // Copied again and again, a short base becomes far less than the delta that says so.
        (Err(_), _) | (Ok(()), Err(DeltaError::TooLarge { .. })) => {}
        (Ok(()), Err(error)) => panic!("{error}"),
        (Ok(()), Ok(())) => {
            delta::apply(base, merged, MOST, &mut value).expect("a composed delta applies");
            assert!(value == target, "another value comes of it");
        }
    }
});

fn part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (len, after) = rest.split_first().map_or((0, *rest), |(len, after)| (usize::from(*len), after));
    let (part, after) = after.split_at(len.min(after.len()));
    *rest = after;
    part
}

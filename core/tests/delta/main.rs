//! Deltas: what goes in comes out, within the bounds that are promised, whatever the bytes are.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic in what it calls, too")]

mod compose;
mod values;

use outpour_core::delta::{DeltaError, Encoder, MAX_OVERHEAD, apply, encode};
use proptest::collection::vec;
use proptest::prelude::*;
use values::{Edit, any_value};

fn delta_of(base: &[u8], target: &[u8]) -> Vec<u8> {
    let mut delta = Vec::new();
    encode(base, target, &mut delta);
    delta
}

fn apply_to(base: &[u8], delta: &[u8], limit: usize) -> Result<Vec<u8>, DeltaError> {
    let mut target = b"what was there before".to_vec();
    let outcome = apply(base, delta, limit, &mut target);
    if outcome.is_err() {
        assert!(target.is_empty(), "something is left after an error");
    }
    outcome.map(|()| target)
}

#[track_caller]
fn round_trip(base: &[u8], target: &[u8]) -> Vec<u8> {
    let delta = delta_of(base, target);
    assert!(delta.len() <= target.len() + MAX_OVERHEAD, "{} bytes for {}", delta.len(), target.len());
    let value = apply_to(base, &delta, target.len()).unwrap();
    assert!(value == target, "does not come back");
    if let Some(too_small) = target.len().checked_sub(1) {
        let refused = apply_to(base, &delta, too_small);
        assert_eq!(refused, Err(DeltaError::TooLarge { limit: too_small }));
    }
    delta
}

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// What the documentation shows, and every form of a number and a step. The encoder makes exactly these.
#[test]
fn golden_examples() {
    let long = "0123456789".repeat(20);
    let replaced = format!("{}ABCDEFGHIJKLMNOPQRST{}", &long[..100], &long[120..]);
    let grown = format!("{}{}{}", &long[..100], "x".repeat(16), &long[100..]);
    let examples: &[(&str, &str, &str)] = &[
        ("price 100", "price 101", "10 10 31"),
        ("a=1 b=2", "a=15 b=2", "06 11 35"),
        ("one two three", "one three", "0a 08"),
        ("same", "same", "08"),
        ("anything", "", "01"),
        ("", "", "01"),
        ("", "hi", "01 68 69"),
        ("ab", "yz", "01 79 7a"),
        ("log: ", "log: one", "0a 35 6f 6e 65"),
        ("log: one two three four five", "log: one", "10"),
        (r#"{"bid":1.0841,"ask":1.0843}"#, r#"{"bid":1.0842,"ask":1.0844}"#, "18 10 32 0c 10 34"),
        (&long, &replaced, "c8 01 f0 05 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50 51 52 53 54"),
        (&long, &grown, "c8 01 ff 01 10 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78"),
    ];
    for (base, target, delta) in examples {
        assert_eq!(round_trip(base.as_bytes(), target.as_bytes()), hex(delta), "{base:?} to {target:?}");
    }
}

#[test]
fn malformed_deltas_are_refused() {
    let base = b"0123456789";
    let examples: &[(&str, DeltaError)] = &[
        ("", DeltaError::Truncated),
        ("80", DeltaError::Truncated),
        ("80 00", DeltaError::Overlong),
        ("81 00 68", DeltaError::Overlong),
        ("80 80 80 80 80 80 80 80 80 02", DeltaError::Overlong),
        ("80 80 80 80 80 80 80 80 80 80 01", DeltaError::Overlong),
        ("fe ff ff ff ff ff ff ff ff 01", DeltaError::OutOfRange),
        ("03", DeltaError::UnknownKind { head: 3 }),
        ("ff 01 00", DeltaError::UnknownKind { head: 255 }),
        // Copies and moves beyond the base.
        ("16", DeltaError::OutOfRange),
        ("14 10 41", DeltaError::OutOfRange),
        ("04 05", DeltaError::OutOfRange),
        ("04 0f ff ff ff ff ff ff ff ff ff 01", DeltaError::OutOfRange),
        ("04 0f f0 ff ff ff ff ff ff ff ff 01", DeltaError::OutOfRange),
        ("04 00 09", DeltaError::OutOfRange),
        // Cut off in the number of literals, in the shift, in the literals, in a copy.
        ("04 f0", DeltaError::Truncated),
        ("04 0f", DeltaError::Truncated),
        ("04 20 41", DeltaError::Truncated),
        ("04 f0 ff ff ff ff 0f 41", DeltaError::Truncated),
        ("04 10 41 80", DeltaError::Truncated),
        ("04 f0 80 00 41", DeltaError::Overlong),
    ];
    for (delta, error) in examples {
        assert_eq!(apply_to(base, &hex(delta), 1 << 20), Err(*error), "{delta}");
    }
}

#[test]
fn a_small_delta_cannot_make_a_large_value() {
    let base = vec![7; 1 << 16];
    // Copies the whole base and goes back, a million times over.
    let mut delta = hex("80 80 08");
    for _ in 0..1_000_000 {
        delta.extend(hex("0f f0 ff 07 80 80 04"));
    }
    for limit in [0, 1, 1 << 16, 1 << 24] {
        let mut target = Vec::new();
        assert_eq!(apply(&base, &delta, limit, &mut target), Err(DeltaError::TooLarge { limit }));
        assert_eq!(target.capacity(), 0, "memory was taken for a value that was refused");
    }
}

#[test]
fn values_of_a_megabyte() {
    let record = |n: usize, price: usize| format!(r#"{{"id":{n},"name":"instrument {n}","price":{price}.25}},"#);
    let document = |price: &dyn Fn(usize) -> usize| (0..24_000).map(|n| record(n, price(n))).collect::<String>();
    let base = document(&|n| n * 7);
    assert!(base.len() > 1 << 20);

    let one_changed = document(&|n| if n == 9_000 { 1 } else { n * 7 });
    assert!(round_trip(base.as_bytes(), one_changed.as_bytes()).len() < 12);

    let all_changed = document(&|n| n * 7 + 1);
    assert!(round_trip(base.as_bytes(), all_changed.as_bytes()).len() < all_changed.len() / 5);

    let (front, back) = base.split_at(base.len() / 3);
    let swapped = format!("{back}{front}");
    assert!(round_trip(base.as_bytes(), swapped.as_bytes()).len() < 200);

    let zeros = vec![0; 1 << 20];
    assert_eq!(round_trip(&zeros, base.as_bytes()).len(), base.len() + MAX_OVERHEAD);
    round_trip(&zeros, &vec![0; 3 << 20]);
    round_trip(base.as_bytes(), &zeros);
}

#[test]
fn many_small_changes() {
    // More matches than are held back at once.
    let base: String = (0..4_000).map(|n| format!("{n:05} {:04x}\n", n * n % 65_521)).collect();
    let target: String =
        (0..4_000).map(|n| format!("{n:05} {:04x}{}\n", (n * n + n % 3) % 65_521, &"+"[..n % 2])).collect();
    assert!(round_trip(base.as_bytes(), target.as_bytes()).len() < target.len() / 2);
}

proptest! {
    #[test]
    fn any_two_values(base in any_value(), target in any_value()) {
        round_trip(&base, &target);
    }

    #[test]
    fn a_value_and_what_became_of_it(base in any_value(), edits in vec(Edit::any(), 0..12)) {
        let mut target = base.clone();
        for edit in &edits {
            edit.apply(&mut target);
        }
        round_trip(&base, &target);
    }

    #[test]
    fn an_encoder_does_not_remember(values in vec(any_value(), 2..6)) {
        let mut encoder = Encoder::new();
        for pair in values.windows(2) {
            let mut delta = b"before".to_vec();
            encoder.encode(&pair[0], &pair[1], &mut delta);
            prop_assert_eq!(delta.strip_prefix(b"before"), Some(&*delta_of(&pair[0], &pair[1])));
        }
    }

    #[test]
    fn any_bytes_as_a_delta(base in vec(any::<u8>(), 0..300), delta in vec(any::<u8>(), 0..300), limit in 0..2_000_usize) {
        if let Ok(target) = apply_to(&base, &delta, limit) {
            prop_assert!(target.len() <= limit);
        }
    }

    #[test]
    fn a_spoilt_delta(
        base in any_value(),
        edits in vec(Edit::any(), 1..8),
        spoil in vec(Edit::any(), 1..4),
        limit in 0..4_000_usize,
    ) {
        let mut target = base.clone();
        for edit in &edits {
            edit.apply(&mut target);
        }
        let mut delta = delta_of(&base, &target);
        for edit in &spoil {
            edit.apply(&mut delta);
        }
        if let Ok(target) = apply_to(&base, &delta, limit) {
            prop_assert!(target.len() <= limit);
        }
    }
}

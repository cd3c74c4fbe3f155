//! Composed deltas do at once what the two do one after the other.

use outpour_core::delta::{DeltaError, apply, compose};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::values::{Edit, any_value};
use crate::{apply_to, delta_of, hex};

const LIMIT: usize = 1 << 20;

fn composed(first: &[u8], second: &[u8], limit: usize) -> Result<Vec<u8>, DeltaError> {
    let mut delta = b"before".to_vec();
    let outcome = compose(first, second, limit, &mut delta);
    let appended = delta.strip_prefix(b"before").unwrap().to_vec();
    if outcome.is_err() {
        assert!(appended.is_empty(), "something is left after an error");
    }
    assert!(appended.len() <= limit, "{} bytes of {limit}", appended.len());
    outcome.map(|()| appended)
}

/// Composes the deltas between three values, and applies what comes of it to the first.
#[track_caller]
fn over(values: [&[u8]; 3]) -> Vec<u8> {
    let [one, two, three] = values;
    let (first, second) = (delta_of(one, two), delta_of(two, three));
    let merged = composed(&first, &second, LIMIT).unwrap();
    assert!(apply_to(one, &merged, three.len()).unwrap() == three, "{first:x?} and {second:x?} give {merged:x?}");
    // It is never refused its own size, and always anything smaller.
    assert_eq!(composed(&first, &second, merged.len()).as_ref(), Ok(&merged));
    let too_small = merged.len() - 1;
    assert_eq!(composed(&first, &second, too_small), Err(DeltaError::TooLarge { limit: too_small }));
    merged
}

/// One delta over a whole chain of values, from left to right and pair by pair.
fn over_all(values: &[Vec<u8>]) -> [Vec<u8>; 2] {
    let deltas: Vec<_> = values.windows(2).map(|pair| delta_of(&pair[0], &pair[1])).collect();
    let one_by_one = deltas.iter().skip(1).fold(deltas[0].clone(), |all, next| composed(&all, next, LIMIT).unwrap());
    let mut level = deltas;
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| pair.get(1).map_or(pair[0].clone(), |second| composed(&pair[0], second, LIMIT).unwrap()))
            .collect();
    }
    [one_by_one, level.remove(0)]
}

/// Bytes that may only change with a reason: who composes anew gets the same frame.
#[test]
fn golden_examples() {
    let examples = [
        // The same place changes twice: the first change is gone.
        ("10 10 31", "10 10 32", "10 10 32"),
        // Another place: both are left.
        ("10 10 31", "02 10 78", "02 10 78 06 10 31"),
        // Changes side by side become one.
        ("10 10 31", "12 10 32", "10 20 31 32"),
        // Part of what was put in is replaced, part of it stays.
        ("04 47 61 62 63 64", "06 20 79 7a", "04 47 61 79 7a 64"),
        // What was put in is taken out again: nothing is left to do.
        ("08 11 78", "08 02", "00 00"),
        // What is copied from far apart stays apart.
        ("00 00 02 02 05 03 05", "04 00", "04 02 05 03 05"),
        // All of it is new.
        ("10 10 31", "01 68 69", "01 68 69"),
        ("01 68 69", "02 10 6f", "01 68 6f"),
        ("01", "01", "01"),
        // The end of the first value is cut off, then the second value is added to.
        ("06", "06 11 78", "06 11 78 00"),
        // The base is known to be long enough.
        ("06 04 02 09 00", "06 10 78 00", "06 10 78 00"),
    ];
    for (first, second, merged) in examples {
        let found = composed(&hex(first), &hex(second), LIMIT);
        assert_eq!(found.as_deref(), Ok(&*hex(merged)), "{first} and {second}");
    }
}

#[test]
fn errors() {
    let cases = [
        ("", "10", DeltaError::Truncated),
        ("10", "", DeltaError::Truncated),
        ("80 00", "10", DeltaError::Overlong),
        ("03", "10", DeltaError::UnknownKind { head: 3 }),
        ("10", "03", DeltaError::UnknownKind { head: 3 }),
        // The value between is known to be shorter than that.
        ("04", "06", DeltaError::OutOfRange),
        ("01 68 69", "04 00 01", DeltaError::OutOfRange),
        ("01 68 69", "04 02", DeltaError::OutOfRange),
        ("00 01", "10", DeltaError::OutOfRange),
        ("fe ff ff ff ff ff ff ff ff 01", "10", DeltaError::OutOfRange),
        ("10 0f ff ff ff ff ff ff ff ff 7f", "10", DeltaError::OutOfRange),
    ];
    for (first, second, error) in cases {
        assert_eq!(composed(&hex(first), &hex(second), LIMIT), Err(error), "{first} and {second}");
    }
}

#[test]
fn a_counter_that_is_counted_on_takes_the_same_bytes_however_long_the_chain() {
    let values: Vec<_> = (100..164).map(|count| format!(r#"{{"name":"requests","count":{count}}}"#).into()).collect();
    for merged in over_all(&values) {
        assert_eq!(merged.len(), delta_of(&values[0], &values[63]).len());
    }
}

#[test]
fn what_is_copied_again_and_again_ends_at_the_limit() {
    const MOST: usize = 64 << 10;
    // Every second byte is new, so that no two copies can become one.
    let mut chain = vec![0];
    (0..100).for_each(|_| chain.extend([0x10, b'x', 1]));
    let mut len = 200;
    while chain.len() < MOST / 2 {
        chain = composed(&chain, &double(len), MOST).unwrap();
        len *= 2;
    }
    assert!(chain.len() as u64 > 3 * len / 2, "{} bytes", chain.len());
    assert_eq!(composed(&chain, &double(len), MOST), Err(DeltaError::TooLarge { limit: MOST }));
}

/// Copies all of a value, goes back to its beginning, and copies all of it again.
fn double(len: u64) -> Vec<u8> {
    let mut delta = Vec::new();
    let mut varint = |number| outpour_core::wire::write_varint(&mut delta, number);
    varint(2 * len);
    varint(15);
    varint(2 * len - 1 - 15);
    varint(len);
    delta
}

proptest! {
    #[test]
    fn any_three_values(one in any_value(), two in any_value(), three in any_value()) {
        over([&one, &two, &three]);
    }

    #[test]
    fn a_value_and_what_became_of_it(
        one in any_value(),
        edits in vec(Edit::any(), 0..8),
        later_edits in vec(Edit::any(), 0..8),
    ) {
        let changed = |value: &[u8], edits: &[Edit]| {
            let mut value = value.to_vec();
            edits.iter().for_each(|edit| edit.apply(&mut value));
            value
        };
        let two = changed(&one, &edits);
        let three = changed(&two, &later_edits);
        over([&one, &two, &three]);
    }

    #[test]
    fn a_chain_of_values(one in any_value(), edits in vec(vec(Edit::any(), 0..4), 1..12)) {
        let mut values = vec![one];
        for edits in edits {
            let mut next = values.last().unwrap().clone();
            edits.iter().for_each(|edit| edit.apply(&mut next));
            values.push(next);
        }
        for merged in over_all(&values) {
            prop_assert_eq!(&apply_to(&values[0], &merged, LIMIT).unwrap(), values.last().unwrap());
        }
    }

    /// Deltas of any shape, also such that an encoder never makes: back and forth, over and over.
    #[test]
    fn what_applies_composes(
        base in vec(any::<u8>(), 0..40),
        first in any_delta(),
        second in any_delta(),
    ) {
        check(&base, &first, &second);
    }

    #[test]
    fn any_bytes(base in vec(any::<u8>(), 0..40), first in vec(any::<u8>(), 0..40), second in vec(any::<u8>(), 0..40)) {
        check(&base, &first, &second);
    }

    #[test]
    fn any_bytes_within_any_limit(
        first in vec(0..32_u8, 0..300),
        second in vec(0..32_u8, 0..300),
        limit in 0..600_usize,
    ) {
        let _bounded = composed(&first, &second, limit);
    }
}

/// If the two deltas apply, then what is composed of them applies and gives the same.
fn check(base: &[u8], first: &[u8], second: &[u8]) {
    let mut middle = Vec::new();
    let mut target = Vec::new();
    let applied = apply(base, first, LIMIT, &mut middle).and_then(|()| apply(&middle, second, LIMIT, &mut target));
    let merged = composed(first, second, LIMIT);
    if applied.is_ok() {
        let merged = merged.unwrap();
        let value = apply_to(base, &merged, LIMIT);
        assert_eq!(value.as_ref(), Ok(&target), "{first:x?} and {second:x?} give {merged:x?}");
    }
}

/// Steps that often stay within a short base.
fn any_delta() -> impl Strategy<Value = Vec<u8>> {
    let step = (vec(b'A'..b'E', 0..5), 0..14_u8, 0..9_u8);
    (0..8_u8, vec(step, 0..7), any::<bool>()).prop_map(|(copy, steps, rest)| {
        let mut delta = vec![copy << 1];
        let count = steps.len();
        for (index, (literals, shift, copy)) in steps.into_iter().enumerate() {
            delta.push((literals.len() as u8) << 4 | shift);
            delta.extend(literals);
            if !(rest && index + 1 == count) {
                delta.push(copy);
            }
        }
        delta
    })
}

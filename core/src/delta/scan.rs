//! Comparing and loading bytes, many at a time.

/// How many bytes `a` and `b` have in common at their beginnings.
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let mut same = 0;
    for (x, y) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        let differing = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differing != 0 {
            return same + differing.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    let rest = a.iter().skip(same).zip(b.iter().skip(same));
    same + rest.take_while(|(x, y)| x == y).count()
}

/// How many bytes `a` and `b` have in common at their ends.
pub(super) fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let mut same = 0;
    let chunks = a.as_rchunks::<8>().1.iter().rev();
    for (x, y) in chunks.zip(b.as_rchunks::<8>().1.iter().rev()) {
        let differing = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differing != 0 {
            return same + differing.leading_zeros() as usize / 8;
        }
        same += 8;
    }
    let rest = a.iter().rev().skip(same).zip(b.iter().rev().skip(same));
    same + rest.take_while(|(x, y)| x == y).count()
}

/// The bytes from `at` on; empty if `at` lies beyond the end.
pub(super) fn from(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

/// The four bytes at `at`.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// At which of the 16 places from `start` on the four bytes `word` stand: one bit for each place, eight bits apart,
/// the first lowest.
pub(super) fn places(bytes: &[u8], start: usize, word: [u8; 4]) -> u128 {
    let end = bytes.len().min(start + 19);
    let Some(window) = bytes.get(start..end) else {
        return 0;
    };
    if let Some(window) = window.first_chunk::<19>() {
        return places_in(window, word);
    }
    // Near the end of the bytes: fill up with what cannot end the word.
    let [.., last] = word;
    let mut filled = [!last; 19];
    for (to, from) in filled.iter_mut().zip(window) {
        *to = *from;
    }
    places_in(&filled, word)
}

/// All 16 places at once, each in a byte of a wide number.
#[inline(always)]
fn places_in(window: &[u8; 19], word: [u8; 4]) -> u128 {
    const ONES: u128 = u128::MAX / 0xff;
    const LOW_BITS: u128 = ONES * 0x7f;

    // A byte of `differing` is zero where all four bytes are those of the word.
    let differing = window.windows(16).zip(word).fold(0, |differing, (bytes, byte)| {
        let bytes = bytes.first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes));
        differing | (bytes ^ (ONES * u128::from(byte)))
    });
    !(((differing & LOW_BITS) + LOW_BITS) | differing | LOW_BITS)
}

/// The eight bytes at `at`, as a number.
pub(super) fn double_word(bytes: &[u8], at: usize) -> Option<u64> {
    let chunk = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_are_those_where_the_word_stands(
            bytes in proptest::collection::vec(prop_oneof![0..3_u8, 254..=255_u8], 0..64),
            start in 0..70_usize,
            word in proptest::array::uniform4(prop_oneof![0..3_u8, 254..=255_u8]),
        ) {
            let found = places(&bytes, start, word);
            for place in 0..16 {
                let stands = bytes.get(start + place..).is_some_and(|rest| rest.starts_with(&word));
                let expected = if stands { 0x80 } else { 0 };
                prop_assert_eq!((found >> (8 * place)) as u8, expected, "place {}", place);
            }
        }

        #[test]
        fn common_ends_are_as_long_as_they_get(
            a in proptest::collection::vec(0..2_u8, 0..40),
            b in proptest::collection::vec(0..2_u8, 0..40),
            same in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let plain = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(x, y)| x == y).count();
            let (front_a, front_b) = ([&*same, &a].concat(), [&*same, &b].concat());
            prop_assert_eq!(common_prefix(&front_a, &front_b), plain(&front_a, &front_b));
            let (mut back_a, mut back_b) = ([&*a, &same].concat(), [&*b, &same].concat());
            let suffix = common_suffix(&back_a, &back_b);
            back_a.reverse();
            back_b.reverse();
            prop_assert_eq!(suffix, plain(&back_a, &back_b));
        }
    }
}

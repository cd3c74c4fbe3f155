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

/// All 16 places at once: this compiles to a handful of vector instructions.
#[inline(always)]
fn places_in(window: &[u8; 19], word: [u8; 4]) -> u128 {
    let mut found = [1_u8; 16];
    for (skipped, byte) in word.into_iter().enumerate() {
        for (found, at) in found.iter_mut().zip(window.iter().skip(skipped)) {
            *found &= u8::from(*at == byte);
        }
    }
    u128::from_le_bytes(found)
}

/// The eight bytes at `at`, as a number.
pub(super) fn double_word(bytes: &[u8], at: usize) -> Option<u64> {
    let chunk = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*chunk))
}

//! The stamp in every published value: how a delivery is recognised in a byte stream of any protocol.
//!
//! A stamp is a mark of 8 bytes and 16 digits that spell the scheduled send time in nanoseconds. Subscribers search
//! their bytes for marks and parse nothing else, so that every protocol costs the generator the same.
//!
//! Outpour sends deltas, and a delta leaves out what the previous value holds already. Therefore consecutive values of
//! a topic spell their stamps in disjoint alphabets: no byte of a stamp occurs anywhere in the value before it, so a
//! delta has nothing to copy and carries the stamp whole.

/// Bytes of a mark.
const MARK: usize = 8;
/// Bytes of a stamp: also the smallest value that can be published.
pub(super) const STAMP: usize = MARK + 16;
/// The most bytes of a stamp that a read may cut off.
const CARRY: usize = STAMP - 1;

struct Alphabet {
    /// The first byte occurs nowhere else; the others are digits of this alphabet.
    mark: &'static [u8; MARK],
    digits: &'static [u8; 16],
}

const ALPHABETS: [Alphabet; 3] = [
    Alphabet { mark: b"@5ca1ab7", digits: b"0123456789abcdef" },
    Alphabet { mark: b"#sprinkl", digits: b"ghijklmnopqrstuv" },
    Alphabet { mark: b"$BACKING", digits: b"ABCDEFGHIJKLMNOP" },
];

/// What the rest of a value is made of: none of it occurs in a stamp.
const FILLER: &[u8; 32] = b"QRSTUVWXYZwxyz-+.:,;_=/()!*%&<>[";

/// `alphabet << 4 | digit` for the bytes that are digits.
const DIGITS: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut alphabet = 0;
    while alphabet < ALPHABETS.len() {
        let mut digit = 0;
        while digit < 16 {
            table[ALPHABETS[alphabet].digits[digit] as usize] = (alphabet << 4 | digit) as u8;
            digit += 1;
        }
        alphabet += 1;
    }
    table
};

/// Makes the values that are published: a stamp, a part that is new each time, and a part that never changes.
#[derive(Debug)]
pub(super) struct ValueMaker {
    value: Vec<u8>,
    changing: usize,
    seed: u64,
}

impl ValueMaker {
    /// Values of `size` bytes, at least [`STAMP`], of which `change` percent are new in each of them; the stamp is
    /// always new.
    pub(super) fn new(size: usize, change: u8) -> Self {
        let size = size.max(STAMP);
        let changing = (size * usize::from(change) / 100).saturating_sub(STAMP);
        let mut maker = Self { value: vec![0; size], changing: size - STAMP, seed: 0x9e37_79b9_7f4a_7c15 };
        maker.fill();
        maker.changing = changing;
        maker
    }

    /// The value of a topic's update number `update`, stamped with `time`.
    pub(super) fn make(&mut self, update: u64, time: u64) -> &[u8] {
        self.fill();
        let alphabet = &ALPHABETS[(update % ALPHABETS.len() as u64) as usize];
        let (mark, digits) = self.value[..STAMP].split_at_mut(MARK);
        mark.copy_from_slice(alphabet.mark);
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            *digit = alphabet.digits[(time >> (4 * place) & 15) as usize];
        }
        &self.value
    }

    fn fill(&mut self) {
        for byte in self.value.iter_mut().skip(STAMP).take(self.changing) {
            // xorshift64: cheap, and no run of it repeats within a value.
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 7;
            self.seed ^= self.seed << 17;
            *byte = FILLER[(self.seed & 31) as usize];
        }
    }
}

/// Finds the stamps in `bytes` and reports their times in order. Returns where a stamp starts that the end of `bytes`
/// cuts off (at most [`CARRY`] bytes before the end), else the length of `bytes`.
fn scan(bytes: &[u8], mut found: impl FnMut(u64)) -> usize {
    let [first, second, third] = ALPHABETS;
    for start in memchr::memchr3_iter(first.mark[0], second.mark[0], third.mark[0], bytes) {
        let candidate = &bytes[start..];
        let Some(alphabet) = ALPHABETS.iter().position(|alphabet| alphabet.mark[0] == candidate[0]) else {
            continue;
        };
        let mark = ALPHABETS[alphabet].mark;
        if let Some(stamp) = candidate.get(..STAMP) {
            if stamp.starts_with(mark)
                && let Some(time) = spelled(alphabet as u8, &stamp[MARK..])
            {
                found(time);
            }
        } else if candidate.iter().zip(mark).all(|(byte, expected)| byte == expected) {
            return start;
        }
    }
    bytes.len()
}

fn spelled(alphabet: u8, digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |time, byte| {
        let digit = DIGITS[usize::from(*byte)];
        (digit >> 4 == alphabet).then_some(time << 4 | u64::from(digit & 15))
    })
}

/// One connection's place in its byte stream: the start of a stamp that the last read cut off.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanner {
    cut: [u8; CARRY],
    length: u8,
}

impl Scanner {
    /// Bytes that a reader leaves free at the start of its buffer; see [`Scanner::scan`].
    pub(super) const HEADROOM: usize = 32;

    /// Reports the times of all stamps that end in `buffer[HEADROOM..HEADROOM + read]`, the bytes just read. What the
    /// read before cut off is put in front of them, which is why the buffer has the headroom: nothing else is moved.
    pub(super) fn scan(&mut self, buffer: &mut [u8], read: usize, found: impl FnMut(u64)) {
        let start = Self::HEADROOM - usize::from(self.length);
        buffer[start..Self::HEADROOM].copy_from_slice(&self.cut[..usize::from(self.length)]);
        let bytes = &buffer[start..Self::HEADROOM + read];
        let rest = &bytes[scan(bytes, found)..];
        self.length = rest.len() as u8;
        self.cut[..rest.len()].copy_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `stream` to a scanner in reads of the given sizes, repeated.
    fn times_in(stream: &[u8], reads: &[usize]) -> Vec<u64> {
        let (mut scanner, mut times) = (Scanner::default(), Vec::new());
        let mut buffer = vec![0; Scanner::HEADROOM + stream.len()];
        let (mut rest, mut sizes) = (stream, reads.iter().cycle());
        while !rest.is_empty() {
            let (read, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            buffer[Scanner::HEADROOM..Scanner::HEADROOM + read.len()].copy_from_slice(read);
            scanner.scan(&mut buffer, read.len(), |time| times.push(time));
            rest = later;
        }
        times
    }

    fn stream(values: u64, size: usize) -> (Vec<u8>, Vec<u64>) {
        let mut maker = ValueMaker::new(size, 100);
        let (mut stream, mut times) = (Vec::new(), Vec::new());
        for update in 0..values {
            let time = update * 0x0123_4567_89ab_cdef;
            stream.extend_from_slice(&[0x82, 126, 0, b'@', b'#']);
            stream.extend_from_slice(maker.make(update, time));
            times.push(time);
        }
        (stream, times)
    }

    #[test]
    fn a_stamp_is_found_wherever_a_read_cuts_it() {
        let (stream, times) = stream(9, 40);
        for size in 1..=stream.len() {
            assert_eq!(times_in(&stream, &[size]), times, "reads of {size} bytes");
        }
        assert_eq!(times_in(&stream, &[1, 30, 2, 7, 23, 24, 25]), times);
    }

    #[test]
    fn bytes_that_look_like_the_start_of_a_stamp_are_passed_over() {
        let (value, times) = stream(1, STAMP);
        for noise in [&b"@"[..], b"@5ca1ab", b"@5ca1ab7", b"@5ca1ab70123", b"@5ca1ab7g", b"#sprink$BAC"] {
            let stream = [noise, &value].concat();
            for size in 1..=stream.len() {
                assert_eq!(times_in(&stream, &[size]), times, "{noise:?} in reads of {size} bytes");
            }
        }
    }

    #[test]
    fn no_byte_of_a_stamp_is_in_the_value_before() {
        let mut maker = ValueMaker::new(200, 20);
        let mut before = maker.make(0, 0).to_vec();
        for update in 1..20 {
            let value = maker.make(update, update * 1_000_003).to_vec();
            assert!(value[..STAMP].iter().all(|byte| !before.contains(byte)));
            assert!(value.is_ascii());
            before = value;
        }
    }

    #[test]
    fn only_the_given_part_of_a_value_changes() {
        let mut maker = ValueMaker::new(200, 30);
        let first = maker.make(0, 1).to_vec();
        let second = maker.make(1, 2).to_vec();
        assert_eq!(first[60..], second[60..]);
        assert_ne!(first[24..60], second[24..60]);
    }

    #[test]
    fn the_alphabets_share_no_byte() {
        let mut seen = std::collections::BTreeSet::new();
        for byte in
            ALPHABETS.iter().flat_map(|alphabet| alphabet.digits.iter().chain(&alphabet.mark[..1])).chain(FILLER)
        {
            assert!(seen.insert(*byte), "{:?} is used twice", char::from(*byte));
        }
        for alphabet in &ALPHABETS {
            assert!(alphabet.mark[1..].iter().all(|byte| alphabet.digits.contains(byte)));
        }
    }
}

//! The topics of the benchmark: their names, their values, and how these change.

use outpour_core::delta;

/// What the benchmark subscribes to.
pub(super) const SELECTOR: &str = "bench/resume/*";

/// The name of a topic.
pub(super) fn path(topic: u32) -> String {
    format!("bench/resume/{topic:05}")
}

/// A topic's value: JSON of `size` bytes, in which one number of six digits is what changes from one edition to the next.
pub(super) fn value(topic: u32, edition: u32, size: usize) -> String {
    let mut random = u64::from(topic) + 1;
    let mut draw = || {
        // Xorshift (G. Marsaglia, "Xorshift RNGs", 2003): values that don't resemble each other.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let number = 100_000 + (u64::from(topic) * 7919 + u64::from(edition) * 123_457) % 900_000;
    let mut value = format!(r#"{{"topic":"{topic:05}","last":{number},"text":""#);
    while value.len() + 2 < size {
        value.push(char::from(b'a' + (draw() >> 32) as u8 % 26));
    }
    value.push_str(r#""}"#);
    value
}

/// How many bytes the delta of a topic takes from the first edition to the second, without any frame around it.
pub(super) fn delta_bytes(topic: u32, size: usize) -> u64 {
    let mut delta = Vec::new();
    delta::encode(value(topic, 0, size).as_bytes(), value(topic, 1, size).as_bytes(), &mut delta);
    delta.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_size_and_change_a_little() {
        for topic in [0, 1, 42, 99_999] {
            let (first, second) = (value(topic, 0, 1000), value(topic, 1, 1000));
            assert_eq!((first.len(), second.len()), (1000, 1000));
            assert_ne!(first, second);
            assert!(serde_json::from_str::<serde_json::Value>(&first).is_ok());
            assert!((1..24).contains(&delta_bytes(topic, 1000)));
        }
        assert_ne!(value(1, 0, 1000), value(2, 0, 1000));
    }
}

//! Sizes and lengths of time as people write them.

use std::time::Duration;

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A size such as `64KiB` in bytes; a number alone is in bytes.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let bytes = if unit.is_empty() { 1 } else { factor(&SIZES, unit)? };
    number.checked_mul(bytes)
}

/// A length of time as it is written in the configuration, such as `250ms`; the unit can't be left out.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    number.checked_mul(factor(&TIMES, unit)?).map(Duration::from_millis)
}

/// A size in the largest unit that divides it.
pub(super) fn format_size(bytes: u64) -> String {
    format(&SIZES, bytes).unwrap_or_else(|| "0".into())
}

/// A length of time in the largest unit that divides it; parts of a millisecond are left out.
pub(super) fn format_duration(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    format(&TIMES, milliseconds).unwrap_or_else(|| "0s".into())
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start_matches(' ')))
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

fn format(units: &[(&str, u64)], amount: u64) -> Option<String> {
    let (name, factor) = units.iter().find(|(_, factor)| amount > 0 && amount.is_multiple_of(*factor))?;
    Some(format!("{}{name}", amount / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1536", 1536),
            ("7B", 7),
            ("64KiB", 65_536),
            ("64 KiB", 65_536),
            ("1MiB", 1 << 20),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5MiB", "1MB", "1kib", "1 MiB of it", "18446744073709551615KiB", "٣", " 1"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in
            [("250ms", 250), ("5s", 5_000), ("5 s", 5_000), ("2m", 120_000), ("1h", 3_600_000), ("1d", 86_400_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "5", "s", "-5s", "0.5s", "5 seconds", "5S", "1m30s", "18446744073709551615d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for bytes in [0, 1, 1000, 1024, 1536, 1 << 20, (1 << 20) + 1, 3 << 30] {
            assert_eq!(parse_size(&format_size(bytes)), Some(bytes));
        }
        for milliseconds in [0, 1, 999, 1_000, 1_500, 60_000, 90_000, 3_600_000, 86_400_000] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
        }
        assert_eq!((format_size(65_536), format_duration(Duration::from_secs(90))), ("64KiB".into(), "90s".into()));
    }
}

//! Numbers in texts, without `core::fmt`: browsers would have to load that for them alone.

use alloc::string::String;

/// A number in decimal digits.
pub(crate) fn decimal(number: u64) -> String {
    let mut digits = String::new();
    let mut unit = 10_u64.pow(number.checked_ilog10().unwrap_or_default());
    while unit > 0 {
        digits.push(char::from(b'0' + (number / unit % 10) as u8));
        unit /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn spells_numbers() {
        for number in [0, 7, 10, 99, 100, 12_345, u64::MAX] {
            assert_eq!(decimal(number), number.to_string());
        }
    }
}

//! What is kept: one value after the other, of topics in no order.

pub(crate) const TOPICS: u64 = 100_000;
pub(crate) const RECORDS: u64 = 1_000_000;
pub(crate) const VALUE_BYTES: usize = 200;
pub(crate) const PUBLISHER: [u8; 16] = [7; 16];

/// The topic that a record is about. The first records go round all of them.
pub(crate) fn topic(record: u64) -> u64 {
    let scattered = if record < TOPICS { record } else { record.wrapping_mul(6_364_136_223_846_793_005) >> 33 };
    scattered % TOPICS
}

/// Its value: a text of which eight digits change.
pub(crate) fn value(record: u64) -> Vec<u8> {
    let mut value = format!(
        "{{\"topic\":{:06},\"price\":1.{:08},\"venue\":\"XETR\",\"",
        topic(record),
        record * 7919 % 100_000_000
    );
    while value.len() < VALUE_BYTES - 2 {
        value.push(char::from(b'a' + (value.len() % 26) as u8));
    }
    value.push_str("\":1}");
    value.truncate(VALUE_BYTES);
    value.into_bytes()
}

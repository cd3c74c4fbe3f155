//! Any bytes, taken as a delta, give a value within the limit or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outpour_core::delta;

fuzz_target!(|input: (&[u8], &[u8], u16)| {
    let (base, bytes, limit) = input;
    let limit = usize::from(limit);
    let mut target = b"before".to_vec();
    match delta::apply(base, bytes, limit, &mut target) {
        Ok(()) => assert!(target.len() <= limit),
        Err(_) => assert!(target.is_empty()),
    }
});

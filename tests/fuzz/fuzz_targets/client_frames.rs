//! Any bytes as a message of a client: no panic, and what can be read is written back as the same frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outpour_core::wire::{ClientFrame, Frames, PROTOCOL_MAJOR};

fuzz_target!(|message: &[u8]| {
    for raw in Frames::new(message) {
        let Ok(raw) = raw else { return };
        let Ok(Some(frame)) = ClientFrame::decode(raw) else { continue };
        if matches!(frame, ClientFrame::Hello(ref hello) if hello.major != PROTOCOL_MAJOR) {
            // Of another major version only the versions can be read.
            continue;
        }
        let mut written = Vec::new();
        frame.encode(&mut written);
        // A frame may hold extensions of a newer minor version, which are not written back.
        assert!(written.len() <= raw.body.len() + 8);
        let again = Frames::new(&written).next().unwrap().unwrap();
        assert_eq!(ClientFrame::decode(again), Ok(Some(frame)));
    }
});

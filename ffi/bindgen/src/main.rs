//! `cargo run -p outpour-bindgen -- generate --language python --out-dir … target/debug/liboutpour_ffi.so`.

fn main() {
    uniffi::uniffi_bindgen_main();
}

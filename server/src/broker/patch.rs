//! Changes to a JSON value that are described rather than sent whole.

use outpour_core::ErrorCode;
use serde_json::Value;

/// The patched value of RFC 6902 operations, as compact JSON text. Numbers keep their spelling.
pub(super) fn json_patch(value: &[u8], patch: &[u8]) -> Result<Vec<u8>, ErrorCode> {
    let patch: json_patch::Patch = serde_json::from_slice(patch).map_err(|_| ErrorCode::BadPatch)?;
    edit(value, |document| json_patch::patch(document, &patch).map_err(|_| ErrorCode::BadPatch))
}

/// The patched value of an RFC 7386 merge patch, as compact JSON text. Numbers keep their spelling.
pub(super) fn merge_patch(value: &[u8], patch: &[u8]) -> Result<Vec<u8>, ErrorCode> {
    let patch: Value = serde_json::from_slice(patch).map_err(|_| ErrorCode::BadPatch)?;
    edit(value, |document| {
        json_patch::merge(document, &patch);
        Ok(())
    })
}

fn edit(value: &[u8], change: impl FnOnce(&mut Value) -> Result<(), ErrorCode>) -> Result<Vec<u8>, ErrorCode> {
    let mut document: Value = serde_json::from_slice(value).map_err(|_| ErrorCode::BadPatch)?;
    change(&mut document)?;
    serde_json::to_vec(&document).map_err(|_| ErrorCode::Internal)
}

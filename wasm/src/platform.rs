//! What the platform and the npm package provide.

use js_sys::Function;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Who uses an engine.
    #[derive(Debug)]
    pub type Host;

    /// There is something to take. Said once until it has been taken.
    #[wasm_bindgen(method)]
    pub(crate) fn ready(this: &Host);

    /// A function that does nothing, whatever it is called with. One made from text would be refused by most pages' content
    /// security policy.
    #[wasm_bindgen(thread_local_v2, js_namespace = Function, js_name = prototype)]
    pub(crate) static NOTHING: JsValue;

    #[wasm_bindgen(js_name = setTimeout)]
    pub(crate) fn set_timeout(callback: &Function, milliseconds: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    pub(crate) fn clear_timeout(timer: &JsValue);

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub(crate) fn monotonic_now() -> f64;

    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    pub(crate) fn wall_now() -> f64;
}

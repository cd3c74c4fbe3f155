//! Values of the application's own types, as JSON.

use outpour_core::{ErrorCode, Value, ValueType};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// A JSON value from anything that serde can write.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
/// struct Price {
///     bid: f64,
/// }
///
/// let value = outpour::json(&Price { bid: 1.25 })?;
/// assert_eq!(value.as_str(), Some(r#"{"bid":1.25}"#));
/// assert_eq!(outpour::from_json::<Price>(&value)?, Price { bid: 1.25 });
/// # Ok::<(), outpour::Error>(())
/// ```
///
/// # Errors
/// [`ErrorCode::BadValue`] if it can't be written as JSON, such as a map whose keys are no text.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Value, Error> {
    serde_json::to_string(value)
        .map(Value::json)
        .map_err(|error| Error::with_detail(ErrorCode::BadValue, error.to_string()))
}

/// What a JSON value holds, as a type that serde can read.
///
/// # Errors
/// [`ErrorCode::TypeMismatch`] if the value is not JSON, [`ErrorCode::BadValue`] if it does not fit the type.
pub fn from_json<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    if value.value_type() != ValueType::Json {
        let detail = format!("the value is of type {} and not json", value.value_type());
        return Err(Error::with_detail(ErrorCode::TypeMismatch, detail));
    }
    serde_json::from_slice(value.bytes()).map_err(|error| Error::with_detail(ErrorCode::BadValue, error.to_string()))
}

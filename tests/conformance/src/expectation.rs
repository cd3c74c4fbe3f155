//! What a scenario says an answer has to be, and the names that it gives to parts of answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What was saved under names.
pub(crate) type Names = BTreeMap<String, Value>;

/// Puts what was saved in the place of `$name`, and texts in the place of `repeat` and `join`.
pub(crate) fn fill(value: &Value, names: &Names) -> Result<Value, String> {
    match value {
        Value::String(text) => match text.strip_prefix('$') {
            Some(name) => names.get(name).cloned().ok_or_else(|| format!("nothing was saved as {name}")),
            None => Ok(value.clone()),
        },
        Value::Array(items) => items.iter().map(|item| fill(item, names)).collect(),
        Value::Object(members) => match text_of(members) {
            Some(text) => Ok(Value::String(text)),
            None => Ok(Value::Object(fill_members(members, names)?)),
        },
        other => Ok(other.clone()),
    }
}

/// As [`fill`], for every member.
pub(crate) fn fill_members(members: &Map<String, Value>, names: &Names) -> Result<Map<String, Value>, String> {
    members.iter().map(|(name, member)| Ok((name.clone(), fill(member, names)?))).collect()
}

/// The text that `{"repeat": …, "times": …}` or `{"join": […]}` stands for.
fn text_of(members: &Map<String, Value>) -> Option<String> {
    if let (Some(text), Some(times)) = (members.get("repeat"), members.get("times")) {
        return Some(text.as_str()?.repeat(times.as_u64()? as usize));
    }
    let part = |part: &Value| part.as_str().map(str::to_owned).or_else(|| text_of(part.as_object()?));
    members.get("join")?.as_array()?.iter().map(part).collect()
}

/// Whether an answer is as expected; the error says where it is not.
pub(crate) fn compare(at: &str, wanted: &Value, given: &Value) -> Result<(), String> {
    match (wanted, given) {
        (Value::Object(wanted), _) if wanted.contains_key("any-order") => {
            compare_in_any_order(at, &wanted["any-order"], given)
        }
        (Value::Object(wanted), Value::Number(number)) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let is_kept = |(bound, limit): (&String, &Value)| match (bound.as_str(), limit.as_f64()) {
                ("at-least", Some(limit)) => number >= limit,
                ("at-most", Some(limit)) => number <= limit,
                _ => false,
            };
            if wanted.iter().all(is_kept) { Ok(()) } else { Err(differs(at, &Value::Object(wanted.clone()), given)) }
        }
        (Value::Object(wanted), Value::Object(given)) => wanted.iter().try_for_each(|(name, wanted)| {
            compare(&format!("{at}.{name}"), wanted, given.get(name).unwrap_or(&Value::Null))
        }),
        (Value::Array(wanted_items), Value::Array(items)) if wanted_items.len() == items.len() => wanted_items
            .iter()
            .zip(items)
            .enumerate()
            .try_for_each(|(index, (wanted, given))| compare(&format!("{at}[{index}]"), wanted, given)),
        _ if wanted == given => Ok(()),
        _ => Err(differs(at, wanted, given)),
    }
}

fn compare_in_any_order(at: &str, wanted: &Value, given: &Value) -> Result<(), String> {
    let (Some(wanted_items), Some(items)) = (wanted.as_array(), given.as_array()) else {
        return Err(differs(at, wanted, given));
    };
    let mut left: Vec<_> = items.iter().collect();
    for item in wanted_items {
        let found = left.iter().position(|given| compare(at, item, given).is_ok());
        left.remove(found.ok_or_else(|| format!("{at} lacks {item}: {}", shown(given)))?);
    }
    if left.is_empty() { Ok(()) } else { Err(differs(at, wanted, given)) }
}

fn differs(at: &str, wanted: &Value, given: &Value) -> String {
    format!("{at} is {} instead of {}", shown(given), shown(wanted))
}

/// A value as a line that people can read.
pub(crate) fn shown(value: &Value) -> String {
    const LONGEST: usize = 400;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_may_have_more_than_is_expected_but_not_other_things() {
        let given = json!({ "a": [1, { "b": 2, "c": "x" }], "d": 7 });
        for wanted in [
            json!({ "a": [1, { "b": 2 }], "e": null }),
            json!({ "a": { "any-order": [{ "c": "x" }, 1] }, "d": { "at-least": 7, "at-most": 7 } }),
        ] {
            assert_eq!(compare("$", &wanted, &given), Ok(()));
        }
        for (wanted, why) in [
            (json!({ "a": [1] }), r#"$.a is [1,{"b":2,"c":"x"}] instead of [1]"#),
            (json!({ "d": 8 }), "$.d is 7 instead of 8"),
            (json!({ "d": { "at-most": 6 } }), r#"$.d is 7 instead of {"at-most":6}"#),
            (json!({ "a": { "any-order": [1, 1] } }), r#"$.a lacks 1: [1,{"b":2,"c":"x"}]"#),
            (json!({ "e": 1 }), "$.e is null instead of 1"),
        ] {
            assert_eq!(compare("$", &wanted, &given), Err(why.to_owned()));
        }
    }

    #[test]
    fn names_and_texts_are_filled_in() {
        let names = Names::from([("v".to_owned(), json!("17"))]);
        let value = json!({ "version": "$v", "text": { "join": ["a", { "repeat": "bc", "times": 2 }] } });
        assert_eq!(fill(&value, &names), Ok(json!({ "version": "17", "text": "abcbc" })));
        assert_eq!(fill(&json!(["$w"]), &names), Err("nothing was saved as w".to_owned()));
    }
}

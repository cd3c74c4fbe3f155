//! As much of JSON Schema as `scenario.schema.json` uses.

use std::path::Path;

use serde_json::Value;

/// A schema that values are held to.
#[derive(Debug)]
pub(crate) struct Schema {
    root: Value,
}

impl Schema {
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let root = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self { root })
    }

    /// Holds a value to the schema; the error says where it departs from it.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        self.check_at("$", value, &self.root)
    }

    fn check_at(&self, at: &str, value: &Value, schema: &Value) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.root.pointer(reference.trim_start_matches('#'));
            return self.check_at(at, value, target.ok_or_else(|| format!("the schema has no {reference}"))?);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            return self.check_choice(at, value, choices);
        }
        if let Some(name) = schema["type"].as_str()
            && !is_of_type(value, name)
        {
            return Err(format!("{at} is not of type {name}: {value}"));
        }
        if schema.get("const").is_some_and(|wanted| wanted != value) {
            return Err(format!("{at} is {value} instead of {}", schema["const"]));
        }
        if schema["enum"].as_array().is_some_and(|wanted| !wanted.contains(value)) {
            return Err(format!("{at} is {value}, which is none of {}", schema["enum"]));
        }
        let item = |index: usize, item| self.check_at(&format!("{at}[{index}]"), item, &schema["items"]);
        if let (Some(items), true) = (value.as_array(), schema.get("items").is_some()) {
            items.iter().enumerate().try_for_each(|(index, value)| item(index, value))?;
        }
        self.check_members(at, value, schema)
    }

    /// The choice whose `do` is the value's says what is wrong best.
    fn check_choice(&self, at: &str, value: &Value, choices: &[Value]) -> Result<(), String> {
        let is_meant = |choice: &&Value| {
            let verb = &choice["properties"]["do"];
            let verbs = verb["enum"].as_array();
            value.get("do").is_some_and(|done| verb["const"] == *done || verbs.is_some_and(|all| all.contains(done)))
        };
        if let Some(choice) = choices.iter().find(is_meant) {
            return self.check_at(at, value, choice);
        }
        match choices.iter().filter(|choice| self.check_at(at, value, choice).is_ok()).count() {
            1 => Ok(()),
            _ => Err(format!("{at} is nothing that the schema knows: {value}")),
        }
    }

    fn check_members(&self, at: &str, value: &Value, schema: &Value) -> Result<(), String> {
        let Some(members) = value.as_object() else { return Ok(()) };
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                return Err(format!("{at} has no {name}"));
            }
        }
        for (name, member) in members {
            let at = format!("{at}.{name}");
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(property), _) => self.check_at(&at, member, property)?,
                (None, Some(Value::Bool(false))) => return Err(format!("{at} is not in the schema")),
                (None, Some(other @ Value::Object(_))) => self.check_at(&at, member, other)?,
                (None, _) => {}
            }
        }
        Ok(())
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_departs_from_it_is_named() {
        let one = json!({
            "type": "object",
            "properties": { "do": { "const": "one" }, "n": { "type": "integer" } },
            "required": ["do", "n"],
            "additionalProperties": false
        });
        let schema = Schema { root: json!({ "type": "array", "items": { "oneOf": [one, { "type": "string" }] } }) };
        assert_eq!(schema.check(&json!([{ "do": "one", "n": 1 }, "text"])), Ok(()));
        for (wrong, why) in [
            (json!([{ "do": "one" }]), "$[0] has no n"),
            (json!([{ "do": "one", "n": 1.5 }]), "$[0].n is not of type integer: 1.5"),
            (json!([{ "do": "one", "n": 1, "m": 1 }]), "$[0].m is not in the schema"),
            (json!([{ "do": "two" }]), r#"$[0] is nothing that the schema knows: {"do":"two"}"#),
            (json!({}), "$ is not of type array: {}"),
        ] {
            assert_eq!(schema.check(&wrong), Err(why.to_owned()));
        }
    }
}

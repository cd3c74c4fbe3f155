use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const MAX: usize = 1 << 20;

fn patched(value: &str, patch: &str) -> Result<String, ErrorCode> {
    json_patch(value.as_bytes(), patch.as_bytes(), MAX).map(|value| String::from_utf8(value).expect("JSON is UTF-8"))
}

fn merged(value: &str, patch: &str) -> Result<String, ErrorCode> {
    merge_patch(value.as_bytes(), patch.as_bytes()).map(|value| String::from_utf8(value).expect("JSON is UTF-8"))
}

#[test]
fn patches_keep_number_spellings() {
    let before = r#" { "a": 1.10, "b":1E5,"c":-0.0 ,"d":12345678901234567890123,"e":0.1e-7, "f":[ 1e+5 ] } "#;
    let after = r#"{"a":1.10,"b":1E5,"c":-0.0,"d":12345678901234567890123,"e":0.1e-7,"f":2.50E0}"#;
    assert_eq!(patched(before, r#"[{"op":"replace","path":"/f","value":2.50E0}]"#).as_deref(), Ok(after));
    assert_eq!(merged(before, r#"{"f":2.50E0}"#).as_deref(), Ok(after));
}

#[test]
fn patches_keep_escapes_and_the_order_of_members() {
    let before = r#"{"z\u00e9":"\/\u00e9\"","b":"{[,]}","a":null}"#;
    assert_eq!(
        patched(before, r#"[{"op":"remove","path":"/b"}]"#).as_deref(),
        Ok(r#"{"z\u00e9":"\/\u00e9\"","a":null}"#)
    );
    assert_eq!(merged(before, r#"{"b":null}"#).as_deref(), Ok(r#"{"z\u00e9":"\/\u00e9\"","a":null}"#));
    assert_eq!(
        patched("{}", r#"[{"op":"add","path":"/a~1\"\u00e9~0","value":1}]"#).as_deref(),
        Ok("{\"a/\\\"\u{e9}~\":1}")
    );
}

#[test]
fn each_operation_does_what_the_rfc_says() {
    for (value, patch, expected) in [
        (r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/1","value":9}]"#, r#"{"a":[1,9,2]}"#),
        (r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/2","value":9}]"#, r#"{"a":[1,2,9]}"#),
        (r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/-","value":9}]"#, r#"{"a":[1,2,9]}"#),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/a","value":[true]}]"#, r#"{"a":[true]}"#),
        (r#"{"a":1,"b":2}"#, r#"[{"op":"remove","path":"/a"}]"#, r#"{"b":2}"#),
        (r#"[1,2,3]"#, r#"[{"op":"remove","path":"/1"}]"#, "[1,3]"),
        (r#"[1,[2]]"#, r#"[{"op":"replace","path":"/1/0","value":{}}]"#, "[1,[{}]]"),
        (r#"[1]"#, r#"[{"op":"replace","path":"","value":7}]"#, "7"),
        (r#"{"a":{"b":1}}"#, r#"[{"op":"move","from":"/a/b","path":"/c"}]"#, r#"{"a":{},"c":1}"#),
        (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/a"}]"#, r#"{"a":1}"#),
        (r#"{"a":1}"#, r#"[{"op":"copy","from":"","path":"/b"}]"#, r#"{"a":1,"b":{"a":1}}"#),
        (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":1.0},{"op":"add","path":"","value":2}]"#, "2"),
        (r#"{"":{"/":"\u0061"}}"#, r#"[{"op":"test","path":"//~1","value":"a"}]"#, r#"{"":{"/":"\u0061"}}"#),
        (r#"{"a":1,"b":[2]}"#, r#"[{"op":"test","path":"","value":{"b":[2],"a":1}}]"#, r#"{"a":1,"b":[2]}"#),
    ] {
        assert_eq!(patched(value, patch).as_deref(), Ok(expected), "{patch}");
    }
}

#[test]
fn the_examples_of_rfc_7386() {
    for (value, patch, expected) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
        (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
        (r#"{"a":"foo"}"#, "null", "null"),
        (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ] {
        assert_eq!(merged(value, patch).as_deref(), Ok(expected), "{value} {patch}");
    }
}

#[test]
fn a_patch_that_does_not_fit_is_refused() {
    for patch in [
        "",
        "{}",
        "[1]",
        r#"[{"op":"jump","path":"/a"}]"#,
        r#"[{"path":"/a"}]"#,
        r#"[{"op":"add","path":"/a"}]"#,
        r#"[{"op":"remove","path":""}]"#,
        r#"[{"op":"remove","path":"/b"}]"#,
        r#"[{"op":"replace","path":"/b","value":1}]"#,
        r#"[{"op":"test","path":"/a","value":2}]"#,
        r#"[{"op":"test","path":"/a","value":"1"}]"#,
        r#"[{"op":"add","path":"/a/b","value":2}]"#,
        r#"[{"op":"add","path":"a","value":2}]"#,
        r#"[{"op":"add","path":"/~2","value":2}]"#,
        r#"[{"op":"add","path":"/c/4","value":2}]"#,
        r#"[{"op":"add","path":"/c/01","value":2}]"#,
        r#"[{"op":"remove","path":"/c/-"}]"#,
        r#"[{"op":"move","from":"","path":"/a"}]"#,
        r#"[{"op":"move","from":"/c","path":"/c/0"}]"#,
    ] {
        assert_eq!(patched(r#"{"a":1,"c":[1,2,3]}"#, patch), Err(ErrorCode::BadPatch), "{patch}");
    }
    assert_eq!(merged(r#"{"a":1}"#, "{"), Err(ErrorCode::BadPatch));
}

#[test]
fn copies_of_copies_end_before_they_take_memory() {
    let copy = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
    let bomb = format!("[{}]", [copy; 60].join(","));
    assert_eq!(patched(r#"{"a":["0123456789"]}"#, &bomb), Err(ErrorCode::TooLarge));
}

#[test]
fn a_patch_can_not_nest_deeper_than_a_parser_takes() {
    let add = |depth: usize| format!(r#"{{"op":"add","path":"{}/a","value":{{}}}}"#, "/a".repeat(depth));
    let ladder = |steps| format!("[{}]", (0..steps).map(add).collect::<Vec<_>>().join(","));
    let deep = patched("{}", &ladder(120)).expect("as deep as a parser takes");
    assert_eq!(patched(&deep, "[]"), Ok(deep));
    assert_eq!(patched("{}", &ladder(200)), Err(ErrorCode::BadPatch));
    let value = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(merged("{}", &value), Err(ErrorCode::BadPatch));
}

#[test]
fn operations_that_shift_much_are_bounded() {
    let value = format!("[{}0]", "0,".repeat(100_000));
    let shift = r#"{"op":"add","path":"/0","value":1}"#;
    assert!(patched(&value, &format!("[{}]", [shift; 10].join(","))).is_ok());
    assert_eq!(patched(&value, &format!("[{}]", [shift; 100].join(","))), Err(ErrorCode::BadPatch));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c\"\\\\{}\\[\\],:é\n]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[abc/~\"]{0,2}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The algorithm of RFC 7386, section 2.
fn naive_merge(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        let object = target.as_object_mut().expect("made an object above");
        if value.is_null() {
            object.shift_remove(name);
        } else {
            naive_merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}

proptest! {
    #[test]
    fn what_is_parsed_is_written_again(value in any_json()) {
        let compact = value.to_string();
        let spaced = serde_json::to_string_pretty(&value).expect("any value can be written");
        prop_assert_eq!(patched(&spaced, "[]"), Ok(compact));
    }

    #[test]
    fn merges_like_the_definition(mut value in any_json(), patch in any_json()) {
        let after = merged(&value.to_string(), &patch.to_string()).expect("both are JSON");
        naive_merge(&mut value, &patch);
        prop_assert_eq!(serde_json::from_str::<Value>(&after).expect("the result is JSON"), value);
    }

    #[test]
    fn no_patch_panics_and_all_results_are_json(value in any_json(), patch in any_json(), from in "(/[ab0-]){0,2}", path in "(/[ab0-]){0,2}") {
        let operations = ["add", "remove", "replace", "move", "copy", "test"].map(|op| {
            json!({ "op": op, "path": path, "from": from, "value": patch })
        });
        for operation in operations {
            if let Ok(after) = patched(&value.to_string(), &json!([operation]).to_string()) {
                prop_assert!(serde_json::from_str::<Value>(&after).is_ok(), "{after}");
            }
        }
    }
}

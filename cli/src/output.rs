//! Updates as lines, for programs and for people.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outpour::{FetchedItem, TopicKind, Update, UpdateKind, Value, ValueType, Version};

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// One JSON object a line.
    pub(crate) jsonl: bool,
    /// Colours, which only a terminal gets.
    pub(crate) colours: bool,
}

/// Writes an update as a line.
pub(crate) fn write_update(out: &mut impl Write, update: &Update, style: Style) -> io::Result<()> {
    let path = update.path.as_str();
    match &update.kind {
        UpdateKind::Value { value, version } => write_value(out, path, value, (*version, None), update.stale, style),
        UpdateKind::Event { value, version, sequence } => {
            write_value(out, path, value, (*version, Some(*sequence)), update.stale, style)
        }
        UpdateKind::Gap { first, last } if style.jsonl => {
            writeln!(out, "{{\"topic\":{},\"gap\":[{first},{last}]}}", quoted(path))
        }
        UpdateKind::Gap { first, last } => {
            write_remark(out, path, &format!("events {first} to {last} are missing"), style)
        }
        UpdateKind::Removed if style.jsonl => writeln!(out, "{{\"topic\":{},\"removed\":true}}", quoted(path)),
        UpdateKind::Removed => write_remark(out, path, "removed", style),
        _ => Ok(()),
    }
}

/// Writes what a fetch brought as a line.
pub(crate) fn write_fetched(out: &mut impl Write, item: &FetchedItem, style: Style) -> io::Result<()> {
    let sequence = (item.kind == TopicKind::Event).then_some(item.sequence);
    write_value(out, item.path.as_str(), &item.value, (item.version, sequence), false, style)
}

fn write_value(
    out: &mut impl Write,
    path: &str,
    value: &Value,
    (version, sequence): (Version, Option<u64>),
    stale: bool,
    style: Style,
) -> io::Result<()> {
    if !style.jsonl {
        let (bold, plain) = if style.colours { ("\x1b[1;36m", "\x1b[0m") } else { ("", "") };
        let remark = if stale { "  (held from before)" } else { "" };
        return writeln!(out, "{bold}{path}{plain}  {value}{remark}");
    }
    write!(out, "{{\"topic\":{},\"version\":{version}", quoted(path))?;
    if let Some(sequence) = sequence {
        write!(out, ",\"sequence\":{sequence}")?;
    }
    if stale {
        write!(out, ",\"stale\":true")?;
    }
    match value.value_type() {
        // A line break in JSON text can only stand between tokens: a space means the same.
        ValueType::Json => {
            write!(out, ",\"value\":")?;
            let text = value.as_str().unwrap_or("null");
            for (index, line) in text.split(['\n', '\r']).enumerate() {
                write!(out, "{}{line}", if index == 0 { "" } else { " " })?;
            }
        }
        ValueType::Text => write!(out, ",\"text\":{}", quoted(value.as_str().unwrap_or_default()))?,
        ValueType::Int64 => write!(out, ",\"value\":{value}")?,
        // JSON has no words for what is not a number.
        ValueType::Double => match value.as_f64().filter(|number| number.is_finite()) {
            Some(number) => write!(out, ",\"value\":{number:?}")?,
            None => write!(out, ",\"value\":null")?,
        },
        _ => write!(out, ",\"b64\":\"{}\"", STANDARD.encode(value.bytes()))?,
    }
    writeln!(out, "}}")
}

fn write_remark(out: &mut impl Write, path: &str, remark: &str, style: Style) -> io::Result<()> {
    let (bold, dim, plain) = if style.colours { ("\x1b[1;36m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    writeln!(out, "{bold}{path}{plain}  {dim}({remark}){plain}")
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use outpour::Path;

    fn line(value: Value) -> String {
        let kind = UpdateKind::Value { value, version: Version(7) };
        let update = Update {
            path: Path::new("a/\"b").unwrap(),
            kind,
            epoch: outpour::Epoch::default(),
            stale: false,
            wire_bytes: 0,
        };
        let mut out = Vec::new();
        write_update(&mut out, &update, Style { jsonl: true, colours: false }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_lines_keep_the_spelling_of_numbers_and_stay_one_line() {
        assert_eq!(
            line(Value::json("{\"p\":18.6000}")),
            "{\"topic\":\"a/\\\"b\",\"version\":7,\"value\":{\"p\":18.6000}}\n"
        );
        assert_eq!(line(Value::json("[1,\n2]")), "{\"topic\":\"a/\\\"b\",\"version\":7,\"value\":[1, 2]}\n");
        assert_eq!(line(Value::text("x\ny")), "{\"topic\":\"a/\\\"b\",\"version\":7,\"text\":\"x\\ny\"}\n");
        assert_eq!(line(Value::binary(vec![0, 1, 2])), "{\"topic\":\"a/\\\"b\",\"version\":7,\"b64\":\"AAEC\"}\n");
        assert_eq!(line(Value::from(-3)), "{\"topic\":\"a/\\\"b\",\"version\":7,\"value\":-3}\n");
        assert_eq!(line(Value::from(0.5)), "{\"topic\":\"a/\\\"b\",\"version\":7,\"value\":0.5}\n");
    }
}

//! The operations of RFC 6902.

use std::borrow::Cow;

use outpour_core::ErrorCode;

use super::document::{Member, Node};
use super::extent::{Bounds, Extent};

const BAD: ErrorCode = ErrorCode::BadPatch;

/// Applies a patch. On an error the document is left as far as it got.
pub(super) fn apply<'a>(document: &mut Node<'a>, patch: &Node<'a>, max_value: usize) -> Result<(), ErrorCode> {
    let Node::Array(operations) = patch else { return Err(BAD) };
    let mut bounds = Bounds::new(document, max_value);
    operations.iter().try_for_each(|operation| apply_one(document, operation, &mut bounds))
}

fn apply_one<'a>(document: &mut Node<'a>, operation: &Node<'a>, bounds: &mut Bounds) -> Result<(), ErrorCode> {
    let text = |name| operation.member(name).and_then(Node::as_string).ok_or(BAD);
    let value = || operation.member("value").ok_or(BAD);
    let path = Pointer::parse(&text("path")?)?;
    bounds.work(path.0.len())?;
    match text("op")?.as_ref() {
        "add" => add(document, &path, value()?.clone(), bounds),
        "remove" => remove(document, &path, bounds).map(drop),
        "replace" => {
            let new = value()?;
            let target = find_mut(document, &path.0).ok_or(BAD)?;
            bounds.remove(target)?;
            bounds.add(Extent::of(new), path.0.len(), 0)?;
            *target = new.clone();
            Ok(())
        }
        "move" => {
            let from = Pointer::parse(&text("from")?)?;
            if path.0.len() > from.0.len() && path.0.starts_with(&from.0) {
                return Err(BAD);
            }
            let moved = remove(document, &from, bounds)?;
            add(document, &path, moved, bounds)
        }
        "copy" => {
            let from = Pointer::parse(&text("from")?)?;
            let source = find(document, &from.0).ok_or(BAD)?;
            // Before the copy is made: it may be the whole document.
            bounds.add(Extent::of(source), path.0.len(), 0)?;
            let copied = source.clone();
            bounds.remove(&copied)?;
            add(document, &path, copied, bounds)
        }
        "test" => {
            let wanted = value()?;
            bounds.work(Extent::of(wanted).nodes)?;
            let found = find(document, &path.0).ok_or(BAD)?;
            if found.equals(wanted) { Ok(()) } else { Err(BAD) }
        }
        _ => Err(BAD),
    }
}

fn add<'a>(document: &mut Node<'a>, path: &Pointer, value: Node<'a>, bounds: &mut Bounds) -> Result<(), ErrorCode> {
    let depth = path.0.len();
    let Some((last, parent)) = path.0.split_last() else {
        bounds.remove(document)?;
        bounds.add(Extent::of(&value), 0, 0)?;
        *document = value;
        return Ok(());
    };
    bounds.add(Extent::of(&value), depth, last.len() + 4)?;
    match find_mut(document, parent).ok_or(BAD)? {
        Node::Leaf(_) => Err(BAD),
        Node::Array(values) => {
            let index = if last == "-" { values.len() } else { index(last)? };
            if index > values.len() {
                return Err(BAD);
            }
            bounds.work(values.len() - index)?;
            values.insert(index, value);
            Ok(())
        }
        Node::Object(members) => {
            match members.get_mut(last.as_str()) {
                Some(member) => {
                    bounds.remove(&member.value)?;
                    member.value = value;
                }
                None => drop(members.insert(Cow::Owned(last.clone()), Member::new(value))),
            }
            Ok(())
        }
    }
}

fn remove<'a>(document: &mut Node<'a>, path: &Pointer, bounds: &mut Bounds) -> Result<Node<'a>, ErrorCode> {
    let (last, parent) = path.0.split_last().ok_or(BAD)?;
    let removed = match find_mut(document, parent).ok_or(BAD)? {
        Node::Leaf(_) => return Err(BAD),
        Node::Array(values) => {
            let index = index(last)?;
            if index >= values.len() {
                return Err(BAD);
            }
            bounds.work(values.len() - index)?;
            values.remove(index)
        }
        Node::Object(members) => {
            bounds.work(members.len())?;
            members.shift_remove(last.as_str()).ok_or(BAD)?.value
        }
    };
    bounds.remove(&removed)?;
    Ok(removed)
}

/// A JSON Pointer (RFC 6901), taken apart.
struct Pointer(Vec<String>);

impl Pointer {
    fn parse(text: &str) -> Result<Self, ErrorCode> {
        let Some(tokens) = text.strip_prefix('/') else {
            return if text.is_empty() { Ok(Self(Vec::new())) } else { Err(BAD) };
        };
        tokens.split('/').map(unescape).collect::<Result<_, _>>().map(Self)
    }
}

fn unescape(token: &str) -> Result<String, ErrorCode> {
    let mut parts = token.split('~');
    let mut plain = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let (sign, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', part.get(1..)),
            Some(b'1') => ('/', part.get(1..)),
            _ => return Err(BAD),
        };
        plain.push(sign);
        plain.push_str(rest.unwrap_or_default());
    }
    Ok(plain)
}

/// An array index: digits without a leading zero.
fn index(token: &str) -> Result<usize, ErrorCode> {
    let plain = token == "0" || !token.starts_with('0') && token.bytes().all(|digit| digit.is_ascii_digit());
    if plain { token.parse().map_err(|_| BAD) } else { Err(BAD) }
}

fn find<'n, 'a>(node: &'n Node<'a>, tokens: &[String]) -> Option<&'n Node<'a>> {
    tokens.iter().try_fold(node, |node, token| match node {
        Node::Leaf(_) => None,
        Node::Array(values) => values.get(index(token).ok()?),
        Node::Object(_) => node.member(token),
    })
}

fn find_mut<'n, 'a>(node: &'n mut Node<'a>, tokens: &[String]) -> Option<&'n mut Node<'a>> {
    tokens.iter().try_fold(node, |node, token| match node {
        Node::Leaf(_) => None,
        Node::Array(values) => values.get_mut(index(token).ok()?),
        Node::Object(members) => members.get_mut(token.as_str()).map(|member| &mut member.value),
    })
}

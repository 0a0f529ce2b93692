//! The shape of a text or a JSON value: what differs from run to run is replaced by placeholders.

use std::collections::BTreeSet;

use serde_json::Value;

/// Begins the name of every visitor of this test, so that names are recognized.
pub const USER: &str = "user-";

/// A word, or a placeholder for an identifier, a number or a user.
pub fn placeholder(word: &str) -> String {
    if uuid::Uuid::try_parse(word).is_ok() {
        return "<uuid>".to_owned();
    }

    if word.starts_with(USER) {
        return "<user>".to_owned();
    }

    if is_number(word) {
        return "<n>".to_owned();
    }

    if let Some((stem, number)) = word.rsplit_once('-')
        && is_number(number)
        && is_word(stem)
    {
        return format!("{stem}-<n>");
    }

    if is_word(word) {
        word.to_owned()
    } else {
        "<id>".to_owned()
    }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(word: &str) -> bool {
    word.bytes()
        .all(|byte| is_word_byte(byte) || matches!(byte, b'-' | b' '))
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'_'
}

/// A key or a channel below the prefix, with a placeholder for each part that is no name. An
/// event's id is its hash tag.
pub fn key(prefix: &str, name: &str) -> Option<String> {
    let rest = name.strip_prefix(prefix)?.strip_prefix(':')?;
    let parts = rest.split(':').map(|part| {
        match part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'))
        {
            Some(tag) => format!("{{{}}}", placeholder(tag)).replace("<uuid>", "<event>"),
            None => placeholder(part),
        }
    });
    Some(format!("<prefix>:{}", parts.collect::<Vec<_>>().join(":")))
}

/// The paths of all fields of a JSON value, `zones[].zone_id`, and the words of enumerations,
/// `state = open`.
pub fn fields(value: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    collect(value, "", &mut paths);
    paths
}

fn collect(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let separator = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{separator}{}", field(name));
                paths.insert(path.clone());
                collect(value, &path, paths);
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(item, &format!("{path}[]"), paths);
            }
        }
        Value::String(text) if text.len() > 1 && text.bytes().all(is_word_byte) => {
            paths.insert(format!("{path} = {text}"));
        }
        _ => {}
    }
}

/// A field's name, or a placeholder in a map by identifiers.
fn field(name: &str) -> String {
    let is_name = |byte: u8| is_word_byte(byte) || byte.is_ascii_digit();
    if name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(is_name) {
        name.to_owned()
    } else {
        placeholder(name)
    }
}

/// The shape of a stored value that has parts, or fields; nothing for a plain one.
pub fn packed(value: &str) -> BTreeSet<String> {
    if value.contains('\t') {
        let parts: Vec<_> = value.split('\t').map(part).collect();
        return [format!("packed {}", parts.join(" "))].into();
    }
    let json = value.find('{').map_or("", |start| &value[start..]);
    serde_json::from_str(json).map_or_else(|_| BTreeSet::new(), |value| fields(&value))
}

/// A part of a packed value: a number, one of the letters that stand for states, or anything.
fn part(text: &str) -> String {
    let letter = text.trim_end_matches(|end: char| end.is_ascii_digit());
    if is_number(text) && text.len() < 16 {
        "#".to_owned()
    } else if letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_lowercase()) {
        letter.to_owned()
    } else {
        "*".to_owned()
    }
}

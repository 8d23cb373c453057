//! An answer as a tree: built once, and rendered as XML or JSON for the caller, and in CloudTrail's two styles of JSON.

use serde_json::{Map, Value, json};

/// An answer or a part of one. Names are those of the XML elements.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Text(String),
    Int(i64),
    Bool(bool),
    /// EC2 lists: `<item>` elements.
    List(Vec<Tree>),
    Map(Vec<(&'static str, Tree)>),
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for Tree {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl Tree {
    /// A map without its absent members, which AWS omits.
    pub(crate) fn map<const N: usize>(members: [(&'static str, Option<Tree>); N]) -> Self {
        Self::Map(members.into_iter().filter_map(|(name, tree)| Some((name, tree?))).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Tree> {
        match self {
            Self::Map(members) => members.iter().find(|(n, _)| *n == name).map(|(_, tree)| tree),
            Self::Text(_) | Self::Int(_) | Self::Bool(_) | Self::List(_) => None,
        }
    }

    pub(crate) fn items(&self) -> &[Tree] {
        match self {
            Self::List(items) => items,
            Self::Text(_) | Self::Int(_) | Self::Bool(_) | Self::Map(_) => &[],
        }
    }

    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Int(number) => Some(number.to_string()),
            Self::Bool(flag) => Some(flag.to_string()),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Appends `<name>…</name>` to `out`.
    pub(crate) fn xml(&self, name: &str, out: &mut String) {
        // An empty list is an empty element, as EC2 writes it.
        if matches!(self, Self::List(items) if items.is_empty()) {
            out.push_str(&format!("<{name}/>"));
            return;
        }
        out.push_str(&format!("<{name}>"));
        match self {
            Self::Text(text) => escape(text, out),
            Self::Int(number) => out.push_str(&number.to_string()),
            Self::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::List(items) => items.iter().for_each(|item| item.xml("item", out)),
            Self::Map(members) => members.iter().for_each(|(name, tree)| tree.xml(name, out)),
        }
        out.push_str(&format!("</{name}>"));
    }

    /// Plain JSON, as the JSON protocols have it.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Int(number) => json!(number),
            Self::Bool(flag) => json!(flag),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Map(members) => {
                Value::Object(members.iter().map(|(name, tree)| ((*name).to_owned(), tree.json())).collect())
            }
        }
    }

    /// CloudTrail's style for the calls of EC2's first years: `{"items":[…]}`, an empty list `{}`, `_return`.
    pub(crate) fn legacy_json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Int(number) => json!(number),
            Self::Bool(flag) => json!(flag),
            Self::List(items) => legacy_list(items.iter().map(Self::legacy_json).collect()),
            Self::Map(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, tree)| {
                        (if *name == "return" { "_return" } else { *name }.to_owned(), tree.legacy_json())
                    })
                    .collect(),
            ),
        }
    }

    /// CloudTrail's style for later calls: XML turned to JSON, types guessed, one item an object, several an array.
    pub(crate) fn converted_json(&self) -> Value {
        match self {
            Self::Text(text) => guess(text),
            Self::Int(number) => json!(number),
            Self::Bool(flag) => json!(flag),
            Self::List(items) => match items.as_slice() {
                [] => json!(""),
                [one] => json!({ "item": one.converted_json() }),
                several => json!({ "item": several.iter().map(Self::converted_json).collect::<Vec<_>>() }),
            },
            Self::Map(members) => {
                Value::Object(members.iter().map(|(name, tree)| ((*name).to_owned(), tree.converted_json())).collect())
            }
        }
    }
}

/// A list in CloudTrail's old style: an empty one is `{}`, never `[]`.
pub(crate) fn legacy_list(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::Object(Map::new()) } else { json!({ "items": items }) }
}

/// The type that CloudTrail's XML-to-JSON converter guesses for a text: `"true"` becomes a boolean and `"-1"` a number.
/// A number with leading zeros (an account id) stays a text.
pub(crate) fn guess(text: &str) -> Value {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    match text {
        "true" => json!(true),
        "false" => json!(false),
        _ if leading_zero || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) => json!(text),
        _ => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
    }
}

/// Writes `text` as XML character data. Control characters that XML 1.0 cannot carry become U+FFFD.
pub(crate) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

//! Update and condition expressions, as far as a memory of single items needs them.
//!
//! Amazon DynamoDB Developer Guide, "Using update expressions" and "Condition and filter expressions, operators, and
//! functions". Every name is a placeholder `#n`, every value a placeholder `:v`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::{Attribute, Item, KEY, Used, invalid};
use crate::{ApiError, params::Params};

/// The placeholders of a request.
pub(super) struct Names {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Attribute>,
    used: Used,
}

impl Names {
    pub(super) fn of(params: &Params) -> Result<Self, ApiError> {
        let (mut names, mut values) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in &params.0 {
            if let Some(placeholder) = name.strip_prefix("ExpressionAttributeNames.") {
                names.insert(placeholder.to_owned(), value.clone());
            } else if let Some(rest) = name.strip_prefix("ExpressionAttributeValues.") {
                let (placeholder, kind) = rest.rsplit_once('.').unwrap_or((rest, ""));
                let number = || value.parse().map_err(|_| invalid("The model has whole numbers only"));
                let attribute = match kind {
                    "S" => Attribute::S(value.clone()),
                    "N" => Attribute::N(number()?),
                    other => return Err(invalid(format!("The model has no values of type {other}"))),
                };
                values.insert(placeholder.to_owned(), attribute);
            }
        }
        Ok(Self { names, values, used: RefCell::default() })
    }

    fn name(&self, placeholder: &str) -> Result<&str, ApiError> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        self.names.get(placeholder).map(String::as_str).ok_or_else(|| {
            let what = "An expression attribute name used in the document path is not defined";
            invalid(format!("{what}; attribute name: {placeholder}"))
        })
    }

    fn value(&self, placeholder: &str) -> Result<&Attribute, ApiError> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        self.values.get(placeholder).ok_or_else(|| {
            let what = "An expression attribute value used in expression is not defined";
            invalid(format!("{what}; attribute value: {placeholder}"))
        })
    }

    /// DynamoDB refuses placeholders that no expression uses.
    pub(super) fn check_used(&self) -> Result<(), ApiError> {
        let used = self.used.borrow();
        let is_unused = |name: &&String| !used.contains(*name);
        if let Some(name) = self.names.keys().find(is_unused) {
            let what = "Value provided in ExpressionAttributeNames unused in expressions";
            return Err(invalid(format!("{what}: keys: {{{name}}}")));
        }
        if let Some(name) = self.values.keys().find(is_unused) {
            let what = "Value provided in ExpressionAttributeValues unused in expressions";
            return Err(invalid(format!("{what}: keys: {{{name}}}")));
        }
        Ok(())
    }
}

/// The words and signs of an expression.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let end = |word: &mut String, tokens: &mut Vec<String>| {
        if !word.is_empty() {
            tokens.push(std::mem::take(word));
        }
    };
    for c in text.chars() {
        match c {
            ' ' | '\n' => end(&mut word, &mut tokens),
            '(' | ')' | ',' => {
                end(&mut word, &mut tokens);
                tokens.push(c.to_string());
            }
            _ => word.push(c),
        }
    }
    end(&mut word, &mut tokens);
    tokens
}

/// Reads tokens from the front.
struct Reader {
    tokens: std::vec::IntoIter<String>,
    next: Option<String>,
}

impl Reader {
    fn of(text: &str) -> Self {
        let mut tokens = tokens(text).into_iter();
        let next = tokens.next();
        Self { tokens, next }
    }

    fn peek(&self) -> Option<&str> {
        self.next.as_deref()
    }

    fn take(&mut self) -> Result<String, ApiError> {
        let taken = std::mem::replace(&mut self.next, self.tokens.next());
        taken.ok_or_else(|| invalid("Syntax error; token: \"<EOF>\""))
    }

    fn expect(&mut self, wanted: &str) -> Result<(), ApiError> {
        let token = self.take()?;
        if token == wanted { Ok(()) } else { Err(invalid(format!("Syntax error; token: \"{token}\""))) }
    }
}

/// The item after the update. All actions see the item as it was before.
pub(super) fn update(text: &str, before: &Item, names: &Names) -> Result<Item, ApiError> {
    let mut after = before.clone();
    let (mut reader, mut paths, mut clauses) = (Reader::of(text), BTreeSet::new(), BTreeSet::new());
    while reader.peek().is_some() {
        let clause = reader.take()?;
        if !clauses.insert(clause.clone()) {
            return Err(invalid(format!("The \"{clause}\" section can only be used once in an update expression;")));
        }
        loop {
            let name = names.name(&reader.take()?)?.to_owned();
            if name == KEY {
                return Err(invalid("Cannot update attribute pk. This attribute is part of the key"));
            }
            if !paths.insert(name.clone()) {
                return Err(invalid("Two document paths overlap with each other; must remove or rewrite one of these"));
            }
            match clause.as_str() {
                "SET" => {
                    reader.expect("=")?;
                    after.insert(name, operand(&mut reader, before, names)?);
                }
                "REMOVE" => _ = after.remove(&name),
                "ADD" => {
                    let Attribute::N(more) = names.value(&reader.take()?)? else {
                        return Err(invalid("Incorrect operand type for operator or function; operator: ADD"));
                    };
                    let sum = match before.get(&name) {
                        None => *more,
                        Some(Attribute::N(number)) => number.saturating_add(*more),
                        Some(Attribute::S(_)) => return Err(invalid("Type mismatch for attribute to update")),
                    };
                    after.insert(name, Attribute::N(sum));
                }
                other => return Err(invalid(format!("Syntax error; token: \"{other}\""))),
            }
            if reader.peek() != Some(",") {
                break;
            }
            reader.take()?;
        }
    }
    Ok(after)
}

/// `:v` or `if_not_exists(#n, :v)`.
fn operand(reader: &mut Reader, before: &Item, names: &Names) -> Result<Attribute, ApiError> {
    let token = reader.take()?;
    if token != "if_not_exists" {
        return names.value(&token).cloned();
    }
    reader.expect("(")?;
    let name = names.name(&reader.take()?)?.to_owned();
    reader.expect(",")?;
    let value = names.value(&reader.take()?)?.clone();
    reader.expect(")")?;
    Ok(before.get(&name).cloned().unwrap_or(value))
}

/// Whether the item meets the condition: terms with OR between them.
pub(super) fn condition(text: &str, item: Option<&Item>, names: &Names) -> Result<bool, ApiError> {
    let (mut reader, mut is_met) = (Reader::of(text), false);
    loop {
        is_met |= term(&mut reader, item, names)?;
        match reader.peek() {
            None => return Ok(is_met),
            Some("OR") => reader.take()?,
            Some(other) => return Err(invalid(format!("The model has no \"{other}\" in conditions"))),
        };
    }
}

fn term(reader: &mut Reader, item: Option<&Item>, names: &Names) -> Result<bool, ApiError> {
    let first = reader.take()?;
    let has = |name: &str| item.is_some_and(|item| item.contains_key(name));
    if first == "attribute_exists" || first == "attribute_not_exists" {
        reader.expect("(")?;
        let name = names.name(&reader.take()?)?.to_owned();
        reader.expect(")")?;
        return Ok(has(&name) == (first == "attribute_exists"));
    }
    let name = names.name(&first)?.to_owned();
    let sign = reader.take()?;
    let value = names.value(&reader.take()?)?;
    // A comparison with an attribute that is not there, or is of another type, is false.
    let known = item.and_then(|item| item.get(&name));
    let is_same_type = |known: &&Attribute| matches!(known, Attribute::N(_)) == matches!(value, Attribute::N(_));
    let order = known.filter(is_same_type).map(|known| known.cmp(value));
    match sign.as_str() {
        "=" => Ok(order.is_some_and(std::cmp::Ordering::is_eq)),
        "<" => Ok(order.is_some_and(std::cmp::Ordering::is_lt)),
        ">" => Ok(order.is_some_and(std::cmp::Ordering::is_gt)),
        other => Err(invalid(format!("Syntax error; token: \"{other}\""))),
    }
}

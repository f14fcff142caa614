//! What differs between two answers, field by field, each by its path: `layout.zones.DMA.present`.
//!
//! Elements of an array are told apart by their `name` if all have one that is theirs alone, otherwise by their number:
//! a region that only one side has moves no other. If those that both have stand in another order, that is a difference
//! of the array.
//!
//! Answers are compared as the JSON that they are, so that a field that is added is compared from then on.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Which field: keys and numbers of elements, with dots between.
    pub path: String,
    /// The one side, as JSON; `null` where there is nothing.
    pub left: Value,
    /// The other.
    pub right: Value,
}

impl fmt::Display for Difference {
    /// For people, where left is what was expected of a boot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (left, right) = (plain(&self.left), plain(&self.right));
        write!(f, "{}: expected {left}, booted {right}", self.path)
    }
}

/// Every leaf in which `left` and `right` differ, in the order of `left`, then what only `right` has.
#[must_use]
pub fn differences(left: &Value, right: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&mut String::new(), left, right, &mut found);
    found
}

fn compare(path: &mut String, left: &Value, right: &Value, found: &mut Vec<Difference>) {
    let mut below = |key: &str, left: &Value, right: &Value| {
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(key);
        compare(path, left, right, found);
        path.truncate(length);
    };
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, value) in left {
                below(key, value, right.get(key).unwrap_or(&Value::Null));
            }
            for (key, value) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                below(key, &Value::Null, value);
            }
        }
        (Value::Array(left), Value::Array(right)) if are_named(left) && are_named(right) => {
            let by_name =
                |side: &[Value], name| side.iter().find(|one| name_of(one) == name).cloned();
            let names = left.iter().map(name_of);
            let others = right.iter().map(name_of);
            let others = others.filter(|other| by_name(left, *other).is_none());
            for name in names.chain(others) {
                let at = |side| by_name(side, name).unwrap_or(Value::Null);
                below(name.unwrap_or_default(), &at(left), &at(right));
            }
            let (left, right) = (shared_names(left, right), shared_names(right, left));
            if left != right {
                found.push(Difference { path: path.clone(), left, right });
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for index in 0..left.len().max(right.len()) {
                let at = |side: &Vec<Value>| side.get(index).cloned().unwrap_or(Value::Null);
                below(&index.to_string(), &at(left), &at(right));
            }
        }
        (left, right) if left == right => {}
        (left, right) => {
            found.push(Difference { path: path.clone(), left: left.clone(), right: right.clone() });
        }
    }
}

/// The names in `side` that `other` has as well, in the order of `side`.
fn shared_names(side: &[Value], other: &[Value]) -> Value {
    let is_shared = |name: &Option<&str>| other.iter().any(|one| name_of(one) == *name);
    side.iter().map(name_of).filter(is_shared).collect()
}

fn name_of(element: &Value) -> Option<&str> {
    element.get("name")?.as_str()
}

/// Has each element a name of its own?
fn are_named(elements: &[Value]) -> bool {
    let is_first = |(index, element): (usize, &Value)| {
        let name = name_of(element);
        name.is_some() && elements.iter().take(index).all(|earlier| name_of(earlier) != name)
    };
    elements.iter().enumerate().all(is_first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_leaf_that_differs_is_named_once() {
        let left = json!({"a": 1, "b": {"c": [1, 2], "d": "x"}, "e": null, "same": [{}]});
        let right = json!({"a": 2, "b": {"c": [1, 3, 4]}, "f": true, "same": [{}]});
        let found: Vec<_> = differences(&left, &right)
            .into_iter()
            .map(|one| (one.path, one.left, one.right))
            .collect();
        assert_eq!(
            found,
            [
                ("a".to_string(), json!(1), json!(2)),
                ("b.c.1".to_string(), json!(2), json!(3)),
                ("b.c.2".to_string(), Value::Null, json!(4)),
                ("b.d".to_string(), json!("x"), Value::Null),
                ("f".to_string(), Value::Null, json!(true)),
            ]
        );
        assert_eq!(differences(&left, &left), []);
    }

    #[test]
    fn elements_with_names_are_told_apart_by_them() {
        let region = |name: &str, end: u32| json!({"name": name, "end": end});
        let left = json!({"regions": [region("a", 1), region("gone", 2), region("b", 3)]});
        let right = json!({"regions": [region("a", 1), region("b", 4), region("new", 5)]});
        let paths = |left, right| -> Vec<_> {
            differences(left, right).into_iter().map(|one| one.path).collect()
        };
        assert_eq!(paths(&left, &right), ["regions.gone", "regions.b.end", "regions.new"]);
        let turned = json!({"regions": [region("b", 3), region("gone", 2), region("a", 1)]});
        assert_eq!(paths(&left, &turned), ["regions"], "the order counts, too");
        let twice = json!({"regions": [region("a", 1), region("a", 2)]});
        let other = json!({"regions": [region("a", 1), region("a", 3)]});
        assert_eq!(paths(&twice, &other), ["regions.1.end"]);
        assert_eq!(paths(&json!([]), &json!([region("a", 1)])), ["a"]);
    }
}

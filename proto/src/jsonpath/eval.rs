//! Follows paths through objects.

use super::parse::{Operand, Operator, Part, Step};
use super::{JsonPathError, text_of};
use serde_json::Value;
use std::cmp::Ordering;

/// Fills in `parts`; paths start at `current`, `$` is `root`.
pub(super) fn render(parts: &[Part], root: &Value, current: &Value, out: &mut String) -> Result<(), JsonPathError> {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(steps) => {
                let texts: Vec<String> = find(steps, root, current)?.into_iter().map(text_of).collect();
                out.push_str(&texts.join(" "));
            }
            Part::Range(steps, inner) => {
                for item in find(steps, root, current)? {
                    render(inner, root, item, out)?;
                }
            }
        }
    }
    Ok(())
}

/// Everything `steps` lead to from `current`.
pub(super) fn find<'a>(steps: &[Step], root: &'a Value, current: &'a Value) -> Result<Vec<&'a Value>, JsonPathError> {
    let mut found = vec![current];
    for step in steps {
        let mut next = Vec::new();
        if let Step::Union(paths) = step {
            // Every object's first path, then every object's second.
            for path in paths {
                for value in &found {
                    next.extend(find(path, root, value)?);
                }
            }
        } else {
            for value in found {
                follow(step, root, value, &mut next)?;
            }
        }
        found = next;
    }
    Ok(found)
}

fn follow<'a>(step: &Step, root: &'a Value, value: &'a Value, out: &mut Vec<&'a Value>) -> Result<(), JsonPathError> {
    match step {
        Step::Root => out.push(root),
        Step::Current => out.push(value),
        Step::Field(name) => out.extend(value.get(name.as_str())),
        Step::Wildcard => match value {
            Value::Array(items) => out.extend(items),
            Value::Object(map) => out.extend(map.values()),
            _ => {}
        },
        Step::Recursive => descend(value, out),
        Step::Index(index) => {
            let Value::Array(items) = value else { return Ok(()) };
            let at = if *index < 0 { index + length(items) } else { *index };
            let item = usize::try_from(at).ok().and_then(|at| items.get(at));
            out.push(item.ok_or_else(|| {
                JsonPathError(format!("array index out of bounds: index {index}, length {}", items.len()))
            })?);
        }
        Step::Slice { start, end, step } => {
            let Value::Array(items) = value else { return Ok(()) };
            if *step <= 0 {
                return Err(JsonPathError("step must be > 0".into()));
            }
            let length = length(items);
            let clamp = |at: i64| (if at < 0 { at + length } else { at }).clamp(0, length);
            let (start, end) = (clamp(start.unwrap_or(0)), clamp(end.unwrap_or(length)));
            let stride = usize::try_from(*step).unwrap_or(usize::MAX);
            let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end.max(start)).unwrap_or(0);
            out.extend(items[range].iter().step_by(stride));
        }
        Step::Union(_) => {}
        Step::Filter { left, operator, right } => {
            let items: Vec<&Value> = match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            };
            for item in items {
                if passes(left, *operator, right.as_ref(), root, item)? {
                    out.push(item);
                }
            }
        }
    }
    Ok(())
}

fn length(items: &[Value]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

fn descend<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    out.push(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| descend(item, out)),
        Value::Object(map) => map.values().for_each(|item| descend(item, out)),
        _ => {}
    }
}

fn passes(
    left: &Operand,
    operator: Option<Operator>,
    right: Option<&Operand>,
    root: &Value,
    item: &Value,
) -> Result<bool, JsonPathError> {
    let first = |operand: &Operand| -> Result<Option<Value>, JsonPathError> {
        Ok(match operand {
            Operand::Literal(value) => Some(value.clone()),
            Operand::Path(steps) => find(steps, root, item)?.first().map(|v| (*v).clone()),
        })
    };
    let left = first(left)?;
    let (Some(operator), Some(right)) = (operator, right) else { return Ok(left.is_some()) };
    let (Some(left), Some(right)) = (left, first(right)?) else { return Ok(false) };
    let order = compare(&left, &right);
    Ok(match operator {
        Operator::Equal => left == right || order == Some(Ordering::Equal),
        Operator::NotEqual => left != right && order != Some(Ordering::Equal),
        Operator::Less => order == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => order == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    })
}

/// Order of two numbers or of two texts.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

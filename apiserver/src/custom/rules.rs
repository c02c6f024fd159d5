//! CEL rules of a schema (`x-kubernetes-validations`): compiled once, asked of every object.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>

use super::schema::{Additional, ListType, Rule, Structural};
use crate::behaviour::causes::{duplicate, forbidden, required};
use crate::cel::{Budget, CompileError, EvaluationError, Expression, Kind, Scope, shaped};
use cel::common::types::CelOptional;
use kubus_proto::status::Cause;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most bytes of a message that an expression makes.
const MESSAGE_LIMIT_BYTES: usize = 5 * 1024;

/// The rules of a shape and of what is in it; only those parts that have any.
#[derive(Debug, Default)]
pub struct Rules {
    own: Vec<Compiled>,
    fields: BTreeMap<String, Rules>,
    entries: Option<Box<Rules>>,
    items: Option<Box<Rules>>,
}

#[derive(Debug)]
struct Compiled {
    rule: Rule,
    condition: Expression,
    message: Option<Expression>,
    /// Whether it compares with the old value.
    transition: bool,
}

fn compile_rule(rule: &Rule, shape: &Structural, whole: bool) -> Result<Compiled, (&'static str, String)> {
    let own = Kind::of(shape, whole);
    let old = if rule.optional_old_self { Kind::Optional(Box::new(own.clone())) } else { own.clone() };
    let variables = [("self", own), ("oldSelf", old)];
    let told = |wanted: &str, error: CompileError| match error {
        CompileError::Result(_) => wanted.to_owned(),
        other => other.to_string(),
    };
    let condition = Expression::compile(&rule.rule, &variables, &[Kind::Bool])
        .map_err(|error| ("rule", told("cel expression must evaluate to a bool", error)))?;
    let message = match rule.message_expression.as_str() {
        "" => None,
        source => Some(Expression::compile(source, &variables, &[Kind::Text]).map_err(|error| {
            let text = told("messageExpression must evaluate to a string", error);
            ("messageExpression", text)
        })?),
    };
    let transition = condition.uses("oldSelf");
    Ok(Compiled { rule: rule.clone(), condition, message, transition })
}

/// What is wrong with the rules of a schema that stands at `path` in its definition.
pub fn check_rules(path: &str, schema: &Structural) -> Vec<Cause> {
    let mut causes = Vec::new();
    walk(path, schema, true, true, &mut causes);
    causes
}

fn walk(path: &str, shape: &Structural, whole: bool, correlated: bool, causes: &mut Vec<Cause>) -> Rules {
    let whole = whole || shape.embedded;
    let mut own = Vec::new();
    for (i, rule) in shape.rules.iter().enumerate() {
        let path = format!("{path}.x-kubernetes-validations[{i}]");
        if rule.rule.trim().is_empty() {
            causes.push(required(format!("{path}.rule"), "rule is not specified"));
            continue;
        }
        match compile_rule(rule, shape, whole) {
            Ok(compiled) if compiled.transition && !correlated => {
                let detail = "oldSelf cannot be used on the uncorrelatable portion of the schema within";
                causes.push(invalid(format!("{path}.rule"), &json!(rule.rule), &format!("{detail} {path}")));
            }
            Ok(compiled) if rule.optional_old_self && !compiled.transition => {
                let detail = "may not be set if oldSelf is not used in rule";
                causes.push(invalid(format!("{path}.optionalOldSelf"), &json!(true), detail));
            }
            Ok(compiled) => own.push(compiled),
            Err((field, why)) => {
                let source = if field == "rule" { &rule.rule } else { &rule.message_expression };
                causes.push(invalid(format!("{path}.{field}"), &json!(source), &why));
            }
        }
    }
    let keyed = matches!(shape.list, ListType::Map(_));
    let inner = |path: String, shape: &Structural, correlated: bool, causes: &mut Vec<Cause>| {
        Some(walk(&path, shape, false, correlated, causes)).filter(|rules| !rules.is_empty())
    };
    Rules {
        own,
        fields: shape
            .properties
            .iter()
            .filter_map(|(name, field)| {
                let rules = inner(format!("{path}.properties[{name}]"), field, correlated, causes)?;
                Some((name.clone(), rules))
            })
            .collect(),
        entries: match &shape.additional {
            Some(Additional::Schema(entry)) => {
                inner(format!("{path}.additionalProperties"), entry, correlated, causes).map(Box::new)
            }
            Some(Additional::Any) | None => None,
        },
        items: shape
            .items
            .as_ref()
            .and_then(|items| inner(format!("{path}.items"), items, correlated && keyed, causes).map(Box::new)),
    }
}

fn invalid(field: String, value: &Value, detail: &str) -> Cause {
    let message = format!("Invalid value: {value}: {detail}");
    Cause { reason: "FieldValueInvalid".to_owned(), message, field }
}

impl Rules {
    /// The rules of a schema whose rules are good; others are left out.
    pub fn of(schema: &Structural) -> Self {
        walk("", schema, true, true, &mut Vec::new())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.fields.is_empty() && self.entries.is_none() && self.items.is_none()
    }

    /// Asks every rule about an object of this schema, and about what has become of the old one.
    pub fn check(&self, schema: &Structural, new: &Value, old: Option<&Value>) -> Vec<Cause> {
        let mut asking = Asking { budget: Budget::default(), causes: Vec::new(), over: false };
        asking.walk(self, schema, "", true, new, old);
        asking.causes
    }
}

struct Asking {
    budget: Budget,
    causes: Vec<Cause>,
    /// Whether nothing more may be spent.
    over: bool,
}

impl Asking {
    fn walk(&mut self, rules: &Rules, shape: &Structural, path: &str, whole: bool, new: &Value, old: Option<&Value>) {
        if self.over || new.is_null() {
            return;
        }
        let old = old.filter(|old| !old.is_null());
        self.ask_all(rules, shape, path, whole || shape.embedded, new, old);
        match new {
            Value::Object(map) => {
                for (name, value) in map {
                    let before = old.and_then(|old| old.get(name));
                    if let (Some(rules), Some(shape)) = (rules.fields.get(name), shape.properties.get(name)) {
                        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                        self.walk(rules, shape, &path, false, value, before);
                    } else if let (Some(rules), Some(Additional::Schema(shape))) = (&rules.entries, &shape.additional) {
                        self.walk(rules, shape, &format!("{path}[{name}]"), false, value, before);
                    }
                }
            }
            Value::Array(items) => {
                let (Some(rules), Some(inner)) = (&rules.items, &shape.items) else { return };
                for (i, item) in items.iter().enumerate() {
                    let before = old.and_then(|old| namesake(&shape.list, old, item));
                    self.walk(rules, inner, &format!("{path}[{i}]"), false, item, before);
                }
            }
            _ => {}
        }
    }

    fn ask_all(
        &mut self,
        rules: &Rules,
        shape: &Structural,
        path: &str,
        whole: bool,
        new: &Value,
        old: Option<&Value>,
    ) {
        if rules.own.is_empty() {
            return;
        }
        let mut scope = Scope::default();
        scope.set("self", shaped(shape, new, whole));
        for compiled in &rules.own {
            if self.over {
                return;
            }
            match (compiled.transition, old, compiled.rule.optional_old_self) {
                (true, None, false) => continue,
                (true, Some(old), false) => scope.set("oldSelf", shaped(shape, old, whole)),
                (true, old, true) => {
                    let old = old.map_or_else(CelOptional::none, |old| CelOptional::of(shaped(shape, old, whole)));
                    scope.set("oldSelf", Box::new(old));
                }
                (false, ..) => {}
            }
            self.ask(compiled, shape, path, &scope);
        }
    }

    fn ask(&mut self, compiled: &Compiled, shape: &Structural, path: &str, scope: &Scope<'_>) {
        let rule = &compiled.rule;
        let field = if path.is_empty() { "<nil>" } else { path };
        let kind = json!(shape.type_name());
        let told = if rule.message.is_empty() { rule.rule.trim() } else { rule.message.trim() };
        let failure = match compiled.condition.holds(scope, &mut self.budget) {
            Ok(true) => return,
            Ok(false) => None,
            Err(EvaluationError::Budget) => {
                self.over = true;
                let why = "no further validation rules will be run due to call cost exceeding limit for rule";
                Some(format!("'{}': {why}: {told}", EvaluationError::Budget))
            }
            Err(EvaluationError::Overload) => {
                let why = "call arguments did not match a supported operator, function or macro signature for rule";
                Some(format!("'{}': {why}: {told}", EvaluationError::Overload))
            }
            Err(other) => Some(format!("{other} evaluating rule: {told}")),
        };
        if let Some(text) = failure {
            self.causes.push(invalid(field.to_owned(), &kind, &text));
            return;
        }
        let text = self.message(compiled, scope);
        let field = match rule.field_path.as_str() {
            "" => field.to_owned(),
            below => format!("{path}{below}").trim_start_matches('.').to_owned(),
        };
        self.causes.push(match rule.reason.as_str() {
            "FieldValueForbidden" => forbidden(field, text),
            "FieldValueRequired" => required(field, &text),
            "FieldValueDuplicate" => duplicate(field, kind),
            _ => invalid(field, &kind, &text),
        });
    }

    /// What a rule that does not hold says: its expression, if that gives one line of text, else its message.
    fn message(&mut self, compiled: &Compiled, scope: &Scope<'_>) -> String {
        let rule = &compiled.rule;
        let made = compiled.message.as_ref().and_then(|message| message.text(scope, &mut self.budget).ok().flatten());
        let good = |text: &String| !text.trim().is_empty() && !text.contains('\n') && text.len() <= MESSAGE_LIMIT_BYTES;
        match made.filter(good) {
            Some(text) => text.trim().to_owned(),
            None if rule.message.is_empty() => format!("failed rule: {}", rule.rule.trim()),
            None => rule.message.trim().to_owned(),
        }
    }
}

/// The item of an old list that an item has taken the place of.
fn namesake<'a>(list: &ListType, old: &'a Value, item: &Value) -> Option<&'a Value> {
    let ListType::Map(keys) = list else { return None };
    old.as_array()?.iter().find(|other| keys.iter().all(|key| other.get(key) == item.get(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(spec: Value) -> Structural {
        Structural::parse(&json!({"type": "object", "properties": {"spec": spec}}))
    }

    fn check(spec: &Value, new: Value, old: Option<Value>) -> Vec<String> {
        let schema = schema(spec.clone());
        assert_eq!(check_rules("s", &schema), Vec::new(), "{spec}");
        let (new, old) = (json!({"metadata": {"name": "a"}, "spec": new}), old.map(|old| json!({"spec": old})));
        let causes = Rules::of(&schema).check(&schema, &new, old.as_ref());
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    fn spec(rules: Value) -> Value {
        json!({"type": "object", "x-kubernetes-validations": rules, "properties": {
            "min": {"type": "integer"}, "max": {"type": "integer"}, "ratio": {"type": "number"},
            "when": {"type": "string", "format": "date-time"}, "wait": {"type": "string", "format": "duration"},
            "x-y": {"type": "string"}, "names": {"type": "array", "items": {"type": "string"}},
        }})
    }

    #[test]
    fn rules_that_do_not_hold_are_told() {
        for (rules, new, expected) in [
            (json!([{"rule": "self.min <= self.max"}]), json!({"min": 1, "max": 2}), vec![]),
            (
                json!([{"rule": "self.min <= self.max"}]),
                json!({"min": 3, "max": 2}),
                vec!["spec: Invalid value: \"object\": failed rule: self.min <= self.max"],
            ),
            (
                json!([{"rule": "self.min <= self.max", "message": "min must not be above max", "fieldPath": ".min"}]),
                json!({"min": 3, "max": 2}),
                vec!["spec.min: Invalid value: \"object\": min must not be above max"],
            ),
            (
                json!([{"rule": "self.min <= self.max", "reason": "FieldValueForbidden",
                    "messageExpression": "'min is %d'.format([self.min])"}]),
                json!({"min": 3, "max": 2}),
                vec!["spec: Forbidden: min is 3"],
            ),
            (
                json!([{"rule": "self.min > 0"}]),
                json!({}),
                vec!["spec: Invalid value: \"object\": no such key: min evaluating rule: self.min > 0"],
            ),
            (
                json!([{"rule": "self.ratio / 2.0 < 1.0"}, {"rule": "self.x__dash__y == 'z'"},
                    {"rule": "self.when.getFullYear() == 2024 && self.wait > duration('1m')"}]),
                json!({"ratio": 1, "x-y": "z", "when": "2024-05-01T00:00:00Z", "wait": "1h"}),
                vec![],
            ),
            (
                json!([{"rule": "self.names.all(n, n.startsWith('a'))", "message": "names start with a"}]),
                json!({"names": ["ab", "b"]}),
                vec!["spec: Invalid value: \"object\": names start with a"],
            ),
        ] {
            assert_eq!(check(&spec(rules.clone()), new, None), expected, "{rules}");
        }
    }

    #[test]
    fn transitions_compare_with_what_was_there() {
        let frozen = spec(json!([{"rule": "self.min == oldSelf.min", "message": "min is immutable"}]));
        assert_eq!(check(&frozen, json!({"min": 1}), None), Vec::<String>::new());
        assert_eq!(check(&frozen, json!({"min": 1}), Some(json!({"min": 1}))), Vec::<String>::new());
        let told = ["spec: Invalid value: \"object\": min is immutable"];
        assert_eq!(check(&frozen, json!({"min": 2}), Some(json!({"min": 1}))), told);
        let optional = spec(json!([{"rule": "oldSelf.hasValue() || self.min == 0", "optionalOldSelf": true}]));
        assert_eq!(check(&optional, json!({"min": 1}), None).len(), 1);
        assert_eq!(check(&optional, json!({"min": 1}), Some(json!({"min": 5}))), Vec::<String>::new());

        let rule = json!([{"rule": "self.n >= oldSelf.n", "message": "n only grows"}]);
        let item = json!({"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
            "required": ["name"], "x-kubernetes-validations": rule});
        let keyed = json!({"type": "object", "properties": {"list": {"type": "array", "items": item,
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}}});
        let old = json!({"list": [{"name": "a", "n": 5}, {"name": "b", "n": 1}]});
        let new = json!({"list": [{"name": "b", "n": 2}, {"name": "c", "n": 0}, {"name": "a", "n": 4}]});
        assert_eq!(check(&keyed, new, Some(old)), ["spec.list[2]: Invalid value: \"object\": n only grows"]);
    }

    #[test]
    fn wrong_rules_are_refused_with_their_definition() {
        for (rule, field, said) in [
            (json!({"rule": "self.mn > 1"}), "rule", "undefined field 'mn'"),
            (json!({"rule": "self.min"}), "rule", "cel expression must evaluate to a bool"),
            (json!({"rule": " "}), "rule", "rule is not specified"),
            (json!({"rule": "self.min >"}), "rule", "compilation failed: ERROR: <input>:1:"),
            (
                json!({"rule": "self.min > 1", "messageExpression": "1"}),
                "messageExpression",
                "messageExpression must evaluate to a string",
            ),
            (json!({"rule": "self.min > 1", "optionalOldSelf": true}), "optionalOldSelf", "may not be set"),
        ] {
            let causes = check_rules("s", &schema(spec(json!([rule]))));
            assert_eq!(causes.len(), 1, "{rule}: {causes:?}");
            assert_eq!(causes[0].field, format!("s.properties[spec].x-kubernetes-validations[0].{field}"));
            assert!(causes[0].message.contains(said), "{rule}: {}", causes[0].message);
        }
        let uncorrelated = json!({"type": "object", "properties": {"list": {"type": "array", "items":
            {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]}}}});
        let causes = check_rules("s", &schema(uncorrelated));
        assert!(causes[0].message.contains("oldSelf cannot be used on the uncorrelatable portion"), "{causes:?}");
    }
}

//! kubectl's JSONPath templates: <https://kubernetes.io/docs/reference/kubectl/jsonpath/>.
//!
//! Own code: crates implement RFC 9535, which has neither templates nor `range`, nor kubectl's `['a.b','c']`.

mod eval;
mod parse;

use serde_json::Value;

/// A template or expression is wrong, or does not fit the object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonPathError(pub String);

/// A template that was read: text and `{…}` actions.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<parse::Part>,
}

impl Template {
    /// Reads a template such as `{range .items[*]}{.metadata.name}{"\n"}{end}`.
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        Ok(Self { parts: parse::template(text)? })
    }

    /// The template filled in from `object`. What is not there is empty.
    pub fn render(&self, object: &Value) -> Result<String, JsonPathError> {
        let mut out = String::new();
        eval::render(&self.parts, object, object, &mut out)?;
        Ok(out)
    }
}

/// One path without text around it, as `--sort-by`, `custom-columns` and `wait --for=jsonpath` take it.
#[derive(Clone, Debug)]
pub struct Path {
    steps: Vec<parse::Step>,
}

impl Path {
    /// Reads `{.metadata.name}`, `.metadata.name` or `metadata.name`.
    pub fn parse_relaxed(text: &str) -> Result<Self, JsonPathError> {
        let trimmed = text.trim();
        let inner = match (trimmed.strip_prefix('{'), trimmed.ends_with('}')) {
            (Some(inner), true) => &inner[..inner.len() - 1],
            (None, false) => trimmed,
            _ => {
                return Err(JsonPathError(format!(
                    "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{{name1.name2}}' or '{{.name1.name2}}', got {text:?}"
                )));
            }
        };
        let inner = inner.trim();
        let path = if inner.starts_with(['.', '$', '@', '[']) { inner.to_owned() } else { format!(".{inner}") };
        Ok(Self { steps: parse::path(&path)? })
    }

    /// Everything the path leads to.
    pub fn find<'a>(&self, object: &'a Value) -> Result<Vec<&'a Value>, JsonPathError> {
        eval::find(&self.steps, object, object)
    }
}

/// A value as templates print it: texts as they are, everything else as JSON.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The object of Kubernetes' documentation.
    fn documented() -> Value {
        json!({
            "kind": "List",
            "items": [
                {"kind": "None", "metadata": {"name": "127.0.0.1", "labels": {"kubernetes.io/hostname": "127.0.0.1"}},
                 "status": {"capacity": {"cpu": "4"}, "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.1"}]}},
                {"kind": "None", "metadata": {"name": "127.0.0.2", "labels": {"kubernetes.io/hostname": "127.0.0.2"}},
                 "status": {"capacity": {"cpu": "8"}, "addresses": [
                    {"type": "LegacyHostIP", "address": "127.0.0.2"}, {"type": "another", "address": "127.0.0.3"}]}}
            ],
            "users": [
                {"name": "myself", "user": {}, "age": 3},
                {"name": "e2e", "user": {"username": "admin", "password": "secret"}, "age": 7}
            ]
        })
    }

    #[test]
    fn documented_templates_give_the_documented_texts() {
        let object = documented();
        for (template, expected) in [
            ("kind is {.kind}", "kind is List"),
            ("{['kind']}", "List"),
            ("{..cpu}", "4 8"),
            ("{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"),
            ("{.users[0].name}", "myself"),
            ("{.users[-1].name}", "e2e"),
            ("{.users[0:1].name}", "myself"),
            ("{.users[:].name}", "myself e2e"),
            ("{.users[0,1].name}", "myself e2e"),
            ("{.users[-1:].name}", "e2e"),
            ("{.items[*]['metadata.name', 'status.capacity']}", r#"127.0.0.1 127.0.0.2 {"cpu":"4"} {"cpu":"8"}"#),
            (r#"{.users[?(@.name=="e2e")].user.password}"#, "secret"),
            ("{.users[?(@.age>3)].name}", "e2e"),
            ("{.users[?(@.age<=3)].name}", "myself"),
            ("{.users[?(@.name!='e2e')].name}", "myself"),
            ("{.users[?(@.user.password)].name}", "e2e"),
            (
                "{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}",
                r#"[127.0.0.1, {"cpu":"4"}] [127.0.0.2, {"cpu":"8"}] "#,
            ),
            ("{range .items[*]}{.metadata.name}{'\\t'}{end}", "127.0.0.1\t127.0.0.2\t"),
            (
                "{range .items[*]}{.metadata.name}:{range .status.addresses[*]}{.type},{end}{\"\\n\"}{end}",
                "127.0.0.1:LegacyHostIP,\n127.0.0.2:LegacyHostIP,another,\n",
            ),
            (r"{.items[0].metadata.labels.kubernetes\.io/hostname}", "127.0.0.1"),
            (r"{.items[0].metadata.labels['kubernetes\.io/hostname']}", "127.0.0.1"),
            ("{$.kind}", "List"),
            ("{.nothing.here}", ""),
            ("{.items[0].status.addresses[?(@.type==\"LegacyHostIP\")].address}", "127.0.0.1"),
            ("{.users[*].age}", "3 7"),
            ("plain", "plain"),
            ("{.users[0].user.*}", ""),
        ] {
            let parsed = Template::parse(template).unwrap_or_else(|e| panic!("{template}: {e}"));
            assert_eq!(parsed.render(&object).as_deref(), Ok(expected), "{template}");
        }
        assert_eq!(Template::parse("{@}").expect("path").render(&json!([1, "a"])).as_deref(), Ok(r#"[1,"a"]"#));
    }

    #[test]
    fn wrong_templates_are_refused() {
        for template in
            ["{.a", "{.a[}", "{range .a}", "{end}", "{.a[?(@.b=='c']}", "{'open}", "{.a[x]}", "{.a[0:1:2:3]}"]
        {
            assert!(Template::parse(template).is_err(), "{template}");
        }
        assert!(Template::parse("{.users[5].name}").expect("path").render(&documented()).is_err());
        assert!(Path::parse_relaxed("{.a").is_err());
    }

    #[test]
    fn relaxed_paths_need_no_braces() {
        let object = json!({"metadata": {"name": "x"}});
        for text in ["{.metadata.name}", ".metadata.name", "metadata.name", "{metadata.name}", "$.metadata.name"] {
            let path = Path::parse_relaxed(text).expect(text);
            assert_eq!(path.find(&object).expect(text), [&json!("x")], "{text}");
        }
    }
}

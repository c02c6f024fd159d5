//! Expressions as users write them, over values as objects have them.

use super::*;
use crate::custom::schema::Structural;
use serde_json::json;

fn evaluate(source: &str, object: &serde_json::Value) -> Result<Value, String> {
    let expression = Expression::compile(source, &[("self", Kind::Dyn)], &[]).map_err(|error| error.to_string())?;
    let mut scope = Scope::default();
    scope.set("self", dynamic(object));
    expression.evaluate(&scope, &mut Budget::default()).map_err(|error| error.to_string())
}

#[test]
fn functions_do_what_kubernetes_documents() {
    let object = json!({
        "min": 1, "max": 3, "name": "web-1", "tags": ["b", "a", "c"], "numbers": [3, 1, 2], "labels": {"a": "x", "b": "y"},
        "items": [{"name": "a", "n": 1}, {"name": "b", "n": 2}], "ratio": 0.5, "nothing": null, "big": 4_294_967_296_i64,
    });
    for source in [
        "self.min <= self.max",
        "has(self.name) && !has(self.none)",
        "self.name.startsWith('web') && self.name.endsWith('1') && self.name.contains('b-')",
        "self.name.matches('^[a-z]+-[0-9]+$')",
        "self.tags.all(t, size(t) == 1) && self.tags.exists(t, t == 'a') && self.tags.exists_one(t, t == 'a')",
        "self.tags.map(t, t + '!') == ['b!', 'a!', 'c!']",
        "self.tags.filter(t, t > 'a') == ['b', 'c']",
        "'a' in self.tags && 'a' in self.labels && !('z' in self.labels)",
        "self.labels['a'] == 'x' && self.labels.b == 'y'",
        "self.labels.all(k, self.labels[k] in ['x', 'y'])",
        "!self.tags.isSorted() && ['a', 'b'].isSorted()",
        "self.numbers.sum() == 6 && self.numbers.min() == 1 && self.numbers.max() == 3",
        "self.tags.indexOf('a') == 1 && self.tags.lastIndexOf('z') == -1",
        "self.tags.sort() == ['a', 'b', 'c']",
        "self.items.map(i, i.name).join(',') == 'a,b'",
        "self.items.filter(i, i.n > 1)[0].name == 'b'",
        "'a,b'.split(',') == ['a', 'b'] && 'aXbX'.replace('X', '-') == 'a-b-' && 'abc'.substring(1) == 'bc'",
        "' A '.trim().lowerAscii() == 'a' && 'abc'.indexOf('c') == 2",
        "'%s-%d'.format(['a', 1]) == 'a-1'",
        "'abc 123'.find('[0-9]+') == '123' && '1 2 3'.findAll('[0-9]', 2) == ['1', '2']",
        "duration('1h') > duration('59m') && timestamp('2024-01-01T00:00:00Z') < timestamp('2025-01-01T00:00:00Z')",
        "timestamp('2024-01-01T00:00:00Z').getFullYear() == 2024",
        "isURL('https://a.example.com:8080/x?q=1') && !isURL('no url')",
        "url('https://a.example.com:8080/x?q=1').getHostname() == 'a.example.com'",
        "url('https://a:80/x?q=1').getPort() == '80' && url('https://a/x?q=1').getQuery()['q'] == ['1']",
        "isIP('10.0.0.1') && ip('10.0.0.1').family() == 4 && !isIP('10.0.0')",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
        "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && string(ip('fd00::1')) == 'fd00::1'",
        "cidr('0.0.0.0/0').containsCIDR('10.0.0.0/8') && cidr('::/0').prefixLength() == 0",
        "quantity('1Gi').isGreaterThan(quantity('1000Mi')) && quantity('500m').add(quantity('500m')) == quantity('1')",
        "isQuantity('100m') && !isQuantity('many') && quantity('2k').asInteger() == 2000",
        "self.?none.orValue('x') == 'x' && self.?name.hasValue()",
        "optional.of(1).optMap(v, v + 1).value() == 2",
        "cel.bind(x, self.min + 1, x * x) == 4",
        "self.labels.all(k, v, k != v) && self.tags.exists(i, t, i == 2 && t == 'c')",
        "self.tags.transformList(i, t, i > 0, t) == ['a', 'c']",
        "math.greatest(self.numbers) == 3 && math.abs(-2) == 2",
        "base64.encode(b'hi') == 'aGk='",
        "self.min > 0 ? true : self.none",
        "self.none == 1 || self.min == 1",
        "type(self.min) == int && int('5') == 5 && string(5) == '5' && double(1) == 1.0",
        "self.ratio < 1 && self.nothing == null && self.big > 5",
        "[1, 2, 3].map(x, x > 1, x * 2) == [4, 6]",
        "'\\u00e9'.size() == 1",
    ] {
        assert_eq!(evaluate(source, &object), Ok(Value::Bool(true)), "{source}");
    }
}

#[test]
fn failures_are_worded_as_kubernetes_words_them() {
    let object = json!({"name": "a", "list": [1]});
    for (source, message) in [
        ("self.none == 1", "no such key: none"),
        ("self.list[5] == 1", "index out of bounds: 5"),
        ("1 / 0 == 1", "division by zero"),
        ("self.name < 1", "no such overload"),
        ("self.name + 1 == 'a1'", "no such overload"),
        ("self.name.size", "no such overload"),
        ("quantity('x').sign() == 1", "quantities must match"),
        ("[].max() == 1", "max called on empty list"),
    ] {
        let error = evaluate(source, &object).expect_err(source);
        assert!(error.starts_with(message), "{source}: {error}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_it_runs() {
    let shape = Structural::parse(&json!({"type": "object", "properties": {
        "replicas": {"type": "integer"}, "name": {"type": "string"}, "when": {"type": "string", "format": "date-time"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "a-b": {"type": "string"}, "any": {"x-kubernetes-int-or-string": true},
    }}));
    let compile = |source: &str| {
        Expression::compile(source, &[("self", Kind::of(&shape, true))], &[Kind::Bool]).map_err(|e| e.to_string())
    };
    for good in [
        "self.replicas > 3",
        "self.items.all(i, i.n > 0)",
        "self.labels['a'] == 'x'",
        "self.labels.exists(k, k == 'a')",
        "self.a__dash__b == 'x'",
        "self.metadata.name == self.name",
        "self.any == 1 || self.any == '1'",
        "self.when < timestamp('2024-01-01T00:00:00Z')",
        "self.items.map(i, i.n).sum() > 3",
        "double(self.replicas) > 1.5 && self.replicas < 1.5",
        "cel.bind(x, self.replicas, x > 1)",
        "self.?name.orValue('') == ''",
    ] {
        assert_eq!(compile(good).map(|_| ()), Ok(()), "{good}");
    }
    for (bad, said) in [
        ("self.replica > 3", "ERROR: <input>:1:5: undefined field 'replica'\n | self.replica > 3\n | ....^"),
        ("replicas > 3", "ERROR: <input>:1:1: undeclared reference to 'replicas' (in container '')"),
        ("self.replicas > '3'", "found no matching overload for '_>_' applied to '(int, string)'"),
        ("self.replicas", "must evaluate to bool"),
        ("self.items.all(i, i.m > 0)", "undefined field 'm'"),
        ("self.name.frobnicate()", "undeclared reference to 'frobnicate' (in container '')"),
        ("self.name.x == 1", "type 'string' does not support field selection"),
        ("self.replicas >", "ERROR: <input>:1:"),
        ("", "ERROR: <input>:1:"),
    ] {
        let error = compile(bad).expect_err(bad);
        assert!(error.contains(said), "{bad}: {error}");
    }
}

#[test]
fn costs_are_bounded() {
    let long: Vec<u64> = (0..2_000).collect();
    let object = json!({"list": long, "text": "x".repeat(100_000)});
    for source in [
        "self.list.all(a, self.list.all(b, a + b >= 0))",
        "self.list.map(a, self.list.map(b, a * b)).size() > 0",
        "cel.bind(a, self.text + self.text + self.text + self.text, a + a + a + a + a + a + a + a + a + a + a + a + a \
         + a + a + a + a + a + a + a + a + a + a + a + a + a + a + a).size() > 0",
        "self.text.replace('', self.text).size() > 0",
        "lists.range(1000000).map(x, x).size() > 0",
    ] {
        let error = evaluate(source, &object).expect_err(source);
        assert_eq!(error, "operation cancelled: actual cost limit exceeded", "{source}");
    }
    assert!(evaluate("self.list.all(a, a >= 0)", &object).is_ok());
    let long = format!("self.list == [{}]", "1,".repeat(40_000));
    assert!(evaluate(&long, &object).expect_err("too long").contains("too long"));
}

#[test]
fn nesting_is_bounded() {
    let nested = format!("{}1{} == 1", "(".repeat(90), ")".repeat(90));
    let wide = (0..150).map(|i| format!("self.a == {i}")).collect::<Vec<_>>().join(" || ");
    let lists = format!("{}1{} == 1", "[".repeat(90), "]".repeat(90));
    for source in [nested, wide, lists] {
        let found = evaluate(&source, &json!({"a": 149}));
        assert!(found.is_ok() || found.as_ref().is_err_and(|e| e.starts_with("compilation failed")), "{found:?}");
    }
    let deep = format!("{}1{} == 1", "(".repeat(5_000), ")".repeat(5_000));
    assert!(evaluate(&deep, &json!({})).expect_err("too deep").starts_with("compilation failed"));
    let long = format!("{} == 1", vec!["1"; 3_000].join(" + "));
    assert!(evaluate(&long, &json!({})).expect_err("too deep").starts_with("compilation failed"));
}

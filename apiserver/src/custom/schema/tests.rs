//! Schemas at work: tables of values and what is said of them.

use super::*;
use kubus_proto::status::Cause;
use serde_json::json;

fn said(causes: &[Cause]) -> Vec<String> {
    causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

/// What is said of `value` by a schema whose field `v` has the shape `shape`.
fn check(shape: &Value, value: &Value) -> Vec<String> {
    let schema = Structural::parse(&json!({"type": "object", "properties": {"v": shape}}));
    let mut causes = Vec::new();
    check_values(&schema, "", &json!({"v": value}), &mut causes);
    check_lists(&schema, "", &json!({"v": value}), &mut causes);
    said(&causes)
}

#[test]
fn good_values_pass() {
    for (shape, value) in [
        (json!({"type": "string"}), json!("x")),
        (json!({"type": "string", "nullable": true}), json!(null)),
        (json!({"type": "integer"}), json!(3)),
        (json!({"type": "integer"}), json!(3.0)),
        (json!({"type": "number"}), json!(3)),
        (json!({"type": "number", "minimum": 0.5, "maximum": 1.5, "exclusiveMinimum": true}), json!(1.5)),
        (json!({"type": "integer", "multipleOf": 5}), json!(15)),
        (json!({"type": "boolean"}), json!(false)),
        (json!({"x-kubernetes-int-or-string": true}), json!("50%")),
        (json!({"x-kubernetes-int-or-string": true}), json!(5)),
        (json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}), json!(5)),
        (json!({"x-kubernetes-preserve-unknown-fields": true}), json!([1, "a", {"b": null}])),
        (json!({"type": "string", "enum": ["a", "b"]}), json!("b")),
        (json!({"type": "string", "pattern": "^a+$", "minLength": 1, "maxLength": 3}), json!("aaa")),
        (json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}), json!(["a", "b"])),
        (json!({"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 2}), json!({"a": 1})),
        (json!({"type": "object", "additionalProperties": true}), json!({"a": [1, "x"]})),
        (json!({"type": "integer", "not": {"enum": [5]}}), json!(4)),
        (json!({"type": "integer", "oneOf": [{"minimum": 5}, {"maximum": 3}]}), json!(2)),
        (json!({"type": "integer", "allOf": [{"minimum": 1}, {"maximum": 3}]}), json!(2)),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({"b": "x"}),
        ),
        (json!({"type": "string", "format": "date-time"}), json!("2024-01-02T03:04:05Z")),
        (json!({"type": "string", "format": "nobody-knows"}), json!("x")),
        (json!({"type": "integer", "format": "int64"}), json!(4_294_967_296_i64)),
        (json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}), json!(["a", "b"])),
    ] {
        assert_eq!(check(&shape, &value), Vec::<String>::new(), "{shape} {value}");
    }
}

#[test]
fn bad_values_are_told_as_kubernetes_tells_them() {
    let item = json!({"type": "object", "properties": {"name": {"type": "string"}, "port": {"type": "integer", "default": 80}}});
    let ports = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "port"],
        "items": item});
    for (shape, value, expected) in [
        (
            json!({"type": "integer"}),
            json!("three"),
            vec!["v: Invalid value: \"string\": v in body must be of type integer: \"string\""],
        ),
        (
            json!({"type": "string"}),
            json!(null),
            vec!["v: Invalid value: \"null\": v in body must be of type string: \"null\""],
        ),
        (
            json!({"type": "integer"}),
            json!(1.5),
            vec!["v: Invalid value: \"number\": v in body must be of type integer: \"number\""],
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            vec!["v: Invalid value: \"boolean\": v in body must be of type integer,string: \"boolean\""],
        ),
        (
            json!({"type": "integer", "minimum": 1, "maximum": 10}),
            json!(11),
            vec!["v: Invalid value: 11: v in body should be less than or equal to 10"],
        ),
        (
            json!({"type": "integer", "minimum": 1}),
            json!(0),
            vec!["v: Invalid value: 0: v in body should be greater than or equal to 1"],
        ),
        (
            json!({"type": "number", "maximum": 0.5, "exclusiveMaximum": true}),
            json!(0.5),
            vec!["v: Invalid value: 0.5: v in body should be less than 0.5"],
        ),
        (
            json!({"type": "integer", "multipleOf": 5}),
            json!(3),
            vec!["v: Invalid value: 3: v in body should be a multiple of 5"],
        ),
        (
            json!({"type": "string", "pattern": "^a+$"}),
            json!("b"),
            vec!["v: Invalid value: \"b\": v in body should match '^a+$'"],
        ),
        (
            json!({"type": "string", "minLength": 2}),
            json!("b"),
            vec!["v: Invalid value: \"b\": v in body should be at least 2 chars long"],
        ),
        (json!({"type": "string", "maxLength": 2}), json!("abc"), vec!["v: Too long: may not be more than 2 bytes"]),
        (
            json!({"type": "string", "enum": ["a", "b"]}),
            json!("c"),
            vec!["v: Unsupported value: \"c\": supported values: \"a\", \"b\""],
        ),
        (
            json!({"type": "string", "format": "date-time"}),
            json!("today"),
            vec!["v: Invalid value: \"today\": v in body must be of type date-time: \"today\""],
        ),
        (
            json!({"type": "array", "items": {"type": "integer"}, "maxItems": 1}),
            json!([1, "b"]),
            vec![
                "v[1]: Invalid value: \"string\": v[1] in body must be of type integer: \"string\"",
                "v: Too many: 2: must have at most 1 items",
            ],
        ),
        (
            json!({"type": "array", "items": {"type": "integer"}, "minItems": 1}),
            json!([]),
            vec!["v: Invalid value: 0: v in body should have at least 1 items"],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "object", "required": ["b"]}}, "required": ["c"]}),
            json!({"a": {}}),
            vec!["v.c: Required value", "v.a.b: Required value"],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            json!({"k": "x"}),
            vec!["v.k: Invalid value: \"string\": v.k in body must be of type integer: \"string\""],
        ),
        (
            json!({"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 1}]}),
            json!(3),
            vec![
                "<nil>: Invalid value: \"\": \"v\" must validate at least one schema (anyOf)",
                "v: Invalid value: 3: v in body should be greater than or equal to 5",
            ],
        ),
        (
            json!({"type": "integer", "oneOf": [{"minimum": 1}, {"minimum": 2}]}),
            json!(3),
            vec![
                "<nil>: Invalid value: \"\": \"v\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
            ],
        ),
        (
            json!({"type": "integer", "not": {"minimum": 1}}),
            json!(3),
            vec!["<nil>: Invalid value: \"\": \"v\" must not validate the schema (not)"],
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}),
            json!(["a", "b", "a"]),
            vec!["v[2]: Duplicate value: \"a\""],
        ),
        (
            ports,
            json!([{"name": "a", "port": 80}, {"name": "a"}, {"name": "a", "port": 81}]),
            vec!["v[1]: Duplicate value: {\"name\":\"a\",\"port\":80}"],
        ),
    ] {
        assert_eq!(check(&shape, &value), expected, "{shape} {value}");
    }
}

fn schema() -> Structural {
    Structural::parse(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "replicas": {"type": "integer", "default": 1},
        "image": {"type": "string"},
        "note": {"type": "string", "nullable": true, "default": "none"},
        "ports": {"type": "array", "items": {"type": "object", "properties": {
            "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}}}},
        "limits": {"type": "object", "additionalProperties": {"type": "object", "properties": {
            "soft": {"type": "boolean", "default": true}}}},
        "deep": {"type": "object", "default": {}, "properties": {"a": {"type": "string", "default": "b"}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
            "known": {"type": "object", "properties": {"a": {"type": "string"}}}}},
        "any": {"type": "object", "additionalProperties": true},
        "template": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
    }}}}))
}

#[test]
fn defaults_fill_what_is_left_out() {
    for (given, expected) in [
        (json!({}), json!({"replicas": 1, "note": "none", "deep": {"a": "b"}})),
        (
            json!({"replicas": 3, "note": null, "deep": {"a": "c"}, "ports": [{"port": 1}], "limits": {"x": {}}}),
            json!({"replicas": 3, "note": null, "deep": {"a": "c"}, "ports": [{"port": 1, "protocol": "TCP"}],
                "limits": {"x": {"soft": true}}}),
        ),
        (
            json!({"replicas": null, "image": null, "deep": null}),
            json!({"replicas": 1, "note": "none", "deep": {"a": "b"}}),
        ),
    ] {
        let mut object = json!({"spec": given});
        fill_in(&schema(), &mut object);
        assert_eq!(object, json!({"spec": expected}));
        let once = object.clone();
        fill_in(&schema(), &mut object);
        assert_eq!(object, once, "filling in again changes nothing");
    }
}

#[test]
fn unknown_fields_are_dropped_and_told() {
    let mut object = json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "x", "odd": 1}, "odd": 1, "spec": {
        "replicas": 1, "odd": 1, "ports": [{"port": 1, "odd": 1}], "limits": {"x": {"odd": 1}},
        "free": {"odd": 1, "known": {"a": "b", "odd": 1}}, "any": {"x": {"y": 1}},
        "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"odd": 1}, "odd": 1}}});
    let gone = prune(&schema(), &mut object);
    assert_eq!(
        gone,
        [
            "odd",
            "spec.free.known.odd",
            "spec.limits.x.odd",
            "spec.odd",
            "spec.ports[0].odd",
            "spec.template.odd",
            "spec.template.spec.odd"
        ]
    );
    assert_eq!(
        object,
        json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "x", "odd": 1}, "spec": {
            "replicas": 1, "ports": [{"port": 1}], "limits": {"x": {}}, "free": {"odd": 1, "known": {"a": "b"}},
            "any": {"x": {"y": 1}},
            "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {}}}})
    );
    assert_eq!(prune(&schema(), &mut object), Vec::<String>::new());
}

#[test]
fn embedded_objects_have_type_and_good_metadata() {
    let check = |template: Value| {
        let mut causes = Vec::new();
        check_embedded(&schema(), "", &json!({"spec": {"template": template}}), &mut causes);
        said(&causes)
    };
    assert_eq!(check(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})), Vec::<String>::new());
    assert_eq!(
        check(json!({"kind": "", "metadata": {"name": "a", "labels": {"bad key!": "x"}}})).len(),
        3,
        "apiVersion, kind and a label"
    );
}

#[test]
fn schemas_must_be_structural() {
    for (schema, expected) in [
        (json!({"type": "object"}), vec![]),
        (json!({}), vec!["s.type: Required value: must not be empty at the root"]),
        (json!({"type": "string"}), vec!["s.type: Invalid value: \"string\": must be object at the root"]),
        (
            json!({"type": "object", "properties": {"spec": {"properties": {"a": {"type": "string"}}}}}),
            vec!["s.properties[spec].type: Required value: must not be empty for specified object fields"],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array"}}}),
            vec!["s.properties[a].items: Required value: must be specified"],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {}}}}),
            vec!["s.properties[a].items.type: Required value: must not be empty for specified array items"],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "text"}}}),
            vec![
                "s.properties[a].type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \
                 \"integer\", \"number\", \"object\", \"string\"",
            ],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}},
                "additionalProperties": true}}}),
            vec![
                "s.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual \
                 exclusive",
            ],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}),
            vec![
                "s.properties[a].pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error: \
                 unclosed group",
            ],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer", "anyOf": [{"type": "integer"}]}}}),
            vec!["s.properties[a].anyOf[0].type: Forbidden: must be empty to be structural"],
        ),
        (
            json!({"type": "object", "anyOf": [{"properties": {"b": {"minimum": 1}}}]}),
            vec!["s.properties[b]: Required value: because it is defined in s.anyOf[0].properties[b]"],
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {
                "name": {"type": "string", "maxLength": 10}, "labels": {"type": "object"}}}}}),
            vec![
                "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but \
                 metadata is implicitly specified",
            ],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}),
            vec![
                "s.properties[a].default: Invalid value: \"string\": s.properties[a].default in body must be of type \
                 integer: \"string\"",
            ],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "object", "default": {"b": 1}}}}),
            vec!["s.properties[a].default: Invalid value: {\"b\":1}: must not have unknown fields"],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": true,
                "items": {"type": "string"}}}}),
            vec![
                "s.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity \
                 becomes quadratic",
            ],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "x-kubernetes-list-type": "map",
                "items": {"type": "object", "properties": {"k": {"type": "string"}}}}}}),
            vec![
                "s.properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if \
                 x-kubernetes-list-type is map",
            ],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k", "l"],
                "items": {"type": "object", "properties": {"k": {"type": "string"}}}}}}),
            vec![
                "s.properties[a].items.properties[k].default: Required value: this property is in \
                 x-kubernetes-list-map-keys, so it must have a default or be a required property",
                "s.properties[a].x-kubernetes-list-map-keys: Invalid value: \"l\": entries must all be names of item \
                 properties",
            ],
        ),
        (
            json!({"type": "object", "properties": {"a": {"x-kubernetes-int-or-string": true,
                "anyOf": [{"type": "integer"}, {"type": "string"}]}}}),
            vec![],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "object", "x-kubernetes-embedded-resource": true}}}),
            vec![
                "s.properties[a].properties: Required value: must not be empty if x-kubernetes-embedded-resource is \
                 true without x-kubernetes-preserve-unknown-fields",
            ],
        ),
        (json!({"type": "object", "$ref": "#/x"}), vec!["s.$ref: Forbidden: $ref is not supported"]),
    ] {
        let findings = check_schema("s", &schema);
        assert_eq!(said(&findings.causes), expected, "{schema}");
    }
    let odd = json!({"type": "object", "properties": {"a": {"type": "string", "format": "odd"}}});
    assert_eq!(check_schema("s", &odd).warnings, ["s.properties[a].format: unrecognized format \"odd\""]);
    let deep =
        (0..100).fold(json!({"type": "object"}), |inner, _| json!({"type": "object", "properties": {"a": inner}}));
    assert!(check_schema("s", &deep).causes.iter().any(|cause| cause.message.contains("deeper")));
}

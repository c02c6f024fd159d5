//! Ingress on its way into the store.
//! <https://kubernetes.io/docs/concepts/services-networking/ingress/>

use super::at::At;
use super::domains::wildcard_subdomain;
use super::names::{dns_1035_label, dns_label, dns_subdomain, port_name, port_number};
use super::{Behaviour, WITH_STATUS, prepare, schema_of};
use k8s_openapi::api::networking::v1::Ingress;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of Ingress.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::ingress::ROW,
    schema: schema_of!(Ingress),
    prepare_create: |ingress| prepare::first_generation(ingress, json!({"loadBalancer": {}})),
    rules,
    create_rules: |ingress, causes| {
        let annotations = ingress["metadata"]["annotations"].as_object();
        let old = annotations.and_then(|annotations| annotations.get(CLASS_ANNOTATION));
        if let (Some(old), false) = (old, ingress["spec"]["ingressClassName"].is_null()) {
            let field = format!("metadata.annotations.{CLASS_ANNOTATION}");
            causes.push(super::causes::invalid(field, old.clone(), "can not be set when the class field is also set"));
        }
    },
    warnings: |ingress| {
        let has = !ingress["metadata"]["annotations"][CLASS_ANNOTATION].is_null();
        let text = format!("annotation {CLASS_ANNOTATION:?} is deprecated, please use 'spec.ingressClassName' instead");
        if has { vec![text] } else { Vec::new() }
    },
    ..WITH_STATUS
};

/// Where the class stood before it had a field.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const PATH_TYPES: &[&str] = &["Exact", "ImplementationSpecific", "Prefix"];
/// What paths that are compared part by part must not hold, and must not end with.
const BAD_SEQUENCES: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_SUFFIXES: [&str; 2] = ["/..", "/."];

fn rules(ingress: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(ingress, "spec");
    let (rules, backend) = (spec.field("rules"), spec.field("defaultBackend"));
    if rules.is_empty() && backend.is_null() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        causes.push(super::causes::invalid(spec.path, rules.value.clone(), detail));
    }
    if !backend.is_null() {
        validate_backend(&backend, causes);
    }
    for rule in rules.items() {
        validate_rule(&rule, causes);
    }
    for tls in spec.field("tls").items() {
        tls.field("hosts").items().for_each(|host| validate_host(&host, causes));
        tls.field("secretName").follow(dns_subdomain, causes);
    }
    spec.field("ingressClassName").follow(dns_subdomain, causes);
}

fn validate_host(host: &At<'_>, causes: &mut Vec<Cause>) {
    host.follow(if host.text().contains('*') { wildcard_subdomain } else { dns_subdomain }, causes);
}

fn validate_rule(rule: &At<'_>, causes: &mut Vec<Cause>) {
    let host = rule.field("host");
    if host.text().parse::<std::net::IpAddr>().is_ok() {
        host.invalid("must be a DNS name, not an IP address", causes);
    }
    validate_host(&host, causes);
    let http = rule.field("http");
    if http.is_null() {
        return;
    }
    let paths = http.field("paths");
    paths.require("", causes);
    paths.items().for_each(|path| validate_path(&path, causes));
}

fn validate_path(at: &At<'_>, causes: &mut Vec<Cause>) {
    let (path, kind) = (at.field("path"), at.field("pathType"));
    if kind.is_empty() {
        kind.missing("pathType must be specified", causes);
        return;
    }
    let text = path.text();
    match kind.text() {
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                path.invalid("must be an absolute path", causes);
            }
            for part in BAD_SEQUENCES.iter().filter(|part| text.contains(**part)) {
                path.invalid(format!("must not contain '{part}'"), causes);
            }
            for part in BAD_SUFFIXES.iter().filter(|part| text.ends_with(**part)) {
                path.invalid(format!("cannot end with '{part}'"), causes);
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.starts_with('/') {
                path.invalid("must be an absolute path", causes);
            }
        }
        _ => {
            kind.one_of(PATH_TYPES, causes);
        }
    }
    validate_backend(&at.field("backend"), causes);
}

fn validate_backend(backend: &At<'_>, causes: &mut Vec<Cause>) {
    let mut wrong = |detail: &str| causes.push(super::causes::invalid(backend.path, "", detail));
    let (service, resource) = (backend.field("service"), backend.field("resource"));
    match (service.is_null(), resource.is_null()) {
        (false, false) => wrong("cannot set both resource and service backends"),
        (true, true) => wrong("resource or service backend is required"),
        (true, false) => {
            resource.field("apiGroup").follow(dns_subdomain, causes);
            resource.field("kind").require("", causes);
            resource.field("name").require("", causes);
        }
        (false, true) => {
            // Names of services may begin with a digit nowadays; those that cannot be names are told of in the old words.
            let name = service.field("name");
            let service_name = |name: &str| if dns_label(name).is_empty() { Vec::new() } else { dns_1035_label(name) };
            name.require_text(service_name, causes);
            let port = service.field("port");
            let (name, number) = (port.field("name"), port.field("number"));
            match (name.is_empty(), number.number().unwrap_or_default() == 0) {
                (false, false) => {
                    causes.push(super::causes::invalid(backend.path, "", "cannot set both port name & port number"));
                }
                (false, true) => name.follow(port_name, causes),
                (true, false) => {
                    let problems = port_number(number.number().unwrap_or_default());
                    problems.into_iter().for_each(|problem| number.invalid(problem, causes));
                }
                (true, true) => backend.missing("port name or number is required", causes),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_backends_are_checked() {
        let service = json!({"service": {"name": "s", "port": {"number": 80}}});
        let path = |path: &str, kind: &str| json!({"rules": [{"http": {"paths": [{"path": path, "pathType": kind, "backend": service}]}}]});
        let at = "spec.rules[0].http.paths[0]";
        for (spec, expected) in [
            (path("/", "Prefix"), vec![]),
            (json!({"defaultBackend": service}), vec![]),
            (json!({}), vec!["spec".to_owned()]),
            (path("x", "Exact"), vec![format!("{at}.path")]),
            (path("/a//b/..", "Exact"), vec![format!("{at}.path"), format!("{at}.path")]),
            (path("/x", "Suffix"), vec![format!("{at}.pathType")]),
            (path("/x", ""), vec![format!("{at}.pathType")]),
            (json!({"defaultBackend": {}}), vec!["spec.defaultBackend".to_owned()]),
            (
                json!({"defaultBackend": {"service": {"name": ""}}}),
                vec!["spec.defaultBackend.service.name".to_owned(), "spec.defaultBackend".to_owned()],
            ),
            (
                json!({"rules": [{"host": "1.2.3.4"}, {"host": "*.a.b"}, {"host": "a.*"}], "tls": [{"hosts": ["A"]}]}),
                vec![
                    "spec.rules[0].host".to_owned(),
                    "spec.rules[2].host".to_owned(),
                    "spec.tls[0].hosts[0]".to_owned(),
                ],
            ),
        ] {
            let mut causes = Vec::new();
            rules(&json!({"spec": spec}), &mut causes);
            let found: Vec<String> = causes.into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, expected, "{spec}");
        }
    }

    #[test]
    fn the_old_annotation_is_warned_of_and_excludes_the_field() {
        let mut ingress = json!({"metadata": {"annotations": {CLASS_ANNOTATION: "x"}}, "spec": {}});
        assert_eq!((BEHAVIOUR.warnings)(&ingress).len(), 1);
        ingress["spec"]["ingressClassName"] = json!("x");
        let mut causes = Vec::new();
        (BEHAVIOUR.create_rules)(&ingress, &mut causes);
        assert_eq!(causes[0].field, "metadata.annotations.kubernetes.io/ingress.class");
    }
}

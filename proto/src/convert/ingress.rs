//! Ingress of `extensions/v1beta1` and `networking.k8s.io/v1beta1`: backends on one level, paths without a type.
//! <https://kubernetes.io/docs/reference/using-api/deprecation-guide/#ingress-v122>

use super::{Conversion, fields, put, rename};
use serde_json::{Map, Value, json};

/// Ingress of the first versions.
pub static INGRESS_V1BETA1: Conversion = Conversion {
    defaults: |ingress| {
        for path in paths(ingress) {
            put(path, "pathType", || json!("ImplementationSpecific"));
        }
    },
    to_stored: |ingress| {
        if let Some(spec) = fields(ingress, "spec") {
            rename(spec, "backend", "defaultBackend");
            newer(spec, "defaultBackend");
        }
        paths(ingress).for_each(|path| newer(path, "backend"));
    },
    from_stored: |ingress| {
        if let Some(spec) = fields(ingress, "spec") {
            older(spec, "defaultBackend");
            rename(spec, "defaultBackend", "backend");
        }
        paths(ingress).for_each(|path| older(path, "backend"));
    },
    ..super::SAME
};

type Fields = Map<String, Value>;

fn paths(ingress: &mut Value) -> impl Iterator<Item = &mut Fields> {
    let rules = fields(ingress, "spec").and_then(|spec| spec.get_mut("rules")?.as_array_mut()).into_iter().flatten();
    let paths = rules.filter_map(|rule| fields(rule, "http")?.get_mut("paths")?.as_array_mut()).flatten();
    paths.filter_map(Value::as_object_mut)
}

/// `serviceName` and `servicePort` become `service`.
fn newer(holder: &mut Fields, key: &str) {
    let Some(backend) = holder.get_mut(key).and_then(Value::as_object_mut) else { return };
    let (name, port) = (backend.remove("serviceName"), backend.remove("servicePort"));
    if name.is_none() && port.is_none() {
        return;
    }
    let mut service = json!({"name": name.unwrap_or_else(|| json!(""))});
    match port {
        Some(Value::String(name)) => service["port"] = json!({"name": name}),
        Some(number) => service["port"] = json!({"number": number}),
        None => {}
    }
    backend.insert("service".to_owned(), service);
}

/// The reverse of [`newer`].
fn older(holder: &mut Fields, key: &str) {
    let Some(backend) = holder.get_mut(key).and_then(Value::as_object_mut) else { return };
    let Some(Value::Object(mut service)) = backend.remove("service") else { return };
    backend.insert("serviceName".to_owned(), service.remove("name").unwrap_or_else(|| json!("")));
    if let Some(Value::Object(mut port)) = service.remove("port")
        && let Some(port) = port.remove("name").or_else(|| port.remove("number"))
    {
        backend.insert("servicePort".to_owned(), port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_converted_both_ways() {
        let old = json!({"spec": {
            "backend": {"serviceName": "all", "servicePort": "http"},
            "rules": [{"host": "a.b", "http": {"paths": [
                {"path": "/x", "backend": {"serviceName": "s", "servicePort": 80}},
                {"pathType": "Prefix", "backend": {"resource": {"kind": "Bucket", "name": "b"}}},
            ]}}, {"host": "c.d"}],
        }});
        let mut ingress = old.clone();
        (INGRESS_V1BETA1.defaults)(&mut ingress);
        (INGRESS_V1BETA1.to_stored)(&mut ingress);
        assert_eq!(
            ingress,
            json!({"spec": {
                "defaultBackend": {"service": {"name": "all", "port": {"name": "http"}}},
                "rules": [{"host": "a.b", "http": {"paths": [
                    {"path": "/x", "pathType": "ImplementationSpecific",
                        "backend": {"service": {"name": "s", "port": {"number": 80}}}},
                    {"pathType": "Prefix", "backend": {"resource": {"kind": "Bucket", "name": "b"}}},
                ]}}, {"host": "c.d"}],
            }})
        );
        (INGRESS_V1BETA1.from_stored)(&mut ingress);
        let mut expected = old;
        expected["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = json!("ImplementationSpecific");
        assert_eq!(ingress, expected);
    }
}

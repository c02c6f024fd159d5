//! `kubus create ingress NAME --rule=host/path=service:port[,tls[=secret]]`.

use crate::error::{CliError, Result};
use crate::fail;
use clap::Args;
use serde_json::{Map, Value, json};

/// An ingress by flags.
#[derive(Args, Clone, Debug)]
pub(super) struct IngressArgs {
    /// Its name
    name: String,
    /// Which controller serves it
    #[arg(long = "class", value_name = "CLASS")]
    ingress_class: Option<String>,
    /// Where a path of a host leads; a path that ends in * leads there with all below it
    #[arg(long = "rule", value_name = "HOST/PATH=SERVICE:PORT[,tls[=SECRET]]")]
    rules: Vec<String>,
    /// Where everything else leads
    #[arg(long, value_name = "SERVICE:PORT")]
    default_backend: Option<String>,
    /// Annotations
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    annotations: Vec<String>,
}

/// The object.
pub(super) fn object(args: &IngressArgs) -> Result<Value> {
    if args.rules.is_empty() && args.default_backend.is_none() {
        fail!(
            "not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)"
        );
    }
    let mut spec = Map::new();
    if let Some(class) = &args.ingress_class {
        spec.insert("ingressClassName".to_owned(), json!(class));
    }
    if let Some(service) = &args.default_backend {
        spec.insert("defaultBackend".to_owned(), backend(service)?);
    }
    let (mut rules, mut tls): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for text in &args.rules {
        add_rule(text, &mut rules, &mut tls)?;
    }
    for (key, list) in [("tls", tls), ("rules", rules)] {
        if !list.is_empty() {
            spec.insert(key.to_owned(), json!(list));
        }
    }
    let mut metadata = json!({"name": args.name});
    for pair in &args.annotations {
        let Some((key, value)) = pair.split_once('=') else {
            fail!("annotation {pair} is invalid and should be in format key=value");
        };
        metadata["annotations"][key] = json!(value);
    }
    Ok(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}))
}

fn add_rule(text: &str, rules: &mut Vec<Value>, tls: &mut Vec<Value>) -> Result<()> {
    let wrong = || {
        CliError::message(format!(
            "rule {text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
        ))
    };
    let (route, secret) = text.split_once(",tls").map_or((text, None), |(route, secret)| (route, Some(secret)));
    let (address, service) = route.split_once('=').ok_or_else(wrong)?;
    let (host, path) = address.split_once('/').ok_or_else(wrong)?;
    let (path, path_type) = path.strip_suffix('*').map_or((path, "Exact"), |prefix| (prefix, "Prefix"));
    let path = json!({"path": format!("/{path}"), "pathType": path_type, "backend": backend(service)?});
    match rules.iter_mut().find(|rule| rule["host"].as_str().unwrap_or_default() == host) {
        Some(rule) => {
            if let Some(paths) = rule["http"]["paths"].as_array_mut() {
                paths.push(path);
            }
        }
        None if host.is_empty() => rules.push(json!({"http": {"paths": [path]}})),
        None => rules.push(json!({"host": host, "http": {"paths": [path]}})),
    }
    if let Some(secret) = secret {
        let secret = secret.strip_prefix('=').unwrap_or_default();
        let known = |entry: &&mut Value| entry["secretName"].as_str().unwrap_or_default() == secret;
        match tls.iter_mut().find(known).and_then(|entry| entry["hosts"].as_array_mut()) {
            Some(hosts) if hosts.contains(&json!(host)) => {}
            Some(hosts) => hosts.push(json!(host)),
            None if secret.is_empty() => tls.push(json!({"hosts": [host]})),
            None => tls.push(json!({"hosts": [host], "secretName": secret})),
        }
    }
    Ok(())
}

fn backend(service: &str) -> Result<Value> {
    let Some((name, port)) = service.split_once(':') else {
        fail!("{service} is invalid and should be in format servicename:serviceport");
    };
    let port = port.parse::<u16>().map_or_else(|_| json!({"name": port}), |number| json!({"number": number}));
    Ok(json!({"service": {"name": name, "port": port}}))
}

//! ResourceQuota: what objects count for, and whether one more still fits.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

use super::{Amounts, amounts, items, pod_amounts};
use kubus_proto::quantity::Quantity;
use kubus_proto::{ApiError, KindRow};
use serde_json::{Map, Value, json};

/// Kinds that are counted under their plain name: plurals of the core group.
const PLAIN_COUNTS: [&str; 7] =
    ["configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services"];
/// Resources of pods that have a name of their own for requests.
const OLD_NAMES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// What one object counts for.
pub fn charge(row: &KindRow, object: &Value) -> Amounts {
    let mut charge = Amounts::new();
    let mut one = |name: String| charge.insert(name, whole(1));
    if (row.group, row.plural) == ("", "pods") && has_ended(object) {
        return Amounts::new();
    }
    one(count_name(row));
    if row.group.is_empty() && PLAIN_COUNTS.contains(&row.plural) {
        one(row.plural.to_owned());
    }
    match (row.group, row.plural) {
        ("", "pods") => charge.extend(of_pod(&object["spec"])),
        ("", "services") => charge.extend(of_service(&object["spec"])),
        ("", "persistentvolumeclaims") => charge.extend(of_claim(&object["spec"])),
        _ => {}
    }
    charge
}

/// The name under which any kind can be counted.
fn count_name(row: &KindRow) -> String {
    if row.group.is_empty() { format!("count/{}", row.plural) } else { format!("count/{}.{}", row.plural, row.group) }
}

fn whole(count: i64) -> Quantity {
    Quantity::from_milli(count.saturating_mul(1000))
}

/// A pod that has ended holds nothing any more.
fn has_ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

fn of_pod(spec: &Value) -> Amounts {
    let mut charge = Amounts::new();
    for (name, amount) in pod_amounts::of_pod(spec, "requests") {
        if OLD_NAMES.contains(&name.as_str()) {
            charge.insert(name.clone(), amount);
        }
        charge.insert(format!("requests.{name}"), amount);
    }
    for (name, amount) in pod_amounts::of_pod(spec, "limits") {
        charge.insert(format!("limits.{name}"), amount);
    }
    charge
}

fn of_service(spec: &Value) -> Amounts {
    let kind = spec["type"].as_str().unwrap_or_default();
    let ports = i64::try_from(items(spec, "ports").count()).unwrap_or(i64::MAX);
    let balanced = kind == "LoadBalancer";
    let on_nodes = kind == "NodePort" || balanced && spec["allocateLoadBalancerNodePorts"] != json!(false);
    let mut charge = Amounts::from([
        ("services.loadbalancers".to_owned(), whole(balanced.into())),
        ("services.nodeports".to_owned(), whole(if on_nodes { ports } else { 0 })),
    ]);
    charge.retain(|_, amount| *amount > Quantity::ZERO);
    charge
}

fn of_claim(spec: &Value) -> Amounts {
    let mut charge = Amounts::new();
    let storage = amounts(&spec["resources"]["requests"]).get("storage").copied();
    let class = spec["storageClassName"].as_str().filter(|class| !class.is_empty());
    for prefix in std::iter::once(String::new()).chain(class.map(|c| format!("{c}.storageclass.storage.k8s.io/"))) {
        if !prefix.is_empty() {
            charge.insert(format!("{prefix}persistentvolumeclaims"), whole(1));
        }
        if let Some(storage) = storage {
            charge.insert(format!("{prefix}requests.storage"), storage);
        }
    }
    charge
}

/// Whether a quota counts an object: its scopes are about pods alone.
pub fn covers(quota: &Value, row: &KindRow, object: &Value) -> bool {
    let spec = &quota["spec"];
    let selected = items(&spec["scopeSelector"], "matchExpressions");
    let scopes: Vec<(&str, &str, Vec<&str>)> = items(spec, "scopes")
        .filter_map(|scope| Some((scope.as_str()?, "Exists", Vec::new())))
        .chain(selected.filter_map(|expression| {
            let values = items(expression, "values").filter_map(Value::as_str).collect();
            Some((expression["scopeName"].as_str()?, expression["operator"].as_str()?, values))
        }))
        .collect();
    if scopes.is_empty() {
        return true;
    }
    (row.group, row.plural) == ("", "pods")
        && scopes.iter().all(|(scope, operator, values)| in_scope(&object["spec"], scope, operator, values))
}

fn in_scope(spec: &Value, scope: &str, operator: &str, values: &[&str]) -> bool {
    let best_effort = || {
        let names = ["cpu", "memory"];
        let none = |which| pod_amounts::of_pod(spec, which).keys().all(|name| !names.contains(&name.as_str()));
        none("requests") && none("limits")
    };
    match scope {
        "BestEffort" => best_effort(),
        "NotBestEffort" => !best_effort(),
        "Terminating" => spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds >= 0),
        "NotTerminating" => spec["activeDeadlineSeconds"].is_null(),
        "PriorityClass" => {
            let class = spec["priorityClassName"].as_str().unwrap_or_default();
            match operator {
                "In" => values.contains(&class),
                "NotIn" => !values.contains(&class),
                "Exists" => !class.is_empty(),
                "DoesNotExist" => class.is_empty(),
                _ => false,
            }
        }
        "CrossNamespacePodAffinity" => ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
            let affinity = &spec["affinity"][*kind];
            let required = items(affinity, "requiredDuringSchedulingIgnoredDuringExecution");
            let preferred = items(affinity, "preferredDuringSchedulingIgnoredDuringExecution");
            required
                .chain(preferred.map(|term| &term["podAffinityTerm"]))
                .any(|term| items(term, "namespaces").next().is_some() || !term["namespaceSelector"].is_null())
        }),
        _ => false,
    }
}

/// What a quota's objects count for together, as far as it limits it.
pub fn usage<'a>(quota: &Value, objects: impl Iterator<Item = (&'a KindRow, Value)>) -> Amounts {
    let mut used: Amounts = amounts(&quota["spec"]["hard"]).into_keys().map(|name| (name, Quantity::ZERO)).collect();
    for (row, object) in objects.filter(|(row, object)| covers(quota, row, object)) {
        for (name, amount) in charge(row, &object) {
            used.entry(name).and_modify(|sum| *sum = *sum + amount);
        }
    }
    used
}

/// Whether a quota limits anything that objects of a kind count for.
pub fn is_about(quota: &Value, row: &KindRow) -> bool {
    let count = count_name(row);
    amounts(&quota["spec"]["hard"]).keys().any(|name| match (row.group, row.plural) {
        ("", "pods") => {
            name == "pods"
                || *name == count
                || OLD_NAMES.contains(&name.as_str())
                || (name.starts_with("requests.") && name != "requests.storage")
                || name.starts_with("limits.")
        }
        ("", "services") => name.starts_with("services") || *name == count,
        ("", "persistentvolumeclaims") => {
            name.ends_with("persistentvolumeclaims") || name.ends_with("requests.storage") || *name == count
        }
        ("", plural) => name == plural || *name == count,
        _ => *name == count,
    })
}

/// What a quota has in use once `object` is there too; 403 where it does not fit, or does not say what it needs.
pub fn admit(quota: &Value, used: &Amounts, row: &KindRow, object: &Value) -> Result<Amounts, ApiError> {
    let hard = amounts(&quota["spec"]["hard"]);
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let quota_name = quota["metadata"]["name"].as_str().unwrap_or_default();
    let refuse = |why: String| Err(ApiError::forbidden(row.group, row.plural, name, &why));
    if (row.group, row.plural) == ("", "pods") {
        let missing = missing(&hard, &object["spec"]);
        if !missing.is_empty() {
            return refuse(format!("failed quota: {quota_name}: must specify {}", missing.join("; ")));
        }
    }
    let charge = charge(row, object);
    let wanted: Amounts = charge.into_iter().filter(|(name, _)| hard.contains_key(name)).collect();
    let zero = Quantity::ZERO;
    let over: Vec<&String> = wanted
        .iter()
        .filter(|(name, amount)| *used.get(*name).unwrap_or(&zero) + **amount > *hard.get(*name).unwrap_or(&zero))
        .map(|(name, _)| name)
        .collect();
    if !over.is_empty() {
        let list = |of: &Amounts| {
            let each = over.iter().map(|name| format!("{name}={}", of.get(*name).unwrap_or(&zero)));
            each.collect::<Vec<_>>().join(",")
        };
        return refuse(format!(
            "exceeded quota: {quota_name}, requested: {}, used: {}, limited: {}",
            list(&wanted),
            list(used),
            list(&hard)
        ));
    }
    let mut after = used.clone();
    for (name, amount) in wanted {
        after.entry(name).and_modify(|sum| *sum = *sum + amount).or_insert(amount);
    }
    Ok(after)
}

/// Amounts that the quota limits and containers do not give: `cpu for: a,b`.
fn missing(hard: &Amounts, spec: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    for limited in hard.keys() {
        let (which, resource) = match limited.split_once('.') {
            Some(("requests", resource)) if OLD_NAMES.contains(&resource) => ("requests", resource),
            Some(("limits", resource)) if OLD_NAMES.contains(&resource) => ("limits", resource),
            _ if OLD_NAMES.contains(&limited.as_str()) => ("requests", limited.as_str()),
            _ => continue,
        };
        let of_pod = spec["resources"][which].get(resource).is_some();
        let without: Vec<&str> = items(spec, "containers")
            .chain(items(spec, "initContainers"))
            .filter(|container| !of_pod && container["resources"][which].get(resource).is_none())
            .filter_map(|container| container["name"].as_str())
            .collect();
        if !without.is_empty() {
            missing.push(format!("{limited} for: {}", without.join(",")));
        }
    }
    missing
}

/// A quota with its status.
pub fn with_status(quota: &Value, used: &Amounts) -> Value {
    let used: Map<String, Value> =
        used.iter().map(|(name, amount)| (name.clone(), json!(amount.to_string()))).collect();
    let mut quota = quota.clone();
    quota["status"] = json!({"hard": quota["spec"]["hard"], "used": used});
    quota
}

#[cfg(test)]
mod tests;

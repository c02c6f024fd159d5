//! Description of a Node: what it is, what it has, and who uses it.

use super::pod::is_terminated;
use super::writer::{Description, list, map, or_none, text};
use kubus_proto::kinds::node;
use kubus_proto::quantity::Quantity;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Resources that are always listed.
const MAIN_RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

const SYSTEM_INFO: [(&str, &str); 9] = [
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
];

/// Adds the node; `pods` are all that are bound to it.
pub(super) fn describe(node: &Value, lease: Option<&Value>, pods: &[Value], out: &mut Description) {
    let (metadata, spec, status) = (&node["metadata"], &node["spec"], &node["status"]);
    out.field(0, "Name", &text(&metadata["name"]));
    out.field(0, "Roles", &roles(node, out));
    out.labels("Labels", &metadata["labels"]);
    out.annotations("Annotations", &metadata["annotations"]);
    out.field(0, "CreationTimestamp", &out.time(&metadata["creationTimestamp"]));
    let mut taints: Vec<String> = list(&spec["taints"]).iter().map(taint_text).collect();
    taints.sort();
    out.field(0, "Taints", &or_none(taints.first().cloned().unwrap_or_default()));
    taints.iter().skip(1).for_each(|taint| out.line(0, &format!("\t{taint}")));
    out.field(0, "Unschedulable", if spec["unschedulable"] == true { "true" } else { "false" });
    if let Some(lease) = lease {
        out.line(0, "Lease:");
        out.field(1, "HolderIdentity", &text(&lease["spec"]["holderIdentity"]));
        for (title, key) in [("AcquireTime", "acquireTime"), ("RenewTime", "renewTime")] {
            let time = &lease["spec"][key];
            out.field(1, title, &if time.is_null() { "<unset>".to_owned() } else { out.time(time) });
        }
    }
    describe_conditions(status, out);
    out.line(0, "Addresses:");
    for address in list(&status["addresses"]) {
        out.field(1, &text(&address["type"]), &text(&address["address"]));
    }
    for (title, key) in [("Capacity", "capacity"), ("Allocatable", "allocatable")] {
        if !map(&status[key]).is_empty() {
            out.line(0, &format!("{title}:"));
            map(&status[key]).iter().for_each(|(name, quantity)| out.field(1, name, quantity));
        }
    }
    out.line(0, "System Info:");
    for (title, key) in SYSTEM_INFO {
        out.field(1, title, &text(&status["nodeInfo"][key]));
    }
    out.field_if(0, "PodCIDR", &spec["podCIDR"]);
    let cidrs: Vec<String> = list(&spec["podCIDRs"]).iter().map(text).collect();
    if !cidrs.is_empty() {
        out.field(0, "PodCIDRs", &cidrs.join(","));
    }
    out.field_if(0, "ProviderID", &spec["providerID"]);
    let pods: Vec<&Value> = pods.iter().filter(|pod| !is_terminated(pod)).collect();
    describe_pods(status, &pods, out);
}

/// What the ROLES column says.
fn roles(object: &Value, out: &Description) -> String {
    let column = node::ROW.columns.iter().position(|column| column.name == "Roles");
    let cells = (node::ROW.cells)(object, out.now);
    or_none(column.and_then(|at| cells.get(at)).map(text).unwrap_or_default())
}

fn taint_text(taint: &Value) -> String {
    let of = |key: &str| text(&taint[key]);
    match (of("value"), of("effect")) {
        (value, effect) if value.is_empty() && effect.is_empty() => of("key"),
        (value, effect) if value.is_empty() => format!("{}:{effect}", of("key")),
        (value, effect) => format!("{}={value}:{effect}", of("key")),
    }
}

fn describe_conditions(status: &Value, out: &mut Description) {
    if list(&status["conditions"]).is_empty() {
        return;
    }
    out.line(0, "Conditions:");
    out.line(1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
    out.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
    for condition in list(&status["conditions"]) {
        let of = |key: &str| text(&condition[key]);
        let (heartbeat, transition) =
            (out.time(&condition["lastHeartbeatTime"]), out.time(&condition["lastTransitionTime"]));
        let (kind, value, reason, message) = (of("type"), of("status"), of("reason"), of("message"));
        out.line(1, &format!("{kind} \t{value} \t{heartbeat} \t{transition} \t{reason} \t{message}"));
    }
}

/// Amounts of each resource.
type Amounts = BTreeMap<String, Quantity>;

fn amounts(value: &Value) -> Amounts {
    map(value).into_iter().filter_map(|(name, text)| Some((name, Quantity::parse(&text).ok()?))).collect()
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = total.get(name).copied().unwrap_or(Quantity::ZERO) + *amount;
        total.insert(name.clone(), sum);
    }
}

fn at_least(total: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        if total.get(name).is_none_or(|have| have < amount) {
            total.insert(name.clone(), *amount);
        }
    }
}

/// What a pod asks for (`requests`) or may use (`limits`): the sum of its containers, or the most that an init
/// container needs before them, and the pod's overhead.
/// <https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers>
fn pod_amounts(pod: &Value, key: &str) -> Amounts {
    let spec = &pod["spec"];
    let of = |container: &Value| amounts(&container["resources"][key]);
    let mut total = Amounts::new();
    list(&spec["containers"]).iter().for_each(|container| add(&mut total, &of(container)));
    let (mut sidecars, mut highest) = (Amounts::new(), Amounts::new());
    for container in list(&spec["initContainers"]) {
        if container["restartPolicy"] == "Always" {
            add(&mut sidecars, &of(container));
            add(&mut total, &of(container));
            at_least(&mut highest, &sidecars);
        } else {
            let mut during = sidecars.clone();
            add(&mut during, &of(container));
            at_least(&mut highest, &during);
        }
    }
    at_least(&mut total, &highest);
    if !total.is_empty() {
        add(&mut total, &amounts(&spec["overhead"]));
    }
    total
}

/// `250m (12%)`
fn share(amount: Option<&Quantity>, of: Option<&Quantity>) -> String {
    let amount = amount.copied().unwrap_or(Quantity::ZERO);
    let percent = match of.map(|all| all.milli_value()) {
        Some(all) if all > 0 => i128::from(amount.milli_value()) * 100 / i128::from(all),
        _ => 0,
    };
    format!("{amount} ({percent}%)")
}

fn describe_pods(status: &Value, pods: &[&Value], out: &mut Description) {
    let allocatable =
        amounts(if status["allocatable"].is_object() { &status["allocatable"] } else { &status["capacity"] });
    out.field(0, "Non-terminated Pods", &format!("({} in total)", pods.len()));
    out.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
    out.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
    let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
    for pod in pods {
        let (wanted, most) = (pod_amounts(pod, "requests"), pod_amounts(pod, "limits"));
        let shares: Vec<String> = ["cpu", "memory"]
            .iter()
            .flat_map(|name| [&wanted, &most].map(|amounts| share(amounts.get(*name), allocatable.get(*name))))
            .collect();
        let metadata = &pod["metadata"];
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        out.line(
            1,
            &format!("{namespace}\t{name}\t\t{}\t{}", shares.join("\t"), out.age(&metadata["creationTimestamp"])),
        );
        add(&mut requests, &wanted);
        add(&mut limits, &most);
    }
    out.line(0, "Allocated resources:");
    out.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)");
    out.line(1, "Resource\tRequests\tLimits");
    out.line(1, "--------\t--------\t------");
    for name in MAIN_RESOURCES {
        let of = |amounts: &Amounts| share(amounts.get(name), allocatable.get(name));
        out.line(1, &format!("{name}\t{}\t{}", of(&requests), of(&limits)));
    }
    let others: BTreeSet<&String> =
        allocatable.keys().filter(|name| !MAIN_RESOURCES.contains(&name.as_str()) && *name != "pods").collect();
    for name in others {
        let of = |amounts: &Amounts| amounts.get(name).copied().unwrap_or(Quantity::ZERO);
        out.line(1, &format!("{name}\t{}\t{}", of(&requests), of(&limits)));
    }
}

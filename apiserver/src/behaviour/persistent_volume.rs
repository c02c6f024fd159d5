//! PersistentVolume on its way into the store.
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/>

use super::causes::{forbidden, not_supported, required};
use super::defaulting::{object, object_or_new, put, put_filled};
use super::metadata::check;
use super::path::FieldPath;
use super::pod_spec::volume_sources as sources;
use super::pod_spec::{differences, one_of, text, validate_node_selector};
use super::storage::{validate_access_modes, validate_class_and_mode, validate_positive};
use super::workload::{immutable, without_empties};
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeSpec};
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of PersistentVolume.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::persistent_volume::ROW,
    schema: schema_of!(PersistentVolume),
    defaults,
    prepare_create: |volume| {
        // It is pending since it was made.
        let since = volume["metadata"]["creationTimestamp"].clone();
        prepare::first_status(volume, json!({"phase": "Pending", "lastPhaseTransitionTime": since}));
        // As the admission plug-in StorageObjectInUseProtection does.
        prepare::add_finalizer(volume, "kubernetes.io/pv-protection");
    },
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    rules: |volume, causes| {
        check(volume, causes, |volume: &PersistentVolume, causes| {
            validate_spec(&volume.spec.clone().unwrap_or_default(), causes);
        });
    },
    update_rules,
    warnings: super::warnings::of_persistent_volume,
    ..PLAIN
};

const RECLAIM_POLICIES: &[&str] = &["Delete", "Recycle", "Retain"];
/// Every way to say where a volume is.
const SOURCES: [&str; 22] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

fn defaults(volume: &mut Value) {
    let Some(spec) = volume.as_object_mut().and_then(|volume| object_or_new(volume, "spec")) else { return };
    put_filled(spec, "persistentVolumeReclaimPolicy", "Retain");
    put_filled(spec, "volumeMode", "Filesystem");
    if let Some(path) = object(spec, "hostPath") {
        put(path, "type", "");
    }
    for (source, field, value) in [
        ("iscsi", "iscsiInterface", "default"),
        ("rbd", "pool", "rbd"),
        ("rbd", "user", "admin"),
        ("rbd", "keyring", "/etc/ceph/keyring"),
        ("azureDisk", "cachingMode", "ReadWrite"),
        ("azureDisk", "fsType", "ext4"),
        ("azureDisk", "kind", "Shared"),
        ("scaleIO", "storageMode", "ThinProvisioned"),
        ("scaleIO", "fsType", "xfs"),
    ] {
        if let Some(source) = object(spec, source) {
            put_filled(source, field, value);
        }
    }
}

fn validate_spec(spec: &PersistentVolumeSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    validate_access_modes(&spec.access_modes, "", &path.field("accessModes"), causes);
    let capacity = spec.capacity.clone().unwrap_or_default();
    let capacity_path = path.field("capacity");
    if capacity.is_empty() {
        causes.push(required(capacity_path, ""));
    }
    if !capacity.contains_key("storage") || capacity.len() > 1 {
        causes.push(not_supported(capacity_path, json!(capacity), &["storage"]));
    }
    for (name, amount) in &capacity {
        validate_positive(amount, &capacity_path.key(name), causes);
    }
    let policy_path = path.field("persistentVolumeReclaimPolicy");
    one_of(&policy_path, &spec.persistent_volume_reclaim_policy, RECLAIM_POLICIES, causes);
    let affinity = spec.node_affinity.as_ref();
    if let Some(affinity) = affinity {
        let path = path.field("nodeAffinity");
        match &affinity.required {
            Some(selector) => validate_node_selector(selector, &path.field("required"), causes),
            None => causes.push(required(path.field("required"), "must specify required node constraints")),
        }
    }
    validate_source(spec, &path, causes);
    if spec.local.is_some() && affinity.is_none() {
        causes.push(required(path.field("nodeAffinity"), "Local volume requires node affinity"));
    }
    let root = spec.host_path.as_ref().is_some_and(|host| host.path.trim_end_matches('/').is_empty());
    if root && text(&spec.persistent_volume_reclaim_policy) == "Recycle" {
        causes.push(forbidden(policy_path, "may not be 'recycle' for a hostPath mount of '/'"));
    }
    validate_class_and_mode(&spec.storage_class_name, &spec.volume_mode, &path, causes);
}

/// Exactly one source; only the first is looked into.
fn validate_source(spec: &PersistentVolumeSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut count = 0;
    let mut is_first = |path: &FieldPath<'_>, causes: &mut Vec<Cause>| {
        count += 1;
        if count > 1 {
            causes.push(forbidden(path, "may not specify more than 1 volume type"));
        }
        count == 1
    };
    // A source that is given is checked by a function, or only needs some fields.
    macro_rules! source {
        ($given:ident $field:literal by $check:expr) => {
            if let (Some(given), path) = (&spec.$given, path.field($field))
                && is_first(&path, causes)
            {
                $check(given, &path, causes);
            }
        };
        ($given:ident $field:literal needs $($name:literal $part:ident),*) => {
            if let (Some(_given), path) = (&spec.$given, path.field($field))
                && is_first(&path, causes)
            {
                sources::must_have(&path, &[$(($name, &_given.$part)),*], causes);
            }
        };
    }
    source!(host_path "hostPath" by sources::host_path);
    source!(gce_persistent_disk "gcePersistentDisk" needs "pdName" pd_name);
    source!(aws_elastic_block_store "awsElasticBlockStore" needs "volumeID" volume_id);
    source!(glusterfs "glusterfs" needs "endpoints" endpoints, "path" path);
    source!(flocker "flocker" needs);
    source!(nfs "nfs" by sources::nfs);
    source!(rbd "rbd" needs "image" image);
    source!(quobyte "quobyte" needs "registry" registry, "volume" volume);
    source!(cephfs "cephfs" needs);
    source!(iscsi "iscsi" needs "targetPortal" target_portal, "iqn" iqn);
    source!(cinder "cinder" needs "volumeID" volume_id);
    source!(fc "fc" needs);
    source!(flex_volume "flexVolume" needs "driver" driver);
    source!(azure_file "azureFile" needs "secretName" secret_name, "shareName" share_name);
    source!(vsphere_volume "vsphereVolume" needs "volumePath" volume_path);
    source!(photon_persistent_disk "photonPersistentDisk" needs "pdID" pd_id);
    source!(portworx_volume "portworxVolume" needs "volumeID" volume_id);
    source!(azure_disk "azureDisk" needs "diskName" disk_name, "diskURI" disk_uri);
    source!(scale_io "scaleIO" needs "gateway" gateway, "system" system);
    source!(local "local" needs "path" path);
    source!(storageos "storageos" needs);
    source!(csi "csi" needs "driver" driver, "volumeHandle" volume_handle);
    if count == 0 {
        causes.push(required(path, "must specify a volume type"));
    }
}

fn update_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let source = |spec: &Value| -> Value {
        SOURCES.iter().filter(|key| !spec[**key].is_null()).map(|key| (key.to_string(), spec[*key].clone())).collect()
    };
    let (is, was) = (source(&new["spec"]), source(&old["spec"]));
    if without_empties(&is) != without_empties(&was) {
        let mut lines = Vec::new();
        differences("spec", &was, &is, &mut lines);
        let detail = format!("spec.persistentvolumesource is immutable after creation\n{}", lines.join("\n"));
        causes.push(forbidden("spec.persistentvolumesource", detail));
    }
    immutable(&new["spec"]["volumeMode"], &old["spec"]["volumeMode"], &FieldPath::root("volumeMode"), causes);
    let affinity = &old["spec"]["nodeAffinity"];
    if !affinity.is_null() {
        let path = FieldPath::root("spec");
        immutable(&new["spec"]["nodeAffinity"], affinity, &path.field("nodeAffinity"), causes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_in_one_place_and_stays_there() {
        let volume = |spec: Value| {
            let mut all = json!({"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}});
            json_patch::merge(&mut all, &spec);
            let mut volume = json!({"metadata": {"name": "v"}, "spec": all});
            BEHAVIOUR.default(&mut volume);
            volume
        };
        let host = json!({"hostPath": {"path": "/x"}});
        for (spec, expected) in [
            (host.clone(), vec![]),
            (json!({}), vec!["spec"]),
            (json!({"hostPath": {"path": "/x"}, "nfs": {"server": "s", "path": "/"}}), vec!["spec.nfs"]),
            (json!({"nfs": {"server": "", "path": "x"}}), vec!["spec.nfs.server", "spec.nfs.path"]),
            (json!({"local": {"path": "/x"}}), vec!["spec.nodeAffinity"]),
            (
                json!({"hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"}),
                vec!["spec.persistentVolumeReclaimPolicy"],
            ),
            (
                json!({"hostPath": {"path": "/x"}, "capacity": {"storage": "0", "x": "1"}}),
                vec!["spec.capacity", "spec.capacity[storage]"],
            ),
        ] {
            let fields: Vec<String> = BEHAVIOUR.validate(&volume(spec.clone())).into_iter().map(|c| c.field).collect();
            assert_eq!(fields, expected, "{spec}");
        }
        let (old, new) = (volume(host), volume(json!({"hostPath": {"path": "/y"}, "storageClassName": "s"})));
        let causes = BEHAVIOUR.validate_update(&new, &old);
        assert_eq!(causes.len(), 1);
        assert!(causes[0].message.ends_with("\n- spec.hostPath.path: \"/x\"\n+ spec.hostPath.path: \"/y\""));
    }
}

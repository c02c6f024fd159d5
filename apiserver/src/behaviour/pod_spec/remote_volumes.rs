//! Validation of the sources of volumes that are somewhere on a network, one function a source.
//! <https://kubernetes.io/docs/concepts/storage/volumes/>

use super::problems;
use super::volume_sources::must_have;
use crate::behaviour::causes::{forbidden, invalid, required};
use crate::behaviour::labels::{validate_annotations, validate_labels};
use crate::behaviour::names::range;
use crate::behaviour::path::FieldPath;
use crate::behaviour::persistent_volume_claim::validate_claim_spec;
use k8s_openapi::api::core::v1::{
    AWSElasticBlockStoreVolumeSource, CSIVolumeSource, CephFSVolumeSource, EphemeralVolumeSource, FCVolumeSource,
    FlockerVolumeSource, GCEPersistentDiskVolumeSource, GitRepoVolumeSource, ISCSIVolumeSource, RBDVolumeSource,
};
use kubus_proto::status::Cause;

/// Largest number of a partition or of a unit.
const NUMBER_LIMIT: i32 = 255;
const DRIVER_LIMIT: usize = 63;

fn validate_number(number: Option<i32>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if let Some(number) = number.filter(|number| !(0..=NUMBER_LIMIT).contains(number)) {
        causes.push(invalid(path, number, range(0, NUMBER_LIMIT.into())));
    }
}

/// A list of monitors that may not be empty.
fn validate_monitors(monitors: &[String], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if monitors.is_empty() {
        causes.push(required(path.field("monitors"), ""));
    }
}

/// `gcePersistentDisk`.
pub fn gce(source: &GCEPersistentDiskVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    must_have(path, &[("pdName", &source.pd_name)], causes);
    validate_number(source.partition, &path.field("partition"), causes);
}

/// `awsElasticBlockStore`.
pub fn aws(source: &AWSElasticBlockStoreVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    must_have(path, &[("volumeID", &source.volume_id)], causes);
    validate_number(source.partition, &path.field("partition"), causes);
}

/// `gitRepo`.
pub fn git_repo(source: &GitRepoVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    must_have(path, &[("repository", &source.repository)], causes);
    if let Some(directory) = &source.directory {
        super::mounts::validate_descending(directory, &path.field("directory"), causes);
    }
}

/// `iscsi`.
pub fn iscsi(source: &ISCSIVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    must_have(path, &[("targetPortal", &source.target_portal)], causes);
    let name = source.iqn.as_str();
    match name {
        "" => causes.push(required(path.field("iqn"), "")),
        name if ["iqn", "eui", "naa"].iter().any(|kind| name.starts_with(kind)) => {}
        name => {
            let detail = "must be valid format starting with iqn, eui, or naa";
            causes.push(invalid(path.field("iqn"), name, detail));
        }
    }
    validate_number(Some(source.lun), &path.field("lun"), causes);
    let logs_in = source.chap_auth_discovery == Some(true) || source.chap_auth_session == Some(true);
    if logs_in && source.secret_ref.is_none() {
        causes.push(required(path.field("secretRef"), ""));
    }
}

/// `rbd`.
pub fn rbd(source: &RBDVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_monitors(&source.monitors, path, causes);
    must_have(path, &[("image", &source.image)], causes);
}

/// `cephfs`.
pub fn cephfs(source: &CephFSVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_monitors(&source.monitors, path, causes);
}

/// `flocker`: a dataset by its name or its uuid.
pub fn flocker(source: &FlockerVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let (name, uuid) = (super::text(&source.dataset_name), super::text(&source.dataset_uuid));
    match (name.is_empty(), uuid.is_empty()) {
        (true, true) => {
            causes.push(required(path, "one of datasetName and datasetUUID is required"));
        }
        (false, false) => {
            let detail = "resource can not be specified simultaneously with uuid";
            causes.push(invalid(path, "resource", detail));
        }
        _ => {}
    }
    if name.contains('/') {
        causes.push(invalid(path.field("datasetName"), name, "must not contain '/'"));
    }
}

/// `fc`: targets with a unit, or identifiers of the world.
pub fn fc(source: &FCVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let (targets, ids) = (given(&source.target_wwns), given(&source.wwids));
    if !targets && !ids {
        causes.push(required(path.field("targetWWNs"), "must specify either targetWWNs or wwids, but not both"));
    }
    if targets && ids {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        causes.push(invalid(path.field("targetWWNs"), serde_json::json!(source.target_wwns), detail));
    }
    if targets {
        match source.lun {
            None => causes.push(required(path.field("lun"), "lun is required if targetWWNs is specified")),
            lun => validate_number(lun, &path.field("lun"), causes),
        }
    }
}

/// `csi`.
pub fn csi(source: &CSIVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_driver(&source.driver, &path.field("driver"), causes);
    if source.node_publish_secret_ref.as_ref().is_some_and(|secret| secret.name.is_empty()) {
        causes.push(required(path.field("nodePublishSecretRef").field("name"), ""));
    }
}

fn validate_driver(driver: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if driver.is_empty() {
        causes.push(required(path, ""));
    }
    if driver.len() > DRIVER_LIMIT {
        causes.push(crate::behaviour::causes::too_long(path, DRIVER_LIMIT));
    }
    if !driver.is_empty() {
        let wrong = crate::behaviour::names::dns_subdomain(&driver.to_lowercase());
        problems(path, driver, wrong, causes);
    }
}

/// `ephemeral`: a claim is made for each pod, so it must be right.
pub fn ephemeral(source: &EphemeralVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let path = path.field("volumeClaimTemplate");
    let Some(template) = &source.volume_claim_template else { return causes.push(required(path, "")) };
    if let Some(metadata) = &template.metadata {
        let path = path.field("metadata");
        validate_labels(metadata.labels.as_ref(), &path.field("labels"), causes);
        validate_annotations(metadata.annotations.as_ref(), &path.field("annotations"), causes);
        if metadata.name.as_ref().is_some_and(|name| !name.is_empty()) {
            causes.push(forbidden(path.field("name"), "not allowed in a template"));
        }
    }
    validate_claim_spec(&template.spec, &path.field("spec"), causes);
}

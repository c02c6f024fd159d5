//! Validation of a pod's volumes: names, and exactly one source each.
//! <https://kubernetes.io/docs/concepts/storage/volumes/>

use super::problems;
use super::remote_volumes as remote;
use super::volume_sources as sources;
use crate::behaviour::causes::{duplicate, forbidden, required};
use crate::behaviour::names::dns_label;
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::Volume;
use kubus_proto::status::Cause;
use std::collections::BTreeMap;

/// A pod's volumes that nothing is wrong with, by name. Mounts of others are "not found", as in Kubernetes.
pub type Volumes<'a> = BTreeMap<&'a str, &'a Volume>;

/// Checks every volume and gives the good ones.
pub fn validate_volumes<'a>(volumes: &'a [Volume], path: &FieldPath<'_>, causes: &mut Vec<Cause>) -> Volumes<'a> {
    let mut good = Volumes::new();
    for (i, volume) in volumes.iter().enumerate() {
        let (path, before) = (path.index(i), causes.len());
        validate_source(volume, &path, causes);
        match volume.name.as_str() {
            "" => causes.push(required(path.field("name"), "")),
            name => problems(&path.field("name"), name, dns_label(name), causes),
        }
        if good.contains_key(volume.name.as_str()) {
            causes.push(duplicate(path.field("name"), volume.name.as_str()));
        }
        if causes.len() == before {
            good.insert(&volume.name, volume);
        }
    }
    good
}

/// Exactly one source; only the first is looked into.
fn validate_source(volume: &Volume, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut count = 0;
    let mut one = |field: &'static str, check: &dyn Fn(&FieldPath<'_>, &mut Vec<Cause>)| {
        count += 1;
        if count > 1 {
            causes.push(forbidden(path.field(field), "may not specify more than 1 volume type"));
        } else {
            check(&path.field(field), causes);
        }
    };
    // A source that is given is checked by a function, or only needs some fields.
    macro_rules! source {
        ($given:ident $field:literal by $check:expr) => {
            if let Some(given) = &volume.$given {
                one($field, &|path, causes| $check(given, path, causes));
            }
        };
        ($given:ident $field:literal needs $($name:literal $part:ident),*) => {
            if let Some(_given) = &volume.$given {
                one($field, &|_path, _causes| sources::must_have(_path, &[$(($name, &_given.$part)),*], _causes));
            }
        };
    }
    source!(empty_dir "emptyDir" by sources::empty_dir);
    source!(host_path "hostPath" by sources::host_path);
    source!(git_repo "gitRepo" by remote::git_repo);
    source!(gce_persistent_disk "gcePersistentDisk" by remote::gce);
    source!(aws_elastic_block_store "awsElasticBlockStore" by remote::aws);
    source!(secret "secret" by sources::secret);
    source!(nfs "nfs" by sources::nfs);
    source!(iscsi "iscsi" by remote::iscsi);
    source!(glusterfs "glusterfs" needs "endpoints" endpoints, "path" path);
    source!(persistent_volume_claim "persistentVolumeClaim" needs "claimName" claim_name);
    source!(rbd "rbd" by remote::rbd);
    source!(cinder "cinder" needs "volumeID" volume_id);
    source!(cephfs "cephfs" by remote::cephfs);
    source!(flocker "flocker" by remote::flocker);
    source!(downward_api "downwardAPI" by sources::downward_api);
    source!(fc "fc" by remote::fc);
    source!(config_map "configMap" by sources::config_map);
    source!(azure_file "azureFile" needs "secretName" secret_name, "shareName" share_name);
    source!(flex_volume "flexVolume" needs "driver" driver);
    source!(vsphere_volume "vsphereVolume" needs "volumePath" volume_path);
    source!(photon_persistent_disk "photonPersistentDisk" needs "pdID" pd_id);
    source!(portworx_volume "portworxVolume" needs "volumeID" volume_id);
    source!(azure_disk "azureDisk" needs "diskName" disk_name, "diskURI" disk_uri);
    source!(storageos "storageos" needs);
    source!(projected "projected" by sources::projected);
    source!(scale_io "scaleIO" needs "gateway" gateway, "system" system);
    source!(csi "csi" by remote::csi);
    source!(ephemeral "ephemeral" by remote::ephemeral);
    source!(image "image" by sources::image);
    if count == 0 {
        causes.push(required(path, "must specify a volume type"));
    }
}

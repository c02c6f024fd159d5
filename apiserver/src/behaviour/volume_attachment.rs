//! VolumeAttachment on its way into the store.
//! <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume-attachment-v1/>

use super::at::At;
use super::names::{dns_subdomain, qualified_name};
use super::{Behaviour, PLAIN, WITH_STATUS, prepare, schema_of};
use k8s_openapi::api::storage::v1::VolumeAttachment;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of VolumeAttachment.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::volume_attachment::ROW,
    schema: schema_of!(VolumeAttachment),
    prepare_create: |attachment| prepare::first_status(attachment, json!({"attached": false})),
    spec_changed: PLAIN.spec_changed,
    rules,
    update_rules: |new, old, causes| {
        if new["spec"] != old["spec"] {
            At::root(new, "spec").invalid("field is immutable", causes);
        }
    },
    status_rules: |new, _, causes| {
        let status = At::root(new, "status");
        status.field("attachmentMetadata").entries().for_each(|(key, at)| {
            if key.is_empty() {
                at.invalid("field can not be empty.", causes);
            }
        });
    },
    ..WITH_STATUS
};

fn rules(attachment: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(attachment, "spec");
    spec.field("attacher").require_text(|name| qualified_name(&name.to_lowercase()), causes);
    let source = spec.field("source");
    let (inline, name) = (source.field("inlineVolumeSpec"), source.field("persistentVolumeName"));
    match (inline.is_null(), name.is_null()) {
        (true, true) => source.missing("must specify exactly one of inlineVolumeSpec and persistentVolumeName", causes),
        (false, false) => {
            source.forbidden("must specify exactly one of inlineVolumeSpec and persistentVolumeName", causes);
        }
        (true, false) => name.require_text(dns_subdomain, causes),
        (false, true) => {}
    }
    spec.field("nodeName").require_text(dns_subdomain, causes);
}

//! The Kubernetes type of every built-in kind, as far as documents need it: its name and how its schema is generated.

use k8s_openapi::Resource;
use k8s_openapi::api::{
    admissionregistration, apps, authentication, authorization, autoscaling, batch, certificates, coordination, core,
    discovery, events, flowcontrol, networking, node, policy, rbac, resource, scheduling, storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;

/// One type.
pub struct TypeRow {
    /// API group, empty for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// CamelCase name.
    pub kind: &'static str,
    /// Name of its definition, `io.k8s.api.apps.v1.Deployment`.
    pub name: fn() -> Cow<'static, str>,
    /// Adds it and every type it is made of to the definitions.
    pub generate: fn(&mut SchemaGenerator) -> Schema,
}

const fn row<T: Resource + JsonSchema>() -> TypeRow {
    TypeRow {
        group: T::GROUP,
        version: T::VERSION,
        kind: T::KIND,
        name: T::schema_name,
        generate: SchemaGenerator::subschema_for::<T>,
    }
}

/// The type of a kind.
pub fn of(group: &str, version: &str, kind: &str) -> Option<&'static TypeRow> {
    TYPES.iter().find(|row| row.group == group && row.version == version && row.kind == kind)
}

/// Every kind of Kubernetes that can be served, and what is sent to and answered by subresources.
static TYPES: &[TypeRow] = &[
    row::<core::v1::Binding>(),
    row::<core::v1::ComponentStatus>(),
    row::<core::v1::ConfigMap>(),
    row::<core::v1::Endpoints>(),
    row::<core::v1::Event>(),
    row::<core::v1::LimitRange>(),
    row::<core::v1::Namespace>(),
    row::<core::v1::Node>(),
    row::<core::v1::PersistentVolume>(),
    row::<core::v1::PersistentVolumeClaim>(),
    row::<core::v1::Pod>(),
    row::<core::v1::PodTemplate>(),
    row::<core::v1::ReplicationController>(),
    row::<core::v1::ResourceQuota>(),
    row::<core::v1::Secret>(),
    row::<core::v1::Service>(),
    row::<core::v1::ServiceAccount>(),
    row::<admissionregistration::v1::MutatingAdmissionPolicy>(),
    row::<admissionregistration::v1::MutatingAdmissionPolicyBinding>(),
    row::<admissionregistration::v1::MutatingWebhookConfiguration>(),
    row::<admissionregistration::v1::ValidatingAdmissionPolicy>(),
    row::<admissionregistration::v1::ValidatingAdmissionPolicyBinding>(),
    row::<admissionregistration::v1::ValidatingWebhookConfiguration>(),
    row::<apiextensions::v1::CustomResourceDefinition>(),
    row::<apiregistration::v1::APIService>(),
    row::<apps::v1::ControllerRevision>(),
    row::<apps::v1::DaemonSet>(),
    row::<apps::v1::Deployment>(),
    row::<apps::v1::ReplicaSet>(),
    row::<apps::v1::StatefulSet>(),
    row::<authentication::v1::SelfSubjectReview>(),
    row::<authentication::v1::TokenRequest>(),
    row::<authentication::v1::TokenReview>(),
    row::<authorization::v1::LocalSubjectAccessReview>(),
    row::<authorization::v1::SelfSubjectAccessReview>(),
    row::<authorization::v1::SelfSubjectRulesReview>(),
    row::<authorization::v1::SubjectAccessReview>(),
    row::<autoscaling::v1::HorizontalPodAutoscaler>(),
    row::<autoscaling::v1::Scale>(),
    row::<autoscaling::v2::HorizontalPodAutoscaler>(),
    row::<batch::v1::CronJob>(),
    row::<batch::v1::Job>(),
    row::<certificates::v1::CertificateSigningRequest>(),
    row::<coordination::v1::Lease>(),
    row::<discovery::v1::EndpointSlice>(),
    row::<events::v1::Event>(),
    row::<flowcontrol::v1::FlowSchema>(),
    row::<flowcontrol::v1::PriorityLevelConfiguration>(),
    row::<networking::v1::IPAddress>(),
    row::<networking::v1::Ingress>(),
    row::<networking::v1::IngressClass>(),
    row::<networking::v1::NetworkPolicy>(),
    row::<networking::v1::ServiceCIDR>(),
    row::<node::v1::RuntimeClass>(),
    row::<policy::v1::Eviction>(),
    row::<policy::v1::PodDisruptionBudget>(),
    row::<rbac::v1::ClusterRole>(),
    row::<rbac::v1::ClusterRoleBinding>(),
    row::<rbac::v1::Role>(),
    row::<rbac::v1::RoleBinding>(),
    row::<resource::v1::DeviceClass>(),
    row::<resource::v1::ResourceClaim>(),
    row::<resource::v1::ResourceClaimTemplate>(),
    row::<resource::v1::ResourceSlice>(),
    row::<scheduling::v1::PriorityClass>(),
    row::<storage::v1::CSIDriver>(),
    row::<storage::v1::CSINode>(),
    row::<storage::v1::CSIStorageCapacity>(),
    row::<storage::v1::StorageClass>(),
    row::<storage::v1::VolumeAttachment>(),
    row::<storage::v1::VolumeAttributesClass>(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::KIND_TABLE;

    #[test]
    fn every_kind_has_its_type() {
        for kind in KIND_TABLE {
            assert!(of(kind.group, kind.version, kind.kind).is_some(), "{kind:?} has no row in TYPES");
        }
        for (i, row) in TYPES.iter().enumerate() {
            let first = TYPES.iter().position(|r| (r.group, r.version, r.kind) == (row.group, row.version, row.kind));
            assert_eq!(first, Some(i), "{} is there twice", row.kind);
        }
    }
}

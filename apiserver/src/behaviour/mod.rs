//! What each kind does on its way into the store: its schema, defaults, preparation and validation, one row a kind.

mod addresses;
mod admission_policy;
mod admission_policy_binding;
mod admission_rules;
mod api_service;
pub mod at;
mod autoscaler_behavior;
mod autoscaler_metrics;
mod binding;
pub mod causes;
pub mod certificate_signing_request;
mod cluster_role;
mod cluster_role_binding;
mod component_status;
mod config_map;
mod controller_revision;
mod cron_job;
mod cron_schedule;
mod csi_driver;
mod csi_node;
mod csi_storage_capacity;
mod custom_resource_definition;
mod daemon_set;
mod decode;
pub mod defaulting;
mod deployment;
mod device_class;
mod devices;
mod domains;
mod endpoint_slice;
mod endpoints;
mod event;
mod flow_schema;
mod horizontal_pod_autoscaler;
mod ingress;
mod ingress_class;
mod ip_address;
mod job;
mod job_spec;
mod labels;
mod lease;
mod limit_range;
mod metadata;
pub mod names;
mod namespace;
mod network_policy;
mod node;
pub mod path;
mod persistent_volume;
mod persistent_volume_claim;
mod pod;
mod pod_disruption_budget;
pub mod pod_parts;
mod pod_spec;
mod pod_template;
pub mod prepare;
pub mod priority_class;
mod priority_level_configuration;
mod rbac;
mod replica_set;
mod replication_controller;
mod resource_claim;
mod resource_claim_template;
mod resource_quota;
mod resource_slice;
mod review;
mod role;
mod role_binding;
mod runtime_class;
mod secret;
pub mod service;
mod service_account;
mod service_cidr;
mod stateful_set;
mod storage;
mod storage_class;
mod volume_attachment;
mod volume_attributes_class;
mod warnings;
pub mod webhook_configuration;
mod workload;

pub use decode::{FieldValidation, decode, decode_as};
pub use names::NameRule;

use crate::schema::{Schema, normalize};
use kubus_proto::KindRow;
use kubus_proto::status::Cause;
use serde_json::Value;

/// The function that gives the schema of a Kubernetes type, learnt at its first call.
macro_rules! schema_of {
    ($kind:ty) => {{
        fn schema() -> &'static crate::schema::Schema {
            static SCHEMA: std::sync::LazyLock<crate::schema::Schema> =
                std::sync::LazyLock::new(|| crate::schema::learn::<$kind>().expect("a test learns every schema"));
            &SCHEMA
        }
        schema
    }};
}
pub(crate) use schema_of;

/// What a kind does; what it does not say is [`PLAIN`]. The pipeline calls [`decode`], then [`Behaviour::default`], then one
/// of the preparations, then validation. All of it sees the stored version only: an object of one of
/// [`KindRow::older_versions`] is to be converted before it is decoded.
pub struct Behaviour {
    /// The kind.
    pub row: &'static KindRow,
    /// The shape of its objects, made with `schema_of!`.
    pub schema: fn() -> &'static Schema,
    /// What its names must look like.
    pub name: NameRule,
    /// Fills in what was left out. Quantities and times are in canonical form already.
    pub defaults: fn(&mut Value),
    /// Sets what only the server may set in a new object: its status, generation, and the like.
    pub prepare_create: fn(&mut Value),
    /// Takes over from the old object what an update of the main resource may not touch, its status above all.
    pub prepare_update: fn(new: &mut Value, old: &Value),
    /// Takes over from the old object everything but the status.
    pub prepare_status: fn(new: &mut Value, old: &Value),
    /// Whether an update changes what `metadata.generation` counts. Always false for a kind without generations.
    pub spec_changed: fn(new: &Value, old: &Value) -> bool,
    /// What is wrong with an object, new or changed, beside its metadata.
    pub rules: fn(&Value, &mut Vec<Cause>),
    /// What is wrong with a new object only.
    pub create_rules: fn(&Value, &mut Vec<Cause>),
    /// What an update of the main resource may not change.
    pub update_rules: fn(new: &Value, old: &Value, &mut Vec<Cause>),
    /// What is wrong with an update of the status.
    pub status_rules: fn(new: &Value, old: &Value, &mut Vec<Cause>),
    /// What its writers should know about a new or changed object that is nothing wrong with.
    pub warnings: fn(&Value) -> Vec<String>,
}

/// A kind without rules of its own: no status, no generations. Rows of [`BEHAVIOURS`] say `..PLAIN` for the rest.
pub const PLAIN: Behaviour = Behaviour {
    row: &kubus_proto::kinds::config_map::ROW,
    schema: schema_of!(k8s_openapi::api::core::v1::ConfigMap),
    name: NameRule::DnsSubdomain,
    defaults: |_| {},
    prepare_create: prepare::nothing,
    prepare_update: prepare::keep_metadata,
    prepare_status: prepare::no_status,
    spec_changed: prepare::never,
    rules: |_, _| {},
    create_rules: |_, _| {},
    update_rules: |_, _, _| {},
    status_rules: |_, _, _| {},
    warnings: |_| Vec::new(),
};

/// As [`PLAIN`], for a kind with a spec that is counted in generations and a status of its own, empty at first.
pub const WITH_STATUS: Behaviour = Behaviour {
    prepare_create: |object| prepare::first_generation(object, serde_json::json!({})),
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    spec_changed: prepare::spec_differs,
    ..PLAIN
};

impl Behaviour {
    /// Writes quantities and times in canonical form and fills in what was left out.
    pub fn default(&self, object: &mut Value) {
        normalize((self.schema)(), object);
        (self.defaults)(object);
    }

    /// What is wrong with a new object, after defaulting and preparation.
    pub fn validate(&self, object: &Value) -> Vec<Cause> {
        let mut causes = Vec::new();
        metadata::check(&object["metadata"], &mut causes, |metadata, causes| {
            metadata::validate_metadata(metadata, self.row.namespaced, self.name, causes);
        });
        (self.rules)(object, &mut causes);
        (self.create_rules)(object, &mut causes);
        causes
    }

    /// What is wrong with an update of the main resource, after preparation; includes what is wrong with the new object.
    pub fn validate_update(&self, new: &Value, old: &Value) -> Vec<Cause> {
        let mut causes = validate_metadata_update(new, old);
        (self.rules)(new, &mut causes);
        (self.update_rules)(new, old, &mut causes);
        causes
    }

    /// What is wrong with an update of the status, after preparation.
    pub fn validate_status(&self, new: &Value, old: &Value) -> Vec<Cause> {
        let mut causes = validate_metadata_update(new, old);
        (self.status_rules)(new, old, &mut causes);
        causes
    }
}

/// What is wrong with the `metadata` of a new object of any kind.
pub fn check_metadata(metadata: &Value, namespaced: bool, rule: NameRule) -> Vec<Cause> {
    let mut causes = Vec::new();
    metadata::check(metadata, &mut causes, |metadata, causes| {
        metadata::validate_metadata(metadata, namespaced, rule, causes);
    });
    causes
}

/// What an update of an object of any kind may not change in its `metadata`.
pub fn validate_metadata_update(new: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    metadata::check(&old["metadata"], &mut causes, |old, causes| {
        metadata::check(&new["metadata"], causes, |new, causes| metadata::validate_metadata_update(new, old, causes));
    });
    causes
}

/// Every kind's behaviour.
static BEHAVIOURS: &[&Behaviour] = &[
    &config_map::BEHAVIOUR,
    &event::BEHAVIOUR,
    &namespace::BEHAVIOUR,
    &node::BEHAVIOUR,
    &pod::BEHAVIOUR,
    &replication_controller::BEHAVIOUR,
    &secret::BEHAVIOUR,
    &service_account::BEHAVIOUR,
    &deployment::BEHAVIOUR,
    &replica_set::BEHAVIOUR,
    &lease::BEHAVIOUR,
    &cluster_role::BEHAVIOUR,
    &cluster_role_binding::BEHAVIOUR,
    &role::BEHAVIOUR,
    &role_binding::BEHAVIOUR,
    &api_service::BEHAVIOUR,
    &certificate_signing_request::BEHAVIOUR,
    &csi_driver::BEHAVIOUR,
    &csi_node::BEHAVIOUR,
    &csi_storage_capacity::BEHAVIOUR,
    &device_class::BEHAVIOUR,
    &endpoint_slice::BEHAVIOUR,
    &flow_schema::BEHAVIOUR,
    &ingress::BEHAVIOUR,
    &ingress_class::BEHAVIOUR,
    &ip_address::BEHAVIOUR,
    &admission_policy::MUTATING,
    &admission_policy_binding::MUTATING,
    &webhook_configuration::MUTATING,
    &network_policy::BEHAVIOUR,
    &priority_level_configuration::BEHAVIOUR,
    &resource_claim::BEHAVIOUR,
    &resource_claim_template::BEHAVIOUR,
    &resource_slice::BEHAVIOUR,
    &service_cidr::BEHAVIOUR,
    &storage_class::BEHAVIOUR,
    &admission_policy::VALIDATING,
    &admission_policy_binding::VALIDATING,
    &webhook_configuration::VALIDATING,
    &volume_attachment::BEHAVIOUR,
    &volume_attributes_class::BEHAVIOUR,
    &binding::BEHAVIOUR,
    &component_status::BEHAVIOUR,
    &endpoints::BEHAVIOUR,
    &limit_range::BEHAVIOUR,
    &persistent_volume_claim::BEHAVIOUR,
    &persistent_volume::BEHAVIOUR,
    &pod_template::BEHAVIOUR,
    &resource_quota::BEHAVIOUR,
    &service::BEHAVIOUR,
    &controller_revision::BEHAVIOUR,
    &daemon_set::BEHAVIOUR,
    &stateful_set::BEHAVIOUR,
    &horizontal_pod_autoscaler::BEHAVIOUR,
    &cron_job::BEHAVIOUR,
    &job::BEHAVIOUR,
    &pod_disruption_budget::BEHAVIOUR,
    &priority_class::BEHAVIOUR,
    &runtime_class::BEHAVIOUR,
    &review::TOKEN,
    &review::SELF,
    &review::ACCESS,
    &review::LOCAL_ACCESS,
    &review::SELF_ACCESS,
    &review::SELF_RULES,
    &custom_resource_definition::BEHAVIOUR,
];

/// The behaviour of a kind.
pub fn of(row: &KindRow) -> &'static Behaviour {
    BEHAVIOURS
        .iter()
        .find(|b| b.row.group == row.group && b.row.kind == row.kind)
        .expect("a test walks the kinds table and fails for a kind without its behaviour")
}

#[cfg(test)]
mod kind_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row() {
        for row in kubus_proto::KIND_TABLE {
            let behaviour = of(row);
            assert_eq!((behaviour.schema)().root, row.kind);
        }
    }
}

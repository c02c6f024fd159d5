//! ServiceAccount on its way into the store.
//! <https://kubernetes.io/docs/concepts/security/service-accounts/>

use super::metadata::{typed, validate_metadata, validate_metadata_update};
use super::{Behaviour, NameRule, prepare};
use crate::schema::{Schema, learn, normalize};
use k8s_openapi::api::core::v1::ServiceAccount;
use kubus_proto::status::Cause;
use serde_json::Value;
use std::sync::LazyLock;

/// Behaviour of ServiceAccount.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::service_account::ROW,
    schema,
    default: |account| normalize(schema(), account),
    prepare_create: prepare::nothing,
    prepare_update: prepare::keep_metadata,
    prepare_status: prepare::no_status,
    spec_changed: prepare::never,
    validate,
    validate_update,
    name: NameRule::DnsSubdomain,
};

fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| learn::<ServiceAccount>().expect("a test learns every schema"));
    &SCHEMA
}

fn validate(account: &Value) -> Vec<Cause> {
    let account: ServiceAccount = match typed(account) {
        Ok(account) => account,
        Err(causes) => return causes,
    };
    let mut causes = Vec::new();
    validate_metadata(&account.metadata, true, NameRule::DnsSubdomain, &mut causes);
    causes
}

fn validate_update(new: &Value, old: &Value) -> Vec<Cause> {
    let (new, old): (ServiceAccount, ServiceAccount) = match (typed(new), typed(old)) {
        (Ok(new), Ok(old)) => (new, old),
        (Err(causes), _) | (_, Err(causes)) => return causes,
    };
    let mut causes = Vec::new();
    validate_metadata_update(&new.metadata, &old.metadata, &mut causes);
    causes
}

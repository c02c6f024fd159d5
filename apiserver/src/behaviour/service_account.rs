//! ServiceAccount on its way into the store.
//! <https://kubernetes.io/docs/concepts/security/service-accounts/>

use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::core::v1::ServiceAccount;

/// Behaviour of ServiceAccount.
pub static BEHAVIOUR: Behaviour =
    Behaviour { row: &kubus_proto::kinds::service_account::ROW, schema: schema_of!(ServiceAccount), ..PLAIN };

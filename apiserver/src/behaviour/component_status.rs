//! ComponentStatus, which is computed when it is asked for and never written.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/component-status-v1/>

use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::core::v1::ComponentStatus;

/// Behaviour of ComponentStatus.
pub static BEHAVIOUR: Behaviour =
    Behaviour { row: &kubus_proto::kinds::component_status::ROW, schema: schema_of!(ComponentStatus), ..PLAIN };

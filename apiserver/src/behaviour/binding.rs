//! Binding on its way to its pod. Nothing of it is stored.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/binding-v1/>

use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::core::v1::Binding;

/// Behaviour of Binding.
pub static BEHAVIOUR: Behaviour =
    Behaviour { row: &kubus_proto::kinds::binding::ROW, schema: schema_of!(Binding), ..PLAIN };

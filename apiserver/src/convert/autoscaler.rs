//! What HorizontalPodAutoscalers of `autoscaling/v1` look like.

use super::Border;
use crate::behaviour::schema_of;
use k8s_openapi::api::autoscaling::v1::HorizontalPodAutoscaler;

pub(super) static BORDER: Border = Border {
    group: "autoscaling",
    version: "v1",
    kind: "HorizontalPodAutoscaler",
    schema: schema_of!(HorizontalPodAutoscaler),
    create_rules: |_, _| {},
};

//! eviction: a delete that asks first. There is nothing to ask yet: budgets come with their kind.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/>

use super::call::Call;
use super::options::{DeleteOptions, Query};
use super::{Api, answer};
use kubus_proto::{ApiError, ApiResponse, Reason};
use serde_json::json;

impl Api {
    /// Evicts a pod.
    pub(super) async fn evict(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let body = call.optional_value()?;
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        if !name.is_empty() && name != call.path.name {
            let message = "name in URL does not match name in Eviction object";
            return Err(ApiError::new(Reason::BadRequest, message));
        }
        let mut options = DeleteOptions::parse(&Query::default(), &body["deleteOptions"])?;
        options.dry_run |= call.query.dry_run("CreateOptions")?;
        self.remove(call, call.request_id(), &options).await?;
        answer::value(201, &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
    }
}

//! Tokens of a pod's service account in its volumes: asked for when they are made, and renewed before they end.
//! <https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken>

use super::context::Context;
use super::perform::pod_directory;
use super::state::spec;
use super::volumes::{relative, volume_directory};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccountTokenProjection};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Lifetime where the volume does not say, in seconds.
const DEFAULT_SECONDS: i64 = 3_600;
/// How much of its life a token is used, in percent.
const USED_PERCENT: i64 = 80;
/// The longest a token is used, in seconds.
const USED_LIMIT_SECONDS: i64 = 24 * 3_600;
/// Pause before a token that could not be renewed is asked for again.
const RETRY: Duration = Duration::from_secs(10);
/// How often a file that is still to be made is looked for.
const UNMADE: Duration = Duration::from_secs(5);

/// A token that a volume holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenNeed {
    /// For whom it is, empty for the API.
    pub audience: String,
    /// How long it shall live.
    pub seconds: i64,
}

impl TokenNeed {
    /// What a volume asks for.
    pub fn of(projection: &ServiceAccountTokenProjection) -> Self {
        Self {
            audience: projection.audience.clone().unwrap_or_default(),
            seconds: projection.expiration_seconds.unwrap_or(DEFAULT_SECONDS),
        }
    }

    /// Namespace and name of the pod's account, and what is asked of the API.
    pub fn request(&self, pod: &Pod) -> (String, String, TokenRequest) {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let account = spec(pod).service_account_name.clone().unwrap_or_else(|| "default".to_owned());
        let audiences = (!self.audience.is_empty()).then(|| vec![self.audience.clone()]);
        let bound = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
        };
        let spec =
            TokenRequestSpec { audiences, bound_object_ref: Some(bound), expiration_seconds: Some(self.seconds) };
        (namespace, account, TokenRequest { spec: Some(spec), ..TokenRequest::default() })
    }
}

/// The files of a pod that hold tokens.
fn files(pod: &Pod, pod_dir: &Path) -> Vec<(TokenNeed, PathBuf)> {
    let mut files = Vec::new();
    for volume in spec(pod).volumes.iter().flatten() {
        let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        for token in sources.filter_map(|source| source.service_account_token.as_ref()) {
            // A path that leads elsewhere was refused when the volume was made.
            if let Ok(path) = relative(&token.path) {
                files.push((TokenNeed::of(token), volume_directory(pod_dir, &volume.name).join(path)));
            }
        }
    }
    files
}

/// When a token should be renewed: it says itself when it began and when it ends. One that does not is renewed now.
fn renewal(token: &str) -> Timestamp {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: serde_json::Value =
        claims.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or(serde_json::Value::Null);
    let (start, end) = (&claims["iat"], &claims["kubernetes.io"]["warnafter"]);
    // Where programs that never read a token again are given more time, this is when they should have.
    let end = end.as_i64().or_else(|| claims["exp"].as_i64());
    let (Some(start), Some(end)) = (start.as_i64(), end) else { return Timestamp::UNIX_EPOCH };
    let used = (end.saturating_sub(start) / 100).saturating_mul(USED_PERCENT).min(USED_LIMIT_SECONDS);
    Timestamp::from_second(start.saturating_add(used)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Renews the tokens of a pod for ever. What is missing is made with the pod's volumes, not here.
pub async fn keep(context: Arc<Context>, pod: Arc<Pod>) {
    let files = files(&pod, &pod_directory(&context, &pod));
    if files.is_empty() {
        return std::future::pending().await;
    }
    loop {
        let mut pause = Duration::from_secs(u64::try_from(USED_LIMIT_SECONDS).unwrap_or(u64::MAX));
        for (need, path) in &files {
            let next = match tokio::fs::read_to_string(path).await {
                Ok(token) => match until(renewal(&token)) {
                    Duration::ZERO => renew(&context, &pod, need, path).await,
                    later => later,
                },
                Err(_) => UNMADE,
            };
            pause = pause.min(next);
        }
        tokio::time::sleep(pause).await;
    }
}

fn until(at: Timestamp) -> Duration {
    let left: SignedDuration = at.duration_since(Timestamp::now());
    Duration::try_from(left).unwrap_or(Duration::ZERO)
}

/// Puts a new token in place of the old one; gives when to look at it again.
async fn renew(context: &Context, pod: &Pod, need: &TokenNeed, path: &Path) -> Duration {
    let renewed = async {
        let token = context.api.service_account_token(pod, need).await.map_err(|e| e.to_string())?;
        replace(path, &token).await.map_err(|e| e.to_string())?;
        Ok::<String, String>(token)
    };
    match renewed.await {
        Ok(token) => until(renewal(&token)).max(RETRY),
        Err(error) => {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            tracing::warn!(pod = name, %error, "cannot renew a token, will try again");
            RETRY
        }
    }
}

/// Replaces a file in one step, so that its readers never see half of it.
async fn replace(path: &Path, content: &str) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let next = PathBuf::from(name);
    tokio::fs::write(&next, content).await?;
    tokio::fs::set_permissions(&next, tokio::fs::metadata(path).await?.permissions()).await?;
    tokio::fs::rename(&next, path).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn token(claims: Value) -> String {
        format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn tokens_are_renewed_before_they_end() {
        for (claims, second) in [
            (json!({"iat": 1_000, "exp": 4_600}), 3_880),
            (json!({"iat": 1_000, "exp": 31_537_000, "kubernetes.io": {"warnafter": 4_600}}), 3_880),
            (json!({"iat": 1_000, "exp": 31_537_000}), 87_400),
            (json!({"exp": 4_600}), 0),
            (json!("x"), 0),
        ] {
            assert_eq!(renewal(&token(claims.clone())).as_second(), second, "{claims}");
        }
        assert_eq!(renewal("opaque").as_second(), 0);
    }

    #[test]
    fn a_pod_asks_for_tokens_of_its_account_bound_to_itself() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"serviceAccountName": "robot", "containers": [], "volumes": [{"name": "v", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 700}},
                {"serviceAccountToken": {"path": "deep/vault", "audience": "vault"}},
                {"serviceAccountToken": {"path": "../escape"}}]}}]},
        }))
        .expect("a pod");
        let files = files(&pod, Path::new("/d"));
        let paths: Vec<&str> = files.iter().filter_map(|(_, path)| path.to_str()).collect();
        assert_eq!(paths, ["/d/volumes/v/token", "/d/volumes/v/deep/vault"]);
        let (namespace, account, request) = files[1].0.request(&pod);
        assert_eq!((namespace.as_str(), account.as_str()), ("n", "robot"));
        let sent = serde_json::to_value(&request.spec).expect("json");
        assert_eq!(
            sent,
            json!({"audiences": ["vault"], "expirationSeconds": 3_600,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}})
        );
    }

    #[tokio::test]
    async fn a_file_is_replaced_whole_and_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("token");
        std::fs::write(&path, "old").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
        replace(&path, "new").await.expect("replaced");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1);
    }
}

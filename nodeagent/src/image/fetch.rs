//! Finds or pulls an image by its policy: <https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy>.
//!
//! One deliberate deviation: with policy `Always`, an image that is on the host is used when its registry cannot be
//! reached at all (no name, no connection). Kubernetes would not start the container; a cluster that was running when
//! its registry or its way there failed should go on running. The event says that the registry was not asked.

use super::reference;
use crate::pod::message::{Fetched, ImageFailure};
use crate::runtime::{ImageInfo, PullError, Runtime, RuntimeError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Pulls at the same time on one node.
const PULLS_IN_FLIGHT: usize = 3;
/// How long a registry that could not be reached is not asked again for an image that is on the host.
const UNREACHABLE_MEMORY: Duration = Duration::from_secs(30);

/// Finds and pulls images for all pods of a node.
pub struct ImageFetcher {
    runtime: Arc<dyn Runtime>,
    pulls: Semaphore,
    unreachable: Mutex<BTreeMap<String, (Instant, String)>>,
}

impl ImageFetcher {
    /// For the images of `runtime`.
    pub fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, pulls: Semaphore::new(PULLS_IN_FLIGHT), unreachable: Mutex::default() }
    }

    /// The image `name` under `policy` (empty is the policy Kubernetes would choose). `pulling` is called when a pull
    /// begins.
    pub async fn fetch(&self, name: &str, policy: &str, pulling: impl FnOnce()) -> Result<Fetched, ImageFailure> {
        let Some(reference) = reference::parse(name) else {
            let message = format!(
                "Failed to apply default image tag {name:?}: couldn't parse image name {name:?}: invalid reference format"
            );
            return Err(ImageFailure { reason: "InvalidImageName", message });
        };
        let policy = match policy {
            "" if reference.text.ends_with(":latest") => "Always",
            "" => "IfNotPresent",
            given => given,
        };
        let local = self.runtime.image(&reference.text).await.map_err(|e| inspect_failed(name, &e))?;
        match (local, policy) {
            (Some(image), "IfNotPresent" | "Never") => Ok(present(name, image)),
            (None, "Never") => {
                let message = format!("Container image {name:?} is not present with pull policy of Never");
                Err(ImageFailure { reason: "ErrImageNeverPull", message })
            }
            (Some(image), _) => match self.known_unreachable(&reference.registry) {
                Some(why) => Ok(unreachable(name, image, &why)),
                None => self.pull(name, &reference, Some(image), pulling).await,
            },
            (None, _) => self.pull(name, &reference, None, pulling).await,
        }
    }

    async fn pull(
        &self,
        name: &str,
        reference: &reference::Reference,
        local: Option<ImageInfo>,
        pulling: impl FnOnce(),
    ) -> Result<Fetched, ImageFailure> {
        let asked = Instant::now();
        let Ok(_permit) = self.pulls.acquire().await else {
            return Err(ImageFailure { reason: "ErrImagePull", message: "the agent is stopping".to_owned() });
        };
        pulling();
        let began = Instant::now();
        match (self.runtime.pull(&reference.text).await, local) {
            (Ok(image), _) => {
                let message = format!(
                    "Successfully pulled image {name:?} in {} ({} including waiting). Image size: {} bytes.",
                    duration(began.elapsed()),
                    duration(asked.elapsed()),
                    image.size
                );
                Ok(Fetched { image, message })
            }
            (Err(PullError::RegistryUnreachable(why)), Some(image)) => {
                let mut known = self.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(reference.registry.clone(), (Instant::now(), why.clone()));
                Ok(unreachable(name, image, &why))
            }
            (Err(error), _) => Err(ImageFailure { reason: "ErrImagePull", message: error.to_string() }),
        }
    }

    fn known_unreachable(&self, registry: &str) -> Option<String> {
        let mut known = self.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (since, _)| since.elapsed() < UNREACHABLE_MEMORY);
        known.get(registry).map(|(_, why)| why.clone())
    }
}

fn present(name: &str, image: ImageInfo) -> Fetched {
    Fetched { image, message: format!("Container image {name:?} already present on machine") }
}

fn unreachable(name: &str, image: ImageInfo, why: &str) -> Fetched {
    let message = format!(
        "Container image {name:?} already present on machine; used as it is, its registry cannot be reached: {why}"
    );
    Fetched { image, message }
}

fn inspect_failed(name: &str, error: &RuntimeError) -> ImageFailure {
    ImageFailure { reason: "ImageInspectError", message: format!("Failed to inspect image {name:?}: {error}") }
}

/// As Go writes durations, rounded to milliseconds: `820ms`, `3.615s`, `1m2.5s`.
fn duration(elapsed: Duration) -> String {
    let ms = elapsed.as_millis();
    if ms < 1_000 {
        return format!("{ms}ms");
    }
    let seconds = |ms: u128| {
        let text = format!("{}.{:03}", ms / 1_000, ms % 1_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if ms < 60_000 { format!("{}s", seconds(ms)) } else { format!("{}m{}s", ms / 60_000, seconds(ms % 60_000)) }
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn durations_read_like_go() {
        for (ms, text) in [(0, "0ms"), (820, "820ms"), (3_615, "3.615s"), (3_600, "3.6s"), (62_500, "1m2.5s")] {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }
}

//! What is done to all containers of a cluster or a node at once: removal at its end, a power cut.

use super::super::{Listed, RuntimeError, label};
use super::{lifecycle, listing};
use bollard::Docker;
use futures::stream::{self, StreamExt};
use std::collections::HashMap;

/// Containers handled at the same time.
const IN_FLIGHT: usize = 8;

/// Kills and removes every container of `cluster` (of one `node`, if given) on `docker`; how many there were.
pub async fn purge(docker: &Docker, cluster: &str, node: Option<&str>) -> Result<usize, RuntimeError> {
    let all = listed(docker, cluster, node).await?;
    each(all, |container| async move { lifecycle::remove(docker, &container.id).await }).await
}

/// Kills every running container of `cluster` (of one `node`, if given) and leaves what is left of it, as a power cut
/// does; how many there were.
pub async fn halt(docker: &Docker, cluster: &str, node: Option<&str>) -> Result<usize, RuntimeError> {
    let running: Vec<Listed> = listed(docker, cluster, node).await?.into_iter().filter(|l| l.running).collect();
    each(running, |container| async move { lifecycle::signal(docker, &container.id, "KILL").await }).await
}

async fn listed(docker: &Docker, cluster: &str, node: Option<&str>) -> Result<Vec<Listed>, RuntimeError> {
    let mut labels = vec![format!("{}={cluster}", label::CLUSTER)];
    labels.extend(node.map(|node| format!("{}={node}", label::NODE)));
    listing::list_by(docker, HashMap::from([("label".to_owned(), labels)])).await
}

async fn each<F, O>(containers: Vec<Listed>, action: F) -> Result<usize, RuntimeError>
where
    F: Fn(Listed) -> O,
    O: Future<Output = Result<(), RuntimeError>>,
{
    let count = containers.len();
    let results: Vec<_> = stream::iter(containers.into_iter().map(action)).buffer_unordered(IN_FLIGHT).collect().await;
    results.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(count)
}

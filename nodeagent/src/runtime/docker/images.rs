//! Images in the engine: found, pulled, and the sandbox's own, made here.

use super::super::{ImageInfo, PullError, RuntimeError};
use super::{failure, pause};
use bollard::Docker;
use bollard::models::ImageInspect;
use bollard::query_parameters::{CreateImageOptions, ImportImageOptions};
use futures::TryStreamExt;

/// What the engine says when it does not get through to a registry, as opposed to a registry that says no.
const UNREACHABLE: [&str; 8] = [
    "no such host",
    "dial tcp",
    "connection refused",
    "i/o timeout",
    "network is unreachable",
    "Temporary failure in name resolution",
    "server misbehaving",
    "request canceled while waiting for connection",
];

fn info(reference: &str, details: ImageInspect) -> ImageInfo {
    let config = details.config.unwrap_or_default();
    let tags = details.repo_tags.unwrap_or_default();
    let repository = reference.split('@').next().unwrap_or(reference);
    let name = if tags.iter().any(|t| t == reference) { Some(reference.to_owned()) } else { tags.into_iter().next() };
    // The digest of the repository that was asked for, if a registry gave one.
    let digests = details.repo_digests.unwrap_or_default();
    let base = repository.rsplit_once(':').map_or(repository, |(base, _)| base);
    let same = digests.iter().find(|d| d.split('@').next() == Some(base));
    ImageInfo {
        id: details.id.unwrap_or_default(),
        digest: same.or(digests.first()).cloned(),
        reference: name.unwrap_or_else(|| reference.to_owned()),
        size: details.size.unwrap_or(0),
        stop_signal: config.stop_signal.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
    }
}

/// The image, if the engine has it.
pub(super) async fn find(docker: &Docker, reference: &str) -> Result<Option<ImageInfo>, RuntimeError> {
    match docker.inspect_image(reference).await {
        Ok(details) => Ok(Some(info(reference, details))),
        Err(error) => match failure(reference, error) {
            RuntimeError::NotFound(_) => Ok(None),
            other => Err(other),
        },
    }
}

/// Fetches the image from its registry.
pub(super) async fn pull(docker: &Docker, reference: &str) -> Result<ImageInfo, PullError> {
    let options = CreateImageOptions { from_image: Some(reference.to_owned()), ..CreateImageOptions::default() };
    let pulled = docker.create_image(Some(options), None, None).try_for_each(|_| std::future::ready(Ok(()))).await;
    if let Err(error) = pulled {
        let error = failure(reference, error);
        let text = match &error {
            RuntimeError::NotFound(_) => format!(
                "Error response from daemon: pull access denied for {reference}, repository does not exist or may require 'docker login'"
            ),
            other => other.to_string(),
        };
        let unreachable = UNREACHABLE.iter().any(|sign| text.contains(sign));
        return Err(if unreachable { PullError::RegistryUnreachable(text) } else { PullError::Refused(text) });
    }
    match find(docker, reference).await {
        Ok(Some(image)) => Ok(image),
        Ok(None) => Err(PullError::Refused(format!("the engine has no image {reference} after its pull"))),
        Err(error) => Err(PullError::Refused(error.to_string())),
    }
}

/// Makes the sandbox's image if it is not there.
pub(super) async fn make_pause(docker: &Docker) -> Result<(), RuntimeError> {
    let (repository, tag) = pause::IMAGE;
    if find(docker, &format!("{repository}:{tag}")).await?.is_some() {
        return Ok(());
    }
    let architecture = docker.info().await.map_err(|e| failure("engine", e))?.architecture.unwrap_or_default();
    if architecture != pause::ARCHITECTURE {
        return Err(RuntimeError::Refused(format!("no sandbox program for {architecture} engines")));
    }
    let archive = pause::archive().map_err(|e| RuntimeError::Refused(e.to_string()))?;
    let load = docker.import_image(ImportImageOptions::default(), bollard::body_full(archive.into()), None);
    load.try_for_each(|_| std::future::ready(Ok(()))).await.map_err(|e| failure(repository, e))
}

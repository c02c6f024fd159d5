//! Volumes of a pod as directories and files below the agent's data directory, and as mounts of its containers.
//! <https://kubernetes.io/docs/concepts/storage/volumes/>

use super::env::{EnvError, Needs, Sources, Surroundings, field, resource};
use super::expansion::expand;
use super::state::spec;
use super::tokens::TokenNeed;
use crate::runtime::BindMount;
use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, KeyToPath, Pod, Volume, VolumeMount, VolumeProjection,
};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Mode of files where the volume does not say.
const DEFAULT_MODE: i32 = 0o644;

/// A volume cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("MountVolume.SetUp failed for volume {volume:?} : {reason}")]
pub struct VolumeError {
    /// Volume's name.
    pub volume: String,
    /// Why.
    pub reason: String,
}

/// What a volume is on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing {
    /// A directory of the pod's own, with these files.
    Directory(BTreeMap<PathBuf, File>),
    /// A path of the host.
    Host {
        /// Where.
        path: PathBuf,
        /// `Directory`, `DirectoryOrCreate`, `File`, `FileOrCreate` or empty.
        kind: String,
    },
}

/// A file in a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Content.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// Where the pod's own things are.
pub fn pod_directory(data_dir: &Path, uid: &str) -> PathBuf {
    data_dir.join("pods").join(uid)
}

pub(super) fn volume_directory(pod_dir: &Path, volume: &str) -> PathBuf {
    pod_dir.join("volumes").join(volume)
}

/// Where the termination message of a container's attempt is.
pub fn termination_log(pod_dir: &Path, container: &str, attempt: u32) -> PathBuf {
    pod_dir.join("containers").join(container).join(attempt.to_string())
}

/// What the volumes of `pod` are made of.
pub fn needs(pod: &Pod) -> Needs {
    let mut needs = Needs::default();
    for volume in spec(pod).volumes.iter().flatten() {
        needs.config_maps.extend(volume.config_map.iter().map(|m| m.name.clone()));
        needs.secrets.extend(volume.secret.iter().filter_map(|s| s.secret_name.clone()));
        for source in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
            needs.config_maps.extend(source.config_map.iter().map(|m| m.name.clone()));
            needs.secrets.extend(source.secret.iter().map(|s| s.name.clone()));
            needs.tokens.extend(source.service_account_token.iter().map(TokenNeed::of));
        }
    }
    needs
}

/// What each volume of `pod` is.
pub fn plan(pod: &Pod, sources: &Sources, around: &Surroundings) -> Result<BTreeMap<String, Backing>, VolumeError> {
    let volumes = spec(pod).volumes.iter().flatten();
    volumes
        .map(|volume| match backing(pod, volume, sources, around) {
            Ok(backing) => Ok((volume.name.clone(), backing)),
            Err(reason) => Err(VolumeError { volume: volume.name.clone(), reason }),
        })
        .collect()
}

fn backing(pod: &Pod, volume: &Volume, sources: &Sources, around: &Surroundings) -> Result<Backing, String> {
    let mut files = Files { files: BTreeMap::new(), mode: DEFAULT_MODE };
    if volume.empty_dir.is_some() {
    } else if let Some(host) = &volume.host_path {
        let kind = host.type_.clone().unwrap_or_default();
        return Ok(Backing::Host { path: PathBuf::from(&host.path), kind });
    } else if let Some(map) = &volume.config_map {
        files.mode = map.default_mode.unwrap_or(DEFAULT_MODE);
        files.config_map(&map.name, map.items.as_deref(), map.optional, sources)?;
    } else if let Some(secret) = &volume.secret {
        files.mode = secret.default_mode.unwrap_or(DEFAULT_MODE);
        let name = secret.secret_name.as_deref().unwrap_or_default();
        files.secret(name, secret.items.as_deref(), secret.optional, sources)?;
    } else if let Some(downward) = &volume.downward_api {
        files.mode = downward.default_mode.unwrap_or(DEFAULT_MODE);
        files.downward(pod, downward.items.as_deref(), around)?;
    } else if let Some(projected) = &volume.projected {
        files.mode = projected.default_mode.unwrap_or(DEFAULT_MODE);
        for source in projected.sources.iter().flatten() {
            files.projection(pod, source, sources, around)?;
        }
    } else {
        return Err("this type of volume is not supported by the node".to_owned());
    }
    Ok(Backing::Directory(files.files))
}

struct Files {
    files: BTreeMap<PathBuf, File>,
    mode: i32,
}

impl Files {
    fn put(&mut self, path: &str, content: &[u8], mode: Option<i32>) -> Result<(), String> {
        let path = relative(path)?;
        let mode = u32::try_from(mode.unwrap_or(self.mode)).map_err(|_| "invalid mode".to_owned())?;
        self.files.insert(path, File { content: content.to_vec(), mode });
        Ok(())
    }

    fn keys(
        &mut self,
        all: &BTreeMap<String, Vec<u8>>,
        items: Option<&[KeyToPath]>,
        optional: bool,
    ) -> Result<(), String> {
        let Some(items) = items.filter(|i| !i.is_empty()) else {
            return all.iter().try_for_each(|(key, content)| self.put(key, content, None));
        };
        for item in items {
            match all.get(&item.key) {
                Some(content) => self.put(&item.path, content, item.mode)?,
                None if optional => {}
                None => return Err(format!("references non-existent config key: {}", item.key)),
            }
        }
        Ok(())
    }

    fn config_map(
        &mut self,
        name: &str,
        items: Option<&[KeyToPath]>,
        optional: Option<bool>,
        sources: &Sources,
    ) -> Result<(), String> {
        let optional = optional == Some(true);
        match sources.config_maps.get(name).and_then(Option::as_ref) {
            Some(map) => {
                let text = map.data.iter().flatten().map(|(k, v)| (k.clone(), v.clone().into_bytes()));
                let binary = map.binary_data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone()));
                self.keys(&text.chain(binary).collect(), items, optional)
            }
            None if optional => Ok(()),
            None => Err(EnvError::ConfigMap(name.to_owned()).to_string()),
        }
    }

    fn secret(
        &mut self,
        name: &str,
        items: Option<&[KeyToPath]>,
        optional: Option<bool>,
        sources: &Sources,
    ) -> Result<(), String> {
        let optional = optional == Some(true);
        match sources.secrets.get(name).and_then(Option::as_ref) {
            Some(secret) => {
                let all = secret.data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone())).collect();
                self.keys(&all, items, optional)
            }
            None if optional => Ok(()),
            None => Err(EnvError::Secret(name.to_owned()).to_string()),
        }
    }

    fn downward(
        &mut self,
        pod: &Pod,
        items: Option<&[DownwardAPIVolumeFile]>,
        around: &Surroundings,
    ) -> Result<(), String> {
        for item in items.into_iter().flatten() {
            let text = if let Some(reference) = &item.field_ref {
                field(pod, &reference.field_path, around)
                    .ok_or_else(|| EnvError::Field(reference.field_path.clone()).to_string())?
            } else if let Some(selector) = &item.resource_field_ref {
                let first = spec(pod).containers.first().ok_or("the pod has no containers")?;
                resource(pod, first, selector, around).map_err(|e| e.to_string())?
            } else {
                continue;
            };
            self.put(&item.path, text.as_bytes(), item.mode)?;
        }
        Ok(())
    }

    fn projection(
        &mut self,
        pod: &Pod,
        source: &VolumeProjection,
        sources: &Sources,
        around: &Surroundings,
    ) -> Result<(), String> {
        if let Some(map) = &source.config_map {
            self.config_map(&map.name, map.items.as_deref(), map.optional, sources)?;
        }
        if let Some(secret) = &source.secret {
            self.secret(&secret.name, secret.items.as_deref(), secret.optional, sources)?;
        }
        if let Some(downward) = &source.downward_api {
            self.downward(pod, downward.items.as_deref(), around)?;
        }
        if let Some(token) = &source.service_account_token {
            let text = sources.tokens.get(&TokenNeed::of(token)).ok_or("there is no token of the service account")?;
            self.put(&token.path, text.as_bytes(), None)?;
        }
        Ok(())
    }
}

pub(super) fn relative(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    let fine = path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if fine && path.components().next().is_some() { Ok(path) } else { Err(format!("invalid path {path:?}")) }
}

/// Makes what `plan` says; files that are there are replaced. Blocks: run it where blocking is allowed.
pub fn apply(pod_dir: &Path, plan: &BTreeMap<String, Backing>) -> Result<(), VolumeError> {
    for (name, backing) in plan {
        make(&volume_directory(pod_dir, name), backing)
            .map_err(|reason| VolumeError { volume: name.clone(), reason })?;
    }
    Ok(())
}

fn make(directory: &Path, backing: &Backing) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let set = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    let text = |e: std::io::Error| e.to_string();
    match backing {
        Backing::Directory(files) => {
            std::fs::create_dir_all(directory).map_err(text)?;
            // An emptyDir is everybody's; a directory of files is read by whoever the container runs as.
            set(directory, if files.is_empty() { 0o777 } else { 0o755 }).map_err(text)?;
            for (path, file) in files {
                let path = directory.join(path);
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent).map_err(text)?;
                }
                std::fs::write(&path, &file.content).map_err(text)?;
                set(&path, file.mode).map_err(text)?;
            }
            Ok(())
        }
        Backing::Host { path, kind } => host_path(path, kind),
    }
}

fn host_path(path: &Path, kind: &str) -> Result<(), String> {
    let text = |e: std::io::Error| e.to_string();
    let failed = |what: &str| Err(format!("hostPath type check failed: {} is not a {what}", path.display()));
    match kind {
        "DirectoryOrCreate" if !path.exists() => std::fs::create_dir_all(path).map_err(text),
        "FileOrCreate" if !path.exists() => std::fs::File::create(path).map(drop).map_err(text),
        "Directory" | "DirectoryOrCreate" if !path.is_dir() => failed("directory"),
        "File" | "FileOrCreate" if !path.is_file() => failed("file"),
        // Docker makes what is missing, as Kubernetes does with no type.
        _ => Ok(()),
    }
}

/// The mounts of `container`; directories of sub-paths are made. Blocks: run it where blocking is allowed.
pub fn mounts(
    pod: &Pod,
    container: &Container,
    pod_dir: &Path,
    env: &[(String, String)],
) -> Result<Vec<BindMount>, VolumeError> {
    container.volume_mounts.iter().flatten().map(|m| mount(pod, m, pod_dir, env)).collect()
}

fn mount(pod: &Pod, mount: &VolumeMount, pod_dir: &Path, env: &[(String, String)]) -> Result<BindMount, VolumeError> {
    let error = |reason: String| VolumeError { volume: mount.name.clone(), reason };
    let volume = spec(pod).volumes.iter().flatten().find(|v| v.name == mount.name);
    let volume = volume.ok_or_else(|| error("the pod has no such volume".to_owned()))?;
    let mut source = match &volume.host_path {
        Some(host) => PathBuf::from(&host.path),
        None => volume_directory(pod_dir, &mount.name),
    };
    let lookup = |name: &str| env.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
    let sub_path = match (&mount.sub_path, &mount.sub_path_expr) {
        (Some(path), _) if !path.is_empty() => Some(path.clone()),
        (_, Some(expression)) if !expression.is_empty() => Some(expand(expression, lookup)),
        _ => None,
    };
    if let Some(path) = sub_path {
        source.push(relative(&path).map_err(error)?);
        if !source.exists() {
            std::fs::create_dir_all(&source).map_err(|e| error(e.to_string()))?;
        }
    }
    Ok(BindMount {
        source: source.display().to_string(),
        target: mount.mount_path.clone(),
        read_only: mount.read_only == Some(true) || volume.projected.is_some(),
        propagation: match mount.mount_propagation.as_deref() {
            Some("HostToContainer") => "rslave",
            Some("Bidirectional") => "rshared",
            _ => "rprivate",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "volumeMounts": [
                    {"name": "empty", "mountPath": "/e", "subPath": "deep/er"},
                    {"name": "host", "mountPath": "/h", "readOnly": true, "mountPropagation": "HostToContainer"},
                    {"name": "api", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}],
                "volumes": [
                    {"name": "empty", "emptyDir": {}},
                    {"name": "host", "hostPath": {"path": "/srv", "type": "Directory"}},
                    {"name": "map", "configMap": {"name": "m", "items": [{"key": "k", "path": "sub/file", "mode": 256}]}},
                    {"name": "api", "projected": {"defaultMode": 420, "sources": [
                        {"serviceAccountToken": {"path": "token"}},
                        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}}]}}]},
        }))
        .expect("a pod")
    }

    #[test]
    fn volumes_are_planned_made_and_mounted() {
        let pod = pod();
        let asked = needs(&pod);
        assert!(asked.config_maps.contains("kube-root-ca.crt"));
        let map = |key: &str| serde_json::from_value(json!({"data": {key: "v"}})).expect("a map");
        let sources = Sources {
            config_maps: [("m".to_owned(), Some(map("k"))), ("kube-root-ca.crt".to_owned(), Some(map("ca.crt")))]
                .into(),
            tokens: asked.tokens.into_iter().map(|need| (need, "t".to_owned())).collect(),
            ..Sources::default()
        };
        let plan = plan(&pod, &sources, &Surroundings::default()).expect("planned");
        let Backing::Directory(files) = &plan["map"] else { panic!("a directory") };
        assert_eq!(files[Path::new("sub/file")], File { content: b"v".to_vec(), mode: 0o400 });
        let Backing::Directory(files) = &plan["api"] else { panic!("a directory") };
        assert_eq!(files[Path::new("namespace")].content, b"n");
        assert_eq!(files[Path::new("token")], File { content: b"t".to_vec(), mode: 0o644 });
        assert_eq!(files[Path::new("ca.crt")].content, b"v");
        let dir = std::env::temp_dir().join(format!("kubus-volumes-{}", std::process::id()));
        let plan: BTreeMap<_, _> = plan.into_iter().filter(|(n, _)| n != "host").collect();
        apply(&dir, &plan).expect("made");
        apply(&dir, &plan).expect("made again");
        let mounts = mounts(&pod, &spec(&pod).containers[0], &dir, &[]).expect("mounted");
        assert!(
            Path::new(&mounts[0].source).ends_with("volumes/empty/deep/er") && Path::new(&mounts[0].source).is_dir()
        );
        assert_eq!((mounts[1].source.as_str(), mounts[1].read_only, mounts[1].propagation), ("/srv", true, "rslave"));
        assert!(mounts[2].read_only);
        std::fs::remove_dir_all(&dir).expect("removed");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let error = plan(&pod(), &Sources::default(), &Surroundings::default()).expect_err("no map");
        assert_eq!(error.to_string(), "MountVolume.SetUp failed for volume \"map\" : configmap \"m\" not found");
        assert!(relative("../x").is_err() && relative("/x").is_err() && relative("").is_err());
        assert!(host_path(Path::new("/proc/version"), "Directory").is_err());
    }
}

//! Places of files: here, or in a container. Pure.

use crate::error::Result;
use crate::fail;
use std::path::PathBuf;

/// Where files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Local(PathBuf),
    /// In a container.
    Remote(Remote),
}

/// Where files are in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The pod's namespace; that of the command where none is given.
    pub namespace: Option<String>,
    /// The pod.
    pub pod: String,
    /// The path.
    pub path: String,
}

impl Place {
    /// Reads `path`, `pod:path` or `namespace/pod:path`. A colon behind a dot or a slash belongs to a local path.
    pub fn parse(text: &str) -> Result<Self> {
        let Some((before, path)) = text.split_once(':') else { return Ok(Place::Local(text.into())) };
        if before.is_empty() {
            fail!("filespec must match the canonical format: [[namespace/]pod:]file/path");
        }
        let (namespace, pod) = match before.split('/').collect::<Vec<_>>().as_slice() {
            [pod] => (None, *pod),
            [namespace, pod] => (Some((*namespace).to_owned()), *pod),
            _ => return Ok(Place::Local(text.into())),
        };
        if before.starts_with('.') || before.starts_with('/') {
            return Ok(Place::Local(text.into()));
        }
        if path.is_empty() {
            fail!("filepath can not be empty");
        }
        Ok(Place::Remote(Remote { namespace, pod: pod.to_owned(), path: path.to_owned() }))
    }
}

/// The last part of a path; of a root or a dot, nothing.
pub fn base_name(path: &str) -> String {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if matches!(last, "." | "..") { String::new() } else { last.to_owned() }
}

/// A name in a folder.
pub fn join(folder: &str, name: &str) -> String {
    format!("{}/{name}", folder.trim_end_matches('/'))
}

/// Folder and name of a path in a container.
pub fn split(path: &str) -> (String, String) {
    let path = path.trim_end_matches('/');
    match path.rsplit_once('/') {
        Some(("", name)) => ("/".to_owned(), name.to_owned()),
        Some((folder, name)) => (folder.to_owned(), name.to_owned()),
        None => (".".to_owned(), path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let remote = |namespace: Option<&str>, pod: &str, path: &str| {
            let (namespace, pod, path) = (namespace.map(str::to_owned), pod.to_owned(), path.to_owned());
            Ok(Place::Remote(Remote { namespace, pod, path }))
        };
        let local = |path: &str| Ok(Place::Local(path.into()));
        for (text, expected) in [
            ("web:/tmp/x", remote(None, "web", "/tmp/x")),
            ("web:x", remote(None, "web", "x")),
            ("test/web:/x:y", remote(Some("test"), "web", "/x:y")),
            ("/tmp/x", local("/tmp/x")),
            ("./a:b", local("./a:b")),
            ("/a:b", local("/a:b")),
            ("a/b/c:d", local("a/b/c:d")),
            (":/x", Err("error: filespec must match the canonical format: [[namespace/]pod:]file/path")),
            ("web:", Err("error: filepath can not be empty")),
        ] {
            let got = Place::parse(text).map_err(|error| error.to_string());
            assert_eq!(got, expected.map_err(str::to_owned), "{text}");
        }
        for (path, base, folder, name) in
            [("/tmp/x/", "x", "/tmp", "x"), ("x", "x", ".", "x"), ("/x", "x", "/", "x"), ("a/..", "", "a", "..")]
        {
            assert_eq!((base_name(path).as_str(), split(path)), (base, (folder.to_owned(), name.to_owned())), "{path}");
        }
        assert_eq!(join("/", "x"), "/x");
    }
}

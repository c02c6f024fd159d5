//! Names of images: <https://kubernetes.io/docs/concepts/containers/images/#image-names>.

/// An image name that can be pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// As Docker is asked for it: with a tag or a digest.
    pub text: String,
    /// Host of its registry.
    pub registry: String,
}

/// Longest name of a repository.
const NAME_LIMIT: usize = 255;
/// Longest tag.
const TAG_LIMIT: usize = 128;
/// Registry of names without one.
const DEFAULT_REGISTRY: &str = "docker.io";

/// Reads a name; `None` where its format is wrong. `latest` is taken where there is neither tag nor digest.
pub fn parse(name: &str) -> Option<Reference> {
    let (rest, digest) = match name.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (name, None),
    };
    if let Some(digest) = digest {
        let hexadecimal = digest.strip_prefix("sha256:")?;
        let fine = hexadecimal.len() == 64 && hexadecimal.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !fine {
            return None;
        }
    }
    let (repository, tag) = match rest.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (rest, None),
    };
    if tag.is_some_and(|tag| !valid_tag(tag)) || repository.is_empty() || repository.len() > NAME_LIMIT {
        return None;
    }
    let (registry, path) = match repository.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (first, path),
        _ => (DEFAULT_REGISTRY, repository),
    };
    let host_fine = registry.split(':').all(|p| !p.is_empty())
        && registry.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'));
    if !host_fine || !path.split('/').all(valid_component) {
        return None;
    }
    let text = if tag.is_none() && digest.is_none() { format!("{name}:latest") } else { name.to_owned() };
    Some(Reference { text, registry: registry.to_owned() })
}

fn valid_tag(tag: &str) -> bool {
    let first = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let all = tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    first && all && tag.len() <= TAG_LIMIT
}

/// Lower-case letters and digits, with single `.`, one or two `_`, or any number of `-` between them.
fn valid_component(component: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let all =
        component.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'));
    let separators = !["..", "___", "._", "_.", ".-", "-.", "-_", "_-"].iter().any(|s| component.contains(s));
    edge(component.bytes().next()) && edge(component.bytes().last()) && all && separators
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_are_read() {
        let digest = "a".repeat(64);
        for (name, text, registry) in [
            ("nginx", "nginx:latest", "docker.io"),
            ("nginx:1.25", "nginx:1.25", "docker.io"),
            ("ximage/kubia", "ximage/kubia:latest", "docker.io"),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest", "localhost:5000"),
            ("quay.io/x/y_z:v1", "quay.io/x/y_z:v1", "quay.io"),
            (&format!("a@sha256:{digest}"), &format!("a@sha256:{digest}"), "docker.io"),
        ] {
            let reference = parse(name).expect(name);
            assert_eq!((reference.text.as_str(), reference.registry.as_str()), (text, registry));
        }
        for name in [
            "",
            "Nginx",
            "a b",
            "nginx:",
            "nginx:bad tag",
            "nginx:1:2",
            "-a",
            "a//b",
            "a@sha256:12",
            "a:-x",
            "a/",
            "x..y",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}

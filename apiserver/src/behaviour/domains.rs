//! Names with domains in them: hosts with a wildcard, controllers and signers behind a domain, webhooks.

use super::names::dns_subdomain;

/// `*.example.com`
pub fn wildcard_subdomain(name: &str) -> Vec<String> {
    if name.strip_prefix("*.").is_some_and(|rest| dns_subdomain(rest).is_empty()) && name.len() <= 253 {
        return Vec::new();
    }
    vec![
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower \
         case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used \
         for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .to_owned(),
    ]
}

/// `example.com/name`, where the name is part of a path.
pub fn domain_prefixed_path(text: &str) -> Vec<String> {
    let Some((host, path)) = text.split_once('/').filter(|(host, path)| !host.is_empty() && !path.is_empty()) else {
        return vec!["must be a domain-prefixed path (such as \"acme.io/foo\")".to_owned()];
    };
    let mut problems = dns_subdomain(host);
    let good = |b: u8| b.is_ascii_alphanumeric() || b"/%-._~:?#[]@!$&'()*+,;=".contains(&b);
    if !path.bytes().all(good) {
        problems.push("Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')".to_owned());
    }
    problems
}

/// A name of at least three parts, such as a webhook's.
pub fn fully_qualified_name(name: &str) -> Vec<String> {
    let mut problems = dns_subdomain(name);
    if problems.is_empty() && name.split('.').count() < 3 {
        problems.push("should be a domain with at least three segments separated by dots".to_owned());
    }
    problems
}

/// Version of an API, `v1beta1`: an RFC 1035 label.
pub fn api_version(version: &str) -> Vec<String> {
    super::names::dns_1035_label(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_domains() {
        for (problems, expected) in [
            (wildcard_subdomain("*.a.b"), 0),
            (wildcard_subdomain("a.*"), 1),
            (domain_prefixed_path("acme.io/foo"), 0),
            (domain_prefixed_path("acme.io"), 1),
            (domain_prefixed_path("A_/foo"), 1),
            (fully_qualified_name("a.b.c"), 0),
            (fully_qualified_name("a.b"), 1),
        ] {
            assert_eq!(problems.len(), expected, "{problems:?}");
        }
    }
}

//! What names and other short texts must look like, and what is said when they do not.
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>

use kubus_proto::selector::{is_dns_label, is_dns_subdomain, is_label_value};

/// The rule for `metadata.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// RFC 1123 subdomain: labels joined with dots, at most 253 characters.
    DnsSubdomain,
    /// RFC 1123 label: at most 63 characters, no dots.
    DnsLabel,
    /// RFC 1035 label: as an RFC 1123 label, but starts with a letter.
    Dns1035Label,
    /// Anything that can be one segment of a path.
    PathSegment,
}

impl NameRule {
    /// What is wrong with `name`; nothing if it is good.
    pub fn problems(self, name: &str) -> Vec<String> {
        match self {
            NameRule::DnsSubdomain => dns_subdomain(name),
            NameRule::DnsLabel => dns_label(name),
            NameRule::Dns1035Label => dns_1035_label(name),
            NameRule::PathSegment => path_segment(name),
        }
    }

    /// What is wrong with the prefix of a generated name, which may end in a dash since more follows.
    pub fn prefix_problems(self, prefix: &str) -> Vec<String> {
        let trimmed = prefix.strip_suffix('-').map(|rest| format!("{rest}a"));
        self.problems(trimmed.as_deref().unwrap_or(prefix))
    }
}

const LABEL_LIMIT: usize = 63;
const SUBDOMAIN_LIMIT: usize = 253;
const PORT_NAME_LIMIT: usize = 15;
const NAME_PART: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

fn check(text: &str, limit: usize, good: bool, otherwise: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > limit {
        problems.push(too_long(limit));
    }
    if !good {
        problems.push(otherwise.to_owned());
    }
    problems
}

/// Labels of lower-case letters, digits and dashes, without regard to their length.
fn is_dotted_labels(text: &str) -> bool {
    text.split('.').all(|label| {
        let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|b| edge(*b))
            && bytes.last().is_some_and(|b| edge(*b))
            && bytes.iter().all(|b| edge(*b) || *b == b'-')
    })
}

/// RFC 1123 subdomain.
pub fn dns_subdomain(name: &str) -> Vec<String> {
    if is_dns_subdomain(name) {
        return Vec::new();
    }
    let otherwise = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
        must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
        '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    check(name, SUBDOMAIN_LIMIT, is_dotted_labels(name), otherwise)
}

/// RFC 1123 label.
pub fn dns_label(name: &str) -> Vec<String> {
    if is_dns_label(name) {
        return Vec::new();
    }
    let otherwise = if is_dotted_labels(name) {
        "must not contain dots"
    } else {
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
         with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    };
    check(name, LABEL_LIMIT, is_dotted_labels(name) && !name.contains('.'), otherwise)
}

/// RFC 1035 label.
pub fn dns_1035_label(name: &str) -> Vec<String> {
    let otherwise = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
        character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
        '[a-z]([-a-z0-9]*[a-z0-9])?')";
    let good = is_dotted_labels(name) && !name.contains('.') && name.starts_with(|c: char| c.is_ascii_lowercase());
    check(name, LABEL_LIMIT, good, otherwise)
}

fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    let found = ["/", "%"].into_iter().filter(|c| name.contains(c));
    let mut problems: Vec<String> = found.map(|c| format!("may not contain '{c}'")).collect();
    // Keys of the store and subjects of the bus are made of names.
    if name.contains(char::is_control) {
        problems.push("may not contain control characters".to_owned());
    }
    if name.len() > SUBDOMAIN_LIMIT {
        problems.push(format!("must be no more than {SUBDOMAIN_LIMIT} bytes"));
    }
    problems
}

/// `[prefix/]name`, as the keys of labels and annotations.
pub fn qualified_name(key: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let (prefix, name) = match key.split_once('/') {
        None => (None, key),
        Some((_, rest)) if rest.contains('/') => {
            return vec![format!(
                "a qualified name {NAME_PART} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some((prefix, name)) => (Some(prefix), name),
    };
    match prefix {
        Some("") => problems.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => problems.extend(dns_subdomain(prefix).into_iter().map(|p| format!("prefix part {p}"))),
        None => {}
    }
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_LIMIT {
        problems.push(format!("name part {}", too_long(LABEL_LIMIT)));
    }
    if name.is_empty() || !is_name_part(name) {
        problems.push(format!("name part {NAME_PART}"));
    }
    problems
}

fn is_name_part(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    edge(text.as_bytes().first()) && edge(text.as_bytes().last()) && text.bytes().all(inner)
}

/// `domain/path`, as who manages an object.
pub fn domain_prefixed_path(text: &str) -> Vec<String> {
    let Some((domain, path)) = text.split_once('/').filter(|(domain, path)| !domain.is_empty() && !path.is_empty())
    else {
        return vec!["must be a domain-prefixed path (such as \"acme.io/foo\")".to_owned()];
    };
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:/@%".contains(&b);
    let mut problems = dns_subdomain(domain);
    if !path.bytes().all(good) {
        problems.push("path must be valid".to_owned());
    }
    problems
}

/// The value of a label.
pub fn label_value(value: &str) -> Vec<String> {
    if is_label_value(value) {
        return Vec::new();
    }
    let otherwise = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
        must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
        validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    check(value, LABEL_LIMIT, is_name_part(value), otherwise)
}

/// A key of a ConfigMap or Secret.
pub fn config_key(key: &str) -> Vec<String> {
    let good = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let otherwise = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
        'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    let mut problems = check(key, SUBDOMAIN_LIMIT, good, otherwise);
    match key {
        "." | ".." => problems.push(format!("must not be '{key}'")),
        key if key.starts_with("..") => problems.push("must not start with '..'".to_owned()),
        _ => {}
    }
    problems
}

/// The name of an environment variable.
pub fn environment_name(name: &str) -> Vec<String> {
    if name.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    if name.bytes().all(|b| (b.is_ascii_graphic() || b == b' ') && b != b'=') {
        return Vec::new();
    }
    vec!["a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned()]
}

/// The name of a port.
pub fn port_name(name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut expect = |good: bool, otherwise: &str| {
        if !good {
            problems.push(otherwise.to_owned());
        }
    };
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    expect(name.len() <= PORT_NAME_LIMIT, &too_long(PORT_NAME_LIMIT));
    expect(
        !name.is_empty() && name.bytes().all(allowed),
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    expect(name.bytes().any(|b| b.is_ascii_lowercase()), "must contain at least one letter (a-z)");
    expect(!name.contains("--"), "must not contain consecutive hyphens");
    expect(!name.starts_with('-') && !name.ends_with('-'), "must not begin or end with a hyphen");
    problems
}

/// The number of a port.
pub fn port_number(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) { Vec::new() } else { vec![range(1, 65535)] }
}

/// `must be between 1 and 65535, inclusive`.
pub fn range(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// A percentage such as `25%`.
pub fn percent(text: &str) -> Vec<String> {
    let digits = text.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Vec::new();
    }
    vec![
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for \
         validation is '[0-9]+%')"
            .to_owned(),
    ]
}

/// The name of an HTTP header.
pub fn http_header(name: &str) -> Vec<String> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Vec::new();
    }
    vec![
        "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for \
         validation is '[-A-Za-z0-9]+')"
            .to_owned(),
    ]
}

/// An IPv4 or IPv6 address.
pub fn ip_address(text: &str) -> Vec<String> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Vec::new();
    }
    vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()]
}

/// An address that is one machine's, and reached from others.
pub fn non_special_ip(text: &str) -> Vec<String> {
    let Ok(ip) = text.parse::<std::net::IpAddr>() else { return ip_address(text) };
    let (link_local, link_local_multicast) = match ip {
        std::net::IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        std::net::IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] & 0xff0f == 0xff02),
    };
    let rows = [
        (ip.is_unspecified(), "may not be unspecified (0.0.0.0 or ::)"),
        (ip.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (link_local_multicast, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    ];
    rows.into_iter().filter(|(wrong, _)| *wrong).map(|(_, problem)| problem.to_owned()).collect()
}

/// Addresses of a network, such as `10.9.8.0/24`.
pub fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, length)| {
        let limit = address.parse::<std::net::IpAddr>().map(|a| if a.is_ipv4() { 32 } else { 128 });
        limit.is_ok_and(|limit| length.parse::<u8>().is_ok_and(|length| length <= limit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_texts_have_no_problems() {
        let long = "a".repeat(253);
        for (problems, text) in [
            (dns_subdomain("a.b-c.1"), "subdomain"),
            (dns_subdomain(&long), "long subdomain"),
            (dns_label("a-1"), "label"),
            (dns_1035_label("a-1"), "RFC 1035 label"),
            (qualified_name("example.com/My_name.1"), "qualified name"),
            (qualified_name("a"), "plain name"),
            (label_value(""), "empty label"),
            (config_key("a.B_c-1"), "key"),
            (environment_name("a b-1"), "variable"),
            (port_name("http-1"), "port"),
            (port_number(65535), "port number"),
            (non_special_ip("10.0.0.1"), "address"),
            (non_special_ip("fd00::1"), "address"),
            (percent("25%"), "percent"),
            (NameRule::DnsSubdomain.prefix_problems("web-"), "prefix"),
            (NameRule::PathSegment.problems("a:b"), "path segment"),
        ] {
            assert_eq!(problems, Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn bad_texts_are_told_how_they_are_bad() {
        for (problems, starts) in [
            (dns_subdomain("Bad_Name"), vec!["a lowercase RFC 1123 subdomain must consist"]),
            (dns_subdomain(&"a".repeat(254)), vec!["must be no more than 253 bytes"]),
            (dns_label("a.b"), vec!["must not contain dots"]),
            (dns_label("A"), vec!["a lowercase RFC 1123 label must consist"]),
            (dns_1035_label("1a"), vec!["a DNS-1035 label must"]),
            (qualified_name(""), vec!["name part must be non-empty", "name part must consist of"]),
            (qualified_name("bad key!"), vec!["name part must consist of"]),
            (qualified_name("/a"), vec!["prefix part must be non-empty"]),
            (qualified_name("a/b/c"), vec!["a qualified name must consist of"]),
            (label_value("bad value!"), vec!["a valid label must be"]),
            (label_value(&"a".repeat(64)), vec!["must be no more than 63 bytes"]),
            (config_key("bad/key"), vec!["a valid config key must"]),
            (config_key(".."), vec!["must not be '..'"]),
            (environment_name("1=2"), vec!["a valid environment variable name must"]),
            (port_name("80"), vec!["must contain at least one letter (a-z)"]),
            (non_special_ip("127.0.0.1"), vec!["may not be in the loopback range"]),
            (non_special_ip("ff02::1"), vec!["may not be in the link-local multicast range"]),
            (non_special_ip("x"), vec!["must be a valid IP address"]),
            (port_number(0), vec!["must be between 1 and 65535, inclusive"]),
            (NameRule::PathSegment.problems("a/b"), vec!["may not contain '/'"]),
        ] {
            let matches = problems.len() == starts.len() && problems.iter().zip(&starts).all(|(p, s)| p.starts_with(s));
            assert!(matches, "{problems:?} for {starts:?}");
        }
    }
}

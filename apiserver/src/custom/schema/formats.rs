//! Formats of text that schemas may name. <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::Date;
use kubus_proto::selector::{is_dns_label, is_dns_subdomain};
use regex::Regex;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// A format: its name and what is of it.
struct Format {
    name: &'static str,
    holds: fn(&str) -> bool,
}

const fn format(name: &'static str, holds: fn(&str) -> bool) -> Format {
    Format { name, holds }
}

/// Formats of text. A format that is not here takes everything.
static FORMATS: &[Format] = &[
    format("bsonobjectid", |text| text.len() == 24 && is_hex(text)),
    format("byte", |text| STANDARD.decode(text).is_ok()),
    format("cidr", is_cidr),
    format("creditcard", is_credit_card),
    format("date", |text| text.parse::<Date>().is_ok() && text.len() == 10),
    format("date-time", is_moment),
    format("datetime", is_moment),
    format("duration", |text| crate::cel::duration::parse(text).is_some()),
    format("email", is_email),
    format("hexcolor", |text| {
        let digits = text.strip_prefix('#').unwrap_or(text);
        matches!(digits.len(), 3 | 6) && is_hex(digits)
    }),
    format("hostname", is_hostname),
    format("ipv4", |text| text.parse::<Ipv4Addr>().is_ok()),
    format("ipv6", |text| text.parse::<Ipv6Addr>().is_ok()),
    format("isbn", |text| is_isbn10(text) || is_isbn13(text)),
    format("isbn10", is_isbn10),
    format("isbn13", is_isbn13),
    format("k8s-long-name", is_dns_subdomain),
    format("k8s-short-name", is_dns_label),
    format("mac", is_mac),
    format("password", |_| true),
    format("rgbcolor", |text| RGB.is_match(text)),
    format("ssn", |text| SSN.is_match(text)),
    format("uri", |text| URI.is_match(text)),
    format("uuid", |text| UUID.is_match(text)),
    format("uuid3", |text| is_uuid(text, '3')),
    format("uuid4", |text| is_uuid(text, '4')),
    format("uuid5", |text| is_uuid(text, '5')),
];

/// Formats of numbers, which are checked with them.
const NUMBER_FORMATS: [&str; 4] = ["double", "float", "int32", "int64"];

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a test uses every pattern of this file")
}

static RGB: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^rgb\(\s*([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])(\s*,\s*([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])){2}\s*\)$",
    )
});
static SSN: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$"));
static URI: LazyLock<Regex> = LazyLock::new(|| pattern(r"^([A-Za-z][A-Za-z0-9+.-]*:[^\s]*|/[^\s]*)$"));
static UUID: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"));

/// Whether there is such a format.
pub fn is_known(name: &str) -> bool {
    FORMATS.iter().any(|format| format.name == name) || NUMBER_FORMATS.contains(&name)
}

/// Whether text is of a format; of one nobody knows everything is.
pub(super) fn matches(name: &str, text: &str) -> bool {
    FORMATS.iter().find(|format| format.name == name).is_none_or(|format| (format.holds)(text))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_moment(text: &str) -> bool {
    // A space between date and time, which the reader takes, is no RFC 3339.
    text.parse::<Timestamp>().is_ok() && text.contains(['T', 't'])
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let limit = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= limit)
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    !local.is_empty() && !local.contains(char::is_whitespace) && is_hostname(domain)
}

fn is_hostname(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && is_dns_subdomain(&text.to_lowercase())
}

fn is_mac(text: &str) -> bool {
    let bytes = |separator: char, digits: usize, counts: &[usize]| {
        let parts: Vec<&str> = text.split(separator).collect();
        counts.contains(&parts.len()) && parts.iter().all(|part| part.len() == digits && is_hex(part))
    };
    bytes(':', 2, &[6, 8, 20]) || bytes('-', 2, &[6, 8, 20]) || bytes('.', 4, &[3, 4, 10])
}

fn is_uuid(text: &str, version: char) -> bool {
    UUID.is_match(text) && text.replace('-', "").chars().nth(12) == Some(version)
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_digit(10).unwrap_or(u32::MAX)).collect()
}

fn is_isbn10(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let value = |(i, c): (usize, &char)| match (i, c) {
        (9, 'X' | 'x') => Some(10),
        (_, c) => c.to_digit(10),
    };
    let values: Option<Vec<u32>> = plain.iter().enumerate().map(value).collect();
    values.is_some_and(|v| v.len() == 10 && (1..).zip(&v).map(|(i, d)| i * d).sum::<u32>() % 11 == 0)
}

fn is_isbn13(text: &str) -> bool {
    let digits = digits(text);
    let sum = |digits: &[u32]| digits.iter().enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { 3 * d }).sum::<u32>();
    digits.len() == 13 && digits.iter().all(|d| *d < 10) && sum(&digits) % 10 == 0
}

fn is_credit_card(text: &str) -> bool {
    let digits = digits(text);
    let doubled = |(i, d): (usize, &u32)| match (i % 2, d * 2) {
        (0, _) => *d,
        (_, double) if double > 9 => double - 9,
        (_, double) => double,
    };
    (13..=19).contains(&digits.len())
        && digits.iter().all(|d| *d < 10)
        && digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_tells_good_from_bad() {
        for (name, good, bad) in [
            ("bsonobjectid", "507f1f77bcf86cd799439011", "507f"),
            ("byte", "aGk=", "a!"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("cidr", "fd00::/64", "fd00::"),
            ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
            ("date", "2024-02-29", "2023-02-29"),
            ("date-time", "2024-01-02T03:04:05Z", "2024-01-02"),
            ("datetime", "2024-01-02T03:04:05.5+02:00", "tomorrow"),
            ("duration", "1h30m", "1 hour"),
            ("email", "a.b@example.com", "example.com"),
            ("hexcolor", "#00ff7F", "#00ff7"),
            ("hostname", "a.example.com", "a_b"),
            ("ipv4", "10.1.2.3", "10.1.2"),
            ("ipv6", "fe80::1", "10.1.2.3"),
            ("isbn", "978-3-16-148410-0", "978-3-16-148410-1"),
            ("isbn10", "0-306-40615-2", "0-306-40615-3"),
            ("isbn13", "9783161484100", "0306406152"),
            ("k8s-long-name", "a.b", "A"),
            ("k8s-short-name", "a-b", "a.b"),
            ("mac", "01:02:03:04:ab:cd", "01:02:03"),
            ("rgbcolor", "rgb(1, 2,255)", "rgb(1,2,256)"),
            ("ssn", "123-45-6789", "123"),
            ("uri", "https://example.com/a?b", "not a uri"),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
            ("uuid3", "123e4567-e89b-32d3-a456-426614174000", "123e4567-e89b-42d3-a456-426614174000"),
            ("uuid4", "123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-32d3-a456-426614174000"),
            ("uuid5", "123e4567-e89b-52d3-a456-426614174000", "123e4567-e89b-42d3-a456-426614174000"),
        ] {
            assert!(is_known(name), "{name}");
            assert!(matches(name, good), "{name}: {good}");
            assert!(!matches(name, bad), "{name}: {bad}");
        }
        assert!(matches("password", "x") && matches("nobody-knows", "x") && !is_known("nobody-knows"));
    }
}

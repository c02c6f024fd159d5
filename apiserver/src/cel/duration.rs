//! Durations as Go writes them, such as `1h30m`.

/// Nanoseconds of each unit.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];

/// Nanoseconds of a duration such as `-1.5h` or `1m30s`; none where it cannot be read or does not fit.
pub fn parse(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) if text.starts_with('-') => (-1.0, rest),
        Some(rest) => (1.0, rest),
        None => (1.0, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len() - digits);
        let unit = &rest[digits..digits + unit_end];
        let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total += number * nanoseconds;
        rest = &rest[digits + unit_end..];
    }
    const LIMIT: f64 = 9.2e18;
    (total < LIMIT).then_some((sign * total) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1h30m", Some(5_400_000_000_000)),
            ("-1.5s", Some(-1_500_000_000)),
            ("300ms", Some(300_000_000)),
            ("2us", Some(2_000)),
            ("", None),
            ("5", None),
            ("1 h", None),
            ("1d", None),
            ("99999999h", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}

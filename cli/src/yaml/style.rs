//! Which style a string needs in YAML 1.1, the dialect Kubernetes' tools read: plain, quoted or as a literal block.

/// How a string is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is.
    Plain,
    /// Between single quotes: its characters mean something to YAML.
    Single,
    /// Between double quotes: it would be read as something else than a string, or needs escapes.
    Double,
    /// As a block after `|`.
    Literal,
}

/// The style go-yaml takes for a string. Keys cannot be blocks.
pub(super) fn of(text: &str, is_key: bool) -> Style {
    let shape = Shape::of(text);
    if text.contains('\n') {
        return if is_key || shape.special || shape.space_break || text.ends_with(' ') {
            Style::Double
        } else {
            Style::Literal
        };
    }
    if shape.special || text.is_empty() || is_not_a_string(text) {
        Style::Double
    } else if shape.indicators || text.starts_with(' ') || text.ends_with(' ') {
        Style::Single
    } else {
        Style::Plain
    }
}

struct Shape {
    /// Has characters that only double quotes can hold.
    special: bool,
    /// Has characters with a meaning of their own where they stand.
    indicators: bool,
    /// Has a blank before a line feed, which a block would hide.
    space_break: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let mut shape = Shape { special: false, indicators: false, space_break: false };
        shape.indicators = text.starts_with("---") || text.starts_with("...");
        let mut before = None;
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            let blank_after = characters.peek().is_none_or(|next| matches!(next, ' ' | '\t' | '\n'));
            let blank_before = before.is_none_or(|b: char| b.is_whitespace());
            let first = before.is_none();
            shape.special |= !is_printable(c);
            shape.space_break |= c == '\n' && before == Some(' ');
            shape.indicators |= match c {
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => first,
                '#' => blank_before,
                '?' | '-' => first && blank_after,
                ':' => blank_after,
                _ => false,
            };
            before = Some(c);
        }
        shape
    }
}

/// Whether a character may stand in YAML without an escape.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

/// Whether YAML 1.1 reads the plain text as a boolean, null, number, time or merge key.
fn is_not_a_string(text: &str) -> bool {
    const WORDS: &[&str] = &["y", "yes", "n", "no", "true", "false", "on", "off", "~", "null", "<<", "="];
    let lower = text.to_ascii_lowercase();
    let mut rest = text.chars();
    let capitalized = rest.next().is_some_and(char::is_uppercase) && !rest.any(char::is_uppercase);
    let one_case = text == lower || text == text.to_ascii_uppercase() || capitalized;
    (WORDS.contains(&lower.as_str()) && one_case)
        || is_integer(text)
        || is_float(text)
        || is_base_60(text)
        || is_timestamp(text)
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn is_integer(text: &str) -> bool {
    let text = unsigned(text);
    let (digits, radix) = [("0x", 16), ("0b", 2), ("0o", 8)]
        .iter()
        .find_map(|(prefix, radix)| text.strip_prefix(prefix).map(|digits| (digits, *radix)))
        .unwrap_or((text, 10));
    digits.starts_with(|c: char| c.is_digit(radix)) && digits.chars().all(|c| c.is_digit(radix) || c == '_')
}

fn is_float(text: &str) -> bool {
    let body = unsigned(text);
    if matches!(body.to_ascii_lowercase().as_str(), ".inf" | ".nan") {
        return true;
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(unsigned(&body[at + 1..]))),
        None => (body, None),
    };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            (digits(whole) && (fraction.is_empty() || digits(fraction))) || (whole.is_empty() && digits(fraction))
        }
        None => digits(mantissa),
    };
    mantissa_fits && exponent.is_none_or(digits) && body.contains(|c: char| c.is_ascii_digit())
}

/// YAML 1.1 reads `12:30` as a number to the base of 60.
fn is_base_60(text: &str) -> bool {
    let mut parts = unsigned(text).split(':');
    let first = parts.next().unwrap_or_default();
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let rest: Vec<&str> = parts.collect();
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && !rest.is_empty()
        && rest.iter().enumerate().all(|(i, part)| {
            let whole = if i + 1 == rest.len() { part.split('.').next().unwrap_or_default() } else { part };
            matches!(whole.len(), 1 | 2) && digits(whole)
        })
}

fn is_timestamp(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let mut number = |lengths: &[usize]| {
        parts.next().is_some_and(|p| lengths.contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
    };
    let date_fits = number(&[4]) && number(&[1, 2]) && number(&[1, 2]);
    date_fits && parts.next().is_none() && time.is_none_or(|t| t.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_get_the_style_kubectl_gives_them() {
        for (text, style) in [
            ("nginx", Style::Plain),
            ("nginx:1.14.2", Style::Plain),
            ("node.kubernetes.io/not-ready", Style::Plain),
            ("^/(sys|proc|dev|host|etc)($|/)", Style::Plain),
            ("kubia #1", Style::Single),
            ("a: b", Style::Single),
            ("*", Style::Single),
            ("- x", Style::Single),
            ("-x", Style::Plain),
            ("--path.procfs", Style::Plain),
            ("---", Style::Single),
            ("it's", Style::Plain),
            ("'quoted", Style::Single),
            ("ends:", Style::Single),
            (" leading", Style::Single),
            ("", Style::Double),
            ("true", Style::Double),
            ("True", Style::Double),
            ("tRue", Style::Plain),
            ("no", Style::Double),
            ("y", Style::Double),
            ("null", Style::Double),
            ("~", Style::Double),
            ("1", Style::Double),
            ("0644", Style::Double),
            ("0x1f", Style::Double),
            ("1_000", Style::Double),
            ("1e3", Style::Double),
            ("84e5", Style::Double),
            ("84cd76b964", Style::Plain),
            ("1.5", Style::Double),
            (".5", Style::Double),
            (".", Style::Plain),
            ("1.2.3", Style::Plain),
            ("25%", Style::Plain),
            ("12:30", Style::Double),
            ("2022-09-06T10:46:52Z", Style::Double),
            ("2022-09-06", Style::Double),
            ("2022-09", Style::Plain),
            ("a\tb", Style::Double),
            ("a\nb", Style::Literal),
            ("a \nb", Style::Double),
            ("运行应用", Style::Plain),
            ("ⓨ", Style::Plain),
        ] {
            assert_eq!(of(text, false), style, "{text:?}");
        }
        assert_eq!(of("a\nb", true), Style::Double);
    }
}

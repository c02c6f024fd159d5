//! Comparison of what a command prints with what a document shows: the same text but for what differs each time.

use regex::Regex;

/// What stands in a document for something that differs each time.
const HOLES: [(&str, &str); 6] = [
    ("{age}", r"(?:\d+[smhdy])+"),
    ("{hash}", "[bcdfghjklmnpqrstvwxz2456789]{6,10}"),
    ("{suffix}", "[bcdfghjklmnpqrstvwxz2456789]{5}"),
    ("{ip}", r"\d+\.\d+\.\d+\.\d+"),
    ("{node}", "[a-z0-9-]+"),
    ("{any}", ".*"),
];

/// Whether `text` reads like `pattern`: line by line, runs of blanks as wide as they come (columns are as wide as
/// their content), holes filled with what fits them.
pub fn reads_like(pattern: &str, text: &str) -> Result<(), String> {
    let lines =
        |text: &str| text.lines().map(str::trim_end).filter(|l| !l.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (expected, got) = (lines(pattern), lines(text));
    for (i, line) in expected.iter().enumerate() {
        let Some(found) = got.get(i) else {
            return Err(format!("line {} is missing: {line}\nin:\n{text}", i + 1));
        };
        if !line_regex(line).is_match(found) {
            return Err(format!("line {}:\n expected {line}\n      got {found}\nin:\n{text}", i + 1));
        }
    }
    if got.len() > expected.len() {
        return Err(format!("more than expected: {}\nin:\n{text}", got[expected.len()]));
    }
    Ok(())
}

/// Fails the test where `text` does not read like `pattern`.
pub fn assert_reads_like(pattern: &str, text: &str) {
    if let Err(why) = reads_like(pattern, text) {
        panic!("{why}");
    }
}

fn line_regex(line: &str) -> Regex {
    let indent = line.len() - line.trim_start().len();
    let words: Vec<String> = line
        .split_whitespace()
        .map(|word| {
            HOLES.iter().fold(regex::escape(word), |text, (hole, fits)| text.replace(&regex::escape(hole), fits))
        })
        .collect();
    let pattern = format!("^ {{{indent}}}{}$", words.join(" +"));
    Regex::new(&pattern).expect("an escaped pattern is a pattern")
}

#[cfg(test)]
mod tests {
    use super::reads_like;

    #[test]
    fn holes_and_blanks_differ_the_rest_does_not() {
        let pattern = "NAME               READY   AGE\nweb-{hash}-{suffix}   1/1   {age}\n";
        assert_eq!(
            reads_like(pattern, "NAME                   READY   AGE\nweb-84cd76b964-rp4vh   1/1     5m49s\n"),
            Ok(())
        );
        for wrong in [
            "NAME   READY   AGE\nweb-84cd76b964-rp4vh   0/1     5m49s",
            "NAME   READY   AGE",
            "NAME   READY   AGE\nweb-84cd76b964-rp4vh   1/1     5m49s\nmore",
            "NAME   READY   AGE\n web-84cd76b964-rp4vh   1/1     5m49s",
        ] {
            assert!(reads_like(pattern, wrong).is_err(), "{wrong}");
        }
    }
}

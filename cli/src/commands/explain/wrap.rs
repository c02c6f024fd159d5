//! Breaking text into lines: words go to the next line where they do not fit, blanks and breaks stay as they are.

/// Breaks `text` into lines of at most `limit` characters where its words allow it.
pub fn wrap(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / limit.max(1));
    // What is not yet written: blanks, and the word behind them.
    let (mut blanks, mut word) = (String::new(), String::new());
    let (mut column, mut word_length) = (0, 0);
    for letter in text.chars() {
        if letter == '\n' {
            if word.is_empty() && column + blanks.chars().count() > limit {
                blanks.clear();
            }
            out.push_str(&blanks);
            out.push_str(&word);
            out.push('\n');
            (blanks, word, column, word_length) = (String::new(), String::new(), 0, 0);
        } else if letter.is_whitespace() && letter != '\u{a0}' {
            if blanks.is_empty() || !word.is_empty() {
                column += blanks.chars().count() + word_length;
                out.push_str(&blanks);
                out.push_str(&word);
                (blanks, word, word_length) = (String::new(), String::new(), 0);
            }
            blanks.push(letter);
        } else {
            word.push(letter);
            word_length += 1;
            if column + blanks.chars().count() + word_length > limit && word_length < limit {
                out.push('\n');
                column = 0;
                blanks.clear();
            }
        }
    }
    if !word.is_empty() || column + blanks.chars().count() <= limit {
        out.push_str(&blanks);
        out.push_str(&word);
    }
    out
}

/// Puts `width` blanks before every line.
pub fn indent(text: &str, width: usize) -> String {
    let blanks = " ".repeat(width);
    text.split('\n').map(|line| format!("{blanks}{line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_to_the_next_line() {
        for (text, limit, expected) in [
            ("", 5, ""),
            ("a b", 5, "a b"),
            ("aaa bbb ccc", 7, "aaa bbb\nccc"),
            ("aaa bbbb", 7, "aaa\nbbbb"),
            ("a  b", 9, "a  b"),
            ("aaaa   b", 5, "aaaa\nb"),
            ("a\n\nb", 5, "a\n\nb"),
            ("too-long-a-word x", 5, "too-long-a-word\nx"),
            ("a too-long-a-word", 5, "a\ntoo-long-a-word"),
            ("aaa\n", 5, "aaa\n"),
            ("\taa bb", 5, "\taa\nbb"),
        ] {
            assert_eq!(wrap(text, limit), expected, "{text:?} in {limit}");
        }
        assert_eq!(indent("a\n\nb", 2), "  a\n  \n  b");
    }
}

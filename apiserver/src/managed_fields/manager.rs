//! The name under which a writer owns fields.

use kubus_proto::status::Cause;

use crate::behaviour::causes;

/// The longest name of a manager in bytes.
pub const MANAGER_LIMIT_BYTES: usize = 128;
/// The manager of a writer that does not say who it is.
const UNKNOWN: &str = "unknown";

/// The manager of a request: the one it names, else what stands before the slash in its user agent.
pub fn manager_of(named: &str, user_agent: &str) -> String {
    if !named.is_empty() {
        return named.to_owned();
    }
    let mut manager = String::new();
    for letter in user_agent.split('/').next().unwrap_or_default().chars().filter(|c| is_printable(*c)) {
        if manager.len() + letter.len_utf8() > MANAGER_LIMIT_BYTES {
            break;
        }
        manager.push(letter);
    }
    if manager.is_empty() { UNKNOWN.to_owned() } else { manager }
}

fn is_printable(letter: char) -> bool {
    letter == ' ' || !(letter.is_control() || letter.is_whitespace())
}

/// What is wrong with a manager that a request names.
pub fn wrong_manager(manager: &str) -> Vec<Cause> {
    let mut wrong = Vec::new();
    if manager.len() > MANAGER_LIMIT_BYTES {
        wrong.push(causes::too_long("fieldManager", MANAGER_LIMIT_BYTES));
    }
    for (at, letter) in manager.char_indices().filter(|(_, letter)| !is_printable(*letter)) {
        let detail =
            format!("should only contain printable characters: found U+{:04X}? (U+{at:04X})", u32::from(letter));
        wrong.push(causes::invalid("fieldManager", manager, detail));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_come_from_the_parameter_or_the_user_agent() {
        for (named, user_agent, expected) in [
            ("mine", "kubectl/v1.36.0 (linux/amd64)", "mine"),
            ("", "kubectl/v1.36.0 (linux/amd64) kubernetes/abc", "kubectl"),
            ("", "Mozilla", "Mozilla"),
            ("", "a\u{7}b/1", "ab"),
            ("", "", "unknown"),
            ("", "/x", "unknown"),
        ] {
            assert_eq!(manager_of(named, user_agent), expected);
        }
        assert_eq!(manager_of("", &"x".repeat(300)).len(), MANAGER_LIMIT_BYTES);
    }

    #[test]
    fn managers_are_short_and_printable() {
        assert!(wrong_manager("kube-controller-manager").is_empty());
        let long = wrong_manager(&"x".repeat(129));
        assert_eq!((long[0].field.as_str(), long[0].reason.as_str()), ("fieldManager", "FieldValueTooLong"));
        assert_eq!(wrong_manager("a\nb").len(), 1);
    }
}

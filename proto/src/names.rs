//! Names the system makes: random suffixes and pod-template hashes in Kubernetes' alphabet.

/// Letters and digits without vowels and look-alikes, as in apimachinery's `rand`.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of the suffix that `generateName` gets.
pub const SUFFIX_LENGTH: usize = 5;
/// Longest prefix that `generateName` keeps, so that the name fits into 63 characters.
const GENERATED_PREFIX_LIMIT: usize = 63 - SUFFIX_LENGTH;

/// `prefix` with a five-letter suffix made from `seed` (any random number).
pub fn generate(prefix: &str, seed: u64) -> String {
    let mut name: String = prefix.chars().take(GENERATED_PREFIX_LIMIT).collect();
    let mut rest = seed;
    for _ in 0..SUFFIX_LENGTH {
        name.push(ALPHABET[(rest % 27) as usize] as char);
        rest /= 27;
    }
    name
}

/// Maps a number's decimal digits onto the safe alphabet, as apimachinery's `SafeEncodeString` does for hashes.
pub fn safe_encode(text: &str) -> String {
    text.bytes().map(|b| ALPHABET[b as usize % ALPHABET.len()] as char).collect()
}

/// 32-bit FNV-1a, the hash Kubernetes takes for pod templates.
pub fn fnv32a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, b| (hash ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_short() {
        let name = generate(&"x".repeat(80), u64::MAX);
        assert_eq!(name.len(), 63);
        assert!(generate("web-", 12345).starts_with("web-"));
        assert_eq!(safe_encode("10").len(), 2);
        assert_eq!(fnv32a(b""), 0x811c_9dc5);
        assert_eq!(fnv32a(b"a"), 0xe40c_292c);
    }
}

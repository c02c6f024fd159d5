//! Ranges of addresses: how they are written, and which lie in which.

use std::net::IpAddr;

/// A range of addresses, `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    length: u8,
}

impl Cidr {
    /// Reads a range; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let length: u8 = length.parse().ok().filter(|length| digits && *length <= width(address))?;
        Some(Self { address, length })
    }

    /// Whether addresses are of the newer kind.
    pub fn is_ipv6(&self) -> bool {
        self.address.is_ipv6()
    }

    /// Whether all of `other` lies in here, and there is more here.
    pub fn strictly_contains(&self, other: &Cidr) -> bool {
        self.is_ipv6() == other.is_ipv6()
            && self.length < other.length
            && bits(self.address, self.length) == bits(other.address, self.length)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first bits of an address, as a number.
fn bits(address: IpAddr, length: u8) -> u128 {
    let whole = match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => u128::from(address),
    };
    whole.checked_shr((width(address) - length).into()).unwrap_or(0)
}

/// What is wrong with a range.
pub fn cidr(text: &str) -> Vec<String> {
    if Cidr::parse(text).is_some() {
        return Vec::new();
    }
    vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_in_ranges() {
        for (outer, inner, expected) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.0.0.0/8", "10.0.0.0/8", false),
            ("10.0.0.0/8", "11.0.0.0/16", false),
            ("0.0.0.0/0", "1.2.3.4/32", true),
            ("::/0", "2001:db8::/64", true),
            ("::/0", "1.2.3.4/32", false),
        ] {
            let [outer, inner] = [outer, inner].map(|text| Cidr::parse(text).expect(text));
            assert_eq!(outer.strictly_contains(&inner), expected, "{outer:?} {inner:?}");
        }
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "a/8", "::/129", "10.0.0.0/+8"] {
            assert_eq!(cidr(text).len(), 1, "{text}");
        }
    }
}

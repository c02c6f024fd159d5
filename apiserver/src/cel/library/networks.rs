//! `ip` and `cidr`: addresses and networks.

use super::{failed, opaque};
use cel::common::types::{CelBool, CelInt, CelString};
use cel::{DeclarationError, Env, ExecutionError};
use std::net::IpAddr;

opaque!(
    /// An address.
    Ip(IpAddr), "net.IP"
);
opaque!(
    /// A network: its address and the length of its prefix.
    Cidr((IpAddr, u8)), "net.CIDR"
);

pub(super) fn extend(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_type(Ip::TYPE)?;
    env.add_type(Cidr::TYPE)?;
    cel::add_overload!(env, fn ip: (CelString) -> Result<Ip>)?;
    cel::add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    cel::add_overload!(env, fn is_canonical: (CelString) -> Result<CelBool>, name = "ip.isCanonical")?;
    cel::add_overload!(env, fn ip_text: (Ip) -> CelString, name = "string", id = "string(net.IP)")?;
    cel::add_member_overload!(env, fn family: (Ip) -> CelInt)?;
    cel::add_member_overload!(env, fn is_unspecified: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_loopback: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_link_local_multicast: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_link_local_unicast: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_global_unicast: (Ip) -> CelBool)?;
    cel::add_overload!(env, fn cidr: (CelString) -> Result<Cidr>)?;
    cel::add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    cel::add_overload!(env, fn cidr_text: (Cidr) -> CelString, name = "string", id = "string(net.CIDR)")?;
    cel::add_member_overload!(env, fn contains_ip: (Cidr, Ip) -> CelBool, name = "containsIP")?;
    cel::add_member_overload!(env, fn contains_ip_text: (Cidr, CelString) -> Result<CelBool>, name = "containsIP")?;
    cel::add_member_overload!(env, fn contains_cidr: (Cidr, Cidr) -> CelBool, name = "containsCIDR")?;
    cel::add_member_overload!(env, fn contains_cidr_text: (Cidr, CelString) -> Result<CelBool>, name = "containsCIDR")?;
    cel::add_member_overload!(env, fn address: (Cidr) -> Ip, name = "ip")?;
    cel::add_member_overload!(env, fn masked: (Cidr) -> Cidr)?;
    cel::add_member_overload!(env, fn prefix_length: (Cidr) -> CelInt)
}

/// Reads an address; one of version 4 written as one of version 6, and zones, are refused as in Kubernetes.
fn parse_ip(text: &str) -> Option<IpAddr> {
    match text.parse::<IpAddr>().ok()? {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => None,
        address => Some(address),
    }
}

fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let (address, length) = (parse_ip(address)?, length.parse().ok()?);
    let limit = if address.is_ipv4() { 32 } else { 128 };
    (length <= limit).then_some((address, length))
}

fn ip(text: &CelString<'_>) -> Result<Ip, ExecutionError> {
    let text = text.inner();
    let wrong = || failed("ip", format!("IP Address {text:?} parse error during conversion from string"));
    parse_ip(text).map(Ip).ok_or_else(wrong)
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    CelBool::from(parse_ip(text.inner()).is_some())
}

fn is_canonical(text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(CelBool::from(ip(text)?.0.to_string() == text.inner()))
}

fn ip_text(ip: &Ip) -> CelString<'static> {
    CelString::from(ip.0.to_string())
}

fn family(ip: &Ip) -> CelInt {
    CelInt::from(if ip.0.is_ipv4() { 4 } else { 6 })
}

fn is_unspecified(ip: &Ip) -> CelBool {
    CelBool::from(ip.0.is_unspecified())
}

fn is_loopback(ip: &Ip) -> CelBool {
    CelBool::from(ip.0.is_loopback())
}

fn link_local(ip: &Ip) -> bool {
    match ip.0 {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn is_link_local_multicast(ip: &Ip) -> CelBool {
    CelBool::from(match ip.0 {
        IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    })
}

fn is_link_local_unicast(ip: &Ip) -> CelBool {
    CelBool::from(link_local(ip))
}

fn is_global_unicast(ip: &Ip) -> CelBool {
    let broadcast = matches!(ip.0, IpAddr::V4(address) if address.is_broadcast());
    let special = ip.0.is_unspecified() || ip.0.is_loopback() || ip.0.is_multicast() || link_local(ip) || broadcast;
    CelBool::from(!special)
}

fn cidr(text: &CelString<'_>) -> Result<Cidr, ExecutionError> {
    let text = text.inner();
    let wrong = || failed("cidr", format!("network address parse error during conversion from string: {text:?}"));
    parse_cidr(text).map(Cidr).ok_or_else(wrong)
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    CelBool::from(parse_cidr(text.inner()).is_some())
}

fn cidr_text(cidr: &Cidr) -> CelString<'static> {
    CelString::from(format!("{}/{}", cidr.0.0, cidr.0.1))
}

/// The first bits of an address.
fn mask(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let bits = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(address) & bits).into())
        }
        IpAddr::V6(address) => {
            let bits = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            IpAddr::V6((u128::from(address) & bits).into())
        }
    }
}

fn holds(cidr: &Cidr, address: IpAddr) -> bool {
    let (network, length) = cidr.0;
    network.is_ipv4() == address.is_ipv4() && mask(network, length) == mask(address, length)
}

fn contains_ip(cidr: &Cidr, ip: &Ip) -> CelBool {
    CelBool::from(holds(cidr, ip.0))
}

fn contains_ip_text(cidr: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_ip(cidr, &ip(text)?))
}

fn contains_cidr(cidr: &Cidr, other: &Cidr) -> CelBool {
    CelBool::from(other.0.1 >= cidr.0.1 && holds(cidr, other.0.0))
}

fn contains_cidr_text(outer: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_cidr(outer, &cidr(text)?))
}

fn address(cidr: &Cidr) -> Ip {
    Ip(cidr.0.0)
}

fn masked(cidr: &Cidr) -> Cidr {
    Cidr((mask(cidr.0.0, cidr.0.1), cidr.0.1))
}

fn prefix_length(cidr: &Cidr) -> CelInt {
    CelInt::from(i64::from(cidr.0.1))
}

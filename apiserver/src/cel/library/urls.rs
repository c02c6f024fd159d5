//! `url` and its parts.

use super::{failed, opaque};
use cel::common::types::{CelBool, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::Val;
use cel::{DeclarationError, Env, ExecutionError};
use kubus_proto::path::query_pairs;
use std::collections::{BTreeMap, HashMap};

/// An address, read into its parts.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Parts {
    scheme: String,
    host: String,
    path: String,
    query: String,
}

opaque!(
    /// An address.
    Url(Parts), "kubernetes.URL"
);

pub(super) fn extend(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_type(Url::TYPE)?;
    cel::add_overload!(env, fn url: (CelString) -> Result<Url>)?;
    cel::add_overload!(env, fn is_url: (CelString) -> CelBool, name = "isURL")?;
    cel::add_member_overload!(env, fn get_scheme: (Url) -> CelString)?;
    cel::add_member_overload!(env, fn get_host: (Url) -> CelString)?;
    cel::add_member_overload!(env, fn get_hostname: (Url) -> CelString)?;
    cel::add_member_overload!(env, fn get_port: (Url) -> CelString)?;
    cel::add_member_overload!(env, fn get_escaped_path: (Url) -> CelString)?;
    cel::add_member_overload!(env, fn get_query: (Url) -> CelMap)
}

/// Reads an absolute address or an absolute path.
fn parse(text: &str) -> Option<Parts> {
    if text.contains(|c: char| c.is_control() || c == ' ') {
        return None;
    }
    let text = text.split('#').next().unwrap_or_default();
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    if before.starts_with('/') {
        return Some(Parts { path: before.to_owned(), query: query.to_owned(), ..Parts::default() });
    }
    let (scheme, rest) = before.split_once(':')?;
    let starts_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts_well || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
        return None;
    }
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let after_address = host.rsplit_once(']').map_or(host, |(_, after)| after);
    let port = after_address.rsplit_once(':').map(|(_, port)| port);
    if port.is_some_and(|port| !port.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let scheme = scheme.to_lowercase();
    Some(Parts { scheme, host: host.to_owned(), path: path.to_owned(), query: query.to_owned() })
}

fn url(text: &CelString<'_>) -> Result<Url, ExecutionError> {
    let wrong = || {
        failed(
            "url",
            format!("URL parse error during conversion from string: parse {:?}: invalid URI for request", text.inner()),
        )
    };
    parse(text.inner()).map(Url).ok_or_else(wrong)
}

fn is_url(text: &CelString<'_>) -> CelBool {
    CelBool::from(parse(text.inner()).is_some())
}

fn own(text: &str) -> CelString<'static> {
    CelString::from(text.to_owned())
}

fn get_scheme(url: &Url) -> CelString<'static> {
    own(&url.0.scheme)
}

fn get_host(url: &Url) -> CelString<'static> {
    own(&url.0.host)
}

/// Host and port, brackets around an address of version 6 gone.
fn split_port(host: &str) -> (&str, &str) {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, after)) => (address, after.strip_prefix(':').unwrap_or_default()),
        None => host.rsplit_once(':').unwrap_or((host, "")),
    }
}

fn get_hostname(url: &Url) -> CelString<'static> {
    own(split_port(&url.0.host).0)
}

fn get_port(url: &Url) -> CelString<'static> {
    own(split_port(&url.0.host).1)
}

fn get_escaped_path(url: &Url) -> CelString<'static> {
    own(&url.0.path)
}

fn get_query(url: &Url) -> CelMap<'static> {
    let mut values: BTreeMap<String, Vec<Box<dyn Val>>> = BTreeMap::new();
    for (key, value) in query_pairs(&url.0.query) {
        values.entry(key).or_default().push(Box::new(CelString::from(value)));
    }
    let entry = |(key, values)| (CelMapKey::from(key), Box::new(CelList::from(values)) as Box<dyn Val>);
    CelMap::from(values.into_iter().map(entry).collect::<HashMap<_, _>>())
}

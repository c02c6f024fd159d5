//! Who sends a request: what the connection and the headers show. Rights are the apiserver's business, and tokens too:
//! it has their keys.

use crate::patience::Paced;
use crate::tls::clients::Shown;
use http::{HeaderMap, header};
use kubus_proto::user::{Credential, OnBehalf, UserInfo};
use kubus_proto::{ApiError, Reason};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Prefix of the headers that name further properties of the user to act as.
const EXTRA_PREFIX: &str = "impersonate-extra-";

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// What its certificate is worth.
    pub shown: Shown,
    /// Whether it may be slow.
    pub paced: Paced,
}

/// 401, in Kubernetes' words, which tell nobody what was wrong.
pub fn unauthorized() -> ApiError {
    ApiError::new(Reason::Unauthorized, "Unauthorized")
}

/// For whom a request is made. A certificate counts more than a token, a token more than a certificate that is not
/// believed; who shows nothing is anonymous.
pub fn on_behalf(peer: &Peer, headers: &HeaderMap) -> Result<OnBehalf, ApiError> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let credential = match (&peer.shown, bearer(headers)) {
        (Shown::Subject { name, groups, not_after_s }, _) if now_s <= *not_after_s => {
            Credential::Certificate { name: name.clone(), groups: groups.clone() }
        }
        (_, Some(token)) => Credential::Bearer(token),
        (Shown::Nothing, None) => Credential::Anonymous,
        (Shown::Subject { .. } | Shown::Refused(_), None) => return Err(unauthorized()),
    };
    Ok(OnBehalf { credential, impersonate: impersonate(headers), source_address: peer.address.ip().to_string() })
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

/// The user the headers ask to act as. A name may be missing; the apiserver says what is wrong with that.
fn impersonate(headers: &HeaderMap) -> Option<UserInfo> {
    let texts = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
    };
    let first = |name: &str| texts(name).into_iter().next().unwrap_or_default();
    let mut user = UserInfo {
        name: first("impersonate-user"),
        uid: first("impersonate-uid"),
        groups: texts("impersonate-group"),
        ..UserInfo::default()
    };
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix(EXTRA_PREFIX), value.to_str()) {
            user.extra.entry(kubus_proto::path::decode(key)).or_default().push(value.to_owned());
        }
    }
    (user != UserInfo::default()).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn credentials_have_an_order() {
        let good = Shown::Subject { name: "kate".into(), groups: vec!["dev".into()], not_after_s: i64::MAX };
        let old = Shown::Subject { name: "kate".into(), groups: vec![], not_after_s: 1 };
        let bad = Shown::Refused("unknown authority".into());
        let kate = Credential::Certificate { name: "kate".into(), groups: vec!["dev".into()] };
        let token = Credential::Bearer("t".into());
        for (shown, authorization, expected) in [
            (&Shown::Nothing, None, Some(Credential::Anonymous)),
            (&Shown::Nothing, Some("Bearer t"), Some(token.clone())),
            (&Shown::Nothing, Some("bearer  t "), Some(token.clone())),
            (&Shown::Nothing, Some("Bearer "), Some(Credential::Anonymous)),
            (&Shown::Nothing, Some("Basic dTpw"), Some(Credential::Anonymous)),
            (&good, None, Some(kate.clone())),
            (&good, Some("Bearer t"), Some(kate.clone())),
            (&old, None, None),
            (&old, Some("Bearer t"), Some(token.clone())),
            (&bad, None, None),
            (&bad, Some("Bearer t"), Some(token.clone())),
        ] {
            let peer = Peer { address: ([10, 0, 0, 7], 4).into(), shown: shown.clone(), paced: Paced::default() };
            let sent: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
            let got = on_behalf(&peer, &headers(&sent));
            assert_eq!(got.as_ref().ok().map(|g| &g.credential), expected.as_ref(), "{shown:?} {authorization:?}");
            match got {
                Ok(got) => assert_eq!(got.source_address, "10.0.0.7"),
                Err(error) => {
                    assert_eq!((error.reason, error.message.as_str()), (Reason::Unauthorized, "Unauthorized"))
                }
            }
        }
    }

    #[test]
    fn impersonation_is_read_from_its_headers() {
        assert_eq!(impersonate(&headers(&[("accept", "x")])), None);
        let user = impersonate(&headers(&[
            ("impersonate-user", "jane"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("impersonate-uid", "7"),
            ("impersonate-extra-scopes", "view"),
            ("impersonate-extra-scopes", "edit"),
            ("impersonate-extra-acme.com%2fproject", "x"),
        ]))
        .expect("a user");
        assert_eq!((user.name.as_str(), user.uid.as_str()), ("jane", "7"));
        assert_eq!(user.groups, ["a", "b"]);
        assert_eq!(user.extra["scopes"], ["view", "edit"]);
        assert_eq!(user.extra["acme.com/project"], ["x"]);
    }
}

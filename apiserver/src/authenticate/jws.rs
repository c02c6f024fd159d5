//! Signed tokens in the compact form of RFC 7515, with ES256 and nothing else: what a token says of its own algorithm
//! decides nothing.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde_json::{Value, json};

const ALGORITHM: &str = "ES256";
/// The largest token that is looked at, in bytes.
const TOKEN_LIMIT_BYTES: usize = 16 * 1024;
/// What comes before the point in a P-256 public key's DER form.
const PUBLIC_KEY_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Bytes of one coordinate of a point.
const COORDINATE_BYTES: usize = 32;

/// A key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not PEM with a private key in it.
    #[error("not a PEM file with one PRIVATE KEY (PKCS#8)")]
    Pem,
    /// It is no key on the curve P-256.
    #[error("not an ECDSA key on P-256: {0}")]
    Key(String),
    /// The system gives no random numbers.
    #[error("no random numbers")]
    Random,
}

/// A token is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// It has not three parts of base64.
    #[error("not a signed token")]
    Form,
    /// It is signed with something else than ES256, or not at all.
    #[error("unexpected signature algorithm")]
    Algorithm,
    /// No key of ours has signed it.
    #[error("signature does not verify")]
    Signature,
    /// Its claims are no JSON.
    #[error("claims cannot be read")]
    Claims,
}

/// The key that signs tokens.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    id: String,
    random: SystemRandom,
}

impl SigningKey {
    /// Reads a key from PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----").ok_or(KeyError::Pem)?;
        let (body, _) = rest.split_once("-----END PRIVATE KEY-----").ok_or(KeyError::Pem)?;
        let body: String = body.split_whitespace().collect();
        Self::from_pkcs8(&STANDARD.decode(body).map_err(|_| KeyError::Pem)?)
    }

    /// A key that nobody has seen before.
    pub fn generate() -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        Self::from_pkcs8(document.map_err(|_| KeyError::Random)?.as_ref())
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random)
            .map_err(|e| KeyError::Key(e.to_string()))?;
        let public = [&PUBLIC_KEY_HEAD, pair.public_key().as_ref()].concat();
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, &public));
        Ok(Self { pair, id, random })
    }

    /// Signs claims.
    pub fn sign(&self, claims: &Value) -> Result<String, KeyError> {
        let header = json!({"alg": ALGORITHM, "kid": self.id});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(&self.random, message.as_bytes()).map_err(|_| KeyError::Random)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of a token that this key has signed.
    pub fn verify(&self, token: &str) -> Result<Value, JwsError> {
        if token.len() > TOKEN_LIMIT_BYTES {
            return Err(JwsError::Form);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(JwsError::Form)?;
        let (header, claims) = message.split_once('.').ok_or(JwsError::Form)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Form);
        let header: Value = serde_json::from_slice(&bytes(header)?).map_err(|_| JwsError::Form)?;
        if header["alg"] != ALGORITHM || !header["crit"].is_null() {
            return Err(JwsError::Algorithm);
        }
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key());
        key.verify(message.as_bytes(), &bytes(signature)?).map_err(|_| JwsError::Signature)?;
        serde_json::from_slice(&bytes(claims)?).map_err(|_| JwsError::Claims)
    }

    /// The public key as a JSON Web Key.
    pub fn public(&self) -> Value {
        let point = &self.pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(COORDINATE_BYTES);
        json!({
            "use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": ALGORITHM,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::generate().expect("a key")
    }

    #[test]
    fn what_a_key_signs_it_verifies_and_nothing_else() {
        let (ours, other) = (key(), key());
        let token = ours.sign(&json!({"sub": "a"})).expect("signed");
        assert_eq!(ours.verify(&token), Ok(json!({"sub": "a"})));
        assert_eq!(other.verify(&token), Err(JwsError::Signature));
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let parts: Vec<&str> = token.split('.').collect();
        let claims = part(json!({"sub": "root"}));
        for (wrong, error) in [
            (String::new(), JwsError::Form),
            ("a.b".to_owned(), JwsError::Form),
            (format!("{token}x"), JwsError::Form),
            (token.replace('.', "!"), JwsError::Form),
            (format!("{}.{claims}.{}", parts[0], parts[2]), JwsError::Signature),
            (format!("{}.{claims}.", part(json!({"alg": "none"}))), JwsError::Algorithm),
            (format!("{}.{claims}.{}", part(json!({"alg": "None"})), parts[2]), JwsError::Algorithm),
            (format!("{}.{claims}.{}", part(json!({"alg": "HS256"})), parts[2]), JwsError::Algorithm),
            (format!("{}.{claims}.", part(json!({"alg": "ES256"}))), JwsError::Signature),
            (format!("{}.{claims}.{}", part(json!({"alg": "ES256", "crit": ["b64"]})), parts[2]), JwsError::Algorithm),
            ("x".repeat(TOKEN_LIMIT_BYTES + 1), JwsError::Form),
        ] {
            assert_eq!(ours.verify(&wrong), Err(error), "{wrong:.80}");
        }
    }

    #[test]
    fn keys_come_from_pem() {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let body = STANDARD.encode(document.expect("a key").as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----\n", &body[..64], &body[64..]);
        let key = SigningKey::from_pem(&pem).expect("read");
        assert_eq!(key.public()["kty"], "EC");
        for wrong in ["", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
        {
            assert!(SigningKey::from_pem(wrong).is_err(), "{wrong}");
        }
    }
}

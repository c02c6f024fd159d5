//! Signing requests: which are signed, with what, and which are refused.

use super::*;
use k8s_openapi::ByteString;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName};
use x509_parser::certificate::X509Certificate;

fn signer() -> Signer {
    let key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let certificate = authority.self_signed(&key).expect("an authority");
    Signer::new(&certificate.pem(), &key.serialize_pem()).expect("a signer")
}

/// A request by somebody who would like to be an authority.
fn request(
    signer: &str,
    name: &str,
    organization: &str,
    hosts: &[&str],
    usages: &[&str],
) -> CertificateSigningRequestSpec {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("parameters");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key");
    let pem = params.serialize_request(&key).expect("a request").pem().expect("pem");
    CertificateSigningRequestSpec {
        request: ByteString(pem.into_bytes()),
        signer_name: signer.to_owned(),
        usages: Some(usages.iter().map(|usage| (*usage).to_owned()).collect()),
        expiration_seconds: Some(3_600),
        ..CertificateSigningRequestSpec::default()
    }
}

const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const KUBELET: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const SERVING: &str = "kubernetes.io/kubelet-serving";

#[test]
fn a_client_gets_a_certificate_for_what_it_asked_and_no_longer() {
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    let spec = request(CLIENT, "jane", "dev", &[], &["client auth", "digital signature"]);
    let pem = signer().sign(&spec, now).expect("signed");
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).expect("pem");
    let (_, certificate) = X509Certificate::from_der(&block.contents).expect("a certificate");
    assert_eq!(certificate.subject().to_string(), "CN=jane, O=dev");
    assert_eq!(certificate.validity().not_after.timestamp(), 1_800_003_600);
    assert_eq!(certificate.validity().not_before.timestamp(), 1_799_999_700);
    assert!(!certificate.is_ca());
    let usage = certificate.key_usage().expect("usage").expect("usage");
    assert!(usage.value.digital_signature() && !usage.value.key_cert_sign(), "it may not sign others");
    let usage = certificate.extended_key_usage().expect("usage").expect("usage");
    assert!(usage.value.client_auth && !usage.value.server_auth);
}

#[test]
fn what_a_signer_does_not_sign_is_refused() {
    let now = Timestamp::UNIX_EPOCH;
    let signer = signer();
    for (spec, good) in [
        (request(CLIENT, "jane", "dev", &[], &["client auth"]), true),
        (request(CLIENT, "jane", "dev", &[], &["server auth"]), false),
        (request(CLIENT, "jane", "dev", &[], &["client auth", "server auth"]), false),
        (request("example.com/other", "jane", "dev", &[], &["client auth"]), false),
        (request(KUBELET, "system:node:n1", "system:nodes", &[], &["client auth", "digital signature"]), true),
        (request(KUBELET, "jane", "system:nodes", &[], &["client auth", "digital signature"]), false),
        (request(KUBELET, "system:node:n1", "dev", &[], &["client auth", "digital signature"]), false),
        (request(KUBELET, "system:node:n1", "system:nodes", &["n1"], &["client auth", "digital signature"]), false),
        (
            request(
                SERVING,
                "system:node:n1",
                "system:nodes",
                &["n1", "10.0.0.1"],
                &["server auth", "digital signature"],
            ),
            true,
        ),
        (request(SERVING, "system:node:n1", "system:nodes", &[], &["server auth", "digital signature"]), false),
    ] {
        let answer = signer.sign(&spec, now);
        assert_eq!(answer.is_ok(), good, "{} {:?}: {answer:?}", spec.signer_name, spec.usages);
    }
    let mut damaged = request(CLIENT, "jane", "dev", &[], &["client auth"]);
    damaged.request =
        ByteString(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n".to_vec());
    assert!(matches!(signer.sign(&damaged, now), Err(SignError::Request(_))));
}

//! Keys: the cluster's certificate authority, the bus servers' certificate, the admin user's, and an nkey for each
//! identity. A gateway makes its own.

use super::Home;
use super::home::write_private;
use super::identity::identities;
use super::spec::ClusterSpec;
use anyhow::Context;
use kubus_client::Credentials;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Makes what is missing and keeps what is there. Gives each identity's public nkey.
pub fn ensure(spec: &ClusterSpec, home: &Home) -> anyhow::Result<Vec<(String, String)>> {
    if !home.pki("server.crt").exists() {
        make_certificates(home).context("cannot make the cluster's certificates")?;
    }
    if !home.pki("service-account.key").exists() {
        write_private(&home.pki("service-account.key"), KeyPair::generate()?.serialize_pem().as_bytes())?;
    }
    let authority = std::fs::read_to_string(home.pki("ca.crt"))?;
    if !home.pki("admin.crt").exists() {
        make_admin(home, &authority).context("cannot make the admin user's certificate")?;
    }
    let mut keys = Vec::new();
    for (position, (identity, _)) in identities(spec).into_iter().enumerate() {
        let path = home.credentials(&identity);
        let servers = spec.servers(nearest(&identity, position, spec));
        let pair = match Credentials::load(&path) {
            Ok(existing) => nkeys::KeyPair::from_seed(&existing.seed)
                .with_context(|| format!("{} has a damaged key", path.display()))?,
            Err(_) => {
                let pair = nkeys::KeyPair::new_user();
                let credentials = Credentials {
                    identity: identity.clone(),
                    servers,
                    certificate_authority: authority.clone(),
                    seed: pair.seed()?,
                };
                write_private(&path, &serde_json::to_vec_pretty(&credentials)?)?;
                pair
            }
        };
        keys.push((identity, pair.public_key()));
    }
    Ok(keys)
}

/// Each apiserver takes its own host's bus server first; the others are spread.
fn nearest(identity: &str, position: usize, spec: &ClusterSpec) -> usize {
    let own = identity.strip_prefix("apiserver-").and_then(|id| id.parse::<usize>().ok()).map(|id| id - 1);
    own.unwrap_or(position % spec.control_planes.len())
}

fn name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// The certificate in the kubeconfig: the user and the group that kubeadm gives.
fn make_admin(home: &Home, authority: &str) -> anyhow::Result<()> {
    let ca_key = KeyPair::from_pem(&std::fs::read_to_string(home.pki("ca.key"))?)?;
    let issuer = Issuer::from_ca_cert_pem(authority, ca_key)?;
    let key = KeyPair::generate()?;
    let mut admin = CertificateParams::new(Vec::<String>::new())?;
    admin.distinguished_name = name("kubernetes-admin");
    admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
    admin.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = admin.signed_by(&key, &issuer)?;
    write_private(&home.pki("admin.key"), key.serialize_pem().as_bytes())?;
    write_private(&home.pki("admin.crt"), certificate.pem().as_bytes())?;
    Ok(())
}

fn make_certificates(home: &Home) -> anyhow::Result<()> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::<String>::new())?;
    ca.distinguished_name = name("kubus-ca");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_certificate = ca.self_signed(&ca_key)?;

    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(["127.0.0.1", "::1", "localhost"].map(str::to_owned).to_vec())?;
    server.distinguished_name = name("kubus-bus");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // Routes between bus servers are mutual: the same certificate serves both sides.
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = server.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?;

    write_private(&home.pki("ca.key"), ca_key.serialize_pem().as_bytes())?;
    write_private(&home.pki("ca.crt"), ca_certificate.pem().as_bytes())?;
    write_private(&home.pki("server.key"), key.serialize_pem().as_bytes())?;
    // Last, since its presence says that all are there.
    write_private(&home.pki("server.crt"), certificate.pem().as_bytes())?;
    Ok(())
}

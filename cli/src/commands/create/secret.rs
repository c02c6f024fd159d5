//! `kubus create secret tls|docker-registry`: secrets with a form of their own.

use crate::error::{CliError, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A key and its certificate.
#[derive(Args, Clone, Debug)]
pub(super) struct TlsArgs {
    /// Its name
    name: String,
    /// File of the certificate
    #[arg(long, value_name = "PATH", required = true)]
    cert: PathBuf,
    /// File of the key
    #[arg(long, value_name = "PATH", required = true)]
    key: PathBuf,
}

/// An account at a registry.
#[derive(Args, Clone, Debug)]
pub(super) struct RegistryArgs {
    /// Its name
    name: String,
    /// Address of the registry
    #[arg(long, value_name = "ADDRESS", default_value = "https://index.docker.io/v1/")]
    docker_server: String,
    /// Name of the account
    #[arg(long, value_name = "NAME", required = true)]
    docker_username: String,
    /// Password of the account
    #[arg(long, value_name = "PASSWORD", required = true)]
    docker_password: String,
    /// Mail address of the account
    #[arg(long, value_name = "ADDRESS")]
    docker_email: Option<String>,
}

/// `kubus create secret tls`.
pub(super) fn tls(args: &TlsArgs) -> Result<Value> {
    let read = |path: &Path| {
        let bytes = std::fs::read(path);
        bytes
            .map(|bytes| STANDARD.encode(bytes))
            .map_err(|e| CliError::message(format!("open {}: {e}", path.display())))
    };
    Ok(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": args.name}, "type": "kubernetes.io/tls",
        "data": {"tls.crt": read(&args.cert)?, "tls.key": read(&args.key)?},
    }))
}

/// `kubus create secret docker-registry`.
pub(super) fn registry(args: &RegistryArgs) -> Value {
    let mut account = json!({"username": args.docker_username, "password": args.docker_password});
    if let Some(email) = &args.docker_email {
        account["email"] = json!(email);
    }
    account["auth"] = json!(STANDARD.encode(format!("{}:{}", args.docker_username, args.docker_password)));
    let file = json!({"auths": {args.docker_server.as_str(): account}});
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": args.name}, "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": STANDARD.encode(file.to_string())},
    })
}

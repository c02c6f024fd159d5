//! The kubeconfig of a cluster: complete in itself, for kubectl, helm and client libraries.

use super::Home;
use super::home::write_private;
use super::spec::ClusterSpec;
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Writes it anew, unless it says the same already.
pub fn write(spec: &ClusterSpec, home: &Home) -> anyhow::Result<()> {
    let encoded = |file: &str| -> anyhow::Result<String> {
        let path = home.pki(file);
        Ok(STANDARD.encode(std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?))
    };
    let port = spec.gateways.first().context("the cluster has no gateway")?;
    let text = render(&spec.name, *port, [&encoded("ca.crt")?, &encoded("admin.crt")?, &encoded("admin.key")?]);
    let path = home.kubeconfig();
    if std::fs::read_to_string(&path).ok().as_deref() == Some(text.as_str()) {
        return Ok(());
    }
    write_private(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

fn render(name: &str, port: u16, [authority, certificate, key]: [&str; 3]) -> String {
    format!(
        "# Written by `kubus up`.\n\
         apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: {name}\n  cluster:\n    server: https://127.0.0.1:{port}\n    \
         certificate-authority-data: {authority}\n\
         users:\n\
         - name: kubernetes-admin\n  user:\n    client-certificate-data: {certificate}\n    \
         client-key-data: {key}\n\
         contexts:\n\
         - name: {name}\n  context:\n    cluster: {name}\n    user: kubernetes-admin\n\
         current-context: {name}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse_documents;

    #[test]
    fn it_is_a_kubeconfig() {
        let documents = parse_documents(&render("kubus", 6443, ["Y2E=", "Y2VydA==", "a2V5"])).expect("YAML");
        let [config] = documents.as_slice() else { panic!("one document") };
        assert_eq!((&config["kind"], &config["current-context"]), (&"Config".into(), &"kubus".into()));
        let (cluster, user) = (&config["clusters"][0], &config["users"][0]);
        assert_eq!(cluster["cluster"]["server"], "https://127.0.0.1:6443");
        assert_eq!(cluster["cluster"]["certificate-authority-data"], "Y2E=");
        assert_eq!(user["user"]["client-certificate-data"], "Y2VydA==");
        assert_eq!(user["user"]["client-key-data"], "a2V5");
        let context = &config["contexts"][0]["context"];
        assert_eq!((&context["cluster"], &context["user"]), (&cluster["name"], &user["name"]));
    }
}

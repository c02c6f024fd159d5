//! What the stories and fault tests share: clusters of real processes, images, transcripts, a bad bus.

pub mod cluster;
pub mod https;
pub mod images;
pub mod relay;
pub mod transcript;

pub use cluster::Cluster;

/// Whether a Docker engine answers. A test that needs one returns early where there is none, after saying so; in CI
/// (`CI=true`) a missing engine is a failure, so that nothing is skipped there.
pub fn docker_available() -> bool {
    available("a Docker engine", || {
        std::process::Command::new("docker")
            .args(["version", "--format", "{{.Server.Version}}"])
            .output()
            .is_ok_and(|o| o.status.success())
    })
}

/// Whether the bus server is installed; see [`docker_available`].
pub fn nats_available() -> bool {
    available("nats-server", || {
        std::process::Command::new("nats-server").arg("--version").output().is_ok_and(|o| o.status.success())
    })
}

fn available(what: &str, present: impl Fn() -> bool) -> bool {
    if present() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "CI must have {what}");
    eprintln!("SKIPPED: this test needs {what}");
    false
}

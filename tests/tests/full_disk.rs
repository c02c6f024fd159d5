//! A full disk under the store: the apiserver stops taking writes and says so, loses nothing, and goes on when there is
//! space again.

use kubus_tests::{Cluster, nats_available};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A small file system of its own, gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"]).arg(at).status();
        assert!(mounted.expect("mount runs").success(), "mount {}", at.display());
        Self(at.to_owned())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes all the space that is left.
    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.filler()).expect("a file");
        let block = [0u8; 4096];
        while file.write_all(&block).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the apiserver may still have files open; they end with the cluster.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_writes_and_loses_nothing() {
    if !nats_available() {
        return;
    }
    if !nix::unistd::Uid::effective().is_root() {
        assert!(std::env::var_os("CI").is_none(), "CI must run as root");
        eprintln!("SKIPPED: this test needs root, to mount a small file system");
        return;
    }
    let mut disk = None;
    let cluster = Cluster::up_prepared(
        |home| disk = Some(SmallDisk::mount(&home.join("data/apiserver-1"))),
        &["--control-planes", "1", "--nodes", "0", "--runtime", "sim"],
    );
    let disk = disk.expect("mounted");
    cluster.run("kubectl create configmap before --from-literal=a=b");
    disk.fill();
    let filling = "x".repeat(100_000);
    let refused = cluster.wait("a write is refused", Duration::from_secs(60), || {
        let name = format!("fill-{}", uuid::Uuid::new_v4().simple());
        let output = cluster.kubus(&["create", "configmap", &name, &format!("--from-literal=a={filling}")]);
        (!output.status.success()).then(|| kubus_tests::cluster::text(&output.stderr))
    });
    assert!(refused.contains("disk") || refused.contains("space"), "{refused}");
    // Reads go on, and what was acknowledged is there.
    assert_eq!(cluster.run("kubectl get configmap before -o 'jsonpath={.data.a}'"), "b");
    let there = cluster.run("kubectl get configmap -o name");
    std::fs::remove_file(disk.filler()).expect("space again");
    cluster.wait("writes go on", Duration::from_secs(60), || {
        let name = format!("after-{}", uuid::Uuid::new_v4().simple());
        cluster.kubus(&["create", "configmap", &name, "--from-literal=a=b"]).status.success().then_some(())
    });
    let now = cluster.run("kubectl get configmap -o name");
    assert!(there.lines().all(|name| now.contains(name)), "nothing is lost");
}

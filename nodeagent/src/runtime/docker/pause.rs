//! The sandbox's only program: it holds the pod's namespaces, reaps orphans and ends on SIGTERM.
//!
//! A sandbox must start where no registry can be reached, so the image is made here from these bytes. They are what GNU
//! `as` and `objcopy -O binary -j .text` make of `pause.s` beside this file: a whole static ELF program for x86-64 Linux.
//! As process 1 it gets no signal it does not ask for; it blocks them all and waits for them instead, without handlers.

use serde_json::json;
use sha2::{Digest, Sha256};

/// Where the program is in its image.
pub const PATH: &str = "/pause";
/// Name and tag of the image.
pub const IMAGE: (&str, &str) = ("kubus/pause", "1");
/// Architecture the program is for, as Docker's `info` names it.
pub const ARCHITECTURE: &str = "x86_64";

/// The program.
#[rustfmt::skip]
pub const PROGRAM: [u8; 198] = [
    0x7f, 0x45, 0x4c, 0x46, 0x02, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x3e, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x78, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x38, 0x00, 0x01, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc6, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0xc6, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x6a, 0xff, 0x48, 0x89, 0xe3, 0x31, 0xff, 0x48, 0x89, 0xde, 0x31, 0xd2, 0x6a, 0x08, 0x41, 0x5a, 0x6a, 0x0e, 0x58, 0x0f,
    0x05, 0x48, 0x89, 0xdf, 0x31, 0xf6, 0x31, 0xd2, 0x6a, 0x08, 0x41, 0x5a, 0xb8, 0x80, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x83,
    0xf8, 0x0f, 0x74, 0x1b, 0x83, 0xf8, 0x02, 0x74, 0x16, 0x6a, 0xff, 0x5f, 0x31, 0xf6, 0x6a, 0x01, 0x5a, 0x45, 0x31, 0xd2,
    0x6a, 0x3d, 0x58, 0x0f, 0x05, 0x85, 0xc0, 0x7f, 0xec, 0xeb, 0xce, 0x31, 0xff, 0x6a, 0x3c, 0x58, 0x0f, 0x05,
];

/// Name of the image's only layer in the archive.
const LAYER: &str = "layer.tar";
/// Name of the image's configuration in the archive.
const CONFIGURATION: &str = "config.json";

fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_cksum();
    archive.append_data(&mut header, name, content)
}

/// The image as `docker load` takes it. It has no time in it, so every agent makes the same image and those that start
/// at the same moment do not replace each other's.
pub fn archive() -> std::io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, PATH.trim_start_matches('/'), 0o755, &PROGRAM)?;
    let layer = layer.into_inner()?;
    let digest: String = Sha256::digest(&layer).iter().map(|b| format!("{b:02x}")).collect();
    let configuration = json!({
        "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": [PATH]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    });
    let manifest =
        json!([{"Config": CONFIGURATION, "RepoTags": [format!("{}:{}", IMAGE.0, IMAGE.1)], "Layers": [LAYER]}]);
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, CONFIGURATION, 0o644, configuration.to_string().as_bytes())?;
    append(&mut archive, LAYER, 0o644, &layer)?;
    append(&mut archive, "manifest.json", 0o644, manifest.to_string().as_bytes())?;
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    #[test]
    fn the_image_is_always_the_same() {
        assert_eq!(archive().expect("made"), archive().expect("made"));
    }

    #[test]
    fn the_program_waits_and_ends_on_sigterm() {
        if std::env::consts::ARCH != "x86_64" {
            eprintln!("skipped: the pause program is for x86-64");
            return;
        }
        let path = std::env::temp_dir().join(format!("kubus-pause-{}", std::process::id()));
        std::fs::write(&path, PROGRAM).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        // A shell starts, signals and reaps it. It waits, for a bounded time, until the program sleeps: that is after it
        // has blocked its signals.
        let script = format!(
            "{0} & p=$!; n=0; until grep -q '^State:.S' /proc/$p/status && grep -q kubus-pause /proc/$p/comm; do \
             n=$((n+1)); [ $n -lt 1000 ] || {{ kill -KILL $p; exit 8; }}; done; \
             kill -CHLD $p; kill -USR1 $p; kill -0 $p || exit 9; kill -TERM $p; wait $p",
            path.display()
        );
        let status = Command::new("sh").arg("-c").arg(script).status().expect("sh runs");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(status.code(), Some(0));
    }
}

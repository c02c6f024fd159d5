//! Images the documents use, made on the spot from Debian's static busybox: tests need no registry.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Once;

/// Where Debian puts the static busybox.
const BUSYBOX: &str = "/bin/busybox";
/// Applets that the images have as commands.
const APPLETS: [&str; 16] = [
    "sh", "sleep", "echo", "cat", "httpd", "nc", "env", "hostname", "id", "ls", "true", "false", "kill", "touch",
    "test", "stty",
];
/// Serves a page until it is told to stop: process 1 of a container gets no default action for SIGTERM, so a shell
/// traps it.
const SERVER: &str = "trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait";

/// Images that act like nginx: one a version, each with a page that names it.
const NGINX: [&str; 4] = ["latest", "1.7.9", "1.14.2", "1.16.1"];

/// Makes every image that is not there yet; once in a test process.
pub fn ensure() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for version in NGINX {
            make(&format!("nginx:{version}"), &format!("nginx {version}\n"), SERVER);
        }
        make("busybox:latest", "", "exec sh");
    });
}

fn make(tag: &str, page: &str, command: &str) {
    let present =
        Command::new("docker").args(["image", "inspect", tag]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if present.expect("docker runs").success() {
        return;
    }
    let change = format!("CMD {}", serde_json::json!(["/bin/sh", "-c", command]));
    let mut docker = Command::new("docker")
        .args(["import", "--change", &change, "--change", "ENV PATH=/bin", "-", tag])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("docker runs");
    let root = root_file_system(page);
    docker.stdin.take().expect("piped").write_all(&root).expect("docker reads the image");
    assert!(docker.wait().expect("docker ends").success(), "docker import {tag}");
}

fn root_file_system(page: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let busybox = std::fs::read(BUSYBOX).expect("busybox-static is installed");
    let mut add = |path: &str, content: &[u8], mode: u32| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        archive.append_data(&mut header, path, content).expect("a file in the image");
    };
    add("bin/busybox", &busybox, 0o755);
    add("www/index.html", page.as_bytes(), 0o644);
    add("etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0o644);
    for applet in APPLETS {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        archive.append_link(&mut header, format!("bin/{applet}"), "busybox").expect("a link in the image");
    }
    for folder in ["tmp/", "proc/", "sys/", "dev/", "var/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(0o1777);
        archive.append_data(&mut header, folder, std::io::empty()).expect("a folder in the image");
    }
    archive.into_inner().expect("the image is whole")
}

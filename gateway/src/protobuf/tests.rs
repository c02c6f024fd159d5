//! Messages as clients write them, broken ones, and random bytes.

use super::*;
use proptest::prelude::*;
use prost::encoding::{WireType, encode_key, encode_varint};

fn bytes(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(content.len() as u64, &mut out);
    out.extend_from_slice(content);
    out
}

fn number(number: u32, value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::Varint, &mut out);
    encode_varint(value.cast_unsigned(), &mut out);
    out
}

fn envelope(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), bytes(1, &meta), bytes(2, object), bytes(3, b""), bytes(4, b"")].concat()
}

#[test]
fn a_job_is_read_as_its_json() {
    let metadata = [
        bytes(1, b"pi"),
        bytes(2, b""),
        bytes(3, b"default"),
        bytes(8, &[]),
        bytes(11, &[bytes(1, b"a"), bytes(2, b"b")].concat()),
    ]
    .concat();
    let requests = [bytes(1, b"cpu"), bytes(2, &bytes(1, b"100m"))].concat();
    let probe = [bytes(1, &bytes(2, &[bytes(1, b"/"), bytes(2, &[number(1, 0), number(2, 80)].concat())].concat()))];
    let volume = [bytes(1, b"v"), bytes(2, &bytes(2, &bytes(1, b"")))].concat();
    let container = [
        bytes(1, b"pi"),
        bytes(2, b"perl"),
        bytes(3, b"perl"),
        bytes(5, b""),
        bytes(8, &bytes(2, &requests)),
        bytes(10, &probe.concat()),
    ]
    .concat();
    let pod = [bytes(1, &volume), bytes(2, &container), bytes(3, b"Never"), number(4, 0), number(11, 0)].concat();
    let spec = [number(7, 0), bytes(6, &[bytes(1, &[]), bytes(2, &pod)].concat())].concat();
    let job = [bytes(1, &metadata), bytes(2, &spec), bytes(3, &number(4, 0))].concat();
    let expected = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "pi", "namespace": "default", "labels": {"a": "b"}},
        "spec": {"backoffLimit": 0, "template": {"metadata": {}, "spec": {
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [{"name": "pi", "image": "perl", "command": ["perl"],
                "resources": {"requests": {"cpu": "100m"}},
                "livenessProbe": {"httpGet": {"path": "/", "port": 80}}}],
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}}},
        "status": {},
    });
    assert_eq!(decode(&envelope("batch/v1", "Job", &job)), Ok(expected));
}

#[test]
fn what_is_wrong_is_said() {
    let unknown = ProtobufError::Kind { api_version: "example.com/v1".to_owned(), kind: "CronTab".to_owned() };
    for (body, error) in [
        (b"{}".to_vec(), ProtobufError::Magic),
        (envelope("example.com/v1", "CronTab", &[]), unknown),
        (envelope("v1", "Pod", &[0x0a, 0x7f]), ProtobufError::Damaged(0)),
        (envelope("v1", "Pod", &number(1, 1)), ProtobufError::Form("metadata".to_owned())),
        (envelope("v1", "Pod", &bytes(1, &bytes(1, &[0xff]))), ProtobufError::Text("name".to_owned())),
    ] {
        assert_eq!(decode(&body), Err(error));
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(object in proptest::collection::vec(any::<u8>(), 0..200)) {
        for kind in ["Pod", "Secret", "Event"] {
            drop(decode(&envelope("v1", kind, &object)));
        }
        drop(decode(&[&MAGIC[..], &object].concat()));
    }
}

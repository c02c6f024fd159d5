//! JSON at the edge, MessagePack on the bus: one turned into the other as it is read, without a tree in between.

use bytes::Bytes;

/// Turns a JSON document into MessagePack. Fails where it is not one document.
pub fn json_to_msgpack(json: &[u8]) -> Result<Bytes, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let mut out = Vec::with_capacity(json.len());
    let mut writer = rmp_serde::Serializer::new(&mut out).with_struct_map();
    serde_transcode::transcode(&mut reader, &mut writer).map_err(serde::de::Error::custom)?;
    reader.end()?;
    Ok(out.into())
}

/// Appends a MessagePack value to `out` as JSON.
pub fn append_json(msgpack: &[u8], out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(msgpack);
    serde_transcode::transcode(&mut reader, &mut serde_json::Serializer::new(out))
}

/// A MessagePack value as JSON; no bytes stay no bytes.
pub fn msgpack_to_json(msgpack: &[u8]) -> Result<Bytes, serde_json::Error> {
    let mut out = Vec::with_capacity(msgpack.len() + msgpack.len() / 4);
    if !msgpack.is_empty() {
        append_json(msgpack, &mut out)?;
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_survive_both_ways() {
        for json in [
            r#"{"a":[1,-2,3.5,1e300,true,null,"x\n\u00e9"],"b":{"c":{},"d":[]},"":18446744073709551615}"#,
            "[]",
            "null",
            r#""text""#,
        ] {
            let packed = json_to_msgpack(json.as_bytes()).expect(json);
            let value: serde_json::Value = serde_json::from_str(json).expect(json);
            assert_eq!(kubus_proto::codec::decode::<serde_json::Value>(&packed).expect(json), value);
            let back: serde_json::Value =
                serde_json::from_slice(&msgpack_to_json(&packed).expect(json)).expect("still JSON");
            assert_eq!(back, value);
        }
        assert!(msgpack_to_json(b"").expect("empty").is_empty());
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for json in ["", "{", "{} x", "{\"a\":}"] {
            assert!(json_to_msgpack(json.as_bytes()).is_err(), "{json}");
        }
        assert!(msgpack_to_json(&[0xc1]).is_err());
    }
}

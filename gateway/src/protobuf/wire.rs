//! Protobuf's wire format: numbered fields of a message, one after the other.
//! <https://protobuf.dev/programming-guides/encoding/>

use super::ProtobufError;

/// What one field holds, before its type is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Four bytes.
    Fixed32(u32),
    /// Text, bytes, or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message in their order. Ends at the first error.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Fields of `message`.
    pub fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn damaged(&self) -> ProtobufError {
        ProtobufError::Damaged(self.rest.len())
    }

    fn varint(&mut self) -> Result<u64, ProtobufError> {
        prost::encoding::decode_varint(&mut self.rest).map_err(|_| self.damaged())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ProtobufError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u32, Item<'a>), ProtobufError> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| self.damaged())?;
        let item = match key & 7 {
            0 => Item::Varint(self.varint()?),
            1 => Item::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| self.damaged())?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| self.damaged())?;
                Item::Bytes(self.take(length)?)
            }
            5 => Item::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| self.damaged())?)),
            // Groups are not used by Kubernetes.
            _ => return Err(self.damaged()),
        };
        Ok((number, item))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Item<'a>), ProtobufError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Bytes as text; `place` is for the error.
pub fn text<'a>(bytes: &'a [u8], place: &str) -> Result<&'a str, ProtobufError> {
    std::str::from_utf8(bytes).map_err(|_| ProtobufError::Text(place.to_owned()))
}

//! Blocks of headers: names and values, compressed with a state that lasts as long as the connection.

use super::dictionary::DICTIONARY;
use super::frame::FrameError;
use bytes::Buf;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Largest block once it is unpacked, in bytes.
pub const HEADERS_LIMIT_BYTES: usize = 64 * 1024;
/// How much is packed or unpacked at once, in bytes.
const STEP_BYTES: usize = 4 * 1024;

/// Names, in small letters, with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Of names and values.
    pub fn new(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| (name.to_lowercase(), (*value).to_owned())).collect())
    }

    /// A header's value, empty where there is none; `name` in small letters.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str())
    }

    fn pack(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Blocks are limited to far less than four gigabytes.
        let mut text = |bytes: &[u8]| {
            out.extend((bytes.len() as u32).to_be_bytes());
            out.extend(bytes);
        };
        for (name, value) in &self.0 {
            text(name.as_bytes());
            text(value.as_bytes());
        }
        [&(self.0.len() as u32).to_be_bytes()[..], &out].concat()
    }

    fn unpack(mut block: &[u8]) -> Result<Self, FrameError> {
        fn text(block: &mut &[u8]) -> Result<String, FrameError> {
            let length = number(block)?;
            let bytes = block.get(..length).ok_or(FrameError::Headers("a text is cut off"))?;
            let text = std::str::from_utf8(bytes).map_err(|_| FrameError::Headers("a text is not UTF-8"))?.to_owned();
            block.advance(length);
            Ok(text)
        }
        fn number(block: &mut &[u8]) -> Result<usize, FrameError> {
            let number = block.try_get_u32().map_err(|_| FrameError::Headers("a length is cut off"))?;
            usize::try_from(number).map_err(|_| FrameError::Headers("a length is too large"))
        }
        let count = number(&mut block)?;
        let mut all: Vec<(String, String)> = Vec::new();
        for _ in 0..count {
            let (name, value) = (text(&mut block)?.to_lowercase(), text(&mut block)?);
            if all.iter().any(|(other, _)| *other == name) {
                return Err(FrameError::Headers("a name comes twice"));
            }
            all.push((name, value));
        }
        Ok(Self(all))
    }
}

/// Unpacks the blocks of one direction, in their order.
pub struct Inflater {
    state: Decompress,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { state: Decompress::new(true) }
    }
}

impl Inflater {
    /// The headers of the next block.
    pub fn headers(&mut self, mut packed: &[u8]) -> Result<Headers, FrameError> {
        let mut block = Vec::new();
        loop {
            let (read, written) = (self.state.total_in(), block.len());
            block.resize(written + STEP_BYTES, 0);
            let before = self.state.total_out();
            let result = self.state.decompress(packed, &mut block[written..], FlushDecompress::Sync);
            // What a step takes and gives fits into what it was handed.
            packed.advance((self.state.total_in() - read) as usize);
            let gained = (self.state.total_out() - before) as usize;
            block.truncate(written + gained);
            match result {
                Err(error) if error.needs_dictionary().is_some() => {
                    let known = self.state.set_dictionary(&DICTIONARY);
                    known.map_err(|_| FrameError::Headers("another dictionary is wanted"))?;
                    continue;
                }
                Err(_) => return Err(FrameError::Headers("they cannot be unpacked")),
                Ok(Status::StreamEnd) => return Err(FrameError::Headers("their compression has ended")),
                Ok(Status::Ok | Status::BufError) => {}
            }
            if block.len() > HEADERS_LIMIT_BYTES {
                return Err(FrameError::Headers("they are too large"));
            }
            // A step that did not fill its room has nothing more to say.
            if gained < STEP_BYTES {
                return Headers::unpack(&block);
            }
        }
    }
}

/// Packs the blocks of one direction, in their order.
pub struct Deflater {
    state: Compress,
    begun: bool,
}

impl Default for Deflater {
    fn default() -> Self {
        Self { state: Compress::new(Compression::fast(), true), begun: false }
    }
}

impl Deflater {
    /// The next block.
    pub fn block(&mut self, headers: &Headers) -> Result<Vec<u8>, FrameError> {
        let failed = |_| FrameError::Headers("they cannot be packed");
        if !std::mem::replace(&mut self.begun, true) {
            self.state.set_dictionary(&DICTIONARY).map_err(failed)?;
        }
        let block = headers.pack();
        let (mut rest, mut packed) = (block.as_slice(), Vec::new());
        loop {
            let (read, written, before) = (self.state.total_in(), packed.len(), self.state.total_out());
            packed.resize(written + STEP_BYTES, 0);
            self.state.compress(rest, &mut packed[written..], FlushCompress::Sync).map_err(failed)?;
            rest.advance((self.state.total_in() - read) as usize);
            let gained = (self.state.total_out() - before) as usize;
            packed.truncate(written + gained);
            if gained < STEP_BYTES {
                return Ok(packed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_unpacked_in_their_order() {
        let (mut packer, mut unpacker) = (Deflater::default(), Inflater::default());
        let long = "x".repeat(3 * STEP_BYTES);
        for pairs in [
            &[("streamType", "error"), ("port", "80"), ("requestID", "0")][..],
            &[("streamType", "data"), ("port", "80"), ("requestID", "0")],
            &[],
            &[("long", long.as_str()), ("Empty", "")],
        ] {
            let headers = Headers::new(pairs);
            let packed = packer.block(&headers).expect("packed");
            assert_eq!(unpacker.headers(&packed).expect("unpacked"), headers);
        }
        assert_eq!(Headers::new(&[("streamType", "error")]).get("streamtype"), "error");
    }

    #[test]
    fn what_is_wrong_or_too_large_is_refused() {
        let packed = |block: &[u8]| {
            let mut state = Compress::new(Compression::fast(), true);
            state.set_dictionary(&DICTIONARY).expect("dictionary");
            let mut out = vec![0; block.len() + 4 * STEP_BYTES];
            state.compress(block, &mut out, FlushCompress::Sync).expect("packed");
            out.truncate(state.total_out() as usize);
            out
        };
        let pair = [0, 0, 0, 1, b'a', 0, 0, 0, 1, b'b'];
        let bomb = vec![0; 100 * HEADERS_LIMIT_BYTES];
        for (what, block) in [
            ("cut off", [0, 0, 0, 2].iter().chain(&pair).copied().collect::<Vec<u8>>()),
            ("twice", [0, 0, 0, 2].iter().chain(&pair).chain(&pair).copied().collect()),
            ("length", vec![0, 0, 0, 1, 255, 255, 255, 255]),
            ("empty", vec![]),
            ("too large", bomb),
        ] {
            assert!(Inflater::default().headers(&packed(&block)).is_err(), "{what}");
        }
        for garbage in [&[][..], &[0x78], &[1, 2, 3, 4, 5], &[0x78, 0x9c, 3, 0]] {
            assert!(Inflater::default().headers(garbage).is_err(), "{garbage:?}");
        }
    }
}

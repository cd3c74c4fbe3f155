//! Feeds: recorded updates as JSON lines, one update a line.
//!
//! ```text
//! {"topic":"prices/eurusd","value":{"bid":1.0841}}    any JSON; its bytes are taken as they stand
//! {"topic":"notices","text":"closed today"}
//! {"topic":"frames/7","b64":"AAEC/w=="}
//! ```
//!
//! Other fields are ignored, so what `outpour sub --jsonl` prints is a feed as well. Empty lines are skipped.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// One update of a feed.
#[derive(Clone, Debug)]
pub(crate) struct FeedLine {
    /// The path, not yet checked.
    pub(crate) topic: String,
    pub(crate) value: FeedValue,
}

#[derive(Clone, Debug)]
pub(crate) enum FeedValue {
    /// The exact text that stands in the line.
    Json(Box<RawValue>),
    Text(String),
    Binary(Vec<u8>),
}

impl FeedValue {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Json(value) => value.get().as_bytes(),
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// The updates of a feed, read line by line; plain, or compressed with gzip or zstd.
pub(crate) struct Feed {
    name: String,
    reader: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    /// The number of `line`, from 1.
    number: u64,
    has_failed: bool,
}

impl Feed {
    pub(crate) fn open(path: &Path) -> Result<Self, FeedError> {
        let name = path.display().to_string();
        match File::open(path).and_then(decompressed) {
            Ok(reader) => Ok(Self::new(name, reader)),
            Err(source) => Err(FeedError::Open { name, source }),
        }
    }

    /// Reads a feed from somewhere else; `name` stands for it in errors.
    pub(crate) fn from_reader(name: &str, reader: impl Read + Send + 'static) -> Result<Self, FeedError> {
        match decompressed(reader) {
            Ok(reader) => Ok(Self::new(name.into(), reader)),
            Err(source) => Err(FeedError::Open { name: name.into(), source }),
        }
    }

    fn new(name: String, reader: Box<dyn BufRead + Send>) -> Self {
        Self { name, reader, line: Vec::new(), number: 0, has_failed: false }
    }

    /// Reads the next line that is not empty into `self.line`; `false` at the end.
    fn read_line(&mut self) -> Result<bool, FeedError> {
        loop {
            self.number += 1;
            self.line.clear();
            let mut limited = self.reader.by_ref().take(MAX_LINE_BYTES + 1);
            let read = limited.read_until(b'\n', &mut self.line);
            read.map_err(|source| FeedError::Read { place: self.place(), source })?;
            if self.line.is_empty() {
                return Ok(false);
            }
            if self.line.len() as u64 > MAX_LINE_BYTES {
                return Err(FeedError::TooLong { place: self.place() });
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn parse_line(&self) -> Result<FeedLine, FeedError> {
        let fields: Fields<'_> = serde_json::from_slice(&self.line)
            .map_err(|error| FeedError::Malformed { place: self.place(), reason: error.to_string() })?;
        let value = match (fields.value, fields.text, fields.b64) {
            (Some(value), None, None) => FeedValue::Json(value.to_owned()),
            (None, Some(text), None) => FeedValue::Text(text),
            (None, None, Some(b64)) => match STANDARD.decode(&*b64) {
                Ok(bytes) => FeedValue::Binary(bytes),
                Err(error) => {
                    let reason = format!("\"b64\" is not base64: {error}");
                    return Err(FeedError::Malformed { place: self.place(), reason });
                }
            },
            _ => return Err(FeedError::NotOneValue { place: self.place() }),
        };
        Ok(FeedLine { topic: fields.topic, value })
    }

    fn place(&self) -> String {
        format!("{}, line {}", self.name, self.number)
    }
}

impl Iterator for Feed {
    type Item = Result<FeedLine, FeedError>;

    /// The next update. A line that is not one is an error, and ends the feed.
    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let result = self.read_line().and_then(|is_line| is_line.then(|| self.parse_line()).transpose());
        self.has_failed = !matches!(result, Ok(Some(_)));
        result.transpose()
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("name", &self.name).field("number", &self.number).finish_non_exhaustive()
    }
}

/// Why a feed cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    #[error("cannot open the feed {name}: {source}")]
    Open { name: String, source: io::Error },
    #[error("{place}: cannot read on: {source}")]
    Read { place: String, source: io::Error },
    #[error("{place}: the line is longer than {} MiB; split the value", MAX_LINE_BYTES >> 20)]
    TooLong { place: String },
    #[error("{place}: not an update, write {{\"topic\": PATH, \"value\": JSON}}: {reason}")]
    Malformed { place: String, reason: String },
    #[error("{place}: an update needs exactly one of \"value\", \"text\" and \"b64\"")]
    NotOneValue { place: String },
}

#[derive(Deserialize)]
struct Fields<'a> {
    topic: String,
    // Not as serde reads options: `null` is a value.
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    text: Option<String>,
    #[serde(borrow)]
    b64: Option<Cow<'a, str>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Sees from the first bytes whether they are compressed.
fn decompressed(mut reader: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut begin = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut begin)?;
    let is_gzip = begin.starts_with(&[0x1f, 0x8b]);
    let is_zstd = begin == [0x28, 0xb5, 0x2f, 0xfd];
    let whole = BufReader::with_capacity(64 << 10, Cursor::new(begin).chain(reader));
    Ok(if is_gzip {
        Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(whole)))
    } else if is_zstd {
        let mut decoder = zstd::Decoder::with_buffer(whole)?;
        // What `zstd --long` needs: 128 MiB.
        decoder.window_log_max(27)?;
        Box::new(BufReader::new(decoder))
    } else {
        Box::new(whole)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: impl Into<Vec<u8>>) -> Vec<Result<FeedLine, FeedError>> {
        Feed::from_reader("feed.jsonl", Cursor::new(bytes.into())).unwrap().collect()
    }

    fn failure(bytes: impl Into<Vec<u8>>) -> String {
        read(bytes).pop().unwrap().unwrap_err().to_string()
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        let lines = concat!(
            "{\"topic\":\"a\",\"value\":{\"n\": 18.6000, \"s\":\"\\u00e9\"} }\r\n",
            "\n",
            "{\"value\":null,\"topic\":\"b\\/c\",\"version\":7}\n",
            "{\"topic\":\"d\",\"text\":\"tab\\there\"}\n",
            "{\"topic\":\"e\",\"b64\":\"AAEC\\/w==\"}",
        );
        let updates: Vec<(String, Vec<u8>)> = read(lines)
            .into_iter()
            .map(|line| line.map(|line| (line.topic, line.value.as_bytes().to_vec())).unwrap())
            .collect();
        let expected: [(&str, &[u8]); 4] =
            [("a", br#"{"n": 18.6000, "s":"\u00e9"}"#), ("b/c", b"null"), ("d", b"tab\there"), ("e", &[0, 1, 2, 255])];
        assert_eq!(updates, expected.map(|(topic, value)| (topic.to_string(), value.to_vec())));
    }

    #[test]
    fn compression_is_seen_from_the_content() {
        let plain: String = (0..10_000).map(|n| format!("{{\"topic\":\"t\",\"value\":{n}}}\n")).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(plain.as_bytes()).unwrap();
        let zstd = zstd::encode_all(plain.as_bytes(), 3).unwrap();
        for bytes in [plain.into_bytes(), gzip.finish().unwrap(), zstd] {
            let lines = read(bytes);
            assert_eq!(lines.len(), 10_000);
            assert_eq!(lines.last().unwrap().as_ref().unwrap().value.as_bytes(), b"9999");
        }
    }

    #[test]
    fn an_empty_feed_has_no_updates() {
        assert!(read("").is_empty());
        assert!(read("\n  \n").is_empty());
    }

    #[test]
    fn errors_name_the_line() {
        let good = "{\"topic\":\"t\",\"value\":1}\n\n";
        let spoilt = format!("{good}{{\"topic\":\"t\",\"value\":}}\n{good}");
        assert_eq!(read(spoilt.clone()).len(), 2, "the feed goes on after an error");
        assert!(failure(spoilt).starts_with("feed.jsonl, line 3: not an update"));
        for line in
            ["{\"value\":1}", "{\"topic\":\"t\",\"b64\":\"?\"}", "[]", "\u{1}", "{\"topic\":\"t\",\"value\":1} 2"]
        {
            assert!(failure(line).starts_with("feed.jsonl, line 1: not an update"), "{line}");
        }
        for line in ["{\"topic\":\"t\"}", "{\"topic\":\"t\",\"value\":1,\"text\":\"1\"}"] {
            assert!(failure(line).contains("needs exactly one of"), "{line}");
        }
        assert!(failure(b"{\"topic\":\"t\",\"value\":\"\xff\"}".to_vec()).contains("line 1"));
        let missing = Feed::open(Path::new("does/not/exist.jsonl")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot open the feed does/not/exist.jsonl: "));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let endless = io::repeat(b' ');
        let mut feed = Feed::from_reader("feed.jsonl", endless).unwrap();
        assert!(feed.next().unwrap().unwrap_err().to_string().contains("longer than 64 MiB"));
        assert!(feed.next().is_none());
        assert!(feed.line.capacity() <= 2 * MAX_LINE_BYTES as usize + 64);
    }

    #[test]
    fn damaged_compression_is_an_error() {
        let zstd = zstd::encode_all(&b"{\"topic\":\"t\",\"value\":1}\n"[..], 3).unwrap();
        assert!(failure(&zstd[..zstd.len() - 4]).contains("cannot read on"));
    }
}

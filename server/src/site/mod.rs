//! What a gateway answers to plain HTTP requests: files that are known when it starts, and a word about itself.
//!
//! A [`Site`] is found in no directory: its files are in memory, so that no request can name anything else, and each
//! answer lends the bytes of its file. Every answer closes its connection.
//!
//! ```
//! use outpour_server::gateway::{Gateway, GatewayConfig};
//! use outpour_server::log::MemoryLog;
//! use outpour_server::site::{Site, SiteFile};
//!
//! let mut site = Site::new();
//! site.add("/", SiteFile::new("index.html", b"<!doctype html><title>Hello</title>".as_slice()));
//! let config = GatewayConfig { listen: ([127, 0, 0, 1], 0).into(), site: site.into(), ..GatewayConfig::default() };
//! let gateway = Gateway::start(config, Box::new(MemoryLog::fresh()?))?;
//! println!("open http://{} in a browser", gateway.address());
//! # Ok::<(), std::io::Error>(())
//! ```

mod answer;

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

pub(crate) use answer::Answer;

/// The files that a gateway serves over plain HTTP, by path.
#[derive(Clone, Debug, Default)]
pub struct Site {
    files: HashMap<String, SiteFile>,
    /// Where its pages may connect, beside their own origin.
    connects_to: Vec<String>,
}

/// A file of a [`Site`].
#[derive(Clone, Debug)]
pub struct SiteFile {
    content_type: &'static str,
    /// An entity tag (RFC 9110 §8.8.3), the same for every encoding.
    tag: String,
    is_immutable: bool,
    body: Bytes,
    /// The same, compressed, with the name of the encoding; the one to prefer first.
    encoded: Vec<(&'static str, Bytes)>,
}

impl Site {
    /// A site without files: `/` and `/health` say that there is a gateway.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves a file at a path, which begins with a slash. Paths are compared byte by byte and not decoded.
    pub fn add(&mut self, path: &str, file: SiteFile) {
        self.files.insert(path.to_owned(), file);
    }

    /// Lets the site's pages connect to this address (`ws://other.example.com:7400`), beside the gateway they come from.
    /// What could not stand in a header is left out.
    pub fn connect_to(&mut self, url: &str) {
        if url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b',')) {
            self.connects_to.push(url.to_owned());
        }
    }

    fn file(&self, path: &str) -> Option<&SiteFile> {
        self.files.get(path)
    }
}

impl SiteFile {
    /// A file with this content. Its name tells the type; browsers ask each time whether it has changed.
    #[must_use]
    pub fn new(name: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let digest = Sha256::digest(&body);
        let tag = URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default());
        Self { content_type: content_type(name), tag, is_immutable: false, body, encoded: Vec::new() }
    }

    /// The same content compressed, as `br` or `gzip`, for clients that take it. What is added first is preferred.
    #[must_use]
    pub fn encoded(mut self, encoding: &'static str, body: impl Into<Bytes>) -> Self {
        self.encoded.push((encoding, body.into()));
        self
    }

    /// A file whose path changes with its content: browsers keep it for good.
    #[must_use]
    pub const fn immutable(mut self) -> Self {
        self.is_immutable = true;
        self
    }
}

/// The type of a file, by its extension.
fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

//! The page that a gateway shows to browsers: `page/dist`, put into the program when it was built.

use outpour_server::site::{Site, SiteFile};

/// A file of the page as the build script found it.
struct Embedded {
    /// Its path below the page's folder.
    path: &'static str,
    body: &'static [u8],
    /// The same, compressed: by the name of the encoding, the smallest first.
    encoded: &'static [(&'static str, &'static [u8])],
}

/// Every file of the page; none if it was not there when the program was built.
const FILES: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// What is shown in place of a page that was not built.
const UNBUILT: &str = "\
<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>Outpour gateway</title>
<h1>This is an Outpour gateway</h1>
<p>Connect with WebSocket and the subprotocol <code>outpour.v1</code>.
<p>Its console is not in this program. To have it here, run <code>cargo xtask page</code> in the project, and build the
program again; Node 20 or later is needed for that.
";

/// What a gateway of this program serves to browsers: the page, and in `/console.json` the program's version and the
/// other gateways of the same log, where the page can go.
pub(crate) fn site(others: &[String]) -> Site {
    let mut site = Site::new();
    for file in FILES {
        let served = file
            .encoded
            .iter()
            .fold(SiteFile::new(file.path, file.body), |served, (encoding, body)| served.encoded(encoding, *body));
        // The names of these have a hash of their content in them.
        let served = if file.path.starts_with("assets/") { served.immutable() } else { served };
        let path = if file.path == "index.html" { "/".to_owned() } else { format!("/{}", file.path) };
        site.add(&path, served);
    }
    if FILES.is_empty() {
        site.add("/", SiteFile::new("index.html", UNBUILT));
    }
    let facts = serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "gateways": others });
    site.add("/console.json", SiteFile::new("console.json", facts.to_string()));
    for url in others {
        site.connect_to(url);
    }
    site
}

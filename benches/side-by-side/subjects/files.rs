//! A subject's files, with the run's values in them.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use countersign::test_support::load::SECRET;

use crate::subjects::Setting;

/// What a peer that buffers whole requests is given beside the body: usual heads take less.
const HEAD_ROOM: usize = 4 * 1024;
/// Such a buffer's least size: HAProxy's default.
const LEAST_BUFFER: usize = 16 * 1024;

/// Writes one subject's files.
pub struct Files<'f> {
    /// The run's values.
    pub setting: &'f Setting<'f>,
    /// Where the subject is to listen.
    pub listen: SocketAddr,
}

impl Files<'_> {
    /// Writes `template` with every placeholder replaced; where it is then.
    pub fn write(&self, name: &str, template: &str) -> io::Result<PathBuf> {
        let Setting {
            upstream,
            body,
            folder,
            ..
        } = self.setting;
        let buffer = LEAST_BUFFER.max(body + HEAD_ROOM);
        let values = [
            ("@LISTEN@", self.listen.to_string()),
            ("@LISTEN_HOST@", self.listen.ip().to_string()),
            ("@LISTEN_PORT@", self.listen.port().to_string()),
            ("@UPSTREAM@", upstream.to_string()),
            ("@UPSTREAM_HOST@", upstream.ip().to_string()),
            ("@UPSTREAM_PORT@", upstream.port().to_string()),
            ("@SECRET@", SECRET.to_owned()),
            ("@SECRET_BASE64@", BASE64_STANDARD.encode(SECRET)),
            ("@BUFFER@", buffer.to_string()),
            ("@MODULES@", shown(nginx_modules().unwrap_or(Path::new("")))),
            ("@FOLDER@", shown(folder)),
        ];
        let mut text = template.to_owned();
        for (placeholder, value) in values {
            text = text.replace(placeholder, &value);
        }
        let path = folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A dynamic module of nginx, where its packages put it.
pub fn nginx_module(name: &str) -> Option<PathBuf> {
    let module = nginx_modules()?.join(name);
    module.is_file().then_some(module)
}

fn nginx_modules() -> Option<&'static Path> {
    let folders = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"];
    folders
        .map(Path::new)
        .into_iter()
        .find(|path| path.is_dir())
}

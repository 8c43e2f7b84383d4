//! A Redis or Valkey server as a child process, on a socket file or as one of a cluster, with a log of every write, so that it can be killed and come back with all it knew.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use redis::{Client, Cmd, Connection, FromRedisValue};

use super::process::eventually;

/// A server. Killed on drop.
#[derive(Debug)]
pub struct RedisServer {
    folder: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts one whose socket and log are in `folder`, and waits until it answers.
    ///
    /// # Panics
    /// When there is no `redis-server` and no `valkey-server`, or it does not come up.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &["--port", "0"])
    }

    /// Starts one that is reached by TLS on a port of `localhost`, with this certificate and key in PEM.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_tls(folder: &Path, certificate: &str, key: &str) -> (Self, u16) {
        for (name, pem) in [("cert.pem", certificate), ("key.pem", key)] {
            std::fs::write(folder.join(name), pem).expect("a folder for the server");
        }
        let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = held.local_addr().expect("it is bound").port();
        drop(held);
        let files = ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"];
        let text = port.to_string();
        let place = ["--port", "0", "--tls-port", &text];
        let clients = ["--tls-auth-clients", "no"];
        let server = Self::start_with(folder, &[&place[..], &files, &clients].concat());
        (server, port)
    }

    /// Starts two of a cluster, in folders within `folder`, and waits until they agree that the second
    /// one has all keys. Returns the port of the first one, too.
    ///
    /// # Panics
    /// When they do not come up.
    pub fn start_cluster(folder: &Path) -> ([Self; 2], u16) {
        // Held together until all are known, so that they differ.
        let ports = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let ports = ports.map(|held| held.local_addr().expect("it is bound").port().to_string());
        let node = |name: &str, port: &str, bus: &str| {
            let folder = folder.join(name);
            std::fs::create_dir(&folder).expect("a folder for a node");
            let cluster = ["--cluster-enabled", "yes", "--cluster-port", bus];
            let place = ["--bind", "127.0.0.1", "--port", port];
            Self::start_with(&folder, &[&cluster[..], &place].concat())
        };
        let [first, first_bus, second, second_bus] = &ports;
        let nodes = [node("1", first, first_bus), node("2", second, second_bus)];
        nodes[1].ask::<String>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        nodes[0].ask::<String>(&["CLUSTER", "MEET", "127.0.0.1", second, second_bus]);
        let agreed = || {
            let knows = |node: &Self| node.ask::<String>(&["CLUSTER", "INFO"]);
            let agrees = |node| knows(node).contains("cluster_state:ok");
            nodes.iter().all(agrees).then_some(())
        };
        eventually(agreed).expect("the nodes agree");
        let port = first.parse().expect("a port is a number");
        (nodes, port)
    }

    fn start_with(folder: &Path, arguments: &[&str]) -> Self {
        let mut server = Self {
            folder: folder.to_owned(),
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            child: None,
        };
        server.come_back();
        server
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Sends it a signal by its name without `SIG`.
    ///
    /// # Panics
    /// When it is not running.
    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it is running");
        let mut command = Command::new("kill");
        command.args([&format!("-{name}"), &child.id().to_string()]);
        let sent = command.status().expect("kill is installed");
        assert!(sent.success());
    }

    /// Ends it as whoever runs it would, and waits until it has ended.
    ///
    /// # Panics
    /// When it is not running.
    pub fn terminate(&mut self) {
        self.signal("TERM");
        let mut child = self.child.take().expect("it was running");
        child.wait().expect("a child can be waited for");
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; then there is nothing left to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, with all that it had answered to.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn come_back(&mut self) {
        let programs = ["redis-server", "valkey-server"];
        let started = programs.iter().find_map(|program| {
            let mut command = Command::new(program);
            command.current_dir(&self.folder);
            command.args(&self.arguments);
            command.args(["--unixsocket", "redis.sock", "--save", ""]);
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command.spawn().ok()
        });
        self.child = Some(started.expect("redis-server or valkey-server is installed"));
        eventually(|| self.connect().ok()).expect("the server answers");
    }

    /// Asks the server itself.
    ///
    /// # Panics
    /// When it does not answer or answers something else.
    pub fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = self.connect().expect("the server answers");
        let (name, arguments) = command.split_first().expect("a command has a name");
        let mut asked = Cmd::new();
        asked.arg(name).arg(arguments);
        asked
            .query(&mut connection)
            .expect("an answer of this kind")
    }

    fn connect(&self) -> redis::RedisResult<Connection> {
        let mut connection = Client::open(self.url())?.get_connection()?;
        // A server that still reads its log accepts connections and answers nothing else.
        redis::cmd("PING").exec(&mut connection)?;
        Ok(connection)
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

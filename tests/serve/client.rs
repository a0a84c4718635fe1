//! The program, and just enough of HTTP to talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

/// An answer.
pub struct Reply {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The document of an answer with this status.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn none(&self, status: u16) {
        assert_eq!((self.status, self.text().as_str()), (status, ""));
    }

    /// A refusal whose text has this part.
    pub fn error(&self, status: u16, part: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        let document = self.ok(status);
        assert!(document["error"].as_str().unwrap().contains(part), "{document}");
        assert!(document["kind"].is_string());
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn ask(mut stream: impl Stream, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    head += &format!("content-length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // One that refuses a body may not read it.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").expect("an answer with a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_lowercase(), value.trim().to_string())
    };
    Reply { status, headers: lines.map(pair).collect(), body: bytes[end + 4..].to_vec() }
}

/// Where HTTP is listened for.
#[derive(Clone)]
pub struct Http(String);

impl std::fmt::Display for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Http {
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        ask(TcpStream::connect(&self.0).unwrap(), method, path, headers, body)
    }
}

/// A running `perennial serve`, which is killed when it is dropped.
pub struct Service {
    child: Option<Child>,
    pub socket: PathBuf,
    pub http: Option<Http>,
    pub page: Option<String>,
}

fn command(folder: &Path, state: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perennial"));
    let small = "--blocks 2 --random-features 500 --threads 1 --json";
    command.args(["serve", "--backbone", "default", "--state"]).arg(state).args(small.split(' ')).args(more);
    // Where systemd would listen; nobody does in most tests, which is no obstacle.
    command.current_dir(folder).env("NOTIFY_SOCKET", folder.join("notify"));
    command
}

impl Service {
    /// With its state and its socket in `folder`.
    pub fn start(folder: &Path, more: &[&str]) -> Self {
        Self::at(folder, &folder.join("state"), more)
    }

    pub fn at(folder: &Path, state: &Path, more: &[&str]) -> Self {
        let socket = folder.join("socket");
        let mut command = command(folder, state, more);
        let mut child = command.arg("--socket").arg(&socket).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).expect("a line once it listens");
        let text = |name: &str| ready[name].as_str().map(String::from);
        Self { child: Some(child), socket, http: text("http").map(Http), page: text("page") }
    }

    /// What one that cannot start says.
    pub fn refused(folder: &Path, args: &[&str]) -> String {
        let output = command(folder, &folder.join("other"), args).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        ask(stream, method, path, headers, body)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], b"")
    }

    /// That the metrics have a line with each of `parts`.
    pub fn counts(&self, parts: &[&str]) {
        let text = String::from_utf8(self.get("/metrics").body).unwrap();
        for part in parts {
            assert!(text.contains(&format!("perennial_{part}")), "no {part} in:\n{text}");
        }
    }

    pub fn post(&self, path: &str, body: &[u8]) -> Reply {
        self.ask("POST", path, &[], body)
    }

    pub fn json(&self, method: &str, path: &str, document: &Value) -> Reply {
        self.ask(method, path, &[("content-type", "application/json")], document.to_string().as_bytes())
    }

    /// Ends it as systemd does.
    pub fn end(mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(told.success());
        child.wait().unwrap()
    }

    pub fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

//! A web page with JsSIP in Chromium, as an agent's phone in a browser.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::process::{Folder, Running};
use super::wait::until;
use super::{Centre, RELAY, SOON};

/// The versions that the tests were written against.
const JSSIP: &str = "jssip@3.13.8";
const ESBUILD: &str = "esbuild@0.28.2";

/// How often it is started, how long it may take to open the page, and how often that is looked for.
const ATTEMPTS: u32 = 3;
const OPENS: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// A browser with the page open.
#[derive(Debug)]
pub struct Browser {
    said: Arc<Mutex<Vec<String>>>,
    _running: Running,
    _folder: Folder,
}

impl Browser {
    /// Opens the page: it registers `user` by the WebSocket at `socket` and answers every call.
    pub fn open(centre: &Centre, socket: &str, user: &str, password: &str) -> Browser {
        Browser::open_with(centre, socket, (user, password), "")
    }

    /// The same, and who calls is handed over: the page calls `third` first, and then has its caller
    /// take its own place there.
    pub fn that_transfers(
        centre: &Centre,
        socket: &str,
        account: (&str, &str),
        third: &str,
    ) -> Browser {
        Browser::open_with(centre, socket, account, third)
    }

    fn open_with(
        centre: &Centre,
        socket: &str,
        (user, password): (&str, &str),
        third: &str,
    ) -> Browser {
        let folder = Folder::make();
        let domain = centre.edge.ip();
        let settings = format!(
            "const SOCKET = {socket:?}, URI = \"sip:{user}@{domain}\", PASSWORD = {password:?}, \
             THIRD = {third:?};\n"
        );
        let library = std::fs::read_to_string(library()).expect("the bundled library");
        let page = format!(
            "<!doctype html><meta charset=utf-8><title>phone</title>\
             <script>{library}</script><script>{settings}{PAGE}</script>"
        );
        let said = Arc::default();
        let at = serve(page, SocketAddr::new(RELAY, centre.ports.next()), &said);
        let running = start(at, &folder, &said);
        let browser = Browser {
            said,
            _running: running,
            _folder: folder,
        };
        browser.says("registered", super::CALL);
        browser
    }

    /// Waits until the page has said this.
    pub fn says(&self, what: &str, limit: Duration) {
        until(&format!("the page says {what:?}"), limit, || {
            self.times(what).gt(&0).then_some(())
        });
    }

    /// How often the page has said this.
    pub fn times(&self, what: &str) -> usize {
        let said = self.said.lock().unwrap();
        said.iter().filter(|line| line.starts_with(what)).count()
    }

    /// Everything that it has said.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the page said: {:#?}", self.said());
        }
    }
}

/// Starts the browser with the page. One in some hundreds crashes as it begins, and is started anew.
fn start(at: SocketAddr, folder: &Folder, said: &Mutex<Vec<String>>) -> Running {
    for attempt in 1..=ATTEMPTS {
        let profile = folder.file(&format!("profile-{attempt}"));
        let mut command = Command::new("chromium");
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args([
                "--no-first-run",
                "--disable-extensions",
                "--disable-dev-shm-usage",
            ])
            .arg("--use-fake-device-for-media-stream")
            .arg("--use-fake-ui-for-media-stream")
            .arg("--ignore-certificate-errors")
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("http://{at}/"));
        let log = folder.file(&format!("chromium-{attempt}.log"));
        let running = Running::start("chromium", &mut command, &log);
        let begun = Instant::now();
        while begun.elapsed() < OPENS {
            if said.lock().unwrap().iter().any(|line| line == "open") {
                return running;
            }
            std::thread::sleep(LOOK);
        }
        eprintln!("chromium did not open the page, attempt {attempt}");
    }
    panic!("chromium did not open the page in {ATTEMPTS} attempts");
}

/// Media is not the matter here: the relay takes the ICE lines out, and a browser takes no
/// description without them.
const PAGE: &str = r#"
const say = text => fetch("/said", {method: "POST", body: text});
say("open");
const socket = new JsSIP.WebSocketInterface(SOCKET);
const phone = new JsSIP.UA({sockets: [socket], uri: URI, password: PASSWORD, register: true, session_timers: false});
phone.on("connected", () => say("connected"));
phone.on("disconnected", e => say("disconnected " + e.reason));
phone.on("registered", () => say("registered"));
phone.on("registrationFailed", e => say("failed " + e.cause));
const media = {mediaConstraints: {audio: true, video: false}, pcConfig: {iceServers: []}};
phone.on("newRTCSession", ({originator, session, request}) => {
  const called = originator === "remote", name = called ? "" : "consultation ";
  if (called) say("rings " + request.from.display_name);
  session.on("sdp", e => {
    if (e.originator === "remote" && !e.sdp.includes("a=ice-ufrag"))
      e.sdp = e.sdp.replace(/(m=audio[^\n]*\n)/, "$1a=ice-ufrag:test\r\na=ice-pwd:0123456789012345678901\r\n");
  });
  session.on("accepted", () => say(name + "accepted"));
  session.on("confirmed", () => say(name + "confirmed"));
  session.on("ended", e => say(name + "ended by " + e.originator));
  session.on("failed", e => say(name + "failed " + e.cause + " " + (e.message && e.message.body || "")));
  session.on("peerconnection:setremotedescriptionfailed", e => say(name + "no description: " + e));
  if (!called) return;
  session.answer(media);
  if (THIRD) session.on("confirmed", () => consult(session));
});
const consult = caller => {
  const consulted = phone.call(THIRD, media);
  consulted.on("confirmed", () => caller.refer(THIRD, {replaces: consulted, eventHandlers: {
    requestSucceeded: () => say("refer taken"),
    requestFailed: e => say("refer failed " + e.cause),
    accepted: () => { say("transferred"); caller.terminate(); },
    failed: () => say("transfer failed"),
  }}));
};
phone.start();
"#;

/// Serves the page, and takes down what it says.
fn serve(page: String, at: SocketAddr, said: &Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind(at).expect("a port for the page");
    let (page, said) = (Arc::new(page), Arc::clone(said));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (page, said) = (Arc::clone(&page), Arc::clone(&said));
            std::thread::spawn(move || serve_one(stream, &page, &said));
        }
    });
    at
}

fn serve_one(mut stream: TcpStream, page: &str, said: &Mutex<Vec<String>>) -> Option<()> {
    stream.set_read_timeout(Some(SOON)).ok()?;
    let mut request = String::new();
    let mut buffer = [0; 4096];
    let body = loop {
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        request.push_str(&String::from_utf8_lossy(&buffer[..length]));
        let Some((head, body)) = request.split_once("\r\n\r\n") else {
            continue;
        };
        let wanted = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        });
        if body.len() >= wanted.unwrap_or(0) {
            break body.to_owned();
        }
    };
    let answer = match request.starts_with("POST /said") {
        true => {
            said.lock().unwrap().push(body);
            ""
        }
        false => page,
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        answer.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(answer.as_bytes()).ok()
}

/// JsSIP as one script: fetched and bundled once, and kept below `target`.
fn library() -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jssip");
    let bundle = cache.join(format!("{JSSIP}.js"));
    std::fs::create_dir_all(&cache).expect("a cache folder");
    let lock = std::fs::File::create(cache.join("lock")).expect("a lock file");
    lock.lock().expect("the only one who fetches");
    if bundle.is_file() {
        return bundle;
    }
    run(Command::new("npm")
        .args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ])
        .arg(&cache)
        .args([JSSIP, ESBUILD]));
    let new = cache.join("new.js");
    let modules = cache.join("node_modules");
    run(Command::new(modules.join(".bin/esbuild"))
        .arg(modules.join("jssip/lib/JsSIP.js"))
        .args([
            "--bundle",
            "--format=iife",
            "--global-name=JsSIP",
            "--platform=browser",
        ])
        .args([
            "--define:process.env.NODE_DEBUG=false",
            "--charset=ascii",
            "--minify",
        ])
        .arg(format!("--outfile={}", new.display())));
    // A script that stands in a page must not end it.
    let text = std::fs::read_to_string(&new).expect("the bundle");
    std::fs::write(&new, text.replace("</script", "<\\/script")).expect("the bundle");
    std::fs::rename(&new, &bundle).expect("the bundle");
    bundle
}

fn run(command: &mut Command) {
    let output = command.output().expect("a program that starts");
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

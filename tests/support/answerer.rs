//! An HTTP server that is asked about contacts, and answers as the test says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use patchbay_tls::{Endpoint, Files, Trust};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// How it answers.
#[derive(Clone, Debug)]
pub enum Manner {
    /// With 200 and this body.
    Says(String),
    /// With this status and header line.
    Status(u16, &'static str),
    /// With 200 and this body to what holds that text, with 200 and no body to the rest.
    To(&'static str, String),
    /// Not at all.
    Silent,
    /// It closes the connection in the middle of the answer.
    Breaks,
}

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Question {
    headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Question {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

#[derive(Debug)]
struct Shared {
    manner: Mutex<Manner>,
    asked: Mutex<Vec<Question>>,
    connections: AtomicUsize,
}

/// The server, until it is dropped.
#[derive(Debug)]
pub struct Answerer {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

impl Answerer {
    /// One that speaks plain HTTP.
    pub fn start(manner: Manner) -> Answerer {
        Answerer::serve(manner, None)
    }

    /// One that shows a certificate.
    pub fn secured(manner: Manner, files: Files) -> Answerer {
        let endpoint = Endpoint::open(files, Trust::Public, 0).expect("certificates");
        Answerer::serve(manner, Some(endpoint))
    }

    fn serve(manner: Manner, tls: Option<Endpoint>) -> Answerer {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let served = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&served);
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let acceptor = tls.as_ref().map(Endpoint::acceptor);
                tokio::spawn(async move {
                    match acceptor {
                        None => shared.converse(stream).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => shared.converse(stream).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Answerer {
            address,
            shared,
            _runtime: runtime,
        }
    }

    /// Answers so from now on.
    pub fn now(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// All that it was asked.
    pub fn asked(&self) -> Vec<Question> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How many connections came.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Serves one connection until it ends.
    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let question = read(&mut stream).await?;
            let asked = String::from_utf8_lossy(&question.body).into_owned();
            self.asked.lock().unwrap().push(question);
            let manner = match self.manner.lock().unwrap().clone() {
                Manner::To(wanted, body) if asked.contains(wanted) => Manner::Says(body),
                Manner::To(..) => Manner::Says(String::new()),
                other => other,
            };
            let answer = match manner {
                Manner::To(..) => return None,
                Manner::Says(body) => format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
                Manner::Status(status, header) => {
                    format!("HTTP/1.1 {status} Other\r\n{header}\r\nContent-Length: 0\r\n\r\n")
                }
                Manner::Silent => {
                    // Until the one who asked has gone.
                    let _gone = stream.read_u8().await;
                    return None;
                }
                Manner::Breaks => {
                    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
                    stream.write_all(half.as_bytes()).await.ok()?;
                    return stream.shutdown().await.ok();
                }
            };
            stream.write_all(answer.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
        }
    }
}

async fn read(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Question> {
    let mut headers = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None if line.trim_end().is_empty() => break,
            None => headers.push((":request".to_owned(), line.trim_end().to_owned())),
        }
    }
    let mut question = Question {
        headers,
        body: Vec::new(),
    };
    let length = question.header("content-length").parse().unwrap_or(0);
    question.body.resize(length, 0);
    stream.read_exact(&mut question.body).await.ok()?;
    Some(question)
}

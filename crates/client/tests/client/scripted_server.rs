//! A server that answers each command as a test says.

use std::collections::{HashMap, VecDeque};
use std::mem::take;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};

use crate::support::until;

#[derive(Clone)]
pub enum Answer {
    /// These bytes.
    Reply(Vec<u8>),
    /// The connection is closed.
    Close,
    /// Nothing, until the next command is answered.
    Silence,
}

/// It accepts connections, and refuses to track keys. Probes close the connection until you say otherwise.
pub struct ScriptedServer {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

struct Script {
    answers: HashMap<String, VecDeque<Answer>>,
    probe: Answer,
    probes: usize,
    silences: usize,
    unexpected: Vec<String>,
}

impl ScriptedServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script {
            answers: HashMap::new(),
            probe: Answer::Close,
            probes: 0,
            silences: 0,
            unexpected: Vec::new(),
        }));
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, script }
    }

    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Adds answers to the commands of this name, in order.
    pub fn expect(&self, command: &str, answers: impl IntoIterator<Item = Answer>) {
        self.script().answers.entry(command.to_owned()).or_default().extend(answers);
    }

    /// Drops the answers to the commands of this name that were not sent.
    pub fn forget(&self, command: &str) {
        self.script().answers.remove(command);
    }

    /// Sets the answer to probes.
    pub fn answer_probes(&self, answer: Answer) {
        self.script().probe = answer;
    }

    /// The number of probes so far.
    pub fn probes(&self) -> usize {
        self.script().probes
    }

    /// The number of commands so far that were answered with silence.
    pub fn silences(&self) -> usize {
        self.script().silences
    }

    /// Waits until every answer has been given. Fails if there were other commands.
    pub async fn until_all_answered(&self, place: &str) {
        until(&format!("every command of {place}"), async || {
            let script = self.script();
            !script.unexpected.is_empty() || script.answers.values().all(VecDeque::is_empty)
        })
        .await;
        assert_eq!(self.script().unexpected, [""; 0], "{place}");
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }
}

impl Script {
    fn answer(&mut self, command: &[String]) -> Answer {
        let answer = match command {
            [name, ..] if name == "HELLO" => {
                Answer::Reply(b"%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n".into())
            }
            [name, subcommand, ..] if name == "CLIENT" && subcommand == "TRACKING" => {
                Answer::Reply(b"-ERR it does not track keys\r\n".into())
            }
            [name, ..] if name == "CLIENT" => Answer::Reply(b"+OK\r\n".into()),
            [name, key, ..] if name == "RL.REFUND" && key == "ratelog:probe" => {
                self.probes += 1;
                self.probe.clone()
            }
            // The probe of a server without the module, which answers.
            [name, key] if name == "UNLINK" && key == "ratelog:probe:ratelog-log" => {
                Answer::Reply(b":0\r\n".into())
            }
            _ => {
                let name = command.first().map_or("", String::as_str);
                let next = self.answers.get_mut(name).and_then(VecDeque::pop_front);
                next.unwrap_or_else(|| {
                    self.unexpected.push(command.join(" "));
                    Answer::Close
                })
            }
        };
        self.silences += usize::from(matches!(answer, Answer::Silence));
        answer
    }
}

async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    // Replies to commands that were answered with silence. The client no longer waits for them.
    let mut late = Vec::new();
    while let Some(command) = read_command(&mut reader).await {
        let answer = script.lock().unwrap().answer(&command);
        match answer {
            Answer::Reply(reply) => {
                let replies = [take(&mut late), reply].concat();
                if writer.write_all(&replies).await.is_err() {
                    return;
                }
            }
            Answer::Close => return,
            Answer::Silence => late.extend(b"_\r\n"),
        }
    }
}

/// Reads a command: an array of bulk strings. `None` if the connection is closed.
async fn read_command(reader: &mut BufReader<OwnedReadHalf>) -> Option<Vec<String>> {
    let count = read_number(reader, '*').await?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let mut word = vec![0; read_number(reader, '$').await? + 2];
        reader.read_exact(&mut word).await.ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(words)
}

async fn read_number(reader: &mut BufReader<OwnedReadHalf>, kind: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    line.strip_prefix(kind)?.trim_end().parse().ok()
}

//! Who plays: four agents who answer, one whose line is always busy, one who never picks up, and
//! the callers.

use anyhow::{Context, Result, bail};
use patchbay_bench::phones::{
    Behaviour, CallSpec, Event, Exchange, News, PhoneEvent, PhoneId, PhoneSpec,
};
use patchbay_bench::report::Paint;
use patchbay_sip::Transport;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

use super::centre::DemoCentre;

/// Registration of all agents takes this long at most.
const REGISTRATION: Duration = Duration::from_secs(5);
/// Callers share this many phones: half over UDP, half over TCP.
const CALLER_PHONES: usize = 4;
/// Every so many calls one asks for a language that only the busy agent speaks.
const FRENCH_EVERY: u64 = 20;
const FRENCH_AT: u64 = 5;
/// Answers at once: the set-up time is then the centre's own.
const ANSWERS: Behaviour = Behaviour::Answer {
    after: Duration::ZERO,
    talk: None,
};

/// How an agent is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Its phone registers, proving itself by digest, over this transport.
    Registers(Transport),
    /// Its address is in the declaration.
    Static,
}

struct Role {
    id: &'static str,
    skills: &'static str,
    queues: &'static str,
    reach: Reach,
    behaviour: Behaviour,
    words: &'static str,
}

const ROLES: [Role; 6] = [
    Role {
        id: "anna",
        skills: "support = 5, german = 3",
        queues: r#""support""#,
        reach: Reach::Registers(Transport::Udp),
        behaviour: ANSWERS,
        words: "answers",
    },
    Role {
        id: "bruno",
        skills: "support = 4",
        queues: r#""support""#,
        reach: Reach::Registers(Transport::Tcp),
        behaviour: ANSWERS,
        words: "answers",
    },
    Role {
        id: "carl",
        skills: "sales = 3",
        queues: r#""sales""#,
        reach: Reach::Registers(Transport::Udp),
        behaviour: ANSWERS,
        words: "answers",
    },
    Role {
        id: "dora",
        skills: "sales = 4, german = 5",
        queues: r#""sales""#,
        reach: Reach::Static,
        behaviour: ANSWERS,
        words: "answers",
    },
    Role {
        id: "eddi",
        skills: "support = 2, french = 4",
        queues: r#""support""#,
        reach: Reach::Static,
        behaviour: Behaviour::Busy,
        words: "is always busy",
    },
    Role {
        id: "fred",
        skills: "support = 1, sales = 1",
        queues: r#""support", "sales""#,
        reach: Reach::Registers(Transport::Udp),
        behaviour: Behaviour::NoAnswer,
        words: "never picks up",
    },
];

/// A phone of an agent.
struct Player {
    role: &'static Role,
    phone: PhoneId,
    address: SocketAddr,
    password: String,
}

/// All phones.
pub struct Cast {
    agents: Vec<Player>,
    callers: Vec<PhoneId>,
    domain: String,
}

impl Cast {
    /// Makes the phones.
    ///
    /// # Errors
    /// A socket cannot be bound.
    pub fn gather(exchange: &Exchange, centre: &DemoCentre) -> Result<Self> {
        let domain = centre.sip_udp.to_string();
        let mut agents = Vec::new();
        for role in &ROLES {
            let transport = match role.reach {
                Reach::Registers(transport) => transport,
                Reach::Static => Transport::Udp,
            };
            let password = secret()?;
            let spec = PhoneSpec {
                transport,
                password: Some(password.clone()),
                behaviour: role.behaviour,
                ..PhoneSpec::new(role.id, domain.clone(), proxy(centre, transport))
            };
            let (phone, address) = exchange.add(spec)?;
            agents.push(Player {
                role,
                phone,
                address,
                password,
            });
        }
        let mut callers = Vec::new();
        for number in 0..CALLER_PHONES {
            let transport = if number % 2 == 0 {
                Transport::Udp
            } else {
                Transport::Tcp
            };
            let user = format!("phone-{number}");
            let spec = PhoneSpec::new(user, domain.clone(), proxy(centre, transport));
            let (phone, _) = exchange.add(PhoneSpec {
                transport,
                lines: usize::MAX,
                ..spec
            })?;
            callers.push(phone);
        }
        Ok(Self {
            agents,
            callers,
            domain,
        })
    }

    /// The centre, as a `centre.toml`. Waiting is bounded by the length of a call.
    pub fn declaration(&self, talk_s: u64) -> String {
        let mut text = QUEUES_AND_RULES.replace("MAX_WAIT", &(talk_s * 3).max(8).to_string());
        for player in &self.agents {
            let Role {
                id,
                skills,
                queues,
                reach,
                ..
            } = player.role;
            let reach = match reach {
                Reach::Registers(_) => format!("password = \"{}\"", player.password),
                Reach::Static => format!("uri = \"sip:{id}@{}\"", player.address),
            };
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "\n[[agent]]\nid = \"{id}\"\nskills = {{ {skills} }}\nqueues = [{queues}]\n{reach}\n"
            );
        }
        text
    }

    /// Registers the phones that register, and waits until they are.
    ///
    /// # Errors
    /// The centre does not let one in, or is silent.
    pub async fn register(&self, exchange: &Exchange, events: &mut Receiver<Event>) -> Result<()> {
        let registers = |player: &&Player| player.role.reach != Reach::Static;
        for player in self.agents.iter().filter(registers) {
            exchange.register(player.phone)?;
        }
        let mut missing = self.agents.iter().filter(registers).count();
        let all = async {
            while missing > 0 {
                let event = events.recv().await.context("the phones have ended")?;
                match event.news {
                    News::Phone(PhoneEvent::Registered { .. }) => missing -= 1,
                    News::Phone(PhoneEvent::RegisterFailed { status }) => {
                        bail!("an agent's phone was not let in: {status:?}");
                    }
                    _ => {}
                }
            }
            Ok(())
        };
        let registered = tokio::time::timeout(REGISTRATION, all).await;
        registered.context("the centre does not answer REGISTER")?
    }

    /// Call number `number`, from 1: from which phone, and what it asks for.
    pub fn call(&self, number: u64, talk: Duration) -> Option<(PhoneId, CallSpec)> {
        let queue = if number % 2 == 1 { "support" } else { "sales" };
        let language = match number {
            n if n % FRENCH_EVERY == FRENCH_AT => Some("fr"),
            n if n % 3 == 0 => Some("de"),
            _ => None,
        };
        let mut spec = CallSpec::new(format!("sip:{queue}@{}", self.domain), talk);
        spec.from_user = Some(format!("caller-{number}"));
        spec.headers = language
            .map(|tag| ("X-Language".to_owned(), tag.to_owned()))
            .into_iter()
            .collect();
        let phone = self.callers.get(number as usize % self.callers.len())?;
        Some((*phone, spec))
    }

    /// Agents that answer.
    pub fn answering(&self) -> usize {
        self.agents
            .iter()
            .filter(|player| player.role.behaviour == ANSWERS)
            .count()
    }

    /// Who is there.
    pub fn introduction(&self, centre: &DemoCentre, took: Duration, paint: Paint) -> String {
        let mut text = format!(
            "{} in {} ms: SIP on udp and tcp {}, API on {}\n",
            paint.strong("centre up"),
            took.as_millis(),
            centre.sip_udp,
            centre.api_url,
        );
        for player in &self.agents {
            let Role {
                id,
                skills,
                reach,
                words,
                ..
            } = player.role;
            let reach = match reach {
                Reach::Registers(transport) => {
                    format!(
                        "registered by digest over {}",
                        transport.to_string().to_lowercase()
                    )
                }
                Reach::Static => format!("static sip:{id}@{}", player.address),
            };
            let line = format!("  {:<6} {skills:<24} {words:<15}", id);
            let _ = writeln!(text, "{line} {}", paint.faint(&reach));
        }
        text
    }

    /// How to look at what runs.
    pub fn how_to_look(&self, centre: &DemoCentre) -> String {
        let DemoCentre { api_url, token, .. } = centre;
        format!(
            "\nThe centre goes on with light traffic. Ctrl-C ends it.\n\n\
             \x20 status page  {api_url}/#token={token}\n\
             \x20 agents       curl -H 'Authorization: Bearer {token}' {api_url}/api/v1/agents\n\
             \x20 calls        curl -H 'Authorization: Bearer {token}' {api_url}/api/v1/contacts\n\
             \x20 sessions     curl -H 'Authorization: Bearer {token}' {api_url}/api/v1/sessions\n\
             \x20 events       curl -N -H 'Authorization: Bearer {token}' {api_url}/api/v1/events\n\
             \x20 your phone   call sip:support@{sip} or sip:sales@{sip}, over UDP or TCP\n",
            sip = centre.sip_udp,
        )
    }
}

fn proxy(centre: &DemoCentre, transport: Transport) -> SocketAddr {
    if transport == Transport::Udp {
        centre.sip_udp
    } else {
        centre.sip_tcp
    }
}

fn secret() -> Result<String> {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A caller rings one second only at an agent, so that the one who never answers is soon passed.
const QUEUES_AND_RULES: &str = r#"
[offers]
back_off_seconds = 10
skip_seconds = 60

[[queue]]
id = "support"
ring_seconds = 1
max_wait_seconds = MAX_WAIT
max_length = 50
retry_after_seconds = 30

[[queue]]
id = "sales"
ring_seconds = 1
max_wait_seconds = MAX_WAIT
max_length = 50
retry_after_seconds = 30

[[rule]]
id = "support-french"
when = { to = "support@*", header = { X-Language = "fr" } }
then = { queue = "support", skills = { french = 1 } }

[[rule]]
id = "support-german"
when = { to = "support@*", header = { X-Language = "de" }, medium = "audio" }
then = { queue = "support", skills = { german = 2 }, priority = 5 }

[[rule]]
id = "sales-german"
when = { to = "sales@*", header = { X-Language = "de" }, medium = "audio" }
then = { queue = "sales", skills = { german = 2 }, priority = 5 }

[[rule]]
id = "support"
when = { to = "support@*" }
then = { queue = "support", skills = { support = 1 } }

[[rule]]
id = "sales"
when = { to = "sales@*" }
then = { queue = "sales", skills = { sales = 1 } }

[[rule]]
id = "others"
then = { refuse = 404 }
"#;

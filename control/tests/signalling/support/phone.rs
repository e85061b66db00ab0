//! Phones that register with the control node.

use patchbay_sip::digest::{Challenge, answer};
use patchbay_sip::{HeaderName, Message, Method};

use super::Scene;

impl Scene {
    /// A REGISTER of `user` for `contact`.
    pub fn register_request(&mut self, user: &str, contact: Option<&str>, cseq: u32) -> Message {
        let call_id = format!("register-{user}");
        let mut request = self.request(Method::Register, "sip:patchbay.example", &call_id, cseq);
        request
            .headers
            .set(HeaderName::To, format!("<sip:{user}@patchbay.example>"));
        request.headers.set(
            HeaderName::From,
            format!("<sip:{user}@patchbay.example>;tag=r"),
        );
        request
            .headers
            .push(HeaderName::Path, "<sip:token@192.0.2.1;lr;ob>");
        if let Some(contact) = contact {
            request.headers.push(HeaderName::Contact, contact);
        }
        request
    }

    /// Sends a REGISTER, answers the first challenge, gives the outcome.
    pub fn register(&mut self, request: Message, user: &str, password: &str) -> Message {
        self.receive(&request);
        let challenge = self.expect(401);
        let offered = challenge.headers.get(HeaderName::WwwAuthenticate).unwrap();
        self.authorise(request, offered, user, password)
    }

    /// Repeats a REGISTER with credentials for `offered`.
    pub fn authorise(
        &mut self,
        request: Message,
        offered: &str,
        user: &str,
        password: &str,
    ) -> Message {
        let request = self.with_credentials(request, offered, user, password);
        self.receive(&request);
        self.next().expect("an answer to REGISTER")
    }

    /// A REGISTER with credentials for `offered`, in a transaction of its own.
    pub fn with_credentials(
        &mut self,
        mut request: Message,
        offered: &str,
        user: &str,
        password: &str,
    ) -> Message {
        let challenge = Challenge::parse(offered).unwrap();
        let uri = request.uri().unwrap().to_owned();
        let words = answer(
            &challenge,
            &Method::Register,
            &uri,
            user,
            password,
            "c0ffee",
            1,
        );
        let cseq = request.cseq().unwrap().number + 1;
        request
            .headers
            .set(HeaderName::CSeq, format!("{cseq} REGISTER"));
        request.headers.push(HeaderName::Authorization, words);
        self.branches += 1;
        let via = format!(
            "SIP/2.0/TCP 127.0.0.1:40001;branch=z9hG4bKedge{}",
            self.branches
        );
        request.headers.set_first(HeaderName::Via, via);
        request
    }
}

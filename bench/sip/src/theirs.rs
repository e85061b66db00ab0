//! rsip, and rsipstack, whose messages grew out of rsip's: the same names in both. What is done here is
//! what their own examples and transports do: headers are looked up, those of which more than the text is
//! needed are turned into their typed form, and changed ones are put in the list of headers.

/// What both have in common, for the module of one of them.
macro_rules! library {
    ($name:ident, $doc:literal, $sip:path, $bytes:expr) => {
        #[doc = $doc]
        pub mod $name {
            use $sip as sip;

            use sip::prelude::*;
            use sip::{Header, SipMessage};

            use crate::{CHANGE, Facts};

            /// This library.
            pub struct Library;

            fn parse(datagram: &[u8]) -> Option<SipMessage> {
                SipMessage::try_from(datagram).ok()
            }

            fn facts(message: &SipMessage) -> Option<Facts> {
                let via = message.via_header().ok()?.typed().ok()?;
                let from = message.from_header().ok()?.typed().ok()?;
                let to = message.to_header().ok()?.typed().ok()?;
                let cseq = message.cseq_header().ok()?.typed().ok()?;
                let contact = match message.contact_header() {
                    Ok(contact) => Some(contact.typed().ok()?),
                    Err(_) => None,
                };
                Some(Facts {
                    via_host: via.uri.host_with_port.host.to_string().len(),
                    branch: via.branch()?.value().len(),
                    from_tag: from.tag()?.value().len(),
                    to_tag: to.tag().map(|tag| tag.value().len()),
                    cseq: cseq.seq.into(),
                    call_id: message.call_id_header().ok()?.value().len(),
                    contact_port: contact
                        .and_then(|contact| contact.uri.host_with_port.port)
                        .map(|port| u16::from(port)),
                })
            }

            /// Without the first of its kind.
            fn without_first(headers: &mut sip::Headers, which: fn(&Header) -> bool) {
                let mut first = true;
                headers.retain(|header| {
                    let it = first && which(header);
                    first &= !it;
                    !it
                });
            }

            impl crate::Library for Library {
                fn parse(datagram: &[u8]) -> Option<impl Sized> {
                    parse(datagram)
                }

                fn read(datagram: &[u8]) -> Option<Facts> {
                    facts(&parse(datagram)?)
                }

                fn readdress(datagram: &[u8]) -> Option<Vec<u8>> {
                    let mut message = parse(datagram)?;
                    std::hint::black_box(facts(&message)?);
                    if let SipMessage::Request(request) = &mut message {
                        request.uri = sip::Uri::try_from(CHANGE.target).ok()?;
                        without_first(&mut request.headers, |h| matches!(h, Header::Route(_)));
                        let hops = request.max_forwards_header().ok()?;
                        let hops: u32 = hops.value().trim().parse().ok()?;
                        let hops = hops.saturating_sub(1).to_string();
                        request.max_forwards_header_mut().ok()?.replace(hops);
                        let mut headers: Vec<Header> = std::mem::take(&mut request.headers).into();
                        headers.insert(0, Header::Via(sip::headers::Via::new(CHANGE.via)));
                        request.headers = headers.into();
                    } else {
                        let headers = message.headers_mut();
                        without_first(headers, |h| matches!(h, Header::Via(_)));
                    }
                    if let Ok(contact) = message.contact_header_mut() {
                        contact.replace(CHANGE.contact);
                    }
                    #[allow(clippy::redundant_closure_call, reason = "the two differ here")]
                    Some($bytes(message))
                }
            }
        }
    };
}

library!(rsip_itself, "rsip.", rsip, Vec::from);
library!(
    rsipstack,
    "rsipstack.",
    rsipstack::sip,
    |message: SipMessage| match message {
        SipMessage::Request(request) => request.to_bytes(),
        SipMessage::Response(response) => response.to_bytes(),
    }
);

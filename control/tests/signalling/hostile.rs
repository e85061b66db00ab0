//! What control gets from a relay, changed in every way: it stays up, what it sends can be read, and
//! nothing is left of a call when its time is over.

use std::time::Duration;

use patchbay_sip::{Message, Method};

use crate::mutate::{Choices, by_bytes, mutated};
use crate::seeds::SEEDS;
use crate::support::{ONE_REGISTERS, Scene, TWO_AGENTS};

/// Longer than every timer of a caller who waits.
const LONG: Duration = Duration::from_secs(3 * 3600);

#[test]
fn requests() {
    target!("requests", 250, |input: &[u8]| {
        let centre = match input.first() {
            Some(byte) if byte.is_multiple_of(2) => ONE_REGISTERS,
            _ => TWO_AGENTS,
        };
        let mut scene = Scene::new(centre);
        let words = words(&mut scene);
        let mut choices = by_bytes(input);
        let mut sent = Vec::new();
        for _ in 0..input.len() / 12 {
            step(&mut scene, &mut choices, &words, &sent);
            sent.extend(scene.sent.drain(..));
            let beyond = sent.len().saturating_sub(32);
            sent.drain(..beyond);
        }
        scene.pass(LONG);
        let signalling = scene.machine.signalling();
        assert_eq!((signalling.open_calls(), signalling.calls()), (0, 0));
        assert_eq!(signalling.layer().len(), 0);
    });
}

/// What a relay passes on.
fn words(scene: &mut Scene) -> Vec<Vec<u8>> {
    let methods = [
        Method::Register,
        Method::Options,
        Method::Bye,
        Method::Cancel,
        Method::Ack,
        Method::Message,
    ];
    let mut words = vec![scene.invite("call-1").encode().to_vec()];
    for method in methods {
        let request = scene.request(method, "sip:support@example.com", "call-1", 1);
        words.push(request.encode().to_vec());
    }
    words.extend(SEEDS.iter().cloned());
    words
}

fn step<F: FnMut() -> u8>(
    scene: &mut Scene,
    choices: &mut Choices<F>,
    words: &[Vec<u8>],
    sent: &[Message],
) {
    match choices.byte() % 8 {
        0..=2 => scene.receive_bytes(mutated(choices, words)),
        3 => {
            let word: &Vec<u8> = choices.one_of(words);
            scene.receive_bytes(word.clone());
        }
        4 | 5 if !sent.is_empty() => {
            let message = choices.one_of(sent).clone();
            let status = *choices.one_of(&[100, 180, 200, 302, 486, 503, 603]);
            let back = match message.is_request() {
                true => {
                    let mut response = Message::response_to(&message, status, "");
                    response.set_to_tag("relay");
                    response
                }
                false => message,
            };
            match choices.byte() % 2 {
                0 => scene.receive(&back),
                _ => scene.receive_bytes(mutated(choices, &[back.encode().to_vec()])),
            }
        }
        6 if choices.byte().is_multiple_of(8) => scene.disconnect(),
        _ => scene.pass(Duration::from_millis(
            *choices.one_of(&[1, 600, 5_000, 70_000]),
        )),
    }
}

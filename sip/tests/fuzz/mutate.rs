//! Changes to SIP messages, by somebody who knows what their parsers trip over.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

/// Where the choices come from: a fuzzer's bytes, or a random generator. After its end come zeros.
pub struct Choices<F: FnMut() -> u8>(pub F);

/// Choices by the bytes of an input.
pub fn by_bytes(input: &[u8]) -> Choices<impl FnMut() -> u8 + '_> {
    let mut rest = input.iter();
    Choices(move || rest.next().copied().unwrap_or(0))
}

impl<F: FnMut() -> u8> Choices<F> {
    pub fn byte(&mut self) -> u8 {
        (self.0)()
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let wide = usize::from(u16::from_be_bytes([self.byte(), self.byte()]));
        wide.checked_rem(end).unwrap_or(0)
    }

    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.below(all.len());
        &all[at]
    }
}

/// What stands where something else was expected.
const WORDS: [&[u8]; 40] = [
    b"\"",
    b"<",
    b">",
    b";",
    b",",
    b"=",
    b":",
    b"@",
    b"?",
    b"[",
    b"]",
    b"\\",
    b" ",
    b"\t",
    b"\r\n ",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xfe",
    "\u{fc}".as_bytes(),
    b"%00",
    b"%",
    b"0",
    b"-1",
    b"4294967296",
    b"99999999999999999999999",
    b"[::1]",
    b"[::ffff:192.0.2.1]",
    b"255.255.255.255",
    b"sip:",
    b"tel:+1",
    b"*",
    b"z9hG4bK",
    b";tag=x",
    b";rport",
    b";branch=z9hG4bK",
    b"SIP/2.0",
    b"Content-Length: 5\r\n",
];

/// One of `seeds`, changed from once to eight times.
pub fn mutated<F: FnMut() -> u8>(choices: &mut Choices<F>, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut message = choices.one_of(seeds).clone();
    for _ in 0..=choices.byte() % 8 {
        change(choices, &mut message, seeds);
    }
    message
}

fn change<F: FnMut() -> u8>(choices: &mut Choices<F>, message: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = choices.below(message.len() + 1);
    match choices.byte() % 12 {
        0 => {
            if let Some(byte) = message.get_mut(at) {
                *byte = choices.byte();
            }
        }
        1..=3 => {
            let word = *choices.one_of(&WORDS);
            let end = (at + choices.below(4)).min(message.len());
            message.splice(at..end, word.iter().copied());
        }
        4 => {
            let end = (at + choices.below(32)).min(message.len());
            message.drain(at..end);
        }
        5 => message.truncate(at),
        6 => {
            // The same piece many times over: limits.
            let end = (at + choices.below(24)).min(message.len());
            let piece = message[at..end].repeat(choices.below(400));
            message.splice(at..at, piece);
        }
        7 => number(choices, message, at),
        _ => lines(choices, message, seeds),
    }
}

/// Another number in the place of one.
fn number<F: FnMut() -> u8>(choices: &mut Choices<F>, message: &mut Vec<u8>, at: usize) {
    let digits = |byte: &u8| byte.is_ascii_digit();
    let Some(from) = message[at..].iter().position(digits) else {
        return;
    };
    let from = at + from;
    let length = message[from..]
        .iter()
        .take_while(|byte| digits(byte))
        .count();
    let numbers = [
        "0",
        "1",
        "5060",
        "65536",
        "2147483648",
        "18446744073709551616",
    ];
    let other = *choices.one_of(&numbers);
    message.splice(from..from + length, other.bytes());
}

/// Whole lines: twice, gone, exchanged, or those of another message.
fn lines<F: FnMut() -> u8>(choices: &mut Choices<F>, message: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let mut all: Vec<Vec<u8>> = split(message);
    let at = choices.below(all.len());
    match choices.byte() % 4 {
        0 => all.insert(at, all[at].clone()),
        1 => {
            all.remove(at);
        }
        2 => {
            let other = choices.below(all.len());
            all.swap(at, other);
        }
        _ => {
            let other: &Vec<u8> = choices.one_of(seeds);
            let others = split(other);
            let line = choices.one_of(&others).clone();
            if choices.byte().is_multiple_of(2) {
                all[at] = line;
            } else {
                all.insert(at, line);
            }
        }
    }
    *message = all.concat();
}

/// Lines with their ends; never none.
fn split(message: &[u8]) -> Vec<Vec<u8>> {
    let lines: Vec<Vec<u8>> = message
        .split_inclusive(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if lines.is_empty() {
        vec![Vec::new()]
    } else {
        lines
    }
}

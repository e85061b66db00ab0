//! What an expression may look like, seen before its parser sees it.
//!
//! The parser and whatever walks its tree call themselves once for each level, so an expression
//! that is too deep would overflow the stack. The depth is an upper bound counted over the
//! parser's own tokens, so that both agree on what is a text and what is not.

use super::Problem;
use crate::limits::{MAX_EXPRESSION_BYTES, MAX_EXPRESSION_DEPTH};
use cel::parser::pratt_parser::{Lexer, TokenKind};

/// Checks length, brackets and depth.
pub(super) fn check(text: &str) -> Result<(), Problem> {
    if text.trim().is_empty() {
        let remedy = "write a condition, such as time.hour < 12, or leave `expression` out";
        return Err(Problem::new("the expression is empty", remedy));
    }
    if text.len() > MAX_EXPRESSION_BYTES {
        return Err(Problem::new(
            format!("the expression has {} bytes", text.len()),
            format!("at most {MAX_EXPRESSION_BYTES} are read; make two rules of it"),
        ));
    }
    let mut levels = Levels::default();
    let mut lexer = Lexer::new(text);
    let mut before = "";
    // Each token has a byte at least, but for the end.
    for _ in 0..=text.len() {
        let token = lexer.lex();
        let word = text.get(token.start..token.end).unwrap_or_default();
        match token.kind {
            TokenKind::TokEnd | TokenKind::TokError => break,
            TokenKind::TokWhitespace | TokenKind::TokComment => continue,
            TokenKind::TokLeftParen if before == "map" => return Err(no_map()),
            kind => levels.take(kind, word)?,
        }
        before = word;
    }
    levels.end()
}

fn no_map() -> Problem {
    let remedy = "use exists, all or filter, which make no text longer";
    Problem::new("there is no function `map`", remedy)
}

/// Depth of what is inside one pair of brackets.
#[derive(Default)]
struct Level {
    open: &'static str,
    /// Conditional operators: each one's last part may hold the next.
    conditions: usize,
    /// The deepest row between two commas, `&&` or `||` so far.
    deepest: usize,
    /// Operators of the row under way, each one level above the one before.
    row: usize,
    /// The deepest bracket in the row under way.
    inner: usize,
    /// Rows that `&&` and `||` join; the parser makes a balanced tree of them.
    joined: usize,
    /// The deepest part between two commas so far.
    parts: usize,
}

impl Level {
    fn end_row(&mut self) {
        self.deepest = self.deepest.max(self.row + self.inner);
        self.row = 0;
        self.inner = 0;
    }

    fn end_part(&mut self) {
        self.parts = self.part();
        self.conditions = 0;
        self.deepest = 0;
        self.row = 0;
        self.inner = 0;
        self.joined = 0;
    }

    /// The depth of the part under way, or of a deeper one before it.
    fn part(&self) -> usize {
        let row = self.deepest.max(self.row + self.inner);
        let tree = self
            .joined
            .checked_ilog2()
            .map_or(0, |log| log as usize + 1);
        self.parts.max(self.conditions + row + tree)
    }

    /// The depth at which a bracket that opens now stands.
    fn so_far(&self) -> usize {
        1 + self.conditions + self.row
    }
}

#[derive(Default)]
struct Levels {
    outer: Vec<Level>,
    now: Level,
}

impl Levels {
    fn take(&mut self, kind: TokenKind, word: &str) -> Result<(), Problem> {
        use TokenKind as T;
        match kind {
            T::TokLeftBracket => self.open("]")?,
            T::TokLeftParen => self.open(")")?,
            T::TokLeftBrace => self.open("}")?,
            T::TokRightBracket | T::TokRightParen | T::TokRightBrace => self.close(word)?,
            T::TokComma => self.now.end_part(),
            T::TokLogicalAnd | T::TokLogicalOr => {
                self.now.joined += 1;
                self.now.end_row();
            }
            T::TokQuestion => {
                self.now.conditions += 1;
                self.now.end_row();
            }
            T::TokColon => self.now.end_row(),
            T::TokDot
            | T::TokMinus
            | T::TokPlus
            | T::TokAsterisk
            | T::TokSlash
            | T::TokPercent
            | T::TokExclamation
            | T::TokEqualEqual
            | T::TokExclamationEqual
            | T::TokLess
            | T::TokLessEqual
            | T::TokGreater
            | T::TokGreaterEqual
            | T::TokIn => self.now.row += 1,
            _ => {}
        }
        self.not_too_deep()
    }

    fn open(&mut self, closed_by: &'static str) -> Result<(), Problem> {
        let level = Level {
            open: closed_by,
            ..Level::default()
        };
        self.outer.push(core::mem::replace(&mut self.now, level));
        self.not_too_deep()
    }

    fn close(&mut self, word: &str) -> Result<(), Problem> {
        let depth = 1 + self.now.part();
        let open = self.now.open;
        match self.outer.pop() {
            Some(outer) if open == word => {
                self.now = outer;
                // The bracket itself may be an operator of the row: a call or an index.
                self.now.row += 1;
                self.now.inner = self.now.inner.max(depth);
                Ok(())
            }
            _ => Err(Problem::new(
                format!("a `{word}` closes no bracket"),
                "give each bracket its partner",
            )),
        }
    }

    fn not_too_deep(&mut self) -> Result<(), Problem> {
        let above: usize = self.outer.iter().map(Level::so_far).sum();
        if above + 1 + self.now.part() > MAX_EXPRESSION_DEPTH {
            return Err(Problem::new(
                "the expression is too deep: too many brackets or operators in a row",
                format!(
                    "at most {MAX_EXPRESSION_DEPTH} levels are read; make two rules of it, or join with && and ||"
                ),
            ));
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), Problem> {
        if self.outer.is_empty() {
            return self.not_too_deep();
        }
        Err(Problem::new(
            format!("a bracket is not closed: a `{}` is missing", self.now.open),
            "give each bracket its partner",
        ))
    }
}

use std::fmt;

use super::calendar::CalendarUnit;
use crate::{Limit, TooManyRules, Window};

/// The error of a text that is not rules: what was expected, what was found, and where.
///
/// The message shows the relevant part of the text, with a caret under the character.
///
/// ```
/// let error = "100/fortnight".parse::<ratelog_core::Rule>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "expected a unit of time (ms, s, m, h, d or w), found 'fortnight'
/// 100/fortnight
///     ^"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseRulesError {
    expected: Expected,
    /// The word or the character at the error. It is empty at the end of the text.
    found: String,
    offset: usize,
    line: String,
    /// The number of characters before the caret.
    column: usize,
}

/// The input that the parser expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Limit,
    Per,
    Window,
    WindowInBounds,
    Unit,
    /// Days in place of a unit of the calendar.
    FixedLength {
        unit: CalendarUnit,
        limit: Limit,
        days: u64,
    },
    RuleOrEnd,
    End,
    FewerRules,
}

/// The maximum number of characters shown before the error and after it.
const MAX_CONTEXT: usize = 32;
/// The mark for omitted characters.
const ELLIPSIS: &str = "...";

impl ParseRulesError {
    /// Returns the error that `text` has at the byte `offset`.
    #[cold]
    pub(super) fn new(text: &str, offset: usize, expected: Expected) -> Self {
        let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
        let end = after.find(|next: char| !next.is_alphanumeric()).unwrap_or(after.len());
        let found = match after.get(..end).unwrap_or_default() {
            "" => after.chars().take(1).map(printable).collect(),
            word => first(word),
        };

        let mut line = last(before);
        let column = line.chars().count();
        line.push_str(&first(after));
        Self { expected, found, offset, line, column }
    }

    /// Returns the byte offset of the error, or the length of the text if it ends too early.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }
}

/// Returns the first characters of `text`.
fn first(text: &str) -> String {
    let mut rest = text.chars();
    let mut shown: String = rest.by_ref().take(MAX_CONTEXT).map(printable).collect();
    if !rest.as_str().is_empty() {
        shown.push_str(ELLIPSIS);
    }
    shown
}

/// Returns the last characters of `text`.
fn last(text: &str) -> String {
    let start = text.char_indices().rev().take(MAX_CONTEXT).last().map_or(0, |(start, _)| start);
    let ellipsis = if start > 0 { ELLIPSIS } else { "" };
    let shown = text.get(start..).unwrap_or_default();
    ellipsis.chars().chain(shown.chars().map(printable)).collect()
}

/// Replaces a character that does not take one column.
fn printable(character: char) -> char {
    match character {
        blank if blank.is_whitespace() => ' ',
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit => write!(f, "a limit from 0 to {}", Limit::MAX.units()),
            Self::Per => write!(f, "'/' or 'per' after the limit"),
            Self::Window => write!(f, "a window, such as minute or 10s"),
            Self::WindowInBounds => write!(f, "a window from 1ms to {}", Window::MAX),
            Self::Unit => write!(f, "a unit of time (ms, s, m, h, d or w)"),
            Self::FixedLength { unit, limit, days } => {
                let (unit, limit) = (unit.name(), limit.units());
                write!(f, "a {unit} has no fixed length; use {limit}/{days}d")
            }
            Self::RuleOrEnd => write!(f, "';' or the end after a rule"),
            Self::End => write!(f, "the end after the rule"),
            Self::FewerRules => write!(f, "{TooManyRules}"),
        }
    }
}

impl fmt::Display for ParseRulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.expected, self.found.as_str()) {
            (advice @ (Expected::FewerRules | Expected::FixedLength { .. }), _) => {
                write!(f, "{advice}")?;
            }
            (expected, "") => write!(f, "expected {expected}, but the text ends")?,
            (expected, found) => write!(f, "expected {expected}, found '{found}'")?,
        }
        write!(f, "\n{}\n{:>caret$}", self.line, '^', caret = self.column + 1)
    }
}

impl std::error::Error for ParseRulesError {}

#[cfg(test)]
mod tests {
    use super::ParseRulesError;
    use crate::{Rule, Rules};

    fn error(text: &str) -> ParseRulesError {
        text.parse::<Rules>().unwrap_err()
    }

    /// Returns the message with the text and the caret below it.
    fn rendered(message: &str, line: &str, caret: &str) -> String {
        format!("{message}\n{line}\n{caret}")
    }

    #[test]
    fn every_error_points_at_its_place() {
        let limit = "expected a limit from 0 to 4294967295";
        let per = "expected '/' or 'per' after the limit";
        let window = "expected a window, such as minute or 10s";
        let bounds = "expected a window from 1ms to 3660d";
        let unit = "expected a unit of time (ms, s, m, h, d or w)";
        let rule = "expected ';' or the end after a rule";
        for (text, caret, message, found) in [
            ("", "^", limit, ""),
            ("  ", "  ^", limit, ""),
            ("00/minute", "^", limit, "00"),
            ("01/minute", "^", limit, "01"),
            ("-1/minute", "^", limit, "-"),
            ("4294967296/minute", "^", limit, "4294967296"),
            ("99999999999999999999999/s", "^", limit, "99999999999999999999999"),
            ("per minute", "^", limit, "per"),
            ("/minute", "^", limit, "/"),
            ("10/s;", "     ^", limit, ""),
            ("10/s;;5/m", "     ^", limit, ";"),
            (", 10/s", "^", limit, ","),
            ("100", "   ^", per, ""),
            ("1.5/minute", " ^", per, "."),
            ("1_000/minute", " ^", per, "_"),
            ("100 perminute", "    ^", per, "perminute"),
            ("100/", "    ^", window, ""),
            ("100/ ; 5/m", "     ^", window, ";"),
            ("100//s", "    ^", window, "/"),
            ("100/0s", "    ^", bounds, "0s"),
            ("100/3661 days", "    ^", bounds, "3661"),
            ("100/523 weeks", "    ^", bounds, "523"),
            ("100/01s", "    ^", bounds, "01s"),
            ("100/99999999999999999999s", "    ^", bounds, "99999999999999999999s"),
            ("100/18446744073709551615d", "    ^", bounds, "18446744073709551615d"),
            ("100/60", "      ^", unit, ""),
            ("100/2.5s", "     ^", unit, "."),
            ("100/fortnight", "    ^", unit, "fortnight"),
            ("100/10 ss", "       ^", unit, "ss"),
            ("100/mss", "    ^", unit, "mss"),
            ("100/ws", "    ^", unit, "ws"),
            ("100/1h30m", "      ^", rule, "30m"),
            ("10/s 5/m", "     ^", rule, "5"),
            ("10/s\u{7}", "    ^", rule, "\u{fffd}"),
        ] {
            let message = match found {
                "" => format!("{message}, but the text ends"),
                found => format!("{message}, found '{found}'"),
            };
            let line = text.replace('\u{7}', "\u{fffd}");
            let error = error(text);
            assert_eq!(error.to_string(), rendered(&message, &line, caret));
            assert_eq!(error.offset(), caret.len() - 1, "{text:?}");
        }
    }

    #[test]
    fn a_rule_is_not_followed_by_another() {
        let error = "10/s; 5/m".parse::<Rule>().unwrap_err();
        let message = "expected the end after the rule, found ';'";
        assert_eq!(error.to_string(), rendered(message, "10/s; 5/m", "    ^"));
    }

    #[test]
    fn the_error_points_at_an_excess_rule() {
        let sixteen = "1/s; ".repeat(16);
        let message = "at most 16 rules are allowed";
        let error = error(&format!("{sixteen}17/s; nonsense"));
        let line = format!("...; {}17/s; nonsense", "1/s; ".repeat(6));
        assert_eq!(error.to_string(), rendered(message, &line, &format!("{:>36}", '^')));
        assert_eq!(error.offset(), 80);
    }

    #[test]
    fn the_caret_counts_characters_where_the_offset_counts_bytes() {
        let error = error("10/Stündchen; 5/m");
        let message = "expected a unit of time (ms, s, m, h, d or w), found 'Stündchen'";
        assert_eq!(error.to_string(), rendered(message, "10/Stündchen; 5/m", "   ^"));

        for (text, offset, line, caret, found) in [
            ("1/s\u{3000}; 5 per ½", 14, "1/s ; 5 per ½", "            ^", "½"),
            ("1/s\u{2003}— 5/m", 6, "1/s — 5/m", "    ^", "—"),
            ("1/s\n\t€", 5, "1/s  €", "     ^", "€"),
        ] {
            let error = super::tests::error(text);
            let text = error.to_string();
            assert!(text.ends_with(&format!("found '{found}'\n{line}\n{caret}")), "{text}");
            assert_eq!(error.offset(), offset);
        }
    }

    #[test]
    fn a_long_text_is_truncated() {
        let words = "é".repeat(1 << 20);
        let error = error(&format!("{} 100/{words}", " ".repeat(1 << 20)));
        let shown = format!("{}...", "é".repeat(32));
        let line = format!("...{}100/{shown}", " ".repeat(28));
        let message = format!("expected a unit of time (ms, s, m, h, d or w), found '{shown}'");
        assert_eq!(error.to_string(), rendered(&message, &line, &format!("{:>36}", '^')));
        assert_eq!(error.offset(), (1 << 20) + 5);
    }
}

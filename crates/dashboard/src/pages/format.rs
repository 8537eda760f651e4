//! Numbers, times and keys on pages.

use std::time::{Duration, UNIX_EPOCH};

use maud::{Markup, html};
use ratelog_client::Window;

use crate::operations::key_name;

/// A rate in a second.
pub fn rate(rate: f32) -> String {
    match rate {
        rate if rate <= 0.0 => "0".to_owned(),
        rate if rate < 10.0 => format!("{rate:.1}"),
        rate => format!("{rate:.0}"),
    }
}

/// A share, from 0 to 1, in percent.
pub fn percent(share: f32) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A number with spaces between its thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A size in bytes.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// A time in its two largest units.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (number, unit, rest, rest_unit) = match seconds {
        0 => return format!("{} ms", duration.as_millis()),
        1..60 => (seconds, "s", 0, ""),
        60..3_600 => (seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    };
    if rest == 0 {
        return format!("{number} {unit}");
    }
    format!("{number} {unit} {rest} {rest_unit}")
}

/// The first instant whose year has more than four digits, in milliseconds since the epoch.
const YEAR_10_000: u64 = 253_402_300_800_000;

/// An instant, in UTC. A script shows it in the browser's zone; the title keeps the exact instant.
pub fn instant(unix_ms: u64) -> Markup {
    if unix_ms >= YEAR_10_000 {
        return html! { (unix_ms) " ms since 1970" };
    }
    let instant = UNIX_EPOCH + Duration::from_millis(unix_ms);
    let exact = humantime::format_rfc3339_millis(instant).to_string();
    let shown = exact.get(..19).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) title=(exact) data-ms=(unix_ms) { (shown) " UTC" } }
}

/// A time to wait, rounded up to whole seconds.
pub fn wait(rest: Duration) -> String {
    match rest.as_millis().div_ceil(1_000) {
        0 => "0 s".to_owned(),
        seconds => duration(Duration::from_secs(seconds.try_into().unwrap_or(u64::MAX))),
    }
}

/// The window of a rule, exactly.
pub fn window(length: Duration) -> String {
    let millis = u64::try_from(length.as_millis()).ok();
    let window = millis.and_then(Window::from_millis);
    window.map_or_else(|| duration(length), |window| window.to_string())
}

/// A countdown. A script counts, from the remaining milliseconds: the browser's clock may differ from this one.
pub fn countdown(rest: Duration) -> Markup {
    html! { span.countdown data-rest=(rest.as_millis()) { (wait(rest)) } }
}

/// A link to a key.
pub fn key_link(base: &str, key: &[u8]) -> Markup {
    html! { a.key href={ (base) "/keys/" (key_name::encode(key)) } { bdi { (key_name::show(key)) } } }
}

/// A key in a list of `RL.TOP`: a link, unless its name is shortened.
pub fn top_key(base: &str, name: &[u8]) -> Markup {
    if key_name::is_shortened(name) {
        return html! {
            span.key title="The servers shorten long keys in this list. Search for the prefix to open the key." {
                bdi { (key_name::show_whole(name)) }
            }
        };
    }
    key_link(base, name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bytes, duration, grouped, instant, percent, rate, wait, window};

    #[test]
    fn numbers_are_short() {
        assert_eq!(["0", "0.5", "12"], [rate(0.0), rate(0.5), rate(12.3)].each_ref().map(|s| &**s));
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(999), "999");
        assert_eq!(percent(0.1234), "12.3 %");
        assert_eq!((&*bytes(999), &*bytes(1_500_000)), ("999 B", "1.5 MB"));
        assert_eq!(duration(Duration::from_millis(5)), "5 ms");
        assert_eq!(duration(Duration::from_secs(3_725)), "1 h 2 min");
        assert_eq!(duration(Duration::from_secs(90_000)), "1 d 1 h");
        assert_eq!(duration(Duration::from_secs(3_600)), "1 h");
    }

    #[test]
    fn waits_are_rounded_up_and_windows_not_at_all() {
        let waits = [(0, "0 s"), (1, "1 s"), (1_900, "2 s"), (2_000, "2 s"), (59_001, "1 min")];
        for (millis, text) in waits {
            assert_eq!(wait(Duration::from_millis(millis)), text);
        }
        for (millis, text) in [(0, "0 ms"), (1_500, "1500ms"), (3_600_000, "1h")] {
            assert_eq!(window(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn instants_are_exact() {
        for (unix_ms, exact) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_798_761_600_001, "2027-01-01T00:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert!(
                instant(unix_ms).into_string().contains(&format!("title=\"{exact}\"")),
                "{exact}"
            );
        }
        assert!(instant(0).into_string().ends_with(">1970-01-01 00:00:00 UTC</time>"));
        assert!(instant(253_402_300_799_999).into_string().contains("9999-12-31T23:59:59.999Z"));
        for unix_ms in [253_402_300_800_000, u64::MAX] {
            assert_eq!(instant(unix_ms).into_string(), format!("{unix_ms} ms since 1970"));
        }
    }
}

//! Numbers, times and keys on pages.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maud::{Markup, html};

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

/// An instant, in UTC. A script shows it in the browser's zone; the title keeps the exact instant.
pub fn instant(unix_ms: u64) -> Markup {
    let exact = iso_8601(unix_ms);
    let shown = exact.get(..19).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) title=(exact) data-ms=(unix_ms) { (shown) " UTC" } }
}

/// An instant as `2026-01-31T12:00:00.000Z`.
fn iso_8601(unix_ms: u64) -> String {
    let (seconds, millis) = (unix_ms / 1_000, unix_ms % 1_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days: years begin in March, so that the leap day is the last one.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second % 3_600 / 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// An instant of the system's clock.
pub fn unix_ms(instant: SystemTime) -> u64 {
    let since = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A countdown. A script counts.
pub fn countdown(rest: Duration) -> Markup {
    let ends = unix_ms(SystemTime::now() + rest);
    html! { span.countdown data-ends=(ends) { (duration(rest)) } }
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

    use super::{bytes, duration, grouped, instant, percent, rate};

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
    }
}

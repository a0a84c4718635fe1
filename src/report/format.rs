//! Numbers and names as people read them.

/// `74.3`; a dash (en) for what was not measured.
pub fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |x| format!("{}", Tenths(x)))
}

/// One decimal, with a true minus sign and never `-0.0`.
pub struct Tenths(pub f64);

impl std::fmt::Display for Tenths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounded = (self.0 * 10.0).round() / 10.0;
        let sign = if rounded < 0.0 { "−" } else { "" };
        write!(f, "{sign}{:.1}", rounded.abs())
    }
}

/// `312 KiB`, `4.2 MiB`: three figures at most.
pub fn bytes(count: u64) -> String {
    let (value, unit) = bytes_and_unit(count);
    format!("{value} {unit}")
}

/// As [`bytes`], in two parts.
pub fn bytes_and_unit(count: u64) -> (String, &'static str) {
    let mut value = count as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    let whole = unit == "B" || value >= 99.95 || value.fract() < 0.005;
    (if whole { format!("{value:.0}") } else { format!("{value:.1}") }, unit)
}

/// `0.8 s`, `93 s`, `12 min`, `2.1 h`.
pub fn duration(seconds: f64) -> String {
    let (value, unit) = duration_and_unit(seconds);
    format!("{value} {unit}")
}

/// As [`duration`], in two parts.
pub fn duration_and_unit(seconds: f64) -> (String, &'static str) {
    match seconds {
        x if x < 9.95 => (format!("{x:.1}"), "s"),
        x if x < 599.5 => (format!("{x:.0}"), "s"),
        x if x < 7200.0 => (format!("{:.0}", x / 60.0), "min"),
        x => (format!("{:.1}", x / 3600.0), "h"),
    }
}

/// `4.21 ms`, `38.5 ms`, `412 ms`.
pub fn milliseconds(value: f64) -> String {
    match value {
        x if x < 9.995 => format!("{x:.2} ms"),
        x if x < 99.95 => format!("{x:.1} ms"),
        x => format!("{x:.0} ms"),
    }
}

/// `12,345`.
pub fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `name` cut to `most` characters.
pub fn short(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.into();
    }
    let kept: String = name.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Style class of the series at `index`: eight colours, the same eight again dashed and hollow, then grey.
pub fn tone(index: usize) -> String {
    match index {
        0..8 => format!("s{index}"),
        8..16 => format!("s{} second", index - 8),
        _ => "s8".into(),
    }
}

/// A coordinate with one decimal: a tenth of a pixel is enough, and the page stays small.
pub fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_signed() {
        assert_eq!(percent(Some(-0.04)), "0.0");
        assert_eq!(percent(Some(-7.66)), "−7.7");
        assert_eq!(percent(None), "–");
        let sizes = [0, 999, 1000, 4096, 320_000, 4 << 20, 200 << 20, 5 << 30].map(bytes);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 KiB", "4 KiB", "312 KiB", "4 MiB", "200 MiB", "5 GiB"]);
        assert_eq!([0.84, 93.2, 725.0, 7560.0].map(duration), ["0.8 s", "93 s", "12 min", "2.1 h"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((short("sketch", 6), short("art painting", 5)), ("sketch".into(), "art…".into()));
        assert_eq!([3.0, 3.12, -0.96].map(px), ["3", "3.1", "-1"]);
    }
}

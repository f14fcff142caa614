//! Numbers and strings against Rust's own formatting.

use proptest::prelude::*;

use super::{Arg, bytes, text};
use Arg::{D, W};

/// A number in Rust, filled as C does it.
fn filled(flags: &str, width: usize, sign: &str, prefix: &str, digits: &str) -> String {
    let body = format!("{sign}{prefix}{digits}");
    if flags.contains('-') {
        format!("{body:<width$}")
    } else if flags.contains('0') {
        let zeros = width.saturating_sub(body.len());
        format!("{sign}{prefix}{}{digits}", "0".repeat(zeros))
    } else {
        format!("{body:>width$}")
    }
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        any::<u32>().prop_map(u64::from),
        0_u64..300,
        any::<i8>().prop_map(|n| i64::from(n) as u64),
        (0_u32..64).prop_map(|bit| 1 << bit),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn signed_numbers(
        value in numbers(),
        flags in "[-+ 0#]{0,4}",
        width in 0_usize..40,
        precision in prop::option::of(0_usize..30),
        size in 0_usize..4,
    ) {
        let (size, arg, value) = [
            ("hh", W(value as u32), i64::from(value as i8)),
            ("h", W(value as u32), i64::from(value as i16)),
            ("l", W(value as u32), i64::from(value as i32)),
            ("ll", D(value), value as i64),
        ][size].clone();
        let precision_text = precision.map_or(String::new(), |n| format!(".{n}"));
        let width_text = if width == 0 { String::new() } else { width.to_string() };
        let format = format!("%{flags}{width_text}{precision_text}{size}d");
        let sign = match () {
            () if value < 0 => "-",
            () if flags.contains('+') => "+",
            () if flags.contains(' ') => " ",
            () => "",
        };
        let digits = format!("{:01$}", value.unsigned_abs(), precision.unwrap_or(0));
        prop_assert_eq!(text(&format, &[arg]), filled(&flags, width, sign, "", &digits), "{}", format);
    }

    #[test]
    fn unsigned_numbers(
        value in numbers(),
        flags in "[-+ 0#]{0,4}",
        width in 0_usize..40,
        precision in prop::option::of(0_usize..30),
        is_long: bool,
        conversion in 0_usize..4,
    ) {
        let (size, arg, value) = match is_long {
            true => ("ll", D(value), value),
            false => ("", W(value as u32), u64::from(value as u32)),
        };
        let least = precision.unwrap_or(0);
        let (conversion, prefix, digits) = [
            ("u", "", format!("{value:0least$}")),
            ("o", if value == 0 { "" } else { "0" }, format!("{value:0least$o}")),
            ("x", "0x", format!("{value:0least$x}")),
            ("X", "0X", format!("{value:0least$X}")),
        ][conversion].clone();
        let prefix = if flags.contains('#') { prefix } else { "" };
        let precision_text = precision.map_or(String::new(), |n| format!(".{n}"));
        // By arguments, this time.
        let format = format!("%{flags}*{precision_text}{size}{conversion}");
        let printed = text(&format, &[W(width as u32), arg]);
        prop_assert_eq!(printed, filled(&flags, width, "", prefix, &digits), "{}", format);
    }

    #[test]
    fn strings(string in "[a-z]{0,12}", is_left: bool, width in 0_usize..16, precision in prop::option::of(0_usize..16)) {
        let cut = &string[..string.len().min(precision.unwrap_or(99))];
        let expected = if is_left { format!("{cut:<width$}") } else { format!("{cut:>width$}") };
        let flag = if is_left { "-" } else { "" };
        let precision_text = precision.map_or(String::new(), |n| format!(".{n}"));
        let format = format!("%{flag}*{precision_text}s");
        let leaked: &'static str = string.clone().leak();
        prop_assert_eq!(text(&format, &[W(width as u32), Arg::S(leaked)]), expected);
    }

    #[test]
    fn text_without_directives_is_as_it_is(format in "[^%\0]{0,40}") {
        prop_assert_eq!(bytes(format.as_bytes(), &[]), format.as_bytes());
    }
}

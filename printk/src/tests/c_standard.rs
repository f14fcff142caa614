//! Integers as the C standard has them (C17, 7.21.6.1), as far as Linux does the same.
//!
//! `c_numbers.tsv` was written by glibc's `snprintf`: format, the argument as a decimal number, what was printed. Left out
//! is where Linux differs (the crate's documentation): `#` with 0 or with `o` and a precision, `0` with a precision, a
//! precision of 0 with 0.

use super::{Arg, check, text};
use Arg::{D, S, W};

#[test]
fn integers_as_glibc_prints_them() {
    let mut rows = 0;
    for line in include_str!("c_numbers.tsv").lines() {
        let [format, value, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line:?}");
        };
        let value: i128 = value.parse().unwrap();
        let arg = if format.contains("ll") { D(value as u64) } else { W(value as u32) };
        // The brackets keep spaces at the end of a line visible.
        assert_eq!(format!("[{}]", text(format, &[arg])), expected, "{line:?}");
        rows += 1;
    }
    assert!(rows >= 600, "{rows}");
}

#[test]
fn the_rest_of_the_standard() {
    check(&[
        ("", &[], ""),
        ("plain", &[], "plain"),
        ("100%%", &[], "100%"),
        ("%%%d%%", &[W(1)], "%1%"),
        // Strings and characters.
        ("%s", &[S("")], ""),
        ("%s", &[S("abc")], "abc"),
        ("%5s|", &[S("abc")], "  abc|"),
        ("%-5s|", &[S("abc")], "abc  |"),
        ("%2s|", &[S("abc")], "abc|"),
        ("%.2s|", &[S("abc")], "ab|"),
        ("%5.2s|", &[S("abc")], "   ab|"),
        ("%-5.2s|", &[S("abc")], "ab   |"),
        ("%.0s|", &[S("abc")], "|"),
        ("%.9s|", &[S("abc")], "abc|"),
        ("%*s|%-*s|", &[W(4), S("a"), W(4), S("b")], "   a|b   |"),
        ("%*s|", &[W(-4_i32 as u32), S("a")], "a   |"),
        ("%.*s|", &[W(2), S("abc")], "ab|"),
        ("%*.*s|", &[W(5), W(1), S("abc")], "    a|"),
        ("%s", &[S("é漢")], "é漢"),
        ("%c%c%c", &[W(0x41), W(0x142), W(0xffff_ff43)], "ABC"),
        ("%3c|%-3c|", &[W(0x41), W(0x42)], "  A|B  |"),
        // Sizes.
        ("%hhd %hhu", &[W(0x1ff), W(0x1ff)], "-1 255"),
        ("%hd %hu", &[W(0x1_ffff), W(0x1_ffff)], "-1 65535"),
        (
            "%ld %lu %zu %td",
            &[W(u32::MAX), W(u32::MAX), W(u32::MAX), W(u32::MAX)],
            "-1 4294967295 4294967295 -1",
        ),
        ("%lld %Ld %qd %jd", &[D(u64::MAX), D(1 << 32), D(2), D(3)], "-1 4294967296 2 3"),
        ("%llo", &[D(u64::MAX)], "1777777777777777777777"),
        // 64 bits are aligned, 32 bits are not.
        ("%d %lld %d %d %llx", &[W(1), D(2), W(3), W(4), D(5)], "1 2 3 4 5"),
        ("%lld %d %lld", &[D(1), W(2), D(3)], "1 2 3"),
        ("%*lld", &[W(4), D(7)], "   7"),
        // Flags in any order and number.
        ("%0-5d|%-05d|%--5d|", &[W(1), W(2), W(3)], "1    |2    |3    |"),
        ("%+ d % +d", &[W(1), W(2)], "+1 +2"),
        ("%+u % u %+x", &[W(1), W(2), W(3)], "1 2 3"),
        ("%*d|%*d|", &[W(3), W(1), W(-3_i32 as u32), W(2)], "  1|2  |"),
        ("%.*d|", &[W(3), W(1)], "001|"),
        ("%5.*d|", &[W(3), W(1)], "  001|"),
    ]);
}

//! What Linux has of its own: pointers, the differences to C, and what is refused.

use super::{Arg, START, Words, bytes, check};
use crate::exercise::{FUNCTION, Memory};
use crate::{Buffer, format};
use Arg::{B, D, S, W};

const NULL: Arg = W(0);
/// Nothing is there.
const NOWHERE: Arg = W(0x9000_0000);

#[test]
fn differences_to_c() {
    check(&[
        ("%#x %#X %#o", &[W(0), W(0), W(0)], "0x0 0X0 0"),
        ("%#5x|", &[W(0)], "  0x0|"),
        ("%.0d|%.0x|", &[W(0), W(0)], "0|0|"),
        ("%#.4o", &[W(8)], "00010"),
        ("%08.3d|", &[W(5)], "00000005|"),
        ("%-08.3d|", &[W(5)], "005     |"),
        ("%.s|%.-1d", &[S("abc"), W(1)], "abc|%.-1d"),
        ("%.*s|%.*d", &[W(u32::MAX), S("abc"), W(-7_i32 as u32), W(0)], "|0"),
        // Widths and precisions are cut.
        ("%.99999d", &[W(7)], &("0".repeat(32766) + "7")),
        ("%.*d", &[W(i32::MAX as u32), W(7)], &("0".repeat(32766) + "7")),
    ]);
    let wide = super::text("%99999999999d", &[W(7)]);
    assert_eq!(wide.len(), 8_388_607);
    assert_eq!(super::text("%*d", &[W(i32::MIN as u32), W(7)]).len(), 8_388_607);
}

#[test]
fn addresses() {
    check(&[
        ("%p", &[W(0xc020_1234)], "c0201234"),
        ("%px %pK", &[W(0x1234), W(0xffff_ffff)], "00001234 ffffffff"),
        ("%p", &[NULL], "00000000"),
        (
            "%12p|%-12px|%4p|",
            &[W(0x1234), W(0x1234), W(0x12345)],
            "        1234|1234        |12345|",
        ),
        ("%#p %#px", &[W(0xc020_1234), W(0x12)], "0xc0201234 0x000012"),
        ("%012p", &[W(0x1234)], "000000001234"),
        // All letters and digits behind it are its own.
        ("%pZyx9.%pxyz %p", &[W(1), W(2), W(3)], "00000001.00000002 00000003"),
        ("%p_%p-%d", &[W(1), W(2), W(3)], "00000001_00000002-3"),
        ("%pr %pGg %pI6c %pOFf", &[W(1), W(2), W(3), W(4)], "00000001 00000002 00000003 00000004"),
    ]);
}

#[test]
fn names_of_addresses() {
    let (start, len) = FUNCTION;
    check(&[
        ("%pS", &[W(start + 16)], "function+0x10/0x40 [module]"),
        ("%pSR", &[W(start)], "function+0x0/0x40 [module]"),
        ("%ps", &[W(start + 16)], "function [module]"),
        ("%pS %pB", &[W(start + len), W(start + len)], "0xc0201040 function+0x40/0x40 [module]"),
        ("%pB", &[W(start)], "0xc0201000"),
        ("%pS %ps", &[NULL, W(0x123)], "0x0 0x123"),
        ("%20ps|%-20ps|", &[W(start), W(start)], "   function [module]|function [module]   |"),
        ("%.8ps|%10.3pS|", &[W(start), W(start)], "function|       fun|"),
        ("%.8pS|%4pS|", &[W(0x1234_5678), W(1)], "0x123456| 0x1|"),
    ]);
}

#[test]
fn pointers_to_something() {
    check(&[
        (
            "%pa %pap %pad",
            &[B(&[0x78, 0x56, 0x34, 0x12]), B(&[0, 0, 0, 0x40]), B(&[1, 0, 0, 0])],
            "0x12345678 0x40000000 0x00000001",
        ),
        ("%2pa", &[B(&[1, 0, 0, 0])], "0x00000001"),
        ("%*ph", &[W(3), B(&[1, 0xab, 0xff])], "01 ab ff"),
        (
            "%*phC|%*phD|%*phN",
            &[W(2), B(&[1, 2]), W(2), B(&[3, 4]), W(2), B(&[5, 6])],
            "01:02|03-04|0506",
        ),
        ("%3ph|%ph", &[B(&[1, 2, 3]), B(&[9, 8])], "01 02 03|09"),
        ("%*ph|%0ph|", &[W(0), B(&[1]), B(&[1])], "|01|"),
        ("%*phN", &[W(100), B(&[0x5a; 100])], &"5a".repeat(64)),
        (
            "%pM %pMF %pMR",
            &[B(b"\x00\x01\x02\xa0\xb0\xff"), B(b"abcdef"), B(b"abcdef")],
            "00:01:02:a0:b0:ff 61-62-63-64-65-66 66:65:64:63:62:61",
        ),
        (
            "%pm %pmR %20pM",
            &[B(b"abcdef"), B(b"abcdef"), B(b"abcdef")],
            "616263646566 666564636261    61:62:63:64:65:66",
        ),
        ("%pI4 %pi4", &[B(&[127, 0, 0, 1]), B(&[10, 200, 30, 4])], "127.0.0.1 010.200.030.004"),
        (
            "%pI4h %pI4b %pI4l %pI4n",
            &[B(&[1, 0, 0, 127]), B(&[1, 2, 3, 4]), B(&[100, 99, 10, 9]), B(&[0; 4])],
            "127.0.0.1 1.2.3.4 9.10.99.100 0.0.0.0",
        ),
        ("%16pI4|%-16pI4|", &[B(&[255; 4]), B(&[1; 4])], " 255.255.255.255|1.1.1.1         |"),
        (
            "%pUb %pUB",
            &[
                B(b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"),
                B(&[0xab; 16]),
            ],
            "00010203-0405-0607-0809-0a0b0c0d0e0f ABABABAB-ABAB-ABAB-ABAB-ABABABABABAB",
        ),
        (
            "%pUl %pUL %pU",
            &[
                B(b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"),
                B(b"\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf"),
                B(&[1; 16]),
            ],
            "03020100-0504-0706-0809-0a0b0c0d0e0f A3A2A1A0-A5A4-A7A6-A8A9-AAABACADAEAF \
             01010101-0101-0101-0101-010101010101",
        ),
        (
            "%pe %pe %pe",
            &[W(-12_i32 as u32), W(-22_i32 as u32), W(-517_i32 as u32)],
            "-ENOMEM -EINVAL -EPROBE_DEFER",
        ),
        (
            "%pe %pe %pe %pe",
            &[W(-4095_i32 as u32), W(-4096_i32 as u32), NULL, W(0xc000_0000)],
            "-4095 fffff000 00000000 c0000000",
        ),
        ("%10pe|%-10pe|", &[W(-12_i32 as u32), W(-12_i32 as u32)], "   -ENOMEM|-ENOMEM   |"),
    ]);
}

#[test]
fn pointers_to_nothing() {
    check(&[
        (
            "%s %s %s %s",
            &[NULL, NOWHERE, W(4095), W(-12_i32 as u32)],
            "(null) (efault) (efault) (efault)",
        ),
        ("%10s|%-10s|%.3s|", &[NULL, NULL, NOWHERE], "    (null)|(null)    |(ef|"),
        ("%.0s|%.0s|", &[NULL, NOWHERE], "||"),
        (
            "%pa %pad %pM %pI4 %pU",
            &[NULL, NOWHERE, NULL, NOWHERE, NULL],
            "(null) (efault) (null) (efault) (null)",
        ),
        ("%*ph|%*ph", &[W(20), NULL, W(20), NOWHERE], "(null)|(efault)"),
        ("%pV|%pV", &[NULL, NOWHERE], "(null)|(efault)"),
    ]);
}

/// Memory that ends within what is pointed to.
#[test]
fn strings_that_run_into_nothing() {
    let mut memory = Memory::new(START, b"%s|%4s|%.2s|%pM|%pa|%*ph\0");
    let at = memory.push(b"abc");
    let mut bytes = [0; 100];
    let mut buffer = Buffer::new(&mut bytes);
    format(&mut buffer, START, &mut Words(vec![at, at, at, at, at, 5, at]), &memory);
    assert_eq!(
        buffer.text().escape_ascii().to_string(),
        "abc| abc|ab|(efault)|(efault)|61 62 63 ?? ??"
    );
    // A format does not need a NUL there, either.
    let memory = Memory::new(START, b"ab%d%");
    let mut buffer = Buffer::new(&mut bytes);
    format(&mut buffer, START, &mut Words(vec![7]), &memory);
    assert_eq!(buffer.text(), b"ab7%");
    for (nowhere, words) in [(0, &b"(null)"[..]), (0x100, b"(efault)"), (START - 1, b"(efault)")] {
        let mut buffer = Buffer::new(&mut bytes);
        assert_eq!(format(&mut buffer, nowhere, &mut Words(vec![]), &memory) as usize, words.len());
        assert_eq!(buffer.text(), words);
    }
    // The last byte of all is no special one.
    let memory = Memory::new(u32::MAX - 7, b"%d, last");
    let mut buffer = Buffer::new(&mut bytes);
    // Such addresses are error numbers.
    format(&mut buffer, u32::MAX - 7, &mut Words(vec![]), &memory);
    assert_eq!(buffer.text(), b"(efault)");
}

#[test]
fn what_is_not_known_is_printed() {
    check(&[
        // Its argument is passed over.
        ("%d %n %d", &[W(1), W(2), W(3)], "1 %n 3"),
        ("%-5.3lln|%d", &[W(1), W(2)], "%-5.3lln|2"),
        // Nobody knows whose the arguments behind it are.
        ("%d %f %d %s", &[W(1), D(2), W(3), NULL], "1 %f %d %s"),
        ("%", &[], "%"),
        ("%5", &[], "%5"),
        ("%-+ #0", &[], "%-+ #0"),
        ("%ll", &[], "%ll"),
        ("%hhhd", &[W(1)], "%hhhd"),
        ("%5.1y%%", &[], "%5.1y%%"),
        ("é%é", &[], "é%é"),
    ]);
    assert_eq!(bytes(b"\xff%c%c\x01", &[W(0), W(0xfe)]), b"\xff\0\xfe\x01");
}

#[test]
fn a_format_within_a_format() {
    let mut memory = Memory::new(START, &[]);
    let string = memory.push(b"who\0");
    let inner = memory.push(b"<%s %lld>\0");
    let args = memory.push(&[string, 0, 7, 1].map(u32::to_le_bytes).concat());
    let list = memory.push(&args.to_le_bytes());
    let pair = memory.push(&[inner, list].map(u32::to_le_bytes).concat());
    let outer = memory.push(b"%d %pV %d %pV\0");
    let mut bytes = [0; 100];
    let mut buffer = Buffer::new(&mut bytes);
    format(&mut buffer, outer, &mut Words(vec![1, pair, 2, pair]), &memory);
    // The list is not used up.
    assert_eq!(buffer.text(), b"1 <who 4294967303> 2 <who 4294967303>");

    // One that is in itself.
    let format_at = memory.push(b"(%pV)\0");
    let args = memory.end().next_multiple_of(8);
    let pair = memory.push(&[args + 12, format_at, args + 12, args].map(u32::to_le_bytes).concat());
    assert_eq!(pair, args);
    let pair = memory.push(&[format_at, args + 16].map(u32::to_le_bytes).concat());
    let list = memory.push(&pair.to_le_bytes());
    let endless = memory.push(&[format_at, list].map(u32::to_le_bytes).concat());
    let mut buffer = Buffer::new(&mut bytes);
    format(&mut buffer, format_at, &mut Words(vec![endless]), &memory);
    assert!(buffer.text().starts_with(b"(("), "{:?}", buffer.text().escape_ascii().to_string());
}
